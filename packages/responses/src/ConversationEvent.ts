/**
 * Events of the library's own, beside those of the server. They have the same discriminator, `type`, and begin with
 * `conversation.`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type { ConnectionError, ResponseFailed } from "./ResponsesError.ts"

/**
 * A request has failed and is asked again after `delay`. What was shown of its response is void: the next response begins anew.
 * Comes for each retry, also where nothing was shown. Responses that have ended are not concerned.
 *
 * @example
 * ```ts
 * import { Stream } from "effect"
 * import { Responses } from "effect-responses"
 *
 * export const text = Responses.stream(
 *   { model: "gpt-5.5", input: "A poem, please." },
 *   { retry: { delivery: "partial" } }
 * ).pipe(
 *   Stream.runFold("", (text, event) => {
 *     switch (event.type) {
 *       case "response.output_text.delta":
 *         return text + event.delta
 *       case "conversation.retrying":
 *         return ""
 *       default:
 *         return text
 *     }
 *   })
 * )
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export interface Retrying {
  readonly type: "conversation.retrying"
  /** 1 for the first retry of the request. */
  readonly attempt: number
  /** From now until the request is asked again. */
  readonly delay: Duration.Duration
  readonly error: ConnectionError | ResponseFailed
  /** Of the response that is void. `undefined`: none had begun, or the server had not named it. */
  readonly responseId: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type ConversationEvent = Retrying
