/**
 * Which calls of a round run, and when. One that needs an approval is held, and waits for it beside the others without taking
 * a place of theirs. When nothing runs any more the waits end: the round stops there.
 */
import * as Effect from "effect/Effect"
import type { Approvals } from "./approvals.ts"
import type * as Round from "./round.ts"

export interface Options<E, E2, R2> {
  readonly approvals: Approvals<E>
  /** How many calls the round has. */
  readonly size: number
  readonly concurrency: number | undefined
  /** Writes down that a call is held if it needs an approval. `false`: it was answered instead. */
  readonly ask: (pending: Round.Pending) => Effect.Effect<boolean, E2, R2>
  /** The call as it is now; `undefined` if it has its output. */
  readonly now: (pending: Round.Pending) => Round.Pending | undefined
  /** Runs the call. */
  readonly run: (pending: Round.Pending) => Effect.Effect<void, E2, R2>
  /** The call was rejected while it waited. */
  readonly onRejected: (pending: Round.Pending) => void
}

/** Gives what becomes of one call. Each call of the round is to be given to it, all at once. */
export const make = <E, E2, R2>(
  { approvals, ask, concurrency, now, onRejected, run, size }: Options<E, E2, R2>
): (pending: Round.Pending) => Effect.Effect<void, E2, R2> => {
  let running = size
  const stop = (): void => {
    if (--running === 0) approvals.release()
  }
  const places = concurrency === undefined ? undefined : Effect.unsafeMakeSemaphore(concurrency)
  const inPlace = (pending: Round.Pending) => places === undefined ? run(pending) : places.withPermits(1)(run(pending))

  const wait = ({ call }: Round.Pending): Effect.Effect<void> =>
    Effect.suspend(() => {
      stop()
      return Effect.ensuring(approvals.wait(call.call_id, () => running <= 0), Effect.sync(() => running++))
    })

  return (pending) =>
    Effect.gen(function*() {
      if (!(yield* ask(pending))) return
      if (now(pending)?.approval === "held") yield* wait(pending)
      const decided = now(pending)
      if (decided === undefined) return onRejected(pending)
      if (decided.approval !== "held") yield* inPlace(decided)
    }).pipe(Effect.ensuring(Effect.sync(stop)))
}
