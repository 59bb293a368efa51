/**
 * The span of one HTTP request, in place of the client's own. That one ends with the client's result, which holds the
 * request with its headers, whether it succeeds or fails.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import { constTrue } from "effect/Function"
import type * as Tracer from "effect/Tracer"

type Redact = (text: string) => string

/** Without headers: the request's are secrets, and of the answer's one is enough to find it again. */
const requestAttributes = ({ method, url }: HttpClientRequest.HttpClientRequest, redact: Redact) => {
  const { origin, pathname, port, protocol, search } = new URL(url)
  return {
    "http.request.method": method,
    "server.address": origin,
    ...port === "" ? {} : { "server.port": Number(port) },
    "url.full": redact(url),
    "url.path": redact(pathname),
    "url.scheme": protocol.slice(0, -1),
    ...search === "" ? {} : { "url.query": redact(search.slice(1)) }
  }
}

const annotateAnswer = (span: Tracer.Span, answer: HttpClientResponse.HttpClientResponse, redact: Redact) => {
  span.attribute("http.response.status_code", answer.status)
  const requestId = answer.headers["x-request-id"]
  if (requestId !== undefined) span.attribute("http.response.header.x-request-id", redact(requestId))
}

const withoutClientSpan = Effect.locally(HttpClient.currentTracerDisabledWhen, constTrue)

/** What a program has set for the spans of HTTP clients, and for their headers, holds. */
export const withSpan = <E, R>(
  request: HttpClientRequest.HttpClientRequest,
  redact: Redact,
  send: (
    request: HttpClientRequest.HttpClientRequest
  ) => Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>
): Effect.Effect<HttpClientResponse.HttpClientResponse, E, R> =>
  Effect.withFiberRuntime((fiber) => {
    if (
      !fiber.getFiberRef(FiberRef.currentTracerEnabled) ||
      fiber.getFiberRef(HttpClient.currentTracerDisabledWhen)(request)
    ) {
      return withoutClientSpan(send(request))
    }
    const name = Context.get(fiber.currentContext, HttpClient.SpanNameGenerator)(request)
    const made = Effect.makeSpan(name, {
      kind: "client",
      captureStackTrace: false,
      attributes: requestAttributes(request, redact)
    })
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(made, (span) => {
        const asked = fiber.getFiberRef(HttpClient.currentTracerPropagation)
          ? HttpClientRequest.setHeaders(request, HttpTraceContext.toHeaders(span))
          : request
        return restore(withoutClientSpan(send(asked))).pipe(
          Effect.withParentSpan(span),
          Effect.tap((answer) => Effect.sync(() => annotateAnswer(span, answer, redact))),
          Effect.onExit((exit) => Effect.map(Clock.currentTimeNanos, (now) => span.end(now, Exit.asVoid(exit))))
        )
      })
    )
  })
