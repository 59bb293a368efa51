/** Failures as HTTP would have brought them: as an answer with a status, or as the last event of a stream. */
import * as Duration from "effect/Duration"
import type { ResponseFailed, ResponsesError } from "../ResponsesError.ts"

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

const answer = (status: number, details: Details): Answer => {
  const { requestId, retryAfter, retryable } = details
  return {
    status,
    headers: {
      ...jsonHeaders,
      // Without it an SDK judges by the status alone: it would repeat a request whose quota is spent.
      ...retryable === undefined ? {} : { "x-should-retry": String(retryable) },
      ...requestId === undefined ? {} : { "x-request-id": requestId },
      ...retryAfter === undefined ? {} : {
        "retry-after": String(Math.ceil(Duration.toSeconds(retryAfter))),
        "retry-after-ms": String(Duration.toMillis(retryAfter))
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
      return answer(error.status ?? 400, details)
    case "ResponseFailed":
      return error.status === undefined ? undefined : answer(error.status, details)
    case "ConnectionError":
      // Any other status of a refused upgrade says nothing about the request itself.
      return error.reason === "Refused" && error.status !== undefined && error.status >= 400
        ? answer(error.status, details)
        : undefined
    case "MalformedEvent":
      return undefined
  }
}

export const isResponseFailed = (frame: unknown): frame is { readonly type: "response.failed" } =>
  typeof frame === "object" && frame !== null && "type" in frame && frame.type === "response.failed"

/** Both shapes in which servers send it, as clients look for the one or the other. */
export const toEvent = (error: ResponsesError, sequence_number: number): { readonly type: string } => {
  if (error._tag === "ResponseFailed" && isResponseFailed(error.frame)) return error.frame
  const { type, ...details } = problem(detailsOf(error))
  const event = { type: "error", sequence_number, ...details, error: { type: type ?? "server_error", ...details } }
  return event
}
