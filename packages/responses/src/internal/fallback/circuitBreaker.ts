/** Whether a transport can be had, as far as the latest failures tell, and when to look again. Time and chance are given. */
import * as Duration from "effect/Duration"
import { canFallBack, ConnectionError, type MalformedEvent, type ResponsesError } from "../../ResponsesError.ts"

type Unanswered = ConnectionError | MalformedEvent

/** What the failure of a request says of its transport. */
type Sign =
  /** It cannot be had, and the next request would fail alike. */
  | { readonly _tag: "Down"; readonly error: ConnectionError }
  /** It can be had, and the server did not begin to answer. Once, that can be chance. */
  | { readonly _tag: "Unanswered"; readonly error: Unanswered }
  /** It serves, and the failure is the server's answer. */
  | { readonly _tag: "Answered" }
  | { readonly _tag: "None" }

const tagOfReason: Readonly<Record<ConnectionError["reason"], Sign["_tag"]>> = {
  Unreachable: "Down",
  OpenTimeout: "Down",
  Refused: "Down",
  Lost: "Down",
  Expired: "Answered",
  Credentials: "None",
  Closed: "None",
  TooLarge: "None",
  QueueTimeout: "None",
  FirstEventTimeout: "Unanswered",
  Stalled: "Unanswered",
  TurnTimeout: "Unanswered",
  Overrun: "Answered"
}

const tagOf = (error: ConnectionError): Sign["_tag"] => {
  if (error.delivery === "partial") return "Answered"
  const tag = tagOfReason[error.reason]
  if (tag !== "Down") return tag
  if (error.delivery === "unacknowledged") return "Unanswered"
  return canFallBack(error) ? "Down" : "None"
}

/** Of a request that failed before its response began. */
const signOf = (error: ResponsesError): Sign => {
  switch (error._tag) {
    case "InvalidRequest":
      return { _tag: "None" }
    case "PreviousResponseNotFound":
    case "ResponseFailed":
      return { _tag: "Answered" }
    case "MalformedEvent":
      return { _tag: "Unanswered", error }
    case "ConnectionError":
      return { _tag: tagOf(error), error }
  }
}

/** How many requests in a row may stay without an answer before the transport counts as down. */
const maxUnanswered = 3

/** For the requests after it, of which nothing was sent. */
const unansweredError = (count: number, last: Unanswered): ConnectionError =>
  new ConnectionError({
    reason: last._tag === "MalformedEvent" || last.reason === "TurnTimeout" ? "Lost" : last.reason,
    delivery: "unsent",
    description: `${count} requests in a row had no answer on the socket, the last one: ${last.description}`,
    ...last._tag === "ConnectionError" && last.closeCode !== undefined ? { closeCode: last.closeCode } : {}
  })

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
  readonly failed: (error: ResponsesError, count: number, moment: Moment) => Outage | undefined
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
  /** Requests without an answer since the last answer. An outage that a probe ends leaves it: one more begins the next. */
  let unanswered = 0

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

  const cause = (sign: Sign): ConnectionError | undefined => {
    if (sign._tag === "Down") return sign.error
    return sign._tag === "Unanswered" && unanswered >= maxUnanswered
      ? unansweredError(unanswered, sign.error)
      : undefined
  }

  return {
    current: () => current,
    lastError: () => lastError,
    count: () => count,
    failed: (error, began, moment) => {
      const sign = signOf(error)
      if (sign._tag === "Answered") unanswered = 0
      if (began !== count) return undefined
      if (sign._tag === "Unanswered") unanswered++
      const why = current === undefined ? cause(sign) : undefined
      if (why === undefined) return undefined
      count++
      return hold(why, moment)
    },
    opened: (began) => {
      unanswered = 0
      if (began !== count) return false
      due = first
      return end(current)
    },
    prolong: (outage, error, moment) => outage === current ? hold(error, moment) : undefined,
    end
  }
}
