/**
 * Calls functions when they are due, with one fiber for all of them: a fiber that sleeps holds some kilobytes, and a
 * program may have thousands of connections that each wait for several things.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Finalizer from "./finalizer.ts"
import * as Heap from "./heap.ts"
import * as Time from "./time.ts"

export interface Timer extends Heap.Entry {
  readonly ring: () => void
}

/** Not before `at`, which is a time of `Time.now`. */
export const timer = (at: number, ring: () => void): Timer => ({ at: Math.ceil(at), ring, order: 0, place: -1 })

export interface Timers {
  readonly time: Time.Time
  readonly add: (timer: Timer) => void
  /** The fiber is not woken: it finds what was added meanwhile, which spares most requests a fiber of their own. */
  readonly remove: (timer: Timer | undefined) => void
}

/**
 * In milliseconds. A fiber's sleep stands still while the machine sleeps, so that this is how late it may notice, unless
 * a timer is added before. What must notice sooner adds a timer that is due sooner. It is also far below the 25 days
 * from which on `setTimeout` waits for ever.
 */
const longestSleep = 5 * 60_000

export const make: Effect.Effect<Timers, never, Scope.Scope> = Effect.gen(function*() {
  const time = yield* Time.current
  const heap: Array<Timer> = []
  let arrivals = 0
  /** By the time that fibers sleep by. */
  let wakes = Infinity
  let cancel: (() => void) | undefined
  let closed = false

  const sleep = () => {
    const first = heap[0]
    if (closed || first === undefined || first.at === Infinity) return
    const now = Time.elapsed(time.clock)
    const until = now + Math.min(Math.max(first.at - time.now(), 0), longestSleep)
    // A fiber that is past its time and was not woken is replaced.
    if (now <= wakes && wakes <= until) return
    wakes = until
    cancel?.()
    // It takes nothing of anybody's context to sleep.
    const stop = Effect.runCallback(Effect.map(time.clock.sleep(Duration.millis(until - now)), wake))
    // Unless it was over at once, and another one sleeps.
    if (wakes === until) cancel = stop
  }

  const wake = () => {
    wakes = Infinity
    cancel = undefined
    const now = time.now()
    const round = arrivals
    try {
      // What a ring adds is for the next round.
      for (let next = heap[0]; next !== undefined && next.at <= now && next.order < round; next = heap[0]) {
        Heap.remove(heap, next)
        next.ring()
      }
    } finally {
      // For those that are left: one may have thrown.
      sleep()
    }
  }

  yield* Finalizer.add(Effect.sync(() => {
    closed = true
    heap.length = 0
    cancel?.()
  }))

  return {
    time,
    add: (timer) => {
      if (closed) return
      timer.order = arrivals++
      Heap.add(heap, timer)
      sleep()
    },
    remove: (timer) => {
      if (timer !== undefined) Heap.remove(heap, timer)
    }
  }
})
