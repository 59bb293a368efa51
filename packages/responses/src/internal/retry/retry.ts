/** Tries an Effect or a Stream again. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { Retrying } from "../../ConversationEvent.ts"
import * as ResponseEvent from "../../ResponseEvent.ts"
import type { InvalidRequest } from "../../ResponsesError.ts"
import type { RequestOptions, RetryOptions } from "../../ResponsesOptions.ts"
import * as Again from "../effect/again.ts"
import * as Policy from "./policy.ts"
import * as Tries from "./tries.ts"

/** The id of the response that the events since the latest retry are of. */
export interface Shown {
  readonly see: (event: unknown) => void
  readonly retrying: (next: Tries.Next) => Retrying
}

const idOf = (event: unknown): string | undefined =>
  Predicate.isRecord(event) ? ResponseEvent.responseId(event) : undefined

export const shown = (): Shown => {
  let responseId: string | undefined
  return {
    see: (event) => {
      responseId ??= idOf(event)
    },
    retrying: (next) => {
      const event: Retrying = { type: "conversation.retrying", ...next, responseId }
      responseId = undefined
      return event
    }
  }
}

const nextOf = <E>(tries: Tries.Tries, one: Again.Try, cause: Cause.Cause<E>): Effect.Effect<Tries.Next | undefined> =>
  Either.match(Cause.failureOrCause(cause), {
    onLeft: (failure) => tries.next(one, failure),
    onRight: () => Effect.succeed(undefined)
  })

/** `onRetry` is told before the delay. */
export const effect = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  policy: Policy.Policy,
  onRetry: (next: Tries.Next) => void = () => {}
): Effect.Effect<A, E, R> =>
  Effect.flatMap(Again.outer, (around) => {
    const tries = Tries.make(policy, around)
    const attempt: Effect.Effect<A, E, R> = Effect.suspend(() => {
      const one = tries.begin()
      return Effect.catchAllCause(Again.within(self, one), (cause) =>
        Effect.flatMap(nextOf(tries, one, cause), (next) => {
          if (next === undefined) {
            return Effect.failCause(cause)
          }
          onRetry(next)
          return Effect.zipRight(Effect.sleep(next.delay), attempt)
        }))
    })
    return attempt
  })

const stream = <A, E, R>(
  self: Stream.Stream<A, E, R>,
  policy: Policy.Policy
): Stream.Stream<A | Retrying, E, R> => {
  const from = (around: Again.Try | undefined) => {
    const tries = Tries.make(policy, around)
    const events = shown()

    const attempt: Effect.Effect<Stream.Stream<A | Retrying, E, R>> = Effect.suspend(() => {
      const one = tries.begin()
      const seen = Stream.mapChunks(self, (chunk) => {
        one.state = "over"
        for (const event of chunk) events.see(event)
        return chunk
      })
      const whole = Stream.catchAllCause(seen, (cause) =>
        Stream.unwrap(
          Effect.map(nextOf(tries, one, cause), (next): Stream.Stream<A | Retrying, E, R> =>
            next === undefined ? Stream.failCause(cause) : Stream.concat(
              Stream.succeed(events.retrying(next)),
              Stream.unwrap(Effect.zipRight(Effect.sleep(next.delay), attempt))
            ))
        ))
      return Effect.as(Again.begin(one), whole)
    })
    return attempt
  }
  return Stream.unwrap(Effect.flatMap(Again.outer, from))
}

/** The options are checked when the stream is run. */
export const asked = <A, E, R>(
  self: Stream.Stream<A, E, R>,
  options: RetryOptions
): Stream.Stream<A | Retrying, E | InvalidRequest, R> =>
  Stream.unwrap(Effect.map(Policy.check(options), (policy) => stream(self, policy)))

/** As the options of a request say. `self` is given those that are for transports. */
export const requested = <A, E, R>(
  options: RequestOptions | undefined,
  self: (options: RequestOptions | undefined) => Effect.Effect<A, E, R>,
  onRetry?: (next: Tries.Next) => void
): Effect.Effect<A, E | InvalidRequest, R> => {
  if (options?.retry === undefined) return self(options)
  const { retry, ...others } = options
  return retry === false
    ? self(others)
    : Effect.flatMap(Policy.check(retry), (policy) => effect(self(others), policy, onRetry))
}
