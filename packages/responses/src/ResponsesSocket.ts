/**
 * Responses over WebSockets: opened when they are needed, used by as many responses at once as the server has lanes, replaced
 * before the server's age limit, closed with their scope.
 *
 * @since 0.1.0
 */
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constTrue } from "effect/Function"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Connector } from "./Connector.ts"
import * as Continuation from "./Continuation.ts"
import * as Rule from "./internal/compare/rule.ts"
import * as Again from "./internal/effect/again.ts"
import * as Limits from "./internal/effect/limits.ts"
import * as Timers from "./internal/effect/timers.ts"
import * as Exchange from "./internal/exchange/exchange.ts"
import * as Endpoint from "./internal/options/endpoint.ts"
import * as Timeouts from "./internal/options/timeouts.ts"
import * as Backlog from "./internal/socket/backlog.ts"
import * as CurrentKey from "./internal/socket/currentKey.ts"
import * as Dial from "./internal/socket/dial.ts"
import * as Heads from "./internal/socket/heads.ts"
import * as Pool from "./internal/socket/pool.ts"
import * as PoolLimits from "./internal/socket/poolLimits.ts"
import * as Rewarm from "./internal/socket/rewarm.ts"
import * as Tally from "./internal/socket/tally.ts"
import * as Turn from "./internal/socket/turn.ts"
import type * as ResponseEvent from "./ResponseEvent.ts"
import * as Responses from "./Responses.ts"
import type { ConnectionError } from "./ResponsesError.ts"
import * as ResponsesMetrics from "./ResponsesMetrics.ts"
import type * as ResponsesOptions from "./ResponsesOptions.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends ResponsesOptions.Endpoint, ResponsesOptions.Timeouts {
  /**
   * How many connections there may be at once. Another one is opened for a conversation when each has as many as can run on it
   * at once. With `maxConnections: 1, maxLanes: 1` responses are served one at a time in the order in which they were asked
   * for, on the lanes that the callers name. Default: 32, which is 512 responses at once where
   * the server has lanes, and 32 where it has none; they are opened only when they are needed
   */
  readonly maxConnections?: number | undefined
  /**
   * How many responses may run at once on one connection, where the server has lanes. Default: 16, which is the limit of
   * api.openai.com
   */
  readonly maxLanes?: number | undefined
  /** How many requests may wait for others, at least 1. One more fails with `QueueFull`. Default: 10,000 */
  readonly maxWaiting?: number | undefined
  /** How long a connection, but for the last one, may have nothing to do before it is closed. Default: 5 minutes */
  readonly idleTimeToLive?: Duration.DurationInput | undefined
  /**
   * How many characters of events may wait for slow readers: of one response, of all responses on a connection, and of all
   * of the Layer. Over it the response with most of them fails with `Overrun`; the others go on. A reader is behind from 1 Mi on,
   * so less counts as that, and a limit is to be above the largest event: the last ones repeat the whole text. Default: 32, 64
   * and 256 Mi
   */
  readonly maxUnread?: Partial<MaxUnread> | undefined
  /**
   * How long responses that run may take to end when the Layer is closed. From then on new requests, and those that wait, fail
   * with `Closed`. It is of use where the readers are not interrupted themselves, as by a server that drains. Default: 0, they are
   * broken off
   */
  readonly shutdownTimeout?: Duration.DurationInput | undefined
  /** Open the connection when the Layer is built instead of at the first request. Default: `false` */
  readonly eager?: boolean | undefined
  /** How long the server may take to answer the upgrade. Default: 10 seconds */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /**
   * When to try again to open a connection, within one request. A request that is asked again by a `retry` opens it once.
   * Default: twice, after about 200 and 400 ms
   */
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
   * Warm up the conversations that were served last on the new connection, before that takes over: their next turns then send
   * only what is new. A number says how many, `true` is one. Each costs a request of the whole history, without output.
   * Default: `false`
   */
  readonly rewarm?: boolean | number | undefined
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
   * the rest before its lane is used again, which keeps what the connection remembers. A connection that serves, or
   * remembers, any other conversation is never closed. Default: `close`
   */
  readonly onEarlyEnd?: "close" | "drain" | undefined
  /**
   * What may be sent again, once, on a new connection when one is lost: what is certain not to have run (`unsent`), or also
   * what was sent and not answered (`unacknowledged`), which may then run, and be paid for, twice. A request that is asked again
   * by a `retry` is not. Default: `unsent`
   */
  readonly repeat?: "unsent" | "unacknowledged" | undefined
  /**
   * How much of the output of one response is kept, in characters of the JSON that the server sent. A response with more
   * fails with `Overrun`, and its connection is closed. Default: 67,108,864 (64 Mi)
   */
  readonly maxOutputSize?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface MaxUnread {
  readonly response: number
  readonly connection: number
  readonly layer: number
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
  /**
   * Events of a vendor's own that are of no response, such as `keepalive` or rate limits, as they come while no response runs
   * or several do: which one they are for nobody says. While one runs alone they are among its events. Who listens late, or
   * slowly, gets the latest 16. The Stream ends with the Layer.
   */
  readonly news: Stream.Stream<ResponseEvent.UnknownEvent>
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
  /** Connections that take new turns now. */
  readonly serving: number
  /** Connections that take none, and on which some still run. */
  readonly retiring: number
  /** Connections that are being opened for requests that wait. */
  readonly opening: number
  /** Lanes that are in use. */
  readonly running: number
  /** Requests that wait for a place. */
  readonly waiting: number
  /** Connections opened. */
  readonly connections: number
  /** Connections replaced by the `recycle` schedule. */
  readonly recycled: number
  /** Conversations that a new connection was told before it took over. */
  readonly rewarmed: number
  /** Responses whose readers fell too far behind. */
  readonly overruns: number
  /** Events that were of no response: see `news`. */
  readonly news: number
  /** Connections that did not answer a ping. */
  readonly unresponsive: number
  /** Responses that began on a socket. */
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
  /** Turns that were sent to the lane, or, forks among them, at least the connection, that has their conversation. */
  readonly affineHits: number
  /** Turns that branched off a response that another turn had just continued. */
  readonly forks: number
  /** Conversations that the server no longer has, and why. */
  readonly headsLost: {
    /** A turn of it failed. */
    readonly AfterFailure: number
    /** Another conversation took its lane. */
    readonly Displaced: number
    /** The server refused to continue it. */
    readonly Forgotten: number
    /** Its connection ended. */
    readonly NewConnection: number
  }
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

/** In the background: a program must come up, and fall back to HTTP, without the server too. */
const openAhead = (connect: Effect.Effect<unknown, ConnectionError>) =>
  connect.pipe(
    Effect.catchAll((error) => Effect.logDebug("No connection yet: the first request will try again", error)),
    Effect.interruptible,
    Effect.forkScoped
  )

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
    const limits = yield* PoolLimits.make(options, profile)
    const timers = yield* Timers.make
    const tally = Tally.make()
    const news = yield* Effect.acquireRelease(PubSub.sliding<ResponseEvent.UnknownEvent>(16), PubSub.shutdown)
    let opened = 0
    const { naming } = limits
    const rule = options.continuation ?? Continuation.automatic
    const heads = new Heads.Heads({
      rule: Rule.of(rule),
      naming,
      continuesWithInstructions: profile.continuesWithInstructions,
      uniqueIds: profile.uniqueIds,
      keepsServed: limits.rewarm,
      now: timers.time.now
    })
    const rewarm = Rewarm.make({
      time: timers.time,
      heads,
      naming,
      limit: timeouts.turn,
      maxFrameBytes: profile.maxFrameBytes,
      onRewarmed: () => tally.hear({ _tag: "Rewarmed" })
    })
    const again = Again.makeCount()
    const dial = Dial.dial({
      connect,
      endpoint,
      connectTimeout,
      reconnect: Schedule.whileInput(options.reconnect ?? defaultReconnect, () => !again.isAll(pool.waiting())),
      reconnectTimeout,
      ping,
      pingTimeout,
      timeouts,
      maxOutputSize,
      keepsOutput: rule !== Continuation.off,
      timers,
      naming,
      backlog: new Backlog.Backlog(limits.unread, () => tally.hear({ _tag: "Overrun" })),
      nextNumber: () => ++opened,
      isWaitedFor: () => pool.waiting() > 0,
      onDead: () => tally.hear({ _tag: "Unresponsive" }),
      onNews: (event) => {
        tally.hear({ _tag: "News" })
        news.unsafeOffer(event)
      }
    })
    const pool: Pool.Pool = yield* Pool.make({
      timers,
      dial: Effect.tap(dial, () => Effect.sync(() => tally.hear({ _tag: "Connected" }))),
      limits,
      sharesDials: naming.by === "layer",
      hopedFor: () => naming.hopedFor,
      onEnded: (connection) => heads.ended(connection),
      schedule: options.recycle ?? recycleBefore(profile.maxAge, timeouts.turn),
      prepare: limits.rewarm > 0 ? rewarm : () => Effect.succeed(true),
      onRecycled: () => tally.hear({ _tag: "Recycled" })
    })

    const suits = endpoint.canRotate
      ? pool.whileOpen(CurrentKey.make(endpoint, timers.time, connectTimeout))
      : undefined
    const ready = pool.connect(suits ?? Effect.succeed(constTrue))
    if (options.eager === true) yield* openAhead(ready)

    const open = Turn.make({
      pool,
      heads,
      naming,
      suits,
      onEarlyEnd: options.onEarlyEnd ?? "close",
      repeat: options.repeat ?? "unsent",
      maxFrameBytes: profile.maxFrameBytes,
      lanes: profile.lanes,
      onOpen: (response) => tally.hear({ _tag: "Began", response })
    })

    return {
      open: (request, requestOptions) => again.around(open(request, requestOptions)),
      transports: ["websocket"],
      connect: ready,
      news: Stream.fromPubSub(news),
      stats: Effect.sync(() => ({ open: pool.isOpen(), ...pool.stats(), ...tally.totals(), ...heads.stats() }))
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

/**
 * Has the metrics of `ResponsesMetrics` show the `stats` of a Layer: its connections, lanes, who waits, and what became of
 * its conversations. Without it they cost nothing.
 *
 * @example
 * ```ts
 * import { Layer } from "effect"
 * import { ResponsesSocket } from "effect-responses"
 *
 * export const Live = Layer.provideMerge(ResponsesSocket.layerMetrics(), ResponsesSocket.layerConfig())
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMetrics = (
  schedule?: Schedule.Schedule<unknown>
): Layer.Layer<never, never, ResponsesSocket> =>
  Layer.scopedDiscard(Effect.flatMap(ResponsesSocket, ({ stats }) => ResponsesMetrics.watch(stats, schedule)))
