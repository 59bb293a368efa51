/**
 * A local Responses server: `POST /v1/responses` and the WebSocket mode on one port, with a scripted or a built-in model,
 * faults on demand, and a record of what it saw.
 *
 * @since 0.1.0
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import type * as HttpServerError from "@effect/platform/HttpServerError"
import type { ResponseRequest, ResponseScript } from "effect-responses"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Dialect from "./Dialect.ts"
import * as Conversations from "./internal/conversations.ts"
import { type Core, recordable } from "./internal/core.ts"
import * as Engine from "./internal/engine.ts"
import * as Listener from "./internal/listener.ts"
import { makeStore } from "./internal/memory.ts"
import { model as builtIn } from "./internal/model.ts"
import * as Records from "./internal/records.ts"
import * as Routes from "./internal/routes.ts"
import * as Socket from "./internal/socket.ts"
import { isSteerable } from "./internal/steer.ts"
import * as Upgrades from "./internal/upgrades.ts"
import type { Observation, RecordedRequest, SeenContext, Stats } from "./Observation.ts"
import * as TestClient from "./TestClient.ts"
import type * as Upgrade from "./Upgrade.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default: 0, any free port */
  readonly port?: number | undefined
  /** Default: `127.0.0.1` */
  readonly host?: string | undefined
  /** Without one, nobody is asked for a key. */
  readonly apiKey?: Redacted.Redacted | undefined
  /** A connection this old gets an error frame and is closed, idle or not. Default: 60 minutes */
  readonly ageLimit?: Duration.DurationInput | undefined
  /**
   * Default: a model that calls the offered tools as often as the user's text says ("3 tool calls"; else once) and then
   * answers.
   */
  readonly script?: ResponseScript.Script | undefined
  /** What becomes of requests for a WebSocket. Default: all are accepted that have the right path and key. */
  readonly upgrades?: Upgrade.Upgrades | undefined
  /**
   * With one, the same requests in the same order get the same ids, times and deltas, byte for byte. Without one, ids are
   * the server's own and times those of the clock.
   */
  readonly seed?: number | undefined
  /** The time before each delta, where a turn says nothing of it. Default: none */
  readonly deltaDelay?: Duration.DurationInput | undefined
  /** A larger frame closes the connection with 1009, a larger body is answered with 413. In bytes. Default: 100 MiB */
  readonly maxFrame?: number | undefined
  /** Responses that one connection gives at once. Default: 16 */
  readonly maxInFlight?: number | undefined
  /** What becomes of a request that comes while as many responses run as may. Default: `wait` */
  readonly atMaxInFlight?: AtMaxInFlight | undefined
  /** Names of lanes that one connection takes. Default: 32 */
  readonly maxLanes?: number | undefined
  /** What the server makes of `stream_id`. Default: `lanes` */
  readonly streamIds?: StreamIds | undefined
  /**
   * Whether a response with `store: false` is forgotten as soon as the next request of its lane comes: that request still
   * continues from it, and no other one does. A fork, which continues the response on another lane, reads it a moment after
   * it came, and so fails where nobody kept the response for it. Default: `false`, a response is forgotten when the next one
   * of its lane ends
   */
  readonly evictsParents?: boolean | undefined
  /** How the frames are spelled. Default: as the vendor does it */
  readonly dialect?: Dialect.Dialect | undefined
  /** Which models can be steered. Default: all but the vendor's families from before `gpt-5.5`, which cannot */
  readonly canSteer?: ((model: string) => boolean) | undefined
  /** How many submissions can be pending for one response. Default: 8 */
  readonly maxSteers?: number | undefined
  /** How many stored responses are kept; the oldest go first. Default: 1000 */
  readonly storeLimit?: number | undefined
  /** How large their contexts may be together; the oldest go first. In bytes. Default: 512 MiB */
  readonly storeBytes?: number | undefined
  /** How many requests, contexts and observations are kept; the oldest go first. Default: 10000 */
  readonly recordLimit?: number | undefined
  /** How large the requests that are kept may be together. In bytes. Default: 64 MiB */
  readonly recordBytes?: number | undefined
  /** What response ids begin with after `resp_`. Default: random or from the seed: no server knows the ids of another. */
  readonly idPrefix?: string | undefined
}

/**
 * What a server makes of `stream_id`. In all cases but `lanes` a connection has one lane: it gives one response at a time,
 * keeps the latest one, and lets other requests wait.
 *
 * - `lanes`: each name is a lane, as on the vendor's server.
 * - `echoed`: the name is a label. Events carry it.
 * - `dropped`: the name is taken, and events come without it.
 * - `refused`: a request with a name is an error.
 *
 * @since 0.1.0
 * @category models
 */
export type StreamIds = "lanes" | "echoed" | "dropped" | "refused"

/**
 * What becomes of a request that comes while as many responses run on its connection as may: it waits, or it is refused with
 * `response_already_in_flight`, as gateways do it that run one response at a time.
 *
 * @since 0.1.0
 * @category models
 */
export type AtMaxInFlight = "wait" | "refuse"

/**
 * What a refused upgrade is answered with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refusal extends Omit<Extract<Upgrade.Upgrade, { readonly _tag: "Refuse" }>, "_tag"> {
  /** How many upgrades are refused. Default: all, until `acceptUpgrades` */
  readonly times?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** `http://127.0.0.1:PORT/v1` */
  readonly url: string
  /** In the order of arrival. */
  readonly requests: Effect.Effect<ReadonlyArray<RecordedRequest>>
  /** What the model saw, in the order in which it saw it. */
  readonly contexts: Effect.Effect<ReadonlyArray<SeenContext>>
  /** How many WebSockets were ever opened, and how many are open now. */
  readonly connections: Effect.Effect<Stats["connections"]>
  readonly stats: Effect.Effect<Stats>
  /** Everything since the start of the server, as far as it is kept, and then what comes. Every run begins at the start. */
  readonly events: Stream.Stream<Observation>
  /** Waits until there have been `count` observations of a kind since the start, and gives the last of them. */
  readonly waitFor: <Tag extends Observation["_tag"]>(
    tag: Tag,
    count?: number
  ) => Effect.Effect<Extract<Observation, { readonly _tag: Tag }>>
  /** Forgets responses, stored ones and the ones that connections hold. `latest`: the one that ended last. */
  readonly forget: (what: "all" | "latest" | { readonly responseId: string }) => Effect.Effect<void>
  /** What becomes of the next upgrades, whoever asks. Default for `times`: all, until `acceptUpgrades` */
  readonly onUpgrade: (
    upgrade: Upgrade.Upgrade,
    options?: { readonly times?: number | undefined }
  ) => Effect.Effect<void>
  /** Every open connection reaches its age limit now. */
  readonly expire: Effect.Effect<void>
  readonly refuseUpgrades: (refusal: Refusal) => Effect.Effect<void>
  /** Back to what the options say. */
  readonly acceptUpgrades: Effect.Effect<void>
  /** Closes every open connection, idle or not; `cut` without a close frame. */
  readonly disconnect: (
    how: "cut" | { readonly code: number; readonly reason?: string | undefined }
  ) => Effect.Effect<void>
  /** Sends a frame on every connection that runs no response, and gives their number. */
  readonly sendToIdle: (frame: object | string) => Effect.Effect<number>
}

/**
 * @since 0.1.0
 * @category tags
 */
export class ResponsesServer extends Context.Tag("effect-responses-server/ResponsesServer")<
  ResponsesServer,
  Service
>() {}

const prefix = (number: number): string => `${number.toString(16).padStart(6, "0")}_`

const randomPrefix = Effect.map(Random.nextIntBetween(0, 0xffffff), prefix)

/**
 * The model that serves without a script: it calls the offered tools as often as the user's text says ("3 tool calls",
 * else once) and then answers. A script may call it, to break some of its turns.
 *
 * @example
 * ```ts
 * import { ResponseScript } from "effect-responses"
 * import { ResponsesServer } from "effect-responses-server"
 *
 * export const script: ResponseScript.Script = (request, context) =>
 *   context.index === 2
 *     ? ResponseScript.turn([ResponsesServer.model(request, context), ResponseScript.drop({ after: 4 })])
 *     : ResponsesServer.model(request, context)
 * ```
 *
 * @since 0.1.0
 * @category scripts
 */
export const model: (request: ResponseRequest.ResponseRequest, context: ResponseScript.Context) => ResponseScript.Turn =
  builtIn

/**
 * Starts a server that stops, with all of its connections, when the scope is closed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (options?: Options) => Effect.Effect<Service, HttpServerError.ServeError, Scope.Scope> = Effect
  .fnUntraced(function*(options: Options = {}) {
    const host = options.host ?? "127.0.0.1"
    const { seed, streamIds = "lanes" } = options
    const records = Records.make({
      limit: options.recordLimit ?? 10_000,
      bytes: options.recordBytes ?? 64 * 1024 * 1024
    })
    const connections = new Set<Socket.Served>()
    const idPrefix = options.idPrefix ?? (seed === undefined ? yield* randomPrefix : prefix(seed >>> 0))
    const conversations = Conversations.make({ idPrefix, limit: options.storeLimit ?? 1000 })
    const store = makeStore({
      responses: options.storeLimit ?? 1000,
      bytes: options.storeBytes ?? 512 * 1024 * 1024
    })
    const engine = Engine.make({
      script: options.script ?? model,
      idPrefix,
      seed,
      deltaDelay: Duration.toMillis(options.deltaDelay ?? 0),
      dialect: options.dialect ?? {},
      conversations,
      onContext: records.addContext
    })
    let requestIds = 0

    const core: Core = {
      engine,
      store,
      conversations,
      idPrefix,
      apiKey: options.apiKey,
      limits: {
        frame: options.maxFrame ?? 100 * 1024 * 1024,
        inFlight: streamIds === "lanes" ? options.maxInFlight ?? 16 : 1,
        atInFlight: options.atMaxInFlight ?? "wait",
        lanes: options.maxLanes ?? 32,
        steers: options.maxSteers ?? 8
      },
      streamIds,
      evictsParents: options.evictsParents ?? false,
      canSteer: options.canSteer ?? isSteerable,
      nextRequestId: () => `req_${++requestIds}`,
      publish: records.add,
      forget: (what, previousId) => {
        const isMeant = Socket.forgotten(what, engine.latest(), previousId)
        store.forget(isMeant)
        for (const connection of connections) Socket.forget(connection, isMeant)
      }
    }

    const upgrades = Upgrades.make(core, options.upgrades ?? [])
    const run = yield* FiberSet.makeRuntime<never>()
    const port = yield* Listener.listen({
      port: options.port ?? 0,
      host,
      maxFrame: core.limits.frame,
      onRequest: yield* NodeHttpServer.makeHandler(Routes.app(core)),
      onUpgrade: (request) => {
        const upgrade = upgrades.decide(request)
        const { _tag } = upgrade
        if (_tag === "Accept" || _tag === "Close") {
          return {
            _tag: "Open",
            onSocket: (ws, socket) => {
              const connection = Socket.serve(core, ws, {
                number: records.nextConnection(),
                socket,
                headers: recordable(request.headers),
                ageLimit: options.ageLimit ?? Duration.minutes(60),
                connections,
                pings: _tag === "Close" || upgrade.pings !== false,
                greeting: _tag === "Close" ? [] : upgrade.greeting ?? []
              })
              run(Effect.interruptible(Effect.scoped(connection)))
              if (_tag === "Close") ws.close(upgrade.code, upgrade.reason)
            }
          }
        }
        records.add({ _tag: "ConnectionRefused", status: _tag === "Refuse" ? upgrade.status : 0 })
        return _tag === "Refuse"
          ? { _tag: "Answer", answer: Listener.answer(upgrade, core.nextRequestId()) }
          : _tag === "Stall"
          ? { _tag: "Answer", answer: undefined }
          : { _tag: "Cut" }
      }
    })

    const each = (f: (connection: Socket.Served) => void) => Effect.sync(() => [...connections].forEach(f))
    const onUpgrade: Service["onUpgrade"] = (upgrade, more) =>
      Effect.sync(() => upgrades.order(upgrade, more?.times ?? Number.POSITIVE_INFINITY))

    return {
      url: `http://${host}:${port}/v1`,
      requests: Effect.sync(records.requests),
      contexts: Effect.sync(records.contexts),
      connections: Effect.sync(() => ({ opened: records.opened(), open: connections.size })),
      stats: Effect.sync(() => records.stats(connections, store)),
      events: records.events,
      waitFor: <Tag extends Observation["_tag"]>(tag: Tag, count = 1) =>
        Stream.unwrap(Effect.sync(() =>
          records.events.pipe(
            Stream.filter((event): event is Extract<Observation, { readonly _tag: Tag }> => event._tag === tag),
            Stream.drop(Math.max(0, count - 1 - records.dropped(tag)))
          )
        )).pipe(
          Stream.runHead,
          Effect.flatMap(Option.match({ onNone: () => Effect.never, onSome: Effect.succeed }))
        ),
      forget: (what) => Effect.sync(() => core.forget(what)),
      expire: each((connection) => connection.expire()),
      onUpgrade,
      refuseUpgrades: ({ times, ...refusal }) => onUpgrade({ _tag: "Refuse", ...refusal }, { times }),
      acceptUpgrades: Effect.sync(upgrades.reset),
      disconnect: (how) =>
        each((connection) =>
          connection.close(how === "cut" ? undefined : { code: how.code, reason: how.reason ?? "" })
        ),
      sendToIdle: (frame) =>
        Effect.sync(() => {
          const idle = [...connections].filter(({ lanes }) => lanes.inFlight() + lanes.queued() === 0)
          for (const connection of idle) connection.send(frame)
          return idle.length
        })
    }
  })

/**
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { ResponseScript } from "effect-responses"
 * import { ResponsesServer } from "effect-responses-server"
 *
 * export const program = Effect.gen(function*() {
 *   const server = yield* ResponsesServer.ResponsesServer
 *   yield* Console.log(server.url)
 *   const { request } = yield* server.waitFor("RequestReceived")
 *   yield* Console.log(request.body.input)
 * }).pipe(Effect.provide(ResponsesServer.layer({ script: [ResponseScript.text("Hello")] })))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<ResponsesServer, HttpServerError.ServeError> =>
  Layer.scoped(ResponsesServer, make(options))

/**
 * A server on a free port, and a client that is connected to it by a WebSocket.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { ResponseScript } from "effect-responses"
 * import { ResponsesServer, TestClient } from "effect-responses-server"
 *
 * export const program = Effect.gen(function*() {
 *   const client = yield* TestClient.TestClient
 *   const frames = yield* client.create({ model: "test", input: "Hi" })
 *   return frames.map((frame) => frame["type"])
 * }).pipe(Effect.provide(ResponsesServer.layerTest({ script: [ResponseScript.text("Hello")] })))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTest = (
  options?: Omit<Options, "port">
): Layer.Layer<ResponsesServer | TestClient.TestClient, HttpServerError.ServeError | TestClient.ConnectError> =>
  Layer.provideMerge(
    Layer.scoped(
      TestClient.TestClient,
      Effect.flatMap(ResponsesServer, ({ url }) => TestClient.connect(url, { apiKey: options?.apiKey }))
    ),
    layer(options)
  )
