/** The one normaliser: every shape in which a server reports a failure becomes a typed error here and nowhere else. */
import type * as Duration from "effect/Duration"
import { identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import {
  ConnectionError,
  type Delivery,
  PreviousResponseNotFound,
  ResponseFailed,
  type ResponsesError
} from "../../ResponsesError.ts"
import * as ChainRefusal from "./chainRefusal.ts"
import * as ErrorTable from "./errorTable.ts"
import * as Redact from "./redact.ts"
import * as RetryDelay from "./retryDelay.ts"

type Json = Readonly<Record<string, unknown>>

export interface RequestContext {
  readonly delivery: Delivery
  /** The server has said that it is at work on the request. Default: `false` */
  readonly hasBegun?: boolean | undefined
  readonly previousResponseId?: string | undefined
  /** Takes the key out of what a server says. Default: nothing is taken out */
  readonly redact?: Redact.Redact | undefined
}

const record = (value: unknown): Json => Predicate.isRecord(value) ? value : {}

const firstString = (...values: ReadonlyArray<unknown>): string | undefined =>
  values.find((value): value is string => Predicate.isString(value) && value.trim() !== "")

/** A code or an id; what is longer is cut. */
const firstName = (...values: ReadonlyArray<unknown>): string | undefined => {
  const name = firstString(...values)
  return name === undefined ? undefined : Redact.cut(name, 256)
}

/** `429`, `"429"`, `"429 Too Many Requests"`. */
const statusOf = (value: unknown): number | undefined => {
  const number = Predicate.isString(value) ? Number(/^\s{0,9}(\d{3})(?!\S)/.exec(value)?.[1]) : value
  return Predicate.isNumber(number) && ErrorTable.isStatus(number) ? number : undefined
}

const firstStatus = (...values: ReadonlyArray<unknown>): number | undefined =>
  values.map(statusOf).find(Predicate.isNotUndefined)

const lowerCase = (headers: unknown): Json =>
  Object.fromEntries(
    Object.entries(record(headers)).map(([name, value]): [string, unknown] => [
      name.toLowerCase(),
      Array.isArray(value) ? value[0] : value
    ])
  )

const shouldRetryOf = (headers: Json): boolean | undefined => {
  const value = headers["x-should-retry"]
  return value === "true" || value === true ? true : value === "false" || value === false ? false : undefined
}

interface Details {
  readonly code: string | undefined
  readonly type: string | undefined
  readonly param: string | undefined
  readonly status: number | undefined
  readonly requestId: string | undefined
  readonly retryAfter: Duration.Duration | undefined
  readonly description: string | undefined
  /** The same request can succeed later. */
  readonly passing: boolean
  /** The server refused the request instead of running it. */
  readonly isRefusal: boolean
}

/** Nested (`{error: {…}}`), `response.error` of a `response.failed`, FastAPI's `detail`, Cloudflare's `errors`. */
const nestedOf = (frame: Json): Json =>
  [frame["error"], record(frame["response"])["error"], frame["detail"], frame["errors"]]
    .map((value) => Array.isArray(value) ? value[0] : value)
    .find(Predicate.isRecord) ?? {}

/** At the top it is the type of the event, unless there is no event: vLLM's HTTP answers are flat. */
const typeOf = (frame: Json): unknown => {
  const { type } = frame
  return type === "error" || type === "response.failed" ? undefined : type
}

/** Nested and flat, typed and untyped. */
const detailsOf = (
  frame: Json,
  answer: { readonly status?: number | undefined; readonly headers?: unknown }
): Details => {
  const nested = nestedOf(frame)
  const headers = { ...lowerCase(answer.headers), ...lowerCase(frame["headers"]), ...lowerCase(nested["headers"]) }
  const code = firstName(nested["code"], frame["code"])
  const type = firstName(nested["type"], nested["__type"], frame["error_type"], frame["__type"], typeOf(frame))
  const text = firstString(
    nested["message"],
    nested["msg"],
    frame["message"],
    frame["Message"],
    frame["error"],
    frame["detail"]
  )
  const description = text === undefined ? undefined : Redact.cut(text, ErrorTable.maxText)
  const { isRefusal, status, verdict } = ErrorTable.judge({
    // Google's `status` is a name.
    names: [code, type, firstName(nested["status"])],
    status: firstStatus(
      answer.status,
      frame["status"],
      frame["status_code"],
      frame["statusCode"],
      nested["status"],
      nested["status_code"],
      nested["statusCode"],
      // OpenRouter, vLLM, LocalAI and Azure put the status where the others have a name.
      nested["code"],
      frame["code"]
    ),
    text: description,
    shouldRetry: shouldRetryOf(headers)
  })
  return {
    code,
    type,
    param: firstName(nested["param"], frame["param"]),
    status,
    requestId: firstName(headers["x-request-id"], frame["request_id"], nested["request_id"]),
    retryAfter: RetryDelay.of({ headers, fields: [nested, frame], text: description, verdict, status }),
    description,
    passing: verdict === "passing",
    isRefusal
  }
}

/** xAI and some gateways say it in words only. */
const saysNotFound = (text: string | undefined): boolean =>
  text !== undefined && /\bresponse with id\b.*\bnot found\b/i.test(text)

/** A refusal that names the response to continue from, and gives no status. */
const refusesChain = (found: Details, frame: Json, { previousResponseId }: RequestContext): boolean =>
  found.status === undefined && previousResponseId !== undefined &&
  ChainRefusal.isNamed(found, frame, previousResponseId)

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
  const { isRefusal, ...details } = found
  const responseId = firstName(record(frame["response"])["id"], frame["response_id"])
  // What has an id, or ends as a response does, was a response: it may have run, whatever its status.
  const wasResponse = hasBegun || responseId !== undefined || frame["type"] === "response.failed"
  return new ResponseFailed({
    ...details,
    delivery: !wasResponse && (isRefusal || refusesChain(found, frame, context)) ? "unsent" : context.delivery,
    description: found.description ?? (found.code === undefined
      ? "The server reported a failure and gave no reason"
      : `The server reported ${found.code}`),
    responseId,
    frame
  })
}

/** An `error` frame of any shape, or `response.failed`. */
export const fromFrame = (event: Json, context: RequestContext): ResponsesError => {
  const frame = record(Redact.json(event, context.redact ?? identity))
  return fromDetails(detailsOf(frame, {}), frame, context)
}

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
  readonly redact?: Redact.Redact | undefined
}

interface Parsed {
  readonly frame: Json
  readonly headers: Json
}

const parse = ({ body, headers, redact = identity }: Answer): Parsed => {
  const clean = { headers: record(Redact.json(headers, redact)) }
  try {
    return { ...clean, frame: record(Redact.json(JSON.parse(body), redact)) }
  } catch {
    // Proxies answer in HTML or plain words; then the beginning of the text is the reason.
    return { ...clean, frame: { message: Redact.beginning(redact(body).trim(), 200) } }
  }
}

type AnswerContext = Omit<RequestContext, "delivery" | "redact">

/** `POST /responses` answered with a status of 400 or more. */
export const fromHttpAnswer = (answer: Answer, context: AnswerContext): ResponsesError => {
  const { frame, headers } = parse(answer)
  const found = detailsOf(frame, { status: answer.status, headers })
  return fromDetails(
    { ...found, description: found.description ?? `The server answered with status ${answer.status}` },
    frame,
    { ...context, delivery: "unacknowledged" }
  )
}

/** Any status can refuse an upgrade, also 200. 0 stands for none. */
const isAnswer = (status: number): boolean => Number.isInteger(status) && status >= 100 && status <= 599

/** The upgrade was answered with a status other than 101. */
export const fromRefusal = (answer: Answer): ConnectionError => {
  const { frame, headers } = parse(answer)
  const { description, ...found } = detailsOf(frame, { status: answer.status, headers })
  return new ConnectionError({
    reason: "Refused",
    delivery: "unsent",
    description: `The server refused the connection${description === undefined ? "" : `: ${description}`}`,
    code: found.code,
    status: isAnswer(answer.status) ? answer.status : undefined,
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
export const smallestLimit = 1024 * 1024

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
