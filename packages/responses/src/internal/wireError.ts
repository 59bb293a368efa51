/** The one normaliser: every shape in which a server reports a failure becomes a typed error here and nowhere else. */
import * as Duration from "effect/Duration"
import { identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import {
  ConnectionError,
  type Delivery,
  PreviousResponseNotFound,
  ResponseFailed,
  type ResponsesError
} from "../ResponsesError.ts"
import * as ChainRefusal from "./chainRefusal.ts"
import * as Scrub from "./scrub.ts"

type Json = Readonly<Record<string, unknown>>

export interface RequestContext {
  readonly delivery: Delivery
  /** The server has said that it is at work on the request. Default: `false` */
  readonly hasBegun?: boolean | undefined
  readonly previousResponseId?: string | undefined
}

const record = (value: unknown): Json => Predicate.isRecord(value) ? value : {}

const firstString = (...values: ReadonlyArray<unknown>): string | undefined =>
  values.find((value): value is string => Predicate.isString(value) && value.trim() !== "")

const firstNumber = (...values: ReadonlyArray<unknown>): number | undefined => values.find(Predicate.isNumber)

const statusOfType: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  rate_limit_error: 429,
  server_error: 500,
  overloaded_error: 503
}

const statusOfCode: Readonly<Record<string, number>> = {
  invalid_api_key: 401,
  rate_limit_exceeded: 429,
  insufficient_quota: 429,
  slow_down: 429,
  server_error: 500,
  server_is_overloaded: 503
}

/** What servers say where they give neither code, type nor status. */
const statusOfWords = (text: string | undefined): number | undefined => {
  if (text === undefined) return undefined
  if (/\boverloaded\b/i.test(text)) return 503
  return /\bretry your request\b/i.test(text) ? 500 : undefined
}

const seconds = (text: string | undefined): number | undefined => {
  const value = text === undefined || text.trim() === "" ? Number.NaN : Number(text)
  return Number.isFinite(value) && value >= 0 ? value : undefined
}

/** An HTTP date counts from the answer's own `date`, so that no clock of ours is asked. */
const retryAfter = (headers: Json): Duration.Duration | undefined => {
  const header = (name: string) =>
    Predicate.isNumber(headers[name]) ? String(headers[name]) : firstString(headers[name])
  const millis = seconds(header("retry-after-ms"))
  if (millis !== undefined) return Duration.millis(millis)
  const value = header("retry-after")
  const plain = seconds(value)
  if (plain !== undefined) return Duration.seconds(plain)
  const until = Date.parse(value ?? "") - Date.parse(firstString(headers["date"]) ?? "")
  return Number.isFinite(until) ? Duration.millis(until) : undefined
}

const lowerCase = (headers: unknown): Json =>
  Object.fromEntries(Object.entries(record(headers)).map(([name, value]) => [name.toLowerCase(), value]))

interface Details {
  readonly code: string | undefined
  readonly type: string | undefined
  readonly param: string | undefined
  readonly status: number | undefined
  readonly requestId: string | undefined
  readonly retryAfter: Duration.Duration | undefined
  readonly description: string | undefined
}

/** Nested (`{error: {…}}`), flat, untyped, and `response.error` of a `response.failed`. */
const detailsOf = (
  frame: Json,
  answer: { readonly status?: number | undefined; readonly headers?: unknown }
): Details => {
  const nested = Predicate.isRecord(frame["error"]) ? frame["error"] : record(record(frame["response"])["error"])
  const headers = { ...lowerCase(answer.headers), ...lowerCase(frame["headers"]), ...lowerCase(nested["headers"]) }
  const code = firstString(nested["code"], frame["code"])
  const type = firstString(nested["type"], frame["error_type"])
  const description = firstString(nested["message"], frame["message"], frame["error"], frame["detail"])
  return {
    code,
    type,
    param: firstString(nested["param"], frame["param"]),
    status: firstNumber(
      answer.status,
      frame["status"],
      frame["status_code"],
      nested["status"],
      nested["status_code"],
      // vLLM and LocalAI put the status where the others have a name.
      nested["code"],
      frame["code"],
      code === undefined ? undefined : statusOfCode[code],
      type === undefined ? undefined : statusOfType[type],
      code === undefined && type === undefined ? statusOfWords(description) : undefined
    ),
    requestId: firstString(headers["x-request-id"], frame["request_id"], nested["request_id"]),
    retryAfter: retryAfter(headers),
    description
  }
}

/** xAI and some gateways say it in words only. */
const saysNotFound = (text: string | undefined): boolean =>
  text !== undefined && /\bresponse with id\b.*\bnot found\b/i.test(text)

/** A refusal in answer to the request itself says that nothing ran; a fault of the server's says nothing. */
const isRefused = (found: Details, frame: Json, { previousResponseId }: RequestContext): boolean =>
  found.status === undefined
    ? previousResponseId !== undefined && ChainRefusal.isNamed(found, frame, previousResponseId)
    : found.status < 500

const fromDetails = (found: Details, frame: Json, context: RequestContext): ResponsesError => {
  const hasBegun = context.hasBegun === true || context.delivery === "partial"
  const { requestId, status } = found
  // Once a response has begun this is some other failure, and something ran.
  if (
    !hasBegun && (found.code === "previous_response_not_found" ||
      (context.previousResponseId !== undefined && found.code === undefined && saysNotFound(found.description)))
  ) {
    return new PreviousResponseNotFound({
      previousResponseId: context.previousResponseId,
      description: found.description ?? "The previous response was not found",
      status,
      requestId
    })
  }
  if (found.code === "websocket_connection_limit_reached") {
    return new ConnectionError({
      reason: "Expired",
      delivery: hasBegun ? context.delivery : "unsent",
      description: found.description ?? "The connection reached the server's age limit",
      code: found.code,
      status,
      requestId
    })
  }
  return new ResponseFailed({
    ...found,
    delivery: !hasBegun && isRefused(found, frame, context) ? "unsent" : context.delivery,
    description: found.description ?? (found.code === undefined
      ? "The server reported a failure and gave no reason"
      : `The server reported ${found.code}`),
    responseId: firstString(record(frame["response"])["id"], frame["response_id"]),
    frame
  })
}

/** An `error` frame of any shape, or `response.failed`. */
export const fromFrame = (frame: Json, context: RequestContext): ResponsesError =>
  fromDetails(detailsOf(frame, {}), frame, context)

/** The same end of a connection, for another request. */
export const withDelivery = (error: ConnectionError, delivery: Delivery): ConnectionError => {
  const { closeCode, code, description, reason, requestId, retryAfter, status } = error
  return new ConnectionError({ closeCode, code, delivery, description, reason, requestId, retryAfter, status })
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly body: string
  /** Takes the key out of what the server says. */
  readonly scrub?: Scrub.Scrub | undefined
}

interface Parsed {
  readonly frame: Json
  readonly headers: Json
}

const parse = ({ body, headers, scrub = identity }: Answer): Parsed => {
  const clean = { headers: record(Scrub.json(headers, scrub)) }
  try {
    return { ...clean, frame: record(Scrub.json(JSON.parse(body), scrub)) }
  } catch {
    // Proxies answer in HTML or plain words; then the beginning of the text is the reason.
    return { ...clean, frame: { message: scrub(body).trim().slice(0, 200) } }
  }
}

/** `POST /responses` answered with a status of 400 or more. */
export const fromHttpAnswer = (answer: Answer, context: Omit<RequestContext, "delivery">): ResponsesError => {
  const { frame, headers } = parse(answer)
  const found = detailsOf(frame, { status: answer.status, headers })
  return fromDetails(
    { ...found, description: found.description ?? `The server answered with status ${answer.status}` },
    frame,
    { ...context, delivery: "unacknowledged" }
  )
}

/** The upgrade was answered with a status other than 101. */
export const fromRefusal = (answer: Answer): ConnectionError => {
  const { frame, headers } = parse(answer)
  const { description, ...found } = detailsOf(frame, { status: answer.status, headers })
  return new ConnectionError({
    reason: "Refused",
    delivery: "unsent",
    description: `The server refused the connection${description === undefined ? "" : `: ${description}`}`,
    code: found.code,
    status: answer.status,
    requestId: found.requestId,
    retryAfter: found.retryAfter
  })
}

const closeReasons: Readonly<Record<number, string>> = {
  1000: "The server closed the connection",
  1001: "The server is going away",
  1006: "The connection broke without a close frame",
  1008: "The server closed the connection for a reason of policy",
  1009: "The server closed the connection because a message was too large",
  1011: "The server closed the connection after a fault of its own",
  1012: "The server is restarting",
  1013: "The server is overloaded and closed the connection"
}

export interface Close {
  readonly code: number
  readonly reason: string
}

export interface CloseContext extends RequestContext {
  /** What was sent since anything was heard. Default: 0 */
  readonly unheardBytes?: number | undefined
}

/** No limit is below this, so with less on its way 1009 means something else. */
const smallestLimit = 1024 * 1024

/** Who did not even take a large request in cannot have run it. */
const isTooLarge = (close: Close, { delivery, hasBegun, unheardBytes = 0 }: CloseContext): boolean =>
  close.code === 1009 && delivery === "unacknowledged" && hasBegun !== true && unheardBytes >= smallestLimit

/** Any close while a response is due is a failure, 1000 too. */
export const fromClose = (close: Close, context: CloseContext): ConnectionError =>
  new ConnectionError({
    ...isTooLarge(close, context)
      ? { reason: "TooLarge", delivery: "unsent" }
      : { reason: "Lost", delivery: context.delivery },
    description: (closeReasons[close.code] ?? "The connection was closed") +
      (close.reason === "" ? "" : `: ${close.reason}`),
    closeCode: close.code
  })

/** 1008 before the server said anything on a new connection is how some servers refuse an upgrade after accepting it. */
export const fromCloseAfterUpgrade = (close: Close): ConnectionError =>
  new ConnectionError({
    reason: "Refused",
    delivery: "unsent",
    description: `The server accepted the connection and closed it at once${
      close.reason === "" ? "" : `: ${close.reason}`
    }`,
    closeCode: close.code
  })
