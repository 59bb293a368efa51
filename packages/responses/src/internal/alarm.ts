/**
 * Calls functions at times of the Clock, with one fiber for all of them: a fiber that sleeps holds some kilobytes, and a
 * program may have thousands of connections that each wait for several things.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Finalizer from "./finalizer.ts"

export interface Timed {
  /** In milliseconds of the Clock. */
  readonly at: number
  readonly ring: () => void
}

export interface Alarm {
  readonly now: () => number
  readonly add: (timed: Timed) => void
  /** The fiber wakes up for nothing then, or finds what was added meanwhile: most requests are spared one of their own. */
  readonly remove: (timed: Timed | undefined) => void
}

export const make: Effect.Effect<Alarm, never, Scope.Scope> = Effect.gen(function*() {
  const clock = yield* Effect.clock
  let all: ReadonlyArray<Timed> = []
  let wakes = Infinity
  let cancel: (() => void) | undefined

  const now = () => clock.unsafeCurrentTimeMillis()

  const sleep = () => {
    const until = Math.min(wakes, ...all.map(({ at }) => at))
    if (until === wakes) return
    wakes = until
    cancel?.()
    // It takes nothing of anybody's context to sleep.
    const stop = Effect.runCallback(Effect.map(clock.sleep(Duration.millis(until - now())), wake))
    // Unless it was over at once, and another one sleeps.
    if (wakes === until) cancel = stop
  }

  const wake = () => {
    const due = all.filter(({ at }) => at <= now())
    all = all.filter((timed) => !due.includes(timed))
    wakes = Infinity
    cancel = undefined
    try {
      for (const { ring } of due) ring()
    } finally {
      sleep()
    }
  }

  yield* Finalizer.add(Effect.sync(() => cancel?.()))

  return {
    now,
    add: (timed) => {
      all = all.concat(timed)
      sleep()
    },
    remove: (timed) => {
      all = all.filter((one) => one !== timed)
    }
  }
})
