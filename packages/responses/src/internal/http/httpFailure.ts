/** Why an HTTP request has no events: it was not answered, or answered with a status that says no. */
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as ResponseEvent from "../../ResponseEvent.ts"
import type { ResponseRequest } from "../../ResponseRequest.ts"
import { ConnectionError, type ResponsesError } from "../../ResponsesError.ts"
import type { Credentials } from "../options/credentials.ts"
import { type Reason, reasonOf } from "../wire/foreignError.ts"
import * as wireError from "../wire/wireError.ts"
import * as EventStream from "./eventStream.ts"
import * as SseDialect from "./sseDialect.ts"

/** In characters. */
export const maxErrorSize = 64 * 1024

const errorTimeout = Duration.seconds(10)

type Redact = Credentials["redact"]

/** Failures of finding, reaching and trusting the server, which all come before the first byte of a request. */
const connecting =
  /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|UND_ERR_CONNECT_TIMEOUT|ConnectionRefused|FailedToOpenSocket|CERT_\w+|UNABLE_TO_\w+|DEPTH_ZERO_\w+|SELF_SIGNED_\w+|ERR_TLS_CERT_\w+|ERR_SSL_WRONG_VERSION_NUMBER)$/

/** A client may have been told to take these statuses for failures. */
export const isStatusError = (error: HttpClientError.HttpClientError): error is HttpClientError.ResponseError =>
  error._tag === "ResponseError" && error.reason === "StatusCode"

const isUnsent = (error: HttpClientError.HttpClientError, { code, syscall }: Reason): boolean =>
  (error._tag === "RequestError" && error.reason !== "Transport") ||
  syscall === "connect" || syscall === "getaddrinfo" || (code !== undefined && connecting.test(code))

/** The client's own error is left behind: it holds the request with its headers. */
export const fromUnanswered = (error: HttpClientError.HttpClientError, redact: Redact): ConnectionError => {
  const reason = reasonOf(error.cause)
  const unsent = isUnsent(error, reason)
  return new ConnectionError({
    reason: unsent ? "Unreachable" : "Lost",
    delivery: unsent ? "unsent" : "unacknowledged",
    description: `${unsent ? "The server cannot be reached" : "The connection was lost"}: ${redact(reason.message)}`,
    code: reason.code === undefined ? undefined : redact(reason.code)
  })
}

/** As much of a body as is wanted. */
const readText = (
  answer: HttpClientResponse.HttpClientResponse,
  limit: number
): Effect.Effect<string, HttpClientError.HttpClientError> =>
  Effect.suspend(() => {
    let text = ""
    return Stream.decodeText(answer.stream).pipe(
      Stream.runForEachWhile((piece) => Effect.sync(() => (text += piece).length < limit)),
      Effect.map(() => text.slice(0, limit))
    )
  })

/** Some servers write the error as an event, or as a list of one, also after a status that says no. */
const errorOf = (body: string): string => {
  let found: string | undefined
  const take = (text: string, name: string | undefined) => {
    const event = SseDialect.read(text, name)
    if (typeof event === "object" && ResponseEvent.isFailure(event)) {
      found ??= text.startsWith("[") ? text.slice(1, -1) : text
    }
  }
  const events = EventStream.make({ onEvent: take, onOther: take, onOverflow: () => {} })
  events.feed(body)
  events.end()
  return found ?? body
}

/** The server said no, or pointed elsewhere. */
export const fromRefusal = (
  answer: HttpClientResponse.HttpClientResponse,
  request: ResponseRequest,
  redact: Redact
): Effect.Effect<ResponsesError> =>
  answer.status < 400
    // A browser hides the status of a redirect that it was told not to follow, and says 0.
    ? Effect.succeed(
      new ConnectionError({
        reason: "Refused",
        delivery: "unsent",
        description: "The server redirects the request, which is not followed because it carries credentials",
        status: answer.status
      })
    )
    : readText(answer, maxErrorSize).pipe(
      Effect.timeout(errorTimeout),
      // The status says enough.
      Effect.orElseSucceed(() => ""),
      Effect.map((body) =>
        wireError.fromHttpAnswer({ status: answer.status, headers: answer.headers, body: errorOf(body), redact }, {
          previousResponseId: Predicate.isNotNullable(request.previous_response_id)
            ? redact(request.previous_response_id)
            : undefined
        })
      )
    )
