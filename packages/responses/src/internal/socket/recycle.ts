/** When a connection is replaced by a new one, and how: the successor is opened, and made ready, before it takes over. */
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import type { ConnectionError } from "../../ResponsesError.ts"
import type { Owned, Owner, Restore } from "../effect/owner.ts"
import * as Timers from "../effect/timers.ts"
import type { Connection } from "./connection.ts"

export interface Options {
  readonly timers: Timers.Timers
  readonly owner: Owner<ConnectionError>
  /** Its first step is the age at which a connection is replaced, the further ones when to try again if that failed. */
  readonly schedule: Schedule.Schedule<unknown, unknown>
  readonly open: (restore: Restore) => Effect.Effect<Owned<Connection>, ConnectionError>
  /** Makes a successor ready before it takes over. `false`: that used it up, and a fresh one takes over as it is. */
  readonly prepare: (successor: Connection, old: Connection) => Effect.Effect<boolean>
  /** Whether a connection still takes new turns. */
  readonly serves: (connection: Connection) => boolean
  readonly onSuccessor: (successor: Owned<Connection>, old: Connection) => void
}

/** Follows the schedule for one connection. The function that this gives stops it. */
export type Recycle = (connection: Owned<Connection>) => () => void

export const make = (options: Options): Recycle => {
  const { open, owner, prepare, schedule, serves, timers } = options

  /** If no successor can be opened the old connection serves on. */
  const replace = (old: Owned<Connection>): Effect.Effect<void> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const prepared = yield* open(restore)
        const isReady = yield* restore(prepare(prepared.value, old.value)).pipe(
          Effect.onInterrupt(() => Effect.sync(() => owner.discard(prepared.scope)))
        )
        if (!isReady) owner.discard(prepared.scope)
        const successor = isReady ? prepared : yield* open(restore)
        if (serves(old.value) && successor.value.isOpen()) options.onSuccessor(successor, old.value)
        else owner.discard(successor.scope)
      })
    ).pipe(
      Effect.catchAll((error) => Effect.logDebug("The old connection serves on: no successor could be opened", error))
    )

  return (connection) => {
    let timer: Timers.Timer | undefined

    /** As `Effect.schedule` does it, but without a fiber that waits. */
    const step = (state: unknown): Effect.Effect<void> =>
      Effect.map(schedule.step(timers.time.now(), undefined, state), ([next, , decision]) => {
        if (decision._tag === "Done" || !serves(connection.value)) return
        const again = Effect.suspend(() => step(next))
        timer = Timers.timer(
          ScheduleIntervals.start(decision.intervals),
          () => owner.fork(Effect.zipRight(replace(connection), again), connection.scope)
        )
        timers.add(timer)
      })

    owner.fork(step(schedule.initial), connection.scope)
    return () => timers.remove(timer)
  }
}
