/** Failures as HTTP would have brought them: as an answer with a status, or as the last event of a stream. */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import type { ResponseFailed, ResponsesError } from "../../ResponsesError.ts"

export interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

type Details = Partial<Pick<ResponseFailed, "type" | "code" | "param" | "requestId" | "retryable" | "retryAfter">> & {
  readonly description: string
}

const problem = ({ code, description, param, type }: Details) => ({
  message: description,
  type: type ?? null,
  param: param ?? null,
  code: code ?? null
})

const jsonHeaders = { "content-type": "application/json" }

/** Printable ASCII: `Response` throws on what no header may hold, and a request id is whatever the server calls one. */
const isHeaderText = (text: string): boolean => /^[\x20-\x7e]+$/.test(text)

/** Whole milliseconds, `undefined` for a wait without an end. */
const millisOf = (wait: Duration.Duration | undefined): number | undefined =>
  wait !== undefined && Duration.isFinite(wait) ? Math.ceil(Duration.toMillis(wait)) : undefined

/** What `Response` takes, and what stands for a failure. */
const isStatus = (status: number | undefined): status is number =>
  Number.isInteger(status) && Number(status) >= 400 && Number(status) <= 599

const answer = (status: number, details: Details): Answer => {
  const { requestId, retryable } = details
  const retryAfter = millisOf(details.retryAfter)
  return {
    status,
    headers: {
      ...jsonHeaders,
      // Without it an SDK judges by the status alone: it would repeat a request whose quota is spent.
      ...retryable === undefined ? {} : { "x-should-retry": String(retryable) },
      ...requestId === undefined || !isHeaderText(requestId) ? {} : { "x-request-id": requestId },
      ...retryAfter === undefined ? {} : {
        "retry-after": String(Math.ceil(retryAfter / 1000)),
        "retry-after-ms": String(retryAfter)
      }
    },
    body: JSON.stringify({ error: problem(details) })
  }
}

const invalidRequest = "invalid_request_error"

const detailsOf = (error: ResponsesError): Details => {
  switch (error._tag) {
    case "InvalidRequest":
      return { description: error.message, type: invalidRequest, param: error.field }
    case "PreviousResponseNotFound":
      return {
        description: error.description,
        type: invalidRequest,
        code: "previous_response_not_found",
        param: "previous_response_id",
        requestId: error.requestId
      }
    case "MalformedEvent":
      return { description: error.message, type: "server_error" }
    default:
      return error
  }
}

/** For a server that has answered, and gave no status. */
export const withoutStatus = (error: ResponsesError): Answer => answer(500, detailsOf(error))

/** `undefined` where no server has answered. */
export const fromError = (error: ResponsesError): Answer | undefined => {
  const details = detailsOf(error)
  switch (error._tag) {
    case "InvalidRequest":
      return answer(400, details)
    case "PreviousResponseNotFound":
      return answer(isStatus(error.status) ? error.status : 400, details)
    case "ResponseFailed":
      return isStatus(error.status) ? answer(error.status, details) : undefined
    case "ConnectionError":
      // Any other status of a refused upgrade says nothing about the request itself.
      return error.reason === "Refused" && isStatus(error.status) ? answer(error.status, details) : undefined
    case "MalformedEvent":
      return undefined
  }
}

interface Event {
  readonly type: string
}

const isWritable = (value: unknown): boolean => {
  try {
    return JSON.stringify(value) !== undefined
  } catch {
    return false
  }
}

/** The `response.failed` that the failure came with, if there was one and it can be sent on. */
export const frameOf = (error: ResponsesError): Event | undefined => {
  const frame: unknown = error._tag === "ResponseFailed" ? error.frame : undefined
  return Predicate.isRecord(frame) && frame["type"] === "response.failed" && isWritable(frame)
    ? { ...frame, type: frame["type"] }
    : undefined
}

/** The last event of a stream. An error in both shapes in which servers send it, as clients look for the one or the other. */
export const toEvent = (error: ResponsesError, sequence_number: number): Event => {
  const frame = frameOf(error)
  if (frame !== undefined) return frame
  const { type, ...details } = problem(detailsOf(error))
  const event = { type: "error", sequence_number, ...details, error: { type: type ?? "server_error", ...details } }
  return event
}
