/**
 * The contract every transport fulfils, and what programs do with it.
 *
 * @since 0.1.0
 */
import * as Channel from "effect/Channel"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { Retrying } from "./ConversationEvent.ts"
import * as Time from "./internal/effect/time.ts"
import * as Servers from "./internal/options/requestOptions.ts"
import * as Policy from "./internal/retry/policy.ts"
import * as Retry from "./internal/retry/retry.ts"
import type * as ResponseEvent from "./ResponseEvent.ts"
import type { ResponseItem } from "./ResponseItem.ts"
import type { ResponseRequest } from "./ResponseRequest.ts"
import { canFallBack, type ConnectionError, type InvalidRequest, type ResponsesError } from "./ResponsesError.ts"
import type { RequestOptions, RetryOptions, Transport } from "./ResponsesOptions.ts"
import * as ResponsesTelemetry from "./ResponsesTelemetry.ts"

export type {
  /**
   * @since 0.1.0
   * @category re-exports
   */
  Recovery,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  Sending
} from "./ResponsesTelemetry.ts"

export type {
  /**
   * @since 0.1.0
   * @category re-exports
   */
  RequestOptions,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  RetryOptions
} from "./ResponsesOptions.ts"

/**
 * A response that the server has begun to answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenResponse extends ResponsesTelemetry.Sending {
  /** `resp_…`; `undefined` where the server begins with output before it has named the response. */
  readonly id: string | undefined
  /** Ends with `response.completed` or `response.incomplete`; every other end is a failure. Can be run once. */
  readonly events: Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError>
  /** The same, given to a function as they come in, with nothing in between. Either this or `events` can be run. */
  readonly forEach: (onEvent: (event: ResponseEvent.ResponseEvent) => void) => Effect.Effect<void, ResponsesError>
  /** The response as it stands at its end, `undefined` until that has come. */
  readonly result: () => FinalResponse | undefined
  /**
   * Takes the secrets that the request was sent with out of a text of the server's. What the server said as an event is
   * as the server sent it: use this before `id`, or a field of an event, is logged. Absent: there were no secrets.
   */
  readonly redact?: ((text: string) => string) | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * Succeeds once the server has begun to answer, fails before the caller has seen any event: so retry, resend and
   * fallback are decisions about this one effect, and no event can be delivered twice. The response belongs to the
   * scope: closing it early gives the response up.
   */
  readonly open: (
    request: ResponseRequest,
    options?: RequestOptions
  ) => Effect.Effect<OpenResponse, ResponsesError, Scope.Scope>
  /**
   * What requests can be served over, so that `orElse` gives a request that needs one of them to the service that has it.
   * Absent: that is not known, and any request is given to it.
   */
  readonly transports?: ReadonlyArray<Transport> | undefined
  /**
   * Makes sure that requests can be served: opens the connection, for instance. Limits its own time. Absent: they always
   * can.
   */
  readonly connect?: Effect.Effect<void, ResponsesError> | undefined
}

/**
 * @since 0.1.0
 * @category tags
 */
export class Responses extends Context.Tag("effect-responses/Responses")<Responses, Service>() {}

/** Counted in the metrics of `ResponsesTelemetry`, with a span that ends with the scope. */
const openIn = (
  scope: Scope.Scope,
  request: ResponseRequest,
  options: RequestOptions | undefined
): Effect.Effect<OpenResponse, ResponsesError, Responses> =>
  Effect.clockWith((clock) => {
    let opened: OpenResponse | undefined
    const end = (span: Tracer.Span) => (exit: Exit.Exit<unknown, unknown>) =>
      Effect.sync(() => {
        const final = opened?.result()
        if (final !== undefined) ResponsesTelemetry.annotateEnd(span, final, opened?.redact)
        // Without the value, which is the caller's content.
        span.end(clock.unsafeCurrentTimeNanos(), Exit.asVoid(exit))
      })
    const made = Effect.makeSpan(ResponsesTelemetry.spanName, {
      kind: "client",
      captureStackTrace: false,
      attributes: ResponsesTelemetry.requestAttributes(request)
    })
    // An interruption in between would leave a span that never ends.
    const begun = Effect.uninterruptible(
      Effect.flatMap(made, (span) => Effect.as(Scope.addFinalizerExit(scope, end(span)), span))
    )
    return Effect.flatMap(begun, (span) => {
      const open = Effect.flatMap(Responses, (responses) =>
        Effect.flatMap(responses.open(request, options), (response) => {
          opened = response
          ResponsesTelemetry.annotateOpen(span, response)
          return Effect.as(ResponsesTelemetry.count(response), response)
        }))
      // One context for both: each costs a turn about as much as its first event.
      return Effect.mapInputContext(open, (context: Context.Context<Responses>) =>
        Context.add(Context.add(context, Scope.Scope, scope), Tracer.ParentSpan, span))
    })
  })

/** In a scope of its own, which ends with what is done with the response. */
const use = <A>(
  request: ResponseRequest,
  options: RequestOptions | undefined,
  f: (response: OpenResponse) => Effect.Effect<A, ResponsesError>
): Effect.Effect<A, ResponsesError, Responses> =>
  Effect.flatMap(
    Scope.make(),
    (scope) => Effect.onExit(Effect.flatMap(openIn(scope, request, options), f), (exit) => Scope.close(scope, exit))
  )

/** Told of each retry. */
type OnRetry = Parameters<typeof Retry.effect>[2]

/** `self` is given the options that are for transports. */
const retried = <A, R>(
  options: RequestOptions | undefined,
  self: (options: RequestOptions | undefined) => Effect.Effect<A, ResponsesError, R>,
  onRetry?: OnRetry
): Effect.Effect<A, ResponsesError, R> => {
  if (options?.retry === undefined) return self(options)
  const { retry, ...others } = options
  return retry === false
    ? self(others)
    : Effect.flatMap(Policy.check(retry), (policy) => Retry.effect(self(others), policy, onRetry))
}

/** A try that fails leaves nothing in the scope. */
const openAlone = (request: ResponseRequest, options: RequestOptions | undefined, outer: Scope.Scope) =>
  Effect.flatMap(
    Scope.fork(outer, ExecutionStrategy.sequential),
    (scope) => Effect.onError(openIn(scope, request, options), (cause) => Scope.close(scope, Exit.failCause(cause)))
  )

/**
 * Opens a response in the caller's scope. Most programs want `stream` or `create`. The response is counted in the
 * metrics of `ResponsesTelemetry`, and a span lasts as long as it.
 *
 * @since 0.1.0
 * @category requests
 */
export const open = (
  request: ResponseRequest,
  options?: RequestOptions
): Effect.Effect<OpenResponse, ResponsesError, Responses | Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) =>
    options?.retry === undefined
      ? openIn(scope, request, options)
      : retried(options, (others) => openAlone(request, others, scope)))

interface StreamOptions extends RequestOptions {
  readonly onOpen?: ((response: OpenResponse) => Effect.Effect<void>) | undefined
}

/** Without retries there are no events of them. */
interface Once {
  readonly retry?: false | undefined
}

const streamed = (
  request: ResponseRequest,
  { onOpen, retry, ...options }: StreamOptions = {}
): Stream.Stream<ResponseEvent.ResponseEvent | Retrying, ResponsesError, Responses> => {
  // `Stream.unwrapScoped` by hand: it would cost a turn as much again as the rest of the Stream does.
  const once = Stream.fromChannel(
    Channel.flatMap(Channel.fromEffect(Scope.make()), (scope) =>
      Channel.fromEffect(
        onOpen === undefined
          ? openIn(scope, request, options)
          : Effect.tap(openIn(scope, request, options), onOpen)
      ).pipe(
        Channel.flatMap(({ events }) => Stream.toChannel(events)),
        Channel.ensuringWith((exit) => Scope.close(scope, exit))
      ))
  )
  return retry === undefined || retry === false ? once : retriedStream(once, retry)
}

/**
 * The events of a response, as they come. Leaving the stream early gives the response up.
 *
 * `onOpen` is run once the server has begun to answer, before the first event: it tells which transport serves, what was
 * sent and what was repaired. With `retry` it is run for each try that the server has begun to answer, and an event
 * `conversation.retrying` comes before each further try: what was shown of the response is void then.
 *
 * @example
 * ```ts
 * import { Console, Stream } from "effect"
 * import { Responses } from "effect-responses"
 *
 * export const program = Responses.stream({ model: "gpt-5.5", input: "Say hello." }).pipe(
 *   Stream.runForEach((event) => event.type === "response.output_text.delta" ? Console.log(event.delta) : Console.log())
 * )
 * ```
 *
 * @since 0.1.0
 * @category requests
 */
export const stream = streamed as {
  (
    request: ResponseRequest,
    options?: StreamOptions & Once
  ): Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError, Responses>
  (
    request: ResponseRequest,
    options?: StreamOptions
  ): Stream.Stream<ResponseEvent.ResponseEvent | Retrying, ResponsesError, Responses>
}

const handled = (
  request: ResponseRequest,
  onEvent: (event: ResponseEvent.ResponseEvent | Retrying) => void,
  options?: RequestOptions
): Effect.Effect<void, ResponsesError, Responses> => {
  if (options?.retry === undefined) return use(request, options, (response) => response.forEach(onEvent))
  return Effect.suspend(() => {
    const shown = Retry.shown()
    const see = (event: ResponseEvent.ResponseEvent) => {
      shown.see(event)
      onEvent(event)
    }
    return retried(
      options,
      (others) => use(request, others, (response) => response.forEach(see)),
      (next) => onEvent(shown.retrying(next))
    )
  })
}

/**
 * Has a function called with each event, synchronously and in order, as it comes in: for what only appends text, counts or
 * forwards. It costs nothing per event, where a Stream wakes a fiber. Succeeds at the end of the response.
 *
 * The function must return soon: nothing else is read meanwhile, and nothing holds the network back. If it throws, it gets
 * no further event, the effect dies with what was thrown, and the response is given up like one whose caller has left.
 *
 * With `retry` it gets `conversation.retrying` before each further try: what it got of the response is void then.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Responses } from "effect-responses"
 *
 * export const program = Effect.gen(function*() {
 *   let text = ""
 *   yield* Responses.forEach({ model: "gpt-5.5", input: "Say hello." }, (event) => {
 *     if (event.type === "response.output_text.delta") text += event.delta
 *   })
 *   return text
 * })
 * ```
 *
 * @since 0.1.0
 * @category requests
 */
export const forEach = handled as {
  (
    request: ResponseRequest,
    onEvent: (event: ResponseEvent.ResponseEvent) => void,
    options?: RequestOptions & Once
  ): Effect.Effect<void, ResponsesError, Responses>
  (
    request: ResponseRequest,
    onEvent: (event: ResponseEvent.ResponseEvent | Retrying) => void,
    options?: RequestOptions
  ): Effect.Effect<void, ResponsesError, Responses>
}

/**
 * A response that has ended, with all of its output.
 *
 * @since 0.1.0
 * @category models
 */
export interface FinalResponse extends ResponseEvent.Response {
  readonly output: ReadonlyArray<ResponseItem>
}

/**
 * Takes the events of an open response to the end, and gives the response as it stands there.
 *
 * @since 0.1.0
 * @category requests
 */
export const collect = (response: OpenResponse): Effect.Effect<FinalResponse, ResponsesError> =>
  Effect.flatMap(response.forEach(() => {}), () => {
    const result = response.result()
    return result === undefined
      ? Effect.dieMessage("A transport ended its events without response.completed or response.incomplete")
      : Effect.succeed(result)
  })

/**
 * The response as it stands at its end, `completed` or `incomplete` (see `incomplete_details.reason`).
 *
 * @example
 * ```ts
 * import { Redacted } from "effect"
 * import { Responses } from "effect-responses"
 *
 * export const title = Responses.create({ model: "gpt-5.5", input: "A title, please." }, { timeout: "10 seconds" })
 *
 * // Over HTTP, as headers of a WebSocket belong to its upgrade.
 * export const ofTenant = (token: string) =>
 *   Responses.create({ model: "gpt-5.5", input: "Hi" }, { headers: { "x-tenant-token": Redacted.make(token) } })
 * ```
 *
 * @since 0.1.0
 * @category requests
 */
export const create = (
  request: ResponseRequest,
  options?: RequestOptions
): Effect.Effect<FinalResponse, ResponsesError, Responses> =>
  retried(options, (others) => use(request, others, collect))

/**
 * Has the server prepare the context of a request without putting anything out, and gives the id to chain from. Only a
 * socket can: it never goes over HTTP, where it would be an ordinary, paid request.
 *
 * @since 0.1.0
 * @category requests
 */
export const warmUp = (
  request: ResponseRequest,
  options?: Pick<RequestOptions, "timeout">
): Effect.Effect<string, ResponsesError, Responses> =>
  Effect.map(create({ ...request, generate: false }, options), (response) => response.id)

const retriedStream = <A, E, R>(
  self: Stream.Stream<A, E, R>,
  options: RetryOptions
): Stream.Stream<A | Retrying, E | InvalidRequest, R> =>
  Stream.unwrap(Effect.map(Policy.check(options), (policy) => Retry.stream(self, policy)))

/**
 * What `retry` makes of an Effect or a Stream.
 *
 * @since 0.1.0
 * @category models
 */
export type Retried<S> = S extends Effect.Effect<infer A, infer E, infer R> ? Effect.Effect<A, E | InvalidRequest, R>
  : S extends Stream.Stream<infer A, infer E, infer R> ? Stream.Stream<A | Retrying, E | InvalidRequest, R>
  : never

/**
 * Asks again where that may help: after errors that are `retryable` and `unsent`, and after rate limits and overload before any
 * output, three times, after about 0.5, 1 and 2 seconds, or when the server says (`retryAfter`). What may have run is
 * never asked again unless `delivery` says so. Fails with the last error, and with `InvalidRequest` for a wrong option.
 *
 * Takes what asks one request: an Effect such as `create`, or a Stream, and not a `run` or `ask` of a `Conversation`: that has
 * the option `retry`, and after a failure it is resumed, not asked again. A Stream gets an event `conversation.retrying` before
 * each further try, as what was shown of the response is void then.
 *
 * Levels do not multiply. What the Layer tries by itself (`reconnect` to open a connection, `repeat` on another one) it does
 * within the first try only, so that `times: 3` is at the most three requests, and three dials, more. What one `retry` has
 * given up, another one around it does not try again. An HTTP client that retries by itself is not known here: leave that out.
 *
 * @example
 * ```ts
 * import { Responses } from "effect-responses"
 *
 * export const title = Responses.create({ model: "gpt-5.5", input: "A title, please." }).pipe(Responses.retry())
 *
 * // Also where the connection was lost in the middle.
 * export const events = Responses.stream({ model: "gpt-5.5", input: "A poem, please." }).pipe(
 *   Responses.retry({ times: 5, delivery: "partial", maxDelay: "10 seconds" })
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const retry =
  (options: RetryOptions = {}) =>
  <S extends Effect.Effect<unknown, unknown, unknown> | Stream.Stream<unknown, unknown, unknown>>(
    self: S
  ): Retried<S> => {
    const made = isEffect(self)
      ? Effect.flatMap(Policy.check(options), (policy) => Retry.effect(self, policy))
      : retriedStream(self, options)
    // No overload would do: `pipe` looks at the last one only.
    return made as Retried<S>
  }

/** An Effect has the type of a Stream, too. */
const isEffect = (
  self: Effect.Effect<unknown, unknown, unknown> | Stream.Stream<unknown, unknown, unknown>
): self is Effect.Effect<unknown, unknown, unknown> => Effect.isEffect(self)

/**
 * Serves a request by `that` when `self` could not open and it is certain that nothing ran: refused upgrades (426, 404,
 * 5xx, …), time-outs before sending, connections lost before sending. A 401 or 403 stays a failure, and so does whatever
 * happens once the request is on its way. Warm-ups stay where they are, and `connect` is that of `self`.
 *
 * Each request tries `self` anew; `ResponsesFallback` remembers that it could not.
 *
 * A request whose options need a transport that only one of the two has (`transports`) is served by that one alone.
 *
 * @since 0.1.0
 * @category combinators
 */
export const orElse: {
  (that: Service): (self: Service) => Service
  (self: Service, that: Service): Service
} = dual(2, (self: Service, that: Service): Service => ({
  connect: self.connect,
  transports: self.transports && that.transports && [...new Set([...self.transports, ...that.transports])],
  open: (request, options) => {
    const servers = Servers.serversOf(self, that, options)
    if (request.generate === false || servers === "first") return self.open(request, options)
    if (servers === "second") return that.open(request, options)
    return Effect.clockWith((clock) => {
      const tried = Time.stopwatch(clock)
      return Effect.catchIf(
        self.open(request, options),
        canFallBack,
        (error) => fallBack(that.open(request, options), error, tried())
      )
    })
  }
}))

const fallBack = Effect.fnUntraced(function*(
  open: ReturnType<Service["open"]>,
  error: ConnectionError,
  tried: Duration.Duration
) {
  const response = yield* open
  const opened: OpenResponse = {
    ...response,
    firstEvent: Duration.sum(tried, response.firstEvent),
    recoveries: [{ _tag: "FellBack", error }, ...response.recoveries]
  }
  return opened
})
