/**
 * A circuit breaker: whether the first transport is asked, and when a probe looks for it again. Pure: time and chance are
 * passed in, and the caller runs the probe.
 */
import * as Duration from "effect/Duration"
import { ConnectionError, type ResponsesError } from "../../ResponsesError.ts"
import * as Reasons from "../wire/reasons.ts"

/** In milliseconds. */
export interface Intervals {
  readonly first: number
  readonly factor: number
  readonly max: number
}

export interface Outage {
  readonly error: ConnectionError
  /** In milliseconds: how long the circuit stays open before a probe may start. */
  readonly interval: number
  readonly until: number
}

/**
 * ```
 * Closed   ──an outage begins──────────────────────────────▶ Open
 * Open     ──a request comes, after the interval───────────▶ HalfOpen
 * Open     ──a request opens───────────────────────────────▶ Closed
 * HalfOpen ──a request opens───────────────────────────────▶ Closed, and the probe is a stray one
 * HalfOpen ──the probe succeeds, or HTTP would fail too────▶ Closed
 * HalfOpen ──the probe fails───────────────────────────────▶ Open, for a longer interval
 * HalfOpen ──the probe is interrupted──────────────────────▶ Open, as before
 * ```
 *
 * - `Closed`: requests go to the first transport.
 * - `Open`: requests go to the second. Only a warm-up still goes to the first, and so may open.
 * - `HalfOpen`: the same, and a probe of the first runs.
 *
 * `hasStrayProbe`: the probe of an earlier outage still runs. Its result is ignored, and no other probe starts before it
 * has ended.
 */
export type State =
  | { readonly _tag: "Closed"; readonly hasStrayProbe: boolean }
  | { readonly _tag: "Open"; readonly outage: Outage; readonly hasStrayProbe: boolean }
  | { readonly _tag: "HalfOpen"; readonly outage: Outage }

export interface Moment {
  /** In milliseconds. */
  readonly time: number
  /** From 0 up to 1. */
  readonly random: number
}

export type ProbeResult =
  | { readonly _tag: "Succeeded" }
  /** An error that HTTP may stand in for. */
  | { readonly _tag: "Failed"; readonly error: ConnectionError; readonly moment: Moment }
  /** HTTP would fail too. The next request goes to the first transport and reports it. */
  | { readonly _tag: "Fatal" }
  | { readonly _tag: "Interrupted" }

export interface CircuitBreaker {
  /** The outage while the circuit is open or half-open. */
  readonly outage: () => Outage | undefined
  /** Why the current outage goes on, or the last one did. */
  readonly lastError: () => ConnectionError | undefined
  /** How many outages began. */
  readonly count: () => number
  /** A request failed that began after `count` outages. Gives the outage that begins with it, if one does. */
  readonly failed: (error: ResponsesError, count: number, moment: Moment) => Outage | undefined
  /** A request opened that began after `count` outages. Tells whether it closed the circuit. */
  readonly opened: (count: number) => boolean
  /** Makes an open circuit half-open if the interval is over and no probe runs. Tells whether to start a probe. */
  readonly tryProbe: (time: number) => boolean
  /** The probe has ended. Gives the state that it led to, or `undefined` if the probe was a stray one. */
  readonly probed: (result: ProbeResult) => State | undefined
}

/** How many requests in a row may stay without an answer before an outage begins. */
const maxUnanswered = 3

/** For the requests that follow, of which nothing is sent. */
const unansweredError = (count: number, last: ResponsesError): ConnectionError => {
  const because = (reason: ConnectionError["reason"]) =>
    new ConnectionError({
      reason,
      delivery: "unsent",
      description: `${count} requests in a row had no answer on the socket, the last one: ${last.description}`,
      ...last._tag === "ConnectionError" && last.closeCode !== undefined ? { closeCode: last.closeCode } : {}
    })
  const error = because(last._tag === "ConnectionError" ? last.reason : "Lost")
  return Reasons.mayHttpServe(error) ? error : because("Lost")
}

/** The share of an interval that chance can take off, so that many clients do not come back at once. */
const jitter = 0.2

export const make = ({ factor, first, max }: Intervals): CircuitBreaker => {
  let state: State = { _tag: "Closed", hasStrayProbe: false }
  let count = 0
  let lastError: ConnectionError | undefined
  /** The next interval. Only a request that opens makes it short again: a probe does not prove that requests are answered. */
  let next = first
  /** Requests without an answer since the last answer. A probe does not reset it, for the same reason. */
  let unanswered = 0

  const outageOf = (error: ConnectionError, { random, time }: Moment): Outage => {
    const asked = Duration.toMillis(error.retryAfter ?? Duration.zero)
    const interval = Math.min(Math.max(Math.floor(Math.min(next, max) * (1 - jitter * random)), asked), max)
    next = Math.min(next * factor, max)
    lastError = error
    return { error, interval, until: time + interval }
  }

  const causeOf = (error: ResponsesError): ConnectionError | undefined => {
    if (Reasons.isDown(error)) return error
    return Reasons.signOf(error) === "unanswered" && unanswered >= maxUnanswered
      ? unansweredError(unanswered, error)
      : undefined
  }

  const afterProbe = (outage: Outage, result: ProbeResult): State => {
    switch (result._tag) {
      case "Succeeded":
      case "Fatal":
        return { _tag: "Closed", hasStrayProbe: false }
      case "Failed":
        return { _tag: "Open", outage: outageOf(result.error, result.moment), hasStrayProbe: false }
      case "Interrupted":
        return { _tag: "Open", outage, hasStrayProbe: false }
    }
  }

  return {
    outage: () => state._tag === "Closed" ? undefined : state.outage,
    lastError: () => lastError,
    count: () => count,
    failed: (error, began, moment) => {
      const sign = Reasons.signOf(error)
      if (sign === "answered") unanswered = 0
      // It says nothing of what has happened since.
      if (began !== count) return undefined
      if (sign === "unanswered") unanswered++
      if (state._tag !== "Closed") return undefined
      const cause = causeOf(error)
      if (cause === undefined) return undefined
      count++
      const outage = outageOf(cause, moment)
      state = { _tag: "Open", outage, hasStrayProbe: state.hasStrayProbe }
      return outage
    },
    opened: (began) => {
      unanswered = 0
      if (began !== count) return false
      next = first
      if (state._tag === "Closed") return false
      state = { _tag: "Closed", hasStrayProbe: state._tag === "HalfOpen" || state.hasStrayProbe }
      return true
    },
    tryProbe: (time) => {
      if (state._tag !== "Open" || state.hasStrayProbe || time < state.outage.until) return false
      state = { _tag: "HalfOpen", outage: state.outage }
      return true
    },
    probed: (result) => {
      if (state._tag !== "HalfOpen") {
        state = { ...state, hasStrayProbe: false }
        return undefined
      }
      state = afterProbe(state.outage, result)
      return state
    }
  }
}
