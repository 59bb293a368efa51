/**
 * A clock that goes on only as this process gets to run. A machine that is busy with other things makes everything take longer, and
 * must not make a limit pass that is there for a silent server.
 */
import * as EffectClock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** In milliseconds. One turn of the event loop counts for no more, however long it took. */
const most = 10

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

const sleepUntil = (sleepers: Set<Sleeper>, at: number) =>
  Effect.async<void>((resume) => {
    const sleeper: Sleeper = { at, wake: () => resume(Effect.void) }
    sleepers.add(sleeper)
    return Effect.sync(() => sleepers.delete(sleeper))
  })

/** Ticks until the scope is closed. */
export const make: Effect.Effect<EffectClock.Clock, never, Scope.Scope> = Effect.gen(function*() {
  const sleepers = new Set<Sleeper>()
  let millis = Date.now()
  let looked = performance.now()
  const tick = () => {
    const now = performance.now()
    millis += Math.min(now - looked, most)
    looked = now
    const due = [...sleepers].filter(({ at }) => at <= millis).toSorted((one, other) => one.at - other.at)
    for (const sleeper of due) {
      sleepers.delete(sleeper)
      sleeper.wake()
    }
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => setInterval(tick, 1)),
    (timer) => Effect.sync(() => clearInterval(timer))
  )

  const nanos = () => BigInt(Math.round(millis * 1000)) * 1000n
  return {
    [EffectClock.ClockTypeId]: EffectClock.ClockTypeId,
    unsafeCurrentTimeMillis: () => millis,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(() => millis),
    currentTimeNanos: Effect.sync(nanos),
    sleep: (duration) => Effect.suspend(() => sleepUntil(sleepers, millis + Duration.toMillis(duration)))
  }
})
