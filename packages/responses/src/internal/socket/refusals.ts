/** For how long deltas are not tried, after the server has refused several in a row. The time is given. */

export interface Refusals {
  /** Whether everything travels for now. */
  readonly isPaused: () => boolean
  /** A delta was refused, and the same request succeeded in full. */
  readonly refused: () => void
  readonly accepted: () => void
}

/** One refusal may be a restart or a load balancer. */
const inRow = 2

/** In milliseconds. Each pause costs one refused delta at its end, if the server still refuses. */
const pauses = { first: 60_000, max: 3_600_000 }

export const make = (now: () => number): Refusals => {
  let count = 0
  let until = -Infinity
  let pause = pauses.first

  return {
    isPaused: () => count >= inRow && now() < until,
    refused: () => {
      count++
      if (count < inRow) return
      until = now() + pause
      pause = Math.min(pause * 2, pauses.max)
    },
    accepted: () => {
      count = 0
      pause = Math.max(pause / 2, pauses.first)
    }
  }
}
