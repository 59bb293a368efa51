/** Tries an Effect or a Stream again. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { Retrying } from "../../ConversationEvent.ts"
import * as ResponseEvent from "../../ResponseEvent.ts"
import * as Again from "../effect/again.ts"
import type { Policy } from "./policy.ts"
import * as Tries from "./tries.ts"

/** The id of the response that the events since the latest retry are of. */
export interface Shown {
  readonly see: (event: unknown) => void
  readonly retrying: (next: Tries.Next) => Retrying
}

const idOf = (event: unknown): string | undefined =>
  Predicate.isRecord(event) ? ResponseEvent.responseId(event as unknown as ResponseEvent.ServerEvent) : undefined

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

const nextOf = <E>(tries: Tries.Tries, cause: Cause.Cause<E>): Effect.Effect<Tries.Next | undefined> =>
  Either.match(Cause.failureOrCause(cause), {
    onLeft: tries.next,
    onRight: () => Effect.succeed(undefined)
  })

/** `onRetry` is told before the delay. */
export const effect = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  policy: Policy,
  onRetry: (next: Tries.Next) => void = () => {}
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const tries = Tries.make(policy)
    const again = Effect.suspend(() => {
      const one: Again.Attempt = { state: "opening" }
      return Effect.locally(self, Again.current, one)
    })
    const attempt = (self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.catchAllCause(self, (cause) =>
        Effect.flatMap(nextOf(tries, cause), (next) => {
          if (next === undefined) return Effect.failCause(cause)
          onRetry(next)
          return Effect.zipRight(Effect.sleep(next.delay), attempt(again))
        }))
    return attempt(self)
  })

export const stream = <A, E, R>(
  self: Stream.Stream<A, E, R>,
  policy: Policy
): Stream.Stream<A | Retrying, E, R> =>
  Stream.suspend(() => {
    const tries = Tries.make(policy)
    const events = shown()

    const attempt = (one: Again.Attempt): Stream.Stream<A | Retrying, E, R> => {
      const seen = Stream.mapChunks(self, (chunk) => {
        one.state = "over"
        for (const event of chunk) events.see(event)
        return chunk
      })
      return Stream.catchAllCause(seen, (cause) =>
        Stream.unwrap(
          Effect.map(nextOf(tries, cause), (next): Stream.Stream<A | Retrying, E, R> => {
            one.state = "over"
            return next === undefined
              ? Stream.failCause(cause)
              : Stream.concat(Stream.succeed(events.retrying(next)), after(next))
          })
        ))
    }

    const after = ({ delay }: Tries.Next) =>
      Stream.unwrap(
        Effect.flatMap(Effect.sleep(delay), () => {
          const one: Again.Attempt = { state: "opening" }
          return Effect.as(FiberRef.set(Again.current, one), attempt(one))
        })
      )

    return attempt({ state: "over" })
  })
