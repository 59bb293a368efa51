/** The one place that decides what time it is. All times are whole milliseconds: fractions would not add up exactly. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export interface Time {
  readonly clock: Clock.Clock
  /**
   * For ages, silences and moments that are due. Follows whichever of the Clock's two times advances more: the monotonic
   * one stands still while the machine sleeps, and the wall clock can be set. It never goes back.
   */
  readonly now: () => number
}

/** A wall clock that falls behind by less was not set back: the two times are never read at the very same moment. */
const setBack = 1000

/**
 * The monotonic time: for durations, and for what a fiber sleeps. A microsecond is more than nanoseconds since 1970 lose
 * as a double, and less than anybody notices.
 */
export const elapsed = (clock: Clock.Clock): number => Math.floor(Number(clock.unsafeCurrentTimeNanos()) / 1e6 + 0.001)

/** Begins at the time of the wall clock, which schedules of the user may go by. */
export const make = (clock: Clock.Clock): Time => {
  /** By how much the wall clock is ahead of the monotonic time; a wall clock that is set back begins anew. */
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

/** That of the fiber. */
export const current: Effect.Effect<Time> = Effect.map(Effect.clock, make)

/** Begins to measure a duration, and gives what tells how long it has been. A sleep of the machine does not count. */
export const stopwatch = (clock: Clock.Clock): () => Duration.Duration => {
  const began = elapsed(clock)
  return () => Duration.millis(elapsed(clock) - began)
}
