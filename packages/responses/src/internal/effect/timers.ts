/**
 * Calls functions when they are due, with one fiber for all of them. `Effect.delay`, `FiberMap` and `Schedule` take a fiber
 * for each: a fiber that sleeps holds some kilobytes, and a program may have thousands of connections that each wait for
 * several things.
 *
 * ```
 * no timer ─ add ─→ sleeping ─ due, or longestSleep is over ─→ ringing ─→ sleeping, or no timer
 * ```
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

/** `at` is a time of `Time.now`. The function is not called before it. */
export const timer = (at: number, ring: () => void): Timer => ({ at: Math.ceil(at), ring, order: 0, place: -1 })

export interface Timers {
  readonly time: Time.Time
  readonly add: (timer: Timer) => void
  /**
   * Does not wake the fiber, which finds the timer gone when its time has come. A request that follows soon is in time for
   * the same sleep, so that most requests start no fiber.
   */
  readonly remove: (timer: Timer | undefined) => void
}

/**
 * In milliseconds. The sleep of a fiber does not go on while the machine sleeps: after that a timer may ring so much too
 * late, unless another one is added before. The limit is also far below the 25 days from which on Effect's Clock sleeps
 * for ever.
 */
const longestSleep = 5 * 60_000

export const make: Effect.Effect<Timers, never, Scope.Scope> = Effect.gen(function*() {
  const time = yield* Time.current
  const heap: Array<Timer> = []
  let arrivals = 0
  /** When the fiber wakes, in monotonic time. */
  let wakes = Infinity
  let cancel: (() => void) | undefined
  let closed = false

  const sleep = () => {
    const first = heap[0]
    if (closed || first === undefined || first.at === Infinity) return
    const now = Time.elapsed(time.clock)
    const until = now + Math.min(Math.max(first.at - time.now(), 0), longestSleep)
    // A fiber that should have woken and has not is replaced.
    if (now <= wakes && wakes <= until) return
    wakes = until
    cancel?.()
    // A sleep needs nothing of a context.
    const stop = Effect.runCallback(Effect.map(time.clock.sleep(Duration.millis(until - now)), wake))
    // A sleep that was over at once has started the next one already.
    if (wakes === until) cancel = stop
  }

  const wake = () => {
    wakes = Infinity
    cancel = undefined
    const now = time.now()
    const round = arrivals
    try {
      // A timer that a ring adds waits for the next round, due or not.
      for (let next = heap[0]; next !== undefined && next.at <= now && next.order < round; next = heap[0]) {
        Heap.remove(heap, next)
        next.ring()
      }
    } finally {
      // A ring may have thrown: the other timers stay in use.
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
