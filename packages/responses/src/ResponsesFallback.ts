/**
 * A fallback with a circuit breaker: after an outage of the first transport the second serves at once. Probes look for the
 * first in the background, at growing intervals, so that no request waits for it.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Time from "./internal/effect/time.ts"
import * as CircuitBreaker from "./internal/fallback/circuitBreaker.ts"
import * as Servers from "./internal/options/requestOptions.ts"
import * as Responses from "./Responses.ts"
import { canFallBack, type ConnectionError, type ResponsesError } from "./ResponsesError.ts"
import * as ResponsesTelemetry from "./ResponsesTelemetry.ts"

/**
 * For how long the circuit stays open: the second transport serves, and the first is not asked. Up to a fifth, at random,
 * is taken off each interval. A server's `retry-after` makes it longer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Probe {
  /** Default: 5 seconds */
  readonly first?: Duration.DurationInput | undefined
  /** How many times as long each further interval is, until the first transport has opened a response. Default: 2 */
  readonly factor?: number | undefined
  /** The longest interval, whatever the server asks for. Default: 5 minutes */
  readonly max?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** When the first transport is looked for again. */
  readonly probe?: Probe | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service extends Responses.Service {
  readonly stats: Effect.Effect<Stats>
}

/**
 * Totals since the Layer was built.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stats {
  /** Which of the two transports the next request goes to. */
  readonly serving: "first" | "second"
  /** How often the second took over for an interval. */
  readonly fallbacks: number
  /** Responses that the second opened, for an interval or for one request only. */
  readonly fellBack: number
  /** Probes that began. */
  readonly probes: number
  /** Why the second serves, or served last, for an interval. */
  readonly lastError: ConnectionError | undefined
}

/**
 * @since 0.1.0
 * @category tags
 */
export class ResponsesFallback
  extends Context.Tag("effect-responses/ResponsesFallback")<ResponsesFallback, Service>()
{}

const invalid = (option: keyof Probe, problem: string) => ConfigError.InvalidData(["probe", option], problem)

const millis = (
  option: keyof Probe,
  input: Duration.DurationInput
): Effect.Effect<number, ConfigError.ConfigError> =>
  Effect.mapBoth(Duration.decodeUnknown(input), {
    onFailure: () => invalid(option, "is not a duration"),
    onSuccess: Duration.toMillis
  })

const intervals = Effect.fnUntraced(function*({ factor = 2, first = "5 seconds", max = "5 minutes" }: Probe) {
  if (!Number.isFinite(factor) || factor < 1) return yield* Effect.fail(invalid("factor", "is not a number from 1 on"))
  return { factor, first: yield* millis("first", first), max: yield* millis("max", max) }
})

/** The log names the transports as they are in practice: the first is a socket, the second HTTP. */
const says = ({ error, interval }: CircuitBreaker.Outage) =>
  `HTTP serves for the next ${Duration.format(Duration.millis(interval))}: ${error.message}`

const began = (outage: CircuitBreaker.Outage) =>
  Effect.zipRight(Metric.increment(ResponsesTelemetry.fallback), Effect.logInfo(says(outage)))

const ended = (...message: ReadonlyArray<unknown>) =>
  Effect.zipRight(Metric.incrementBy(ResponsesTelemetry.fallback, -1), Effect.logInfo(...message))

/** A time that the request set for itself says nothing of the transport. */
const isOwnTimeout = (error: ResponsesError, options: Responses.RequestOptions | undefined): boolean =>
  options?.timeout !== undefined && error._tag === "ConnectionError" && error.reason === "TurnTimeout"

const countProbe = (outcome: "succeeded" | "failed") =>
  Metric.increment(Metric.tagged(ResponsesTelemetry.probes, "outcome", outcome))

/**
 * `Responses.orElse` with a circuit breaker.
 *
 * Closed: requests go to the first transport. An error that says that it is down (unreachable, refused, lost before sending)
 * opens the circuit. Any other error that allows a fallback sends only its own request to the second.
 *
 * A first transport that connects and never answers is down as well. A request that was sent is not repeated: it fails.
 * Three such requests in a row without any answer in between (no event within `firstEventTimeout`, or the connection lost
 * before the first event) open the circuit.
 *
 * Open: all requests of the interval go to the second, and the first is not asked. Their `recoveries` name the error that
 * opened the circuit.
 *
 * Half-open: the first request after the interval is served by the second as well, and starts a probe: `connect` of the
 * first, in the background, one at a time. If the probe fails, the next interval is longer. If it succeeds, the circuit
 * closes. An error that allows no fallback (401, 403, no key, a defect) closes it too, so that the next request reports that
 * error. An idle fallback runs no timer and no fiber.
 *
 * Only a response that the first transport opens makes the intervals short again. Until then, one request without an answer
 * is enough to open the circuit again.
 *
 * Warm-ups, and requests whose options only the first can serve, always go to the first. One that opens closes the circuit,
 * and one that fails can open it. Requests whose options only the second can serve go there, which is no outage.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  first: Responses.Service,
  second: Responses.Service,
  options: Options = {}
): Effect.Effect<Service, ConfigError.ConfigError, Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<Scope.Scope>()
    const scope = Context.get(context, Scope.Scope)
    const time = yield* Time.current
    const moment = Effect.map(Random.next, (random): CircuitBreaker.Moment => ({ time: time.now(), random }))
    const breaker = CircuitBreaker.make(yield* intervals(options.probe ?? {}))
    const totals = { fellBack: 0, probes: 0 }

    const tried: Responses.Service["open"] = (request, options) =>
      Effect.suspend(() => {
        const count = breaker.count()
        const opened = Effect.suspend(() => breaker.opened(count) ? ended("The socket serves again") : Effect.void)
        const failed = (error: ResponsesError) =>
          Effect.flatMap(moment, (moment) => {
            if (isOwnTimeout(error, options)) return Effect.void
            const outage = breaker.failed(Cause.originalError(error), count, moment)
            return outage === undefined ? Effect.void : began(outage)
          })
        return Effect.tapBoth(first.open(request, options), {
          onSuccess: () => Effect.uninterruptible(opened),
          onFailure: (error) => Effect.uninterruptible(failed(error))
        })
      })

    /** Changes the state in one step, so that no other probe can start in between. */
    const probed = (
      exit: Exit.Exit<void, ResponsesError>,
      moment: CircuitBreaker.Moment
    ): Effect.Effect<void> => {
      if (Exit.isSuccess(exit)) {
        const after = breaker.probed({ _tag: "Succeeded" })
        const said = after === undefined ? Effect.void : ended("The socket serves again")
        return Effect.zipRight(countProbe("succeeded"), said)
      }
      if (Cause.isInterrupted(exit.cause)) {
        breaker.probed({ _tag: "Interrupted" })
        return Effect.void
      }
      const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
      if (error !== undefined && canFallBack(error)) {
        const after = breaker.probed({ _tag: "Failed", error: Cause.originalError(error), moment })
        const said = after?._tag === "Open" ? Effect.logDebug(says(after.outage)) : Effect.void
        return Effect.zipRight(countProbe("failed"), said)
      }
      const after = breaker.probed({ _tag: "Fatal" })
      const said = after === undefined
        ? Effect.void
        : ended("HTTP serves no longer, so that the next request reports this:", exit.cause)
      return Effect.zipRight(countProbe("failed"), said)
    }

    /** Runs in the Layer's context: the probe outlives the span of the request that starts it. */
    const probe = Effect.uninterruptible(Effect.suspend(() => {
      if (!breaker.tryProbe(time.now())) return Effect.void
      totals.probes++
      return Effect.exit(Effect.interruptible(first.connect ?? Effect.void)).pipe(
        Effect.zip(moment),
        Effect.flatMap(([exit, moment]) => probed(exit, moment)),
        Effect.mapInputContext<never, Scope.Scope>(() => context),
        Effect.forkIn(scope)
      )
    }))

    const unlessOpen: Responses.Service = {
      connect: first.connect,
      transports: first.transports,
      open: (request, options) =>
        Effect.suspend(() => {
          const outage = breaker.outage()
          const isFirsts = request.generate === false || Servers.serversOf(first, second, options) === "first"
          if (outage === undefined || isFirsts) return tried(request, options)
          return Effect.zipRight(probe, Effect.fail(outage.error))
        })
    }

    const counted: Responses.Service = {
      transports: second.transports,
      open: (request, options) =>
        Effect.tap(second.open(request, options), () =>
          Effect.sync(() => {
            if (Servers.serversOf(first, second, options) === "both") totals.fellBack++
          }))
    }

    yield* Effect.addFinalizer(() =>
      Effect.suspend(() =>
        breaker.outage() === undefined ? Effect.void : Metric.incrementBy(ResponsesTelemetry.fallback, -1)
      )
    )

    return {
      ...Responses.orElse(unlessOpen, counted),
      stats: Effect.sync(() => ({
        serving: breaker.outage() === undefined ? "first" : "second",
        fallbacks: breaker.count(),
        ...totals,
        lastError: breaker.lastError()
      }))
    }
  })

/**
 * `make` for Layers. What else the first Layer provides is kept.
 *
 * @example
 * ```ts
 * import { ResponsesFallback, ResponsesHttp, ResponsesSocket } from "effect-responses"
 *
 * export const Live = ResponsesFallback.layer(ResponsesSocket.layerConfig(), ResponsesHttp.layerConfig(), {
 *   probe: { first: "1 second", max: "1 minute" }
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <A, E1, R1, E2, R2>(
  first: Layer.Layer<Responses.Responses | A, E1, R1>,
  second: Layer.Layer<Responses.Responses, E2, R2>,
  options?: Options
): Layer.Layer<Responses.Responses | ResponsesFallback | A, E1 | E2 | ConfigError.ConfigError, R1 | R2> =>
  Layer.scopedContext(
    Effect.gen(function*() {
      const provided = yield* Layer.build(first)
      const other = yield* Layer.build(second)
      const service = yield* make(
        Context.get(provided, Responses.Responses),
        Context.get(other, Responses.Responses),
        options
      )
      return provided.pipe(Context.add(Responses.Responses, service), Context.add(ResponsesFallback, service))
    })
  )
