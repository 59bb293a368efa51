/** How a caller listens: to the end, slowly, for a while, or until it is interrupted. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { eventLoopTurn } from "./eventLoop.ts"
import type { Traits } from "./layers.ts"
import type { Key, Plan } from "./plan.ts"
import type { Attempt, Referee } from "./referee.ts"

/** How long a caller looks at a server that has gone silent. */
const patience = "60 millis"

/** Nothing takes this long. */
const tooLong = "120 seconds"

/** Events of the library's own have no number. */
interface Numbered {
  readonly type: string
  readonly sequence_number?: number | undefined
}

export const listening =
  ({ conduct }: Plan, attempt: Attempt) =>
  <A extends Numbered, E, R>(events: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> => {
    switch (conduct._tag) {
      case "Listen":
        return conduct.slow
          ? Stream.tap(
            Stream.rechunk(events, 16),
            (event) =>
              "sequence_number" in event && Number(event.sequence_number) % 16 !== 0 ? Effect.void : eventLoopTurn
          )
          : events
      case "Leave":
        return Stream.concat(
          Stream.take(events, conduct.events),
          Stream.execute(Effect.sync(() => {
            attempt.gaveUp ??= "left"
          }))
        )
      case "Interrupt":
        return events
    }
  }

/** Runs what a caller does for one answer; `undefined` where there is none in the end. */
export const perform = <A, E, R>(
  referee: Referee,
  key: Key,
  plan: Plan,
  { watch }: Pick<Traits, "watch">,
  act: (attempt: Attempt) => Effect.Effect<A, E, R>
): Effect.Effect<Exit.Exit<A, E> | undefined, never, R> =>
  Effect.suspend(() => {
    const { conduct } = plan
    const attempt = referee.begin(key, conduct)
    const giveUp = (why: "interrupted" | "limit") =>
      Effect.sync(() => {
        attempt.gaveUp ??= why
      })
    const atLimit = watch !== undefined ? Effect.never : Deferred.await(attempt.silent).pipe(
      Effect.zipRight(Effect.sleep(patience)),
      Effect.zipRight(giveUp("limit"))
    )
    const acting = conduct._tag === "Interrupt"
      ? Effect.flatMap(Effect.fork(act(attempt)), (fiber) =>
        eventLoopTurn.pipe(
          Effect.repeatN(conduct.turns),
          Effect.zipRight(giveUp("interrupted")),
          Effect.zipRight(Fiber.interrupt(fiber)),
          Effect.flatten
        ))
      : act(attempt)
    return Effect.exit(acting).pipe(
      Effect.raceFirst(Effect.as(atLimit, undefined)),
      Effect.disconnect,
      Effect.timeoutTo({
        duration: tooLong,
        onSuccess: (exit) => exit,
        onTimeout: () => {
          referee.report(key, "", "hung")
          return undefined
        }
      }),
      Effect.ensuring(Effect.sync(() => referee.finish(key)))
    )
  })
