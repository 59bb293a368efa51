/**
 * Decides what time it is. All times are whole milliseconds: sums of fractions are not exact.
 *
 * Effect's `Clock` and `DateTime` have a wall clock and a monotonic time, and none that counts a sleep of the machine and
 * is not changed when the wall clock is set. `Effect.timed` measures one effect, and nothing before its end.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export interface Time {
  readonly clock: Clock.Clock
  /**
   * For ages, silences and moments that are due. It never goes back. It advances with the one of the Clock's two times that
   * advances more: the monotonic time stops while the machine sleeps, and the wall clock can be set.
   */
  readonly now: () => number
}

/** In milliseconds. The two times are not read in the same moment: a smaller difference is no sign of a clock set back. */
const setBack = 1000

/**
 * The monotonic time, for durations and for the sleep of a fiber. Nanoseconds since 1970 lose less than a microsecond as a
 * double: with a microsecond added, a whole millisecond is not rounded down to the one before.
 */
export const elapsed = (clock: Clock.Clock): number => Math.floor(Number(clock.unsafeCurrentTimeNanos()) / 1e6 + 0.001)

/** Begins at the time of the wall clock: a schedule of the user may depend on it. */
export const make = (clock: Clock.Clock): Time => {
  /** By how much the wall clock is ahead of the monotonic time. */
  const difference = (monotonic: number) => Math.floor(clock.unsafeCurrentTimeMillis()) - monotonic
  let last = elapsed(clock)
  let known = difference(last)
  let ahead = known

  return {
    clock,
    now: () => {
      const monotonic = elapsed(clock)
      // Where there is no monotonic clock, Effect takes the wall clock for both.
      if (monotonic < last) ahead += last - monotonic
      last = monotonic
      const found = difference(monotonic)
      if (found > known) ahead += found - known
      if (found > known || known - found >= setBack) known = found
      return monotonic + ahead
    }
  }
}

/** The time of the fiber's Clock. */
export const current: Effect.Effect<Time> = Effect.map(Effect.clock, make)

/** Starts to measure. The function gives the duration since then, in which a sleep of the machine does not count. */
export const stopwatch = (clock: Clock.Clock): () => Duration.Duration => {
  const began = elapsed(clock)
  return () => Duration.millis(elapsed(clock) - began)
}
