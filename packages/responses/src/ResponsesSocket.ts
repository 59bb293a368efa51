/**
 * Responses over one WebSocket: opened when it is needed, used by one response at a time, replaced before the server's
 * age limit, closed with its scope.
 *
 * @since 0.1.0
 */
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Connector } from "./Connector.ts"
import * as Continuation from "./Continuation.ts"
import * as Endpoint from "./Endpoint.ts"
import * as Connection from "./internal/connection.ts"
import * as Heads from "./internal/heads.ts"
import * as Lease from "./internal/lease.ts"
import * as Turn from "./internal/turn.ts"
import * as Responses from "./Responses.ts"
import { ConnectionError } from "./ResponsesError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends Endpoint.Options {
  /** Open the connection when the Layer is built instead of at the first request. Default: `false` */
  readonly eager?: boolean | undefined
  /** How long the server may take to answer the upgrade. Default: 10 seconds */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /** When to try again to open a connection, within one request. Default: twice, after about 200 and 400 ms */
  readonly reconnect?: Schedule.Schedule<unknown, ConnectionError> | undefined
  /**
   * The age at which a connection is replaced by a new one, between responses. Further steps say when to try again if
   * no new one could be opened. Default: 45 to 50 minutes, at random; the vendor's limit is 60
   */
  readonly recycle?: Schedule.Schedule<unknown, unknown> | undefined
  /** How it is decided what of a request travels. Default: `Continuation.automatic` */
  readonly continuation?: Continuation.Rule | undefined
  /**
   * What becomes of a response that its caller leaves early: `close` the connection, which stops the work, or `drain`
   * the rest before the connection is used again, which keeps what the connection remembers. Default: `close`
   */
  readonly onEarlyEnd?: "close" | "drain" | undefined
}

/**
 * `Options`, with the names of the environment's variables (as `Config`) in place of their values.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConfigOptions extends Omit<Options, keyof Endpoint.FromConfig>, Endpoint.FromConfig {}

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
  /** Whether there is a connection now. */
  readonly open: boolean
  /** Connections opened. */
  readonly connections: number
  /** Connections replaced by the `recycle` schedule. */
  readonly recycled: number
  /** Responses that began. */
  readonly responses: number
  /** How many of them were asked for with only what was new. */
  readonly deltas: number
  readonly bytesSent: number
  /** About how many bytes of input did not have to travel. */
  readonly bytesSaved: number
  /** Requests moved to a new connection, because nothing had run on the old one. */
  readonly reconnected: number
  /** Requests sent again in full, because the server had forgotten the response to continue from. */
  readonly resentInFull: number
}

/**
 * @since 0.1.0
 * @category tags
 */
export class ResponsesSocket extends Context.Tag("effect-responses/ResponsesSocket")<ResponsesSocket, Service>() {}

/**
 * Jittered downwards only: Effect's own `jittered` would stretch 50 minutes to 60.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultRecycle: Schedule.Schedule<unknown> = Schedule.spaced("50 minutes").pipe(
  Schedule.jitteredWith({ min: 0.9, max: 1 })
)

/**
 * @since 0.1.0
 * @category defaults
 */
export const defaultReconnect: Schedule.Schedule<unknown> = Schedule.exponential("200 millis").pipe(
  Schedule.jittered,
  Schedule.intersect(Schedule.recurs(2))
)

/** A time-out has already cost enough, and other refusals will not change. */
const isPassing = (error: ConnectionError): boolean =>
  error.reason === "Unreachable" ||
  (error.reason === "Refused" && error.status !== undefined && (error.status >= 500 || error.status === 429))

const duration = (
  option: string,
  input: Duration.DurationInput
): Effect.Effect<Duration.Duration, ConfigError.ConfigError> =>
  Effect.mapError(Duration.decodeUnknown(input), () => ConfigError.InvalidData([option], "is not a duration"))

/** In the background: a program must come up, and fall back to HTTP, without the server too. */
const openAhead = (lease: Lease.Lease<Connection.Connection, ConnectionError>) =>
  Effect.suspend(() => {
    const held = lease.enter()
    return held.granted.pipe(
      Effect.zipRight(held.get),
      Effect.catchAll((error) => Effect.logDebug("No connection yet: the first request will try again", error)),
      Effect.ensuring(Effect.sync(held.release))
    )
  }).pipe(Effect.interruptible, Effect.forkScoped)

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<Service, ConfigError.ConfigError, Connector | Scope.Scope> =>
  Effect.gen(function*() {
    const connect = yield* Connector
    const endpoint = yield* Endpoint.make(options)
    const connectTimeout = yield* duration("connectTimeout", options.connectTimeout ?? "10 seconds")
    const reconnect = options.reconnect ?? defaultReconnect
    const totals = {
      connections: 0,
      recycled: 0,
      responses: 0,
      deltas: 0,
      bytesSent: 0,
      bytesSaved: 0,
      reconnected: 0,
      resentInFull: 0
    }

    const lease = yield* Lease.make<Connection.Connection, ConnectionError>({
      open: Connection.open(connect, endpoint).pipe(
        Effect.timeoutFail({
          duration: connectTimeout,
          onTimeout: () =>
            new ConnectionError({
              reason: "OpenTimeout",
              delivery: "unsent",
              description: `The server did not open the connection within ${Duration.format(connectTimeout)}`
            })
        }),
        Effect.retry({ schedule: reconnect, while: isPassing }),
        Effect.tap(() => Effect.sync(() => totals.connections++))
      ),
      isOpen: (connection) => connection.isOpen(),
      ended: (connection) => connection.ended,
      onReplaced: () => totals.recycled++,
      recycle: options.recycle ?? defaultRecycle,
      onClosed: () =>
        new ConnectionError({
          reason: "Closed",
          delivery: "unsent",
          description: "The Layer that owns the connection is closed"
        })
    })
    if (options.eager === true) yield* openAhead(lease)
    const turn = Turn.make({
      lease,
      heads: Heads.make(options.continuation ?? Continuation.automatic),
      onEarlyEnd: options.onEarlyEnd ?? "close"
    })

    const count = ({ bytesSaved, bytesSent, input, recoveries }: Responses.Sending) => {
      totals.responses++
      totals.deltas += input === "delta" ? 1 : 0
      totals.bytesSent += bytesSent
      totals.bytesSaved += bytesSaved
      for (const { _tag } of recoveries) {
        if (_tag === "Reconnected") totals.reconnected++
        if (_tag === "ResentInFull") totals.resentInFull++
      }
    }

    return {
      open: (request) => Effect.tap(turn(request), (response) => Effect.sync(() => count(response))),
      stats: Effect.sync(() => ({ open: lease.isOpen(), ...totals }))
    }
  })

const provideBoth = (service: Service) =>
  Context.make(ResponsesSocket, service).pipe(Context.add(Responses.Responses, service))

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options
): Layer.Layer<ResponsesSocket | Responses.Responses, ConfigError.ConfigError, Connector> =>
  Layer.scopedContext(Effect.map(make(options), provideBoth))

/**
 * `layer` with the key, and where to find the server, from the environment.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: ConfigOptions = {}
): Layer.Layer<ResponsesSocket | Responses.Responses, ConfigError.ConfigError, Connector> =>
  Layer.unwrapEffect(Effect.map(Endpoint.fromConfig(options), layer))
