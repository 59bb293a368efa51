/**
 * How other servers spell the same responses. A client must read them alike, so a test can have the server speak like one of
 * them. The model, the contexts and what is remembered stay the same: only the frames differ.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 * @category models
 */
export interface Dialect {
  /** Whether `response.created`, `response.queued` and `response.in_progress` are sent. Default: `true` */
  readonly announces?: boolean | undefined
  /** `one`: every response has the same id. Default: `each` */
  readonly ids?: "each" | "one" | undefined
  /**
   * What the last event lists: the whole output, the output without its last item if it has several (`thin`), or none of it
   * (`empty`). Default: `whole`
   */
  readonly ends?: "whole" | "thin" | "empty" | undefined
  /** Each call comes twice, under two item ids and one `call_id`. Default: `false` */
  readonly doublesCalls?: boolean | undefined
  /** Reasoning has another ciphertext in the last event than in its own events. Default: `false` */
  readonly encryptsAnew?: boolean | undefined
}
