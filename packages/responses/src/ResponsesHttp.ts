/**
 * Responses over HTTP: one streamed `POST /responses` for each request. What takes over where no socket can be had.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
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
import * as Finalizer from "./internal/effect/finalizer.ts"
import * as Limits from "./internal/effect/limits.ts"
import * as Time from "./internal/effect/time.ts"
import * as Timers from "./internal/effect/timers.ts"
import * as Deadlines from "./internal/exchange/deadlines.ts"
import * as Exchange from "./internal/exchange/exchange.ts"
import * as HttpEvents from "./internal/http/httpEvents.ts"
import * as HttpFailure from "./internal/http/httpFailure.ts"
import * as HttpSpan from "./internal/http/httpSpan.ts"
import * as Credentials from "./internal/options/credentials.ts"
import * as Endpoint from "./internal/options/endpoint.ts"
import * as RequestOptions from "./internal/options/requestOptions.ts"
import * as Timeouts from "./internal/options/timeouts.ts"
import * as ResponseRequest from "./ResponseRequest.ts"
import * as Responses from "./Responses.ts"
import { InvalidRequest } from "./ResponsesError.ts"
import type * as ResponsesOptions from "./ResponsesOptions.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends ResponsesOptions.Endpoint, Omit<ResponsesOptions.Timeouts, "queueTimeout"> {
  /**
   * How much of the output of one response is kept, in characters of the JSON that the server sent. A response with more
   * fails with `Overrun`. Default: 67,108,864 (64 Mi)
   */
  readonly maxOutputSize?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ConfigOptions extends Omit<Options, keyof ResponsesOptions.FromConfig>, ResponsesOptions.FromConfig {}

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
    const timeouts = yield* Timeouts.make(options)
    const maxOutputSize = yield* Limits.positive(
      "maxOutputSize",
      options.maxOutputSize ?? Exchange.defaultMaxOutputSize
    )
    const fetchOptions = yield* Effect.serviceOption(FetchHttpClient.RequestInit)

    const send = (request: HttpClientRequest.HttpClientRequest) =>
      client.execute(request).pipe(
        // For a client that prints its requests.
        Effect.locallyWith(Headers.currentRedactedNames, (names) => [...names, ...Object.keys(request.headers)]),
        Effect.mapInputContext((context: Context.Context<Scope.Scope>) =>
          Context.add(context, FetchHttpClient.RequestInit, {
            ...Option.getOrUndefined(fetchOptions),
            ...Option.getOrUndefined(Context.getOption(context, FetchHttpClient.RequestInit)),
            redirect: "manual"
          })
        ),
        Effect.catchIf(HttpFailure.isStatusError, ({ response }) => Effect.succeed(response))
      )

    const post = (body: Uint8Array, { headers, redact }: Credentials.Credentials) =>
      HttpSpan.withSpan(
        HttpClientRequest.post(endpoint.httpUrl, {
          headers: { ...headers, accept: "text/event-stream" },
          body: HttpBody.uint8Array(body, "application/json")
        }),
        redact,
        (request) => Effect.mapError(send(request), (error) => HttpFailure.fromUnanswered(error, redact))
      )

    const open: Responses.Service["open"] = (request, options) =>
      Effect.gen(function*() {
        const { headers, timeout } = yield* RequestOptions.check(options, "http")
        const body = yield* encode(request)
        const timers = yield* Timers.make
        const asked = timers.time.now()
        const answering = Time.stopwatch(timers.time.clock)
        const credentials = Credentials.withHeaders(yield* endpoint.credentials, headers)
        const { redact } = credentials
        const answer = yield* Deadlines.beforeFirstEvent({ ...timeouts, turn: timeout ?? timeouts.turn })(
          post(body, credentials)
        )
        if (answer.status < 200 || answer.status > 299) {
          return yield* Effect.flip(HttpFailure.fromRefusal(answer, request, redact))
        }

        const flow = HttpEvents.makeFlow(timers.time)
        let deadline: Deadlines.Deadline | undefined
        const exchange = Exchange.make({
          previousResponseId: request.previous_response_id ?? undefined,
          maxOutputSize,
          onBehind: () => flow.onPressure(true),
          onCaughtUp: () => flow.onPressure(false),
          redact,
          onEnd: () => deadline?.stop()
        })
        exchange.accepted(asked)
        deadline = Deadlines.watch({
          exchange,
          granted: asked,
          timeout,
          host: { timers, timeouts, heardAt: flow.heardAt, onOverdue: (_, error) => exchange.fail(error) }
        })
        const reader = yield* HttpEvents.read(answer, exchange, flow).pipe(
          Effect.onExit((exit) => Effect.sync(() => exchange.fail(HttpEvents.endOf(exit, redact)))),
          Effect.ignore,
          Effect.interruptible,
          Effect.forkScoped
        )
        yield* Finalizer.add(Effect.suspend(() => exchange.isFinished() ? lastBytes(reader) : Effect.void))

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
          firstEvent: answering(),
          recoveries: [],
          ...Exchange.reading(exchange)
        } satisfies Responses.OpenResponse
      }).pipe(
        inOwnScope,
        // A Stream runs in a fiber of its own, whose failure is handled here and would be logged as it is, with the request.
        Effect.withUnhandledErrorLogLevel(Option.none())
      )

    return { open, transports: ["http"] }
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
