/** Whether a transport can be had, as far as the latest failures tell, and when to look again. Time and chance are given. */
import * as Duration from "effect/Duration"
import { canFallBack, type ConnectionError, type ResponsesError } from "../ResponsesError.ts"

/** Whether the next request would fail alike. */
const lasts: Record<ConnectionError["reason"], boolean> = {
  Unreachable: true,
  OpenTimeout: true,
  Refused: true,
  Lost: true,
  Expired: false,
  Credentials: false,
  Closed: false,
  TooLarge: false,
  QueueTimeout: false,
  FirstEventTimeout: false,
  Stalled: false,
  TurnTimeout: false,
  Overrun: false
}

/** Whether the error says that the transport itself cannot be had, and not only for this request. */
export const isOutage = (error: ResponsesError): error is ConnectionError => canFallBack(error) && lasts[error.reason]

/** In milliseconds. */
export interface Intervals {
  readonly first: number
  readonly factor: number
  readonly max: number
}

export interface Outage {
  readonly error: ConnectionError
  /** For how long nobody needs to look. */
  readonly interval: number
  readonly until: number
}

export interface Moment {
  /** In milliseconds. */
  readonly time: number
  /** From 0 up to 1. */
  readonly random: number
}

export interface Memory {
  readonly current: () => Outage | undefined
  /** Why the current outage goes on, or the last one did. */
  readonly lastError: () => ConnectionError | undefined
  /** How many outages began. */
  readonly count: () => number
  /** A request failed which began when there had been `count` outages. Gives the outage that begins with it, if one does. */
  readonly failed: (error: ConnectionError, count: number, moment: Moment) => Outage | undefined
  /** A request was opened which began when there had been `count` outages. Tells whether an outage ends with it. */
  readonly opened: (count: number) => boolean
  /** The outage goes on, unless it has ended meanwhile. */
  readonly prolong: (outage: Outage, error: ConnectionError, moment: Moment) => Outage | undefined
  /** The outage is over; `false` if it was already. The next one lasts longer all the same. */
  readonly end: (outage: Outage) => boolean
}

/** The share of an interval that chance can take off, so that many clients do not come back at once. */
const jitter = 0.2

export const make = ({ factor, first, max }: Intervals): Memory => {
  let current: Outage | undefined
  let count = 0
  let due = first
  let lastError: ConnectionError | undefined

  const hold = (error: ConnectionError, { random, time }: Moment): Outage => {
    const asked = Duration.toMillis(error.retryAfter ?? Duration.zero)
    const interval = Math.min(Math.max(Math.floor(Math.min(due, max) * (1 - jitter * random)), asked), max)
    due = Math.min(due * factor, max)
    lastError = error
    current = { error, interval, until: time + interval }
    return current
  }

  const end = (outage: Outage | undefined): boolean => {
    if (current === undefined || outage !== current) return false
    current = undefined
    return true
  }

  return {
    current: () => current,
    lastError: () => lastError,
    count: () => count,
    failed: (error, began, moment) => {
      if (current !== undefined || began !== count) return undefined
      count++
      return hold(error, moment)
    },
    opened: (began) => {
      if (began !== count) return false
      due = first
      return end(current)
    },
    prolong: (outage, error, moment) => outage === current ? hold(error, moment) : undefined,
    end
  }
}
