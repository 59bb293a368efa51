/**
 * Responses over HTTP: one streamed `POST /responses` for each request. What takes over where no socket can be had.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createParser } from "eventsource-parser"
import * as Endpoint from "./Endpoint.ts"
import * as Exchange from "./internal/exchange.ts"
import * as wireError from "./internal/wireError.ts"
import * as ResponseEvent from "./ResponseEvent.ts"
import * as ResponseRequest from "./ResponseRequest.ts"
import * as Responses from "./Responses.ts"
import {
  ConnectionError,
  type Delivery,
  InvalidRequest,
  MalformedEvent,
  type ResponsesError
} from "./ResponsesError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends Endpoint.Options {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ConfigOptions extends Omit<Options, keyof Endpoint.FromConfig>, Endpoint.FromConfig {}

/** In characters. An image in base64 is some megabytes. */
const maxEventSize = 64 * 1024 * 1024

/** In characters. */
const maxErrorSize = 64 * 1024

const errorTimeout = Duration.seconds(10)

type Scrub = Endpoint.Credentials["scrub"]

const lost = (description: string) => (delivery: Delivery) =>
  new ConnectionError({ reason: "Lost", delivery, description })

const encode = (request: ResponseRequest.ResponseRequest): Either.Either<Uint8Array, InvalidRequest> =>
  request.generate === false
    ? Either.left(
      new InvalidRequest({
        field: "generate",
        description: "must not be false over HTTP, where a warm-up would be an ordinary, paid request"
      })
    )
    : ResponseRequest.validate(request).pipe(
      Either.flatMap(ResponseRequest.toBody),
      Either.map((body) => new TextEncoder().encode(body))
    )

interface Reason {
  readonly code: string | undefined
  readonly syscall: string | undefined
  readonly message: string
}

/** Clients wrap what happened: the innermost error, or the first of several, names it. */
const reasonOf = (error: unknown, depth = 0): Reason => {
  const { cause, code, errors, message, syscall } = (Predicate.isObject(error) ? error : {}) as {
    readonly [field: string]: unknown
  }
  const inner = Array.isArray(errors) && errors.length > 0 ? errors[0] : cause
  if (Predicate.isObject(inner) && depth < 8) return reasonOf(inner, depth + 1)
  if (Predicate.isString(error)) return { code: undefined, syscall: undefined, message: error }
  const name = Predicate.isString(code) ? code : undefined
  return {
    code: name,
    syscall: Predicate.isString(syscall) ? syscall : undefined,
    message: Predicate.isString(message) && message.trim() !== "" ? message.trim() : name ?? "no reason is known"
  }
}

/** Failures of finding, reaching and trusting the server, which all come before the first byte of a request. */
const connecting =
  /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|UND_ERR_CONNECT_TIMEOUT|ConnectionRefused|FailedToOpenSocket|CERT_\w+|UNABLE_TO_\w+|DEPTH_ZERO_\w+|SELF_SIGNED_\w+|ERR_TLS_CERT_\w+|ERR_SSL_WRONG_VERSION_NUMBER)$/

const isStatusError = (error: HttpClientError.HttpClientError): error is HttpClientError.ResponseError =>
  error._tag === "ResponseError" && error.reason === "StatusCode"

const isUnsent = (error: HttpClientError.HttpClientError, { code, syscall }: Reason): boolean =>
  (error._tag === "RequestError" && error.reason !== "Transport") ||
  syscall === "connect" || syscall === "getaddrinfo" || (code !== undefined && connecting.test(code))

/** The client's own error is left behind: it holds the request with its headers. */
const fromUnanswered = (error: HttpClientError.HttpClientError, scrub: Scrub): ConnectionError => {
  const reason = reasonOf(error.cause)
  const unsent = isUnsent(error, reason)
  return new ConnectionError({
    reason: unsent ? "Unreachable" : "Lost",
    delivery: unsent ? "unsent" : "unacknowledged",
    description: `${unsent ? "The server cannot be reached" : "The connection was lost"}: ${scrub(reason.message)}`,
    code: reason.code
  })
}

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

const fromRefusal = (
  answer: HttpClientResponse.HttpClientResponse,
  request: ResponseRequest.ResponseRequest,
  scrub: Scrub
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
        wireError.fromHttpAnswer({ status: answer.status, headers: answer.headers, body: scrub(body) }, {
          previousResponseId: request.previous_response_id ?? undefined
        })
      )
    )

interface Parser {
  readonly feed: (bytes: Uint8Array) => void
  /** The last event counts without the blank line after it. */
  readonly end: () => void
}

/** Takes the bytes of an event stream as the network cut them, and gives the `data` of each event. */
const makeParser = (onData: (data: string) => void, onOverflow: () => void): Parser => {
  const decoder = new TextDecoder()
  const parser = createParser({
    maxBufferSize: maxEventSize,
    onEvent: (event) => onData(event.data),
    onError: (error) => error.type === "max-buffer-size-exceeded" && onOverflow()
  })
  return {
    feed: (bytes) => parser.feed(decoder.decode(bytes, { stream: true })),
    end: () => parser.feed(`${decoder.decode()}\n\n`)
  }
}

type ReadError = MalformedEvent | HttpClientError.HttpClientError

/** The delivery is the exchange's to say. */
const malformed = (description: string, frame: string) =>
  new MalformedEvent({ description, frame: frame.slice(0, 200), delivery: "unacknowledged" })

/** Reads on after the end of the response: a body that was read to its end leaves its connection to the next request. */
const readEvents = (answer: HttpClientResponse.HttpClientResponse, exchange: Exchange.Exchange, gate: Effect.Latch) =>
  Effect.suspend((): Effect.Effect<void, ReadError> => {
    let failure: MalformedEvent | undefined
    const parser = makeParser(
      (data) => {
        if (failure !== undefined) return
        if (data === "[DONE]") return exchange.fail(lost("The server ended the events before the response had ended"))
        Either.match(ResponseEvent.decode(data, "unacknowledged"), {
          onLeft: (error) => {
            failure = error
          },
          onRight: (event) => exchange.offer(event, data.length)
        })
      },
      () => {
        failure = malformed(`an event of more than ${maxEventSize} characters`, "")
      }
    )
    return Stream.runForEachChunk(answer.stream, (chunk) =>
      Effect.suspend(() => {
        for (const bytes of chunk) {
          parser.feed(bytes)
          if (failure !== undefined) return Effect.fail(failure)
        }
        return exchange.isFinished() ? Effect.void : gate.await
      })).pipe(
        // An event that the end cut off is lost, not malformed.
        Effect.tap(() => Effect.sync(parser.end))
      )
  })

const endOfStatus: ReadonlyMap<string, ResponseEvent.EndEvent["type"] | "response.failed"> = new Map([
  ["completed", "response.completed"],
  ["incomplete", "response.incomplete"],
  ["failed", "response.failed"],
  ["cancelled", "response.failed"]
])

/** Some servers cannot stream: their answer is the response as it stands at its end. */
const decodeWhole = (body: string): Either.Either<ResponseEvent.ServerEvent, MalformedEvent> => {
  const response = Either.getOrUndefined(Either.try((): unknown => JSON.parse(body)))
  if (!Predicate.isRecord(response) || !Predicate.isString(response["id"])) {
    return ResponseEvent.decode(body, "unacknowledged")
  }
  const status = response["status"] ?? "completed"
  const type = Predicate.isString(status) ? endOfStatus.get(status) : undefined
  return type === undefined
    ? Either.left(malformed("a response that has not ended instead of its events", body))
    : ResponseEvent.decode(`{"type":"${type}","response":${body}}`, "unacknowledged")
}

const read = (
  answer: HttpClientResponse.HttpClientResponse,
  exchange: Exchange.Exchange,
  gate: Effect.Latch
): Effect.Effect<void, ReadError> => {
  const type = (answer.headers["content-type"] ?? "text/event-stream").split(";", 1).join().trim().toLowerCase()
  if (type === "text/event-stream") return readEvents(answer, exchange, gate)
  if (type !== "application/json") {
    return Effect.flatMap(
      readText(answer, maxErrorSize),
      (body) => Effect.fail(malformed(`${type} instead of events`, body))
    )
  }
  return readText(answer, maxEventSize).pipe(
    Effect.flatMap(decodeWhole),
    Effect.map((event) => exchange.offer(event, 0))
  )
}

/** Why nothing more comes, for a response that has not ended by itself. */
const endOf = (exit: Exit.Exit<void, ReadError>, scrub: Scrub) => (delivery: Delivery): ResponsesError => {
  if (Exit.isSuccess(exit)) return lost("The server ended its answer before the response had ended")(delivery)
  if (Cause.isInterruptedOnly(exit.cause)) return lost("The response was given up, its scope is closed")(delivery)
  const error = Cause.squash(exit.cause)
  return error instanceof MalformedEvent
    ? new MalformedEvent({ description: error.description, frame: scrub(error.frame), delivery })
    : lost(
      `The connection was lost: ${
        scrub(reasonOf(HttpClientError.isHttpClientError(error) ? error.cause : error).message)
      }`
    )(delivery)
}

/** The end of the body often comes right after the last event. The time is the process's own, whatever clock a test has. */
const lastBytes = (reader: Fiber.Fiber<void>): Effect.Effect<void> =>
  Fiber.await(reader).pipe(
    Effect.interruptible,
    Effect.timeoutOption("100 millis"),
    Effect.withClock(Clock.make()),
    Effect.asVoid
  )

/** A failed attempt gives its connection back before it fails, and not with the caller's scope. */
const inOwnScope = <A, E>(self: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.scope,
      (outer) =>
        Effect.flatMap(Scope.fork(outer, ExecutionStrategy.sequential), (scope) =>
          Scope.extend(restore(self), scope).pipe(
            Effect.onError((cause) =>
              Scope.close(scope, Exit.failCause(cause))
            )
          ))
    )
  )

/**
 * Redirects are not followed, because they would carry the credentials elsewhere: `fetch` is told so, other clients of
 * `@effect/platform` do not follow by themselves. Do not give a client that `HttpClient.followRedirects` was applied to.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<Responses.Service, ConfigError.ConfigError, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const client = HttpClient.withScope(yield* HttpClient.HttpClient)
    const endpoint = yield* Endpoint.make(options)
    const fetchOptions = yield* Effect.serviceOption(FetchHttpClient.RequestInit)

    const post = (body: Uint8Array, headers: Endpoint.Credentials["headers"]) =>
      HttpClientRequest.post(endpoint.httpUrl, {
        headers: { ...headers, accept: "text/event-stream" },
        body: HttpBody.uint8Array(body, "application/json")
      }).pipe(
        client.execute,
        // Spans of the client show headers.
        Effect.locallyWith(Headers.currentRedactedNames, (names) => [...names, ...Object.keys(headers)]),
        Effect.mapInputContext((context: Context.Context<Scope.Scope>) =>
          Context.add(context, FetchHttpClient.RequestInit, {
            ...Option.getOrUndefined(fetchOptions),
            ...Option.getOrUndefined(Context.getOption(context, FetchHttpClient.RequestInit)),
            redirect: "manual"
          })
        )
      )

    const open: Responses.Service["open"] = (request) =>
      Effect.gen(function*() {
        const body = yield* encode(request)
        const asked = yield* Clock.currentTimeMillis
        const { headers, scrub } = yield* endpoint.credentials
        const answer = yield* post(body, headers).pipe(
          // A client may have been told to take these statuses for failures.
          Effect.catchIf(isStatusError, ({ response }) => Effect.succeed(response)),
          Effect.mapError((error) => fromUnanswered(error, scrub))
        )
        if (answer.status < 200 || answer.status > 299) return yield* Effect.flip(fromRefusal(answer, request, scrub))

        const gate = Effect.unsafeMakeLatch(true)
        const exchange = Exchange.make({
          previousResponseId: request.previous_response_id ?? undefined,
          onPressure: (behind) => behind ? gate.unsafeClose() : gate.unsafeOpen(),
          scrub
        })
        const reader = yield* read(answer, exchange, gate).pipe(
          Effect.onExit((exit) => Effect.sync(() => exchange.fail(endOf(exit, scrub)))),
          Effect.ignore,
          Effect.interruptible,
          Effect.forkScoped
        )
        yield* Effect.addFinalizer(() => exchange.isFinished() ? lastBytes(reader) : Effect.void)

        const id = yield* exchange.started
        return {
          id,
          transport: "http",
          ...Predicate.isNotNullable(request.previous_response_id)
            ? { input: "delta", reason: { _tag: "Explicit" } }
            : { input: "full", reason: { _tag: "Http" } },
          bytesSent: body.byteLength,
          bytesSaved: 0,
          queued: Duration.zero,
          firstEvent: Duration.millis((yield* Clock.currentTimeMillis) - asked),
          recoveries: [],
          events: exchange.events(Effect.void)
        } satisfies Responses.OpenResponse
      }).pipe(inOwnScope)

    return { open }
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options
): Layer.Layer<Responses.Responses, ConfigError.ConfigError, HttpClient.HttpClient> =>
  Layer.effect(Responses.Responses, make(options))

/**
 * `layer` with the key, and where to find the server, from the environment.
 *
 * @example
 * ```ts
 * import { FetchHttpClient } from "@effect/platform"
 * import { Config, Layer } from "effect"
 * import { ResponsesHttp } from "effect-responses"
 *
 * export const FromEnvironment = ResponsesHttp.layerConfig().pipe(Layer.provide(FetchHttpClient.layer))
 *
 * export const Another = ResponsesHttp.layerConfig({
 *   apiKey: Config.redacted("XAI_API_KEY"),
 *   baseUrl: Config.succeed("https://api.x.ai/v1")
 * }).pipe(Layer.provide(FetchHttpClient.layer))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: ConfigOptions = {}
): Layer.Layer<Responses.Responses, ConfigError.ConfigError, HttpClient.HttpClient> =>
  Layer.unwrapEffect(Effect.map(Endpoint.fromConfig(options), layer))
