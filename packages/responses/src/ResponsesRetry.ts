/**
 * Asks again where that may help.
 *
 * @since 0.1.0
 */
// @effect-diagnostics anyUnknownInErrorContext:off
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Retrying } from "./ConversationEvent.ts"
import * as Policy from "./internal/retry/policy.ts"
import * as Retry from "./internal/retry/retry.ts"
import type { InvalidRequest } from "./ResponsesError.ts"
import type { RetryOptions } from "./ResponsesOptions.ts"

/**
 * What `retry` makes of an Effect or a Stream.
 *
 * @since 0.1.0
 * @category models
 */
export type Retried<S> = S extends Effect.Effect<infer A, infer E, infer R> ? Effect.Effect<A, E | InvalidRequest, R>
  : S extends Stream.Stream<infer A, infer E, infer R> ? Stream.Stream<A | Retrying, E | InvalidRequest, R>
  : never

/**
 * Asks again where that may help: after errors that are `retryable` and `unsent`, and after rate limits and overload before any
 * output, three times, after about 0.5, 1 and 2 seconds, or when the server says (`retryAfter`). What may have run is
 * never asked again unless `delivery` says so. Fails with the last error, and with `InvalidRequest` for a wrong option.
 *
 * Takes what asks one request: an Effect such as `create`, or a Stream, and not a `run` or `ask` of a `Conversation`: that has
 * the option `retry`, and after a failure it is resumed, not asked again. A Stream gets an event `conversation.retrying` before
 * each further try, as what was shown of the response is void then.
 *
 * Levels do not multiply. What the Layer tries by itself (`reconnect` to open a connection, `repeat` on another one) it does
 * within the first try only, so that `times: 3` is at the most three requests, and three dials, more. What one `retry` has
 * given up, another one around it does not try again. An HTTP client that retries by itself is not known here: leave that out.
 *
 * @example
 * ```ts
 * import { Responses } from "effect-responses"
 *
 * export const title = Responses.create({ model: "gpt-5.5", input: "A title, please." }).pipe(Responses.retry())
 *
 * // Also where the connection was lost in the middle.
 * export const events = Responses.stream({ model: "gpt-5.5", input: "A poem, please." }).pipe(
 *   Responses.retry({ times: 5, delivery: "partial", maxDelay: "10 seconds" })
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const retry =
  (options: RetryOptions = {}) =>
  <S extends Effect.Effect<unknown, unknown, unknown> | Stream.Stream<unknown, unknown, unknown>>(
    self: S
  ): Retried<S> => {
    const made = isEffect(self)
      ? Effect.flatMap(Policy.check(options), (policy) => Retry.effect(self, policy))
      : Retry.asked(self, options)
    // No overload would do: `pipe` looks at the last one only.
    return made as Retried<S>
  }

/** An Effect has the type of a Stream, too. */
const isEffect = (
  self: Effect.Effect<unknown, unknown, unknown> | Stream.Stream<unknown, unknown, unknown>
): self is Effect.Effect<unknown, unknown, unknown> => Effect.isEffect(self)
