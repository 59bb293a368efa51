/**
 * Calls functions at times of the Clock, with one fiber for all of them: a fiber that sleeps holds some kilobytes, and a
 * program may have thousands of connections that each wait for several things.
 */
import type * as Clock from "effect/Clock"
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
  /** Of those who make it: whoever uses it may have another one. */
  readonly clock: Clock.Clock
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
  let closed = false

  const now = () => clock.unsafeCurrentTimeMillis()

  const remove: Alarm["remove"] = (timed) => {
    all = all.filter((one) => one !== timed)
  }

  const sleep = () => {
    if (closed) return
    const until = Math.min(wakes, ...all.map(({ at }) => at))
    // A fiber sleeps on where the clock has passed its time meanwhile, as that of a computer that was asleep has.
    if (until === wakes && until > now()) return
    wakes = until
    cancel?.()
    // It takes nothing of anybody's context to sleep.
    const stop = Effect.runCallback(Effect.map(clock.sleep(Duration.millis(until - now())), wake))
    // Unless it was over at once, and another one sleeps.
    if (wakes === until) cancel = stop
  }

  const wake = () => {
    wakes = Infinity
    cancel = undefined
    const due = all.filter(({ at }) => at <= now()).toSorted((one, other) => one.at - other.at)
    try {
      for (const timed of due) {
        // One that rings may have removed others.
        if (!all.includes(timed)) continue
        remove(timed)
        timed.ring()
      }
    } finally {
      // Wakes up again for those that are left where one has thrown.
      sleep()
    }
  }

  yield* Finalizer.add(Effect.sync(() => {
    closed = true
    all = []
    cancel?.()
  }))

  return {
    clock,
    now,
    add: (timed) => {
      all = all.concat(timed)
      sleep()
    },
    remove
  }
})
