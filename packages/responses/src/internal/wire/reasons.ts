/**
 * What a failure means for its request and its transport: one table over every `reason` of a `ConnectionError` and every
 * other failure, and the questions that are asked of it. A reason or a failure without a row does not compile where it is
 * asked about.
 */
import * as ErrorTable from "./errorTable.ts"

/** Delivery of a failed request, as in `ResponsesError`. */
type Delivery = "unsent" | "unacknowledged" | "partial"

/** What a failure that came before the response began says of the transport. */
export type Sign =
  /** The transport cannot be had, and the next request would fail in the same way. */
  | "down"
  /** The transport took the request and the server did not begin to answer. Once, that can be chance. */
  | "unanswered"
  /** The transport works: the failure is an answer of the server, or came after one. */
  | "answered"
  /** The failure says nothing of the transport. */
  | "none"

/** The parts of a failure that a condition may look at. */
interface Details {
  readonly delivery?: Delivery
  readonly status?: number | undefined
  readonly code?: string | undefined
  readonly description: string
  readonly retryable?: boolean
}

interface Facts {
  readonly failure: Details
  readonly delivery: Delivery
  /** The verdict of the column `callers`. */
  readonly isCallers: boolean
  /** Up to which delivery the socket's owner lets a request be sent twice. */
  readonly repeat: Delivery
}

/** A cell: the verdict, or the condition that it depends on. */
type Rule<V> = V | ((facts: Facts) => V)

interface Row {
  /** May HTTP serve the request? */
  readonly http: Rule<boolean>
  /** Does the failure count towards an outage of the transport? */
  readonly outage: Rule<Sign>
  /** May another connection of the same transport repeat the request? */
  readonly repeat: Rule<boolean>
  /** It happened while a connection was opened: may opening be tried again, with the same key? */
  readonly redial: Rule<boolean>
  /** Can the very same request succeed when it is asked again? Not asked of a `ResponseFailed`, which knows by itself. */
  readonly later: Rule<boolean>
  /** Is it the caller's: a mistake, a limit or a decision that is the same on every transport and connection? */
  readonly callers: boolean | ((failure: Details) => boolean)
}

/** The key is refused. */
const isUnauthorized = ({ status }: Details): boolean => status === 401

/** The key is refused, or may not do this. Every transport sends the same key. */
const ifDenied = (failure: Details): boolean => isUnauthorized(failure) || failure.status === 403

const unlessRetryable = ({ retryable }: Details): boolean => retryable !== true

const ifUnsent = ({ delivery, isCallers }: Facts): boolean => delivery === "unsent" && !isCallers

const ifRepeatAllows = ({ delivery, repeat }: Facts): boolean => delivery === "unsent" || delivery === repeat

/** A refusal that the server takes back by itself: overload, rate limit, a fault of the server's. */
const ifPassing = ({ failure: { code, description, status } }: Facts): boolean =>
  ErrorTable.judge({ names: [code], status, text: description }).verdict === "passing"

const unlessDenied = ({ failure }: Facts): boolean => !ifDenied(failure)

const ifPassingAndAllowed = (facts: Facts): boolean => ifPassing(facts) && unlessDenied(facts)

/** Output proves that the server answers. */
const unlessOutput = (sign: Sign) => ({ delivery }: Facts): Sign => delivery === "partial" ? "answered" : sign

/** The connection failed. What that says depends on whether the server had the request. */
const byDelivery = ({ delivery, isCallers }: Facts): Sign => {
  switch (delivery) {
    case "unsent":
      return isCallers ? "none" : "down"
    case "unacknowledged":
      return "unanswered"
    case "partial":
      return "answered"
  }
}

/** Only a failed connection can be replaced by another one, or by HTTP. */
interface NotOfConnection extends Row {
  readonly http: false
  readonly outage: Exclude<Sign, "down">
  readonly repeat: false
  readonly redial: false
  readonly later: false
}

type OtherTag = "InvalidRequest" | "PreviousResponseNotFound" | "ResponseFailed" | "MalformedEvent"

const notOfConnection = { http: false, repeat: false, redial: false, later: false } as const

const silent = unlessOutput("unanswered")
const unrelated = unlessOutput("none")

const table = {
  Credentials: { http: false, outage: unrelated, repeat: false, redial: false, later: false, callers: true },
  Unreachable: {
    http: ifUnsent,
    outage: byDelivery,
    repeat: false,
    redial: true,
    later: unlessDenied,
    callers: ifDenied
  },
  // Not dialled again: the time-out has already cost enough.
  OpenTimeout: {
    http: ifUnsent,
    outage: byDelivery,
    repeat: false,
    redial: false,
    later: unlessDenied,
    callers: ifDenied
  },
  Refused: {
    http: ifUnsent,
    outage: byDelivery,
    repeat: false,
    redial: ifPassing,
    later: ifPassingAndAllowed,
    callers: ifDenied
  },
  Lost: {
    http: ifUnsent,
    outage: byDelivery,
    repeat: ifRepeatAllows,
    redial: false,
    later: unlessDenied,
    callers: ifDenied
  },
  // The server itself ends the connection, so it answers.
  Expired: {
    http: ifUnsent,
    outage: "answered",
    repeat: ifRepeatAllows,
    redial: false,
    later: unlessDenied,
    callers: ifDenied
  },
  Closed: { http: false, outage: unrelated, repeat: false, redial: false, later: false, callers: true },
  TooLarge: { http: ifUnsent, outage: unrelated, repeat: false, redial: false, later: false, callers: ifDenied },
  QueueTimeout: {
    http: ifUnsent,
    outage: unrelated,
    repeat: false,
    redial: false,
    later: unlessDenied,
    callers: ifDenied
  },
  QueueFull: {
    http: ifUnsent,
    outage: unrelated,
    repeat: false,
    redial: false,
    later: unlessDenied,
    callers: ifDenied
  },
  NoRoom: { http: ifUnsent, outage: unrelated, repeat: false, redial: false, later: false, callers: ifDenied },
  FirstEventTimeout: {
    http: ifUnsent,
    outage: silent,
    repeat: ifRepeatAllows,
    redial: false,
    later: unlessDenied,
    callers: ifDenied
  },
  Stalled: {
    http: ifUnsent,
    outage: silent,
    repeat: ifRepeatAllows,
    redial: false,
    later: unlessDenied,
    callers: ifDenied
  },
  // The limit holds on every transport. That the server did not begin within it counts all the same.
  TurnTimeout: { http: false, outage: silent, repeat: false, redial: false, later: false, callers: true },
  Overrun: { http: false, outage: "answered", repeat: false, redial: false, later: false, callers: true },
  InvalidRequest: { ...notOfConnection, outage: "none", callers: true },
  PreviousResponseNotFound: { ...notOfConnection, outage: "answered", callers: true },
  ResponseFailed: { ...notOfConnection, outage: "answered", callers: unlessRetryable },
  MalformedEvent: { ...notOfConnection, outage: "unanswered", callers: false }
} satisfies Readonly<Record<string, Row>> & Readonly<Record<OtherTag, NotOfConnection>>

export type Reason = Exclude<keyof typeof table, OtherTag>

interface OfReason extends Details {
  readonly _tag: "ConnectionError"
  readonly reason: Reason
  readonly delivery: Delivery
}

interface OfTag extends Details {
  readonly _tag: OtherTag
}

/** A `ResponsesError`, as far as it is judged. */
type Failure = OfReason | OfTag

const rowOf = (failure: Failure): Row => table[failure._tag === "ConnectionError" ? failure.reason : failure._tag]

/** A failure without a `delivery` is known before the request is run. */
const deliveryOf = (failure: Failure): Delivery => failure.delivery ?? "unsent"

export const isUnsent = (failure: Failure): boolean => deliveryOf(failure) === "unsent"

export const isCallers = (failure: Failure): boolean => {
  const { callers } = rowOf(failure)
  return typeof callers === "boolean" ? callers : callers(failure)
}

const decide = <V extends string | boolean>(rule: Rule<V>, failure: Failure, repeat: Delivery = "unsent"): V =>
  typeof rule === "function"
    ? rule({ failure, delivery: deliveryOf(failure), isCallers: isCallers(failure), repeat })
    : rule

export const mayHttpServe = <E extends Failure>(failure: E): failure is Extract<E, OfReason> =>
  decide(rowOf(failure).http, failure)

export const signOf = (failure: Failure): Sign => decide(rowOf(failure).outage, failure)

export const isDown = <E extends Failure>(failure: E): failure is Extract<E, OfReason> => signOf(failure) === "down"

/** `repeat`: up to which delivery a request may be sent twice. `none`: never. */
export const mayRepeat =
  (repeat: "none" | "unsent" | "unacknowledged") => <E extends Failure>(failure: E): failure is Extract<E, OfReason> =>
    repeat !== "none" && decide(rowOf(failure).repeat, failure, repeat)

export const mayRedial = (failure: Failure): boolean => decide(rowOf(failure).redial, failure)

/** The very same request can succeed later. */
export const isPassing = (failure: OfReason): boolean => decide(rowOf(failure).later, failure)

/** The key may have been replaced since it was asked for. */
export const mayRedialWithNewKey = (failure: OfReason): boolean => isUnauthorized(failure)
