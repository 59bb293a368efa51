/**
 * Responses over one WebSocket: opened when it is needed, used by one response at a time, replaced before the server's
 * age limit, closed with its scope.
 *
 * @since 0.1.0
 */
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import { constTrue } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Connector } from "./Connector.ts"
import * as Continuation from "./Continuation.ts"
import * as Rule from "./internal/compare/rule.ts"
import * as Limits from "./internal/effect/limits.ts"
import type { Time } from "./internal/effect/time.ts"
import * as Timers from "./internal/effect/timers.ts"
import * as Exchange from "./internal/exchange/exchange.ts"
import * as Endpoint from "./internal/options/endpoint.ts"
import * as Timeouts from "./internal/options/timeouts.ts"
import * as Connection from "./internal/socket/connection.ts"
import * as Heads from "./internal/socket/heads.ts"
import * as Lease from "./internal/socket/lease.ts"
import * as Rewarm from "./internal/socket/rewarm.ts"
import * as Turn from "./internal/socket/turn.ts"
import * as ErrorTable from "./internal/wire/errorTable.ts"
import * as Responses from "./Responses.ts"
import { ConnectionError } from "./ResponsesError.ts"
import type * as ResponsesOptions from "./ResponsesOptions.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends ResponsesOptions.Endpoint, ResponsesOptions.Timeouts {
  /** Open the connection when the Layer is built instead of at the first request. Default: `false` */
  readonly eager?: boolean | undefined
  /** How long the server may take to answer the upgrade. Default: 10 seconds */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /** When to try again to open a connection, within one request. Default: twice, after about 200 and 400 ms */
  readonly reconnect?: Schedule.Schedule<unknown, ConnectionError> | undefined
  /** How long all tries together may take. Default: 15 seconds */
  readonly reconnectTimeout?: Duration.DurationInput | undefined
  /**
   * The age at which a connection is replaced by a new one, which is opened before. Further steps say when to try again
   * if no new one could be opened. Default: the `maxAge` of the profile less `turnTimeout` (but at least half of it), or
   * up to a tenth earlier, at random: 36 to 40 minutes
   */
  readonly recycle?: Schedule.Schedule<unknown, unknown> | undefined
  /**
   * Warm up the conversation that was served last on the new connection, before that takes over: its next turn then sends
   * only what is new. Costs a request of the whole history, without output. Default: `false`
   */
  readonly rewarm?: boolean | undefined
  /**
   * Ask the server for a sign of life when nothing has come for so long. Without it, a connection that was silent for 30
   * seconds is asked before it is used. Default: none
   */
  readonly ping?: Duration.DurationInput | undefined
  /** How long the answer to a ping may take before the connection is taken for dead. Default: 10 seconds */
  readonly pingTimeout?: Duration.DurationInput | undefined
  /** How it is decided what of a request travels. Default: `Continuation.automatic` */
  readonly continuation?: Continuation.Rule | undefined
  /**
   * What becomes of a response that its caller leaves early: `close` the connection, which stops the work, or `drain`
   * the rest before the connection is used again, which keeps what the connection remembers. Default: `close`
   */
  readonly onEarlyEnd?: "close" | "drain" | undefined
  /**
   * What may be sent again, once, on a new connection when one is lost: what is certain not to have run (`unsent`), or also
   * what was sent and not answered (`unacknowledged`), which may then run, and be paid for, twice. Default: `unsent`
   */
  readonly repeat?: "unsent" | "unacknowledged" | undefined
  /**
   * How much of the output of one response is kept, in characters of the JSON that the server sent. A response with more
   * fails with `Overrun`, and its connection is closed. Default: 67,108,864 (64 Mi)
   */
  readonly maxOutputSize?: number | undefined
}

/**
 * `Options`, with the names of the environment's variables (as `Config`) in place of their values.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConfigOptions extends Omit<Options, keyof ResponsesOptions.FromConfig>, ResponsesOptions.FromConfig {}

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
  /** Conversations that a new connection was told before it took over. */
  readonly rewarmed: number
  /** Connections that did not answer a ping. */
  readonly unresponsive: number
  /** Responses that began. */
  readonly responses: number
  /** How many of them were asked for with only what was new. */
  readonly deltas: number
  readonly bytesSent: number
  /** About how many bytes of input did not have to travel. */
  readonly bytesSaved: number
  /** Requests moved to a new connection, because nothing had run on the old one. */
  readonly reconnected: number
  /** Requests sent again in full, because the server had forgotten, or refused to continue, the response before. */
  readonly resentInFull: number
  /** Deltas whose `previous_response_id` the server refused. */
  readonly deltasRefused: number
  /**
   * `false` while everything travels because the server refused two deltas in a row that continued the latest response of
   * their own connection. After a minute, and each time twice as long up to an hour, a delta is tried again.
   */
  readonly chaining: boolean
}

/**
 * @since 0.1.0
 * @category tags
 */
export class ResponsesSocket extends Context.Tag("effect-responses/ResponsesSocket")<ResponsesSocket, Service>() {}

/**
 * Jittered downwards only: Effect's own `jittered` would stretch what must not be stretched.
 *
 * @since 0.1.0
 * @category defaults
 */
export const recycleBefore = (
  maxAge: Duration.DurationInput,
  longestTurn: Duration.DurationInput
): Schedule.Schedule<unknown> => {
  const age = Duration.toMillis(maxAge)
  return Schedule.jitteredWith(Schedule.spaced(Math.max(age - Duration.toMillis(longestTurn), age / 2)), {
    min: 0.9,
    max: 1
  })
}

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
  (error.reason === "Refused" &&
    ErrorTable.judge({ names: [error.code], status: error.status, text: error.description }).verdict === "passing")

/** In the background: a program must come up, and fall back to HTTP, without the server too. */
const openAhead = (connect: Effect.Effect<unknown, ConnectionError>) =>
  connect.pipe(
    Effect.catchAll((error) => Effect.logDebug("No connection yet: the first request will try again", error)),
    Effect.interruptible,
    Effect.forkScoped
  )

const openedWithin = (duration: Duration.Duration, problem: string) =>
  Effect.timeoutFail({
    duration,
    onTimeout: () =>
      new ConnectionError({
        reason: "OpenTimeout",
        delivery: "unsent",
        description: `${problem} within ${Duration.format(duration)}`
      })
  })

/** A key that is refused may have been replaced since it was asked for. */
const withFreshKey = <A, R>(endpoint: Endpoint.Endpoint, open: Effect.Effect<A, ConnectionError, R>) =>
  endpoint.canRotate ? Effect.catchIf(open, (error) => error.status === 401, () => open) : open

type Suits = (connection: Connection.Connection) => boolean

/** Whether a connection was opened with the key of now. Without an answer it serves on, and for a while nobody asks again. */
const hasCurrentKey = (endpoint: Endpoint.Endpoint, time: Time, limit: Duration.Duration): Effect.Effect<Suits> => {
  let asksFrom = -Infinity
  const ask = Effect.map(
    Effect.timeout(endpoint.key, limit),
    (key): Suits => (connection) => Equal.equals(connection.key, key)
  )
  return Effect.suspend(() => {
    const now = time.now()
    return now < asksFrom ? Effect.succeed(constTrue) : Effect.catchAll(ask, (error) => {
      asksFrom = now + 6 * Duration.toMillis(limit)
      return Effect.as(
        Effect.logDebug("Whether there is a new key is not known: the connection serves on", error),
        constTrue
      )
    })
  })
}

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
    const { profile } = endpoint
    const timeouts = yield* Timeouts.make(options)
    const connectTimeout = yield* Timeouts.positive("connectTimeout", options.connectTimeout ?? "10 seconds")
    const reconnectTimeout = yield* Timeouts.positive(
      "reconnectTimeout",
      options.reconnectTimeout ?? "15 seconds"
    )
    const ping = yield* Timeouts.positive("ping", options.ping ?? Duration.infinity)
    const pingTimeout = yield* Timeouts.positive("pingTimeout", options.pingTimeout ?? "10 seconds")
    const maxOutputSize = yield* Limits.positive(
      "maxOutputSize",
      options.maxOutputSize ?? Exchange.defaultMaxOutputSize
    )
    const totals = {
      connections: 0,
      recycled: 0,
      rewarmed: 0,
      unresponsive: 0,
      responses: 0,
      deltas: 0,
      bytesSent: 0,
      bytesSaved: 0,
      reconnected: 0,
      resentInFull: 0
    }
    const timers = yield* Timers.make
    const heads = Heads.make({
      rule: Rule.of(options.continuation ?? Continuation.automatic),
      continuesWithInstructions: profile.continuesWithInstructions,
      uniqueIds: profile.uniqueIds,
      now: timers.time.now
    })
    const rewarm = Rewarm.make({
      time: timers.time,
      heads,
      maxFrameBytes: profile.maxFrameBytes,
      onRewarmed: () => totals.rewarmed++
    })

    const lease = yield* Lease.make<Connection.Connection, ConnectionError>({
      timers,
      open: () =>
        Connection.open(connect, endpoint, {
          ping,
          pingTimeout,
          timeouts,
          maxOutputSize,
          timers,
          onDead: () => totals.unresponsive++
        }).pipe(
          openedWithin(connectTimeout, "The server did not open the connection"),
          (open) => withFreshKey(endpoint, open),
          Effect.retry({ schedule: options.reconnect ?? defaultReconnect, while: isPassing }),
          openedWithin(reconnectTimeout, "No connection could be opened"),
          Effect.tap(() => Effect.sync(() => totals.connections++))
        ),
      prepare: options.rewarm === true ? rewarm : () => Effect.succeed(true),
      onReplaced: () => totals.recycled++,
      recycle: options.recycle ?? recycleBefore(profile.maxAge, timeouts.turn),
      onClosed: () =>
        new ConnectionError({
          reason: "Closed",
          delivery: "unsent",
          description: "The Layer that owns the connection is closed"
        })
    })

    const suits = endpoint.canRotate
      ? lease.whileOpen(hasCurrentKey(endpoint, timers.time, connectTimeout))
      : undefined
    // Whoever has entered must not be interrupted before it is sure that it leaves.
    const ready = Effect.uninterruptibleMask((restore) => {
      const held = lease.enter()
      return held.granted.pipe(
        Effect.zipRight(suits ?? Effect.succeed(constTrue)),
        Effect.flatMap(held.get),
        restore,
        Effect.ensuring(Effect.sync(held.release)),
        Effect.asVoid
      )
    })
    if (options.eager === true) yield* openAhead(ready)

    const open = Turn.make({
      lease,
      time: timers.time,
      heads,
      suits,
      timeouts,
      onEarlyEnd: options.onEarlyEnd ?? "close",
      repeat: options.repeat ?? "unsent",
      maxFrameBytes: profile.maxFrameBytes,
      lanes: profile.lanes,
      onOpen: ({ bytesSaved, bytesSent, input, recoveries }) => {
        totals.responses++
        totals.deltas += input === "delta" ? 1 : 0
        totals.bytesSent += bytesSent
        totals.bytesSaved += bytesSaved
        for (const { _tag } of recoveries) {
          if (_tag === "Reconnected") totals.reconnected++
          if (_tag === "ResentInFull") totals.resentInFull++
        }
      }
    })

    return {
      open,
      connect: ready,
      stats: Effect.sync(() => ({ open: lease.isOpen(), ...totals, ...heads.stats() }))
    }
  })

/** One Layer from the options to both services: each Layer in between would stay in memory as long as the connection. */
const makeContext = (options: Options) =>
  Effect.map(
    make(options),
    (service) => Context.make(ResponsesSocket, service).pipe(Context.add(Responses.Responses, service))
  )

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options
): Layer.Layer<ResponsesSocket | Responses.Responses, ConfigError.ConfigError, Connector> =>
  Layer.scopedContext(makeContext(options))

/**
 * `layer` with the key, and where to find the server, from the environment.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: ConfigOptions = {}
): Layer.Layer<ResponsesSocket | Responses.Responses, ConfigError.ConfigError, Connector> =>
  Layer.scopedContext(Effect.flatMap(Endpoint.fromConfig(options), makeContext))
