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
import * as PubSub from "effect/PubSub"
import * as Random from "effect/Random"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { IncomingMessage } from "node:http"
import { type Core, isAuthorized, recordable } from "./internal/core.ts"
import * as Engine from "./internal/engine.ts"
import * as Http from "./internal/http.ts"
import * as Listener from "./internal/listener.ts"
import { makeStore } from "./internal/memory.ts"
import { model as builtIn } from "./internal/model.ts"
import * as Socket from "./internal/socket.ts"
import { notFound, wrongKey } from "./internal/validate.ts"
import type { Observation, RecordedRequest } from "./Observation.ts"

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
  /** The time before each delta. Default: none */
  readonly deltaDelay?: Duration.DurationInput | undefined
  /** A larger frame closes the connection with 1009. In bytes. Default: 100 MiB */
  readonly maxFrame?: number | undefined
  /** How many stored responses are kept; the oldest go first. Default: 1000 */
  readonly storeLimit?: number | undefined
  /** How many requests and observations are kept; the oldest go first. Default: 10000 */
  readonly recordLimit?: number | undefined
  /** What response ids begin with after `resp_`. Default: random, so that no server knows the ids of another. */
  readonly idPrefix?: string | undefined
}

/**
 * What a refused upgrade is answered with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refusal {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Sent as JSON unless it is a string. */
  readonly body?: unknown
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
  /** How many WebSockets were ever opened, and how many are open now. */
  readonly connections: Effect.Effect<{ readonly opened: number; readonly open: number }>
  /** Everything since the start of the server, and then what comes. Every run begins at the start. */
  readonly events: Stream.Stream<Observation>
  /** Waits until there have been `count` observations of a kind since the start, and gives the last of them. */
  readonly waitFor: <Tag extends Observation["_tag"]>(
    tag: Tag,
    count?: number
  ) => Effect.Effect<Extract<Observation, { readonly _tag: Tag }>>
  /** Forgets responses, stored ones and the ones that connections hold. `latest`: the one that ended last. */
  readonly forget: (what: "all" | "latest" | { readonly responseId: string }) => Effect.Effect<void>
  /** Every open connection reaches its age limit now. */
  readonly expire: Effect.Effect<void>
  readonly refuseUpgrades: (refusal: Refusal) => Effect.Effect<void>
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

const toAnswer = (refusal: Omit<Refusal, "times">, requestId: string): Listener.Answer => ({
  status: refusal.status,
  headers: { "x-request-id": requestId, ...refusal.headers },
  body: typeof refusal.body === "string" ? refusal.body : JSON.stringify(refusal.body ?? {})
})

const randomPrefix = Effect.map(
  Random.nextIntBetween(0, 0xffffff),
  (number) => `${number.toString(16).padStart(6, "0")}_`
)

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
    const recordLimit = options.recordLimit ?? 10_000
    const observations = yield* PubSub.unbounded<Observation>({ replay: recordLimit })
    const requests: Array<RecordedRequest> = []
    const connections = new Set<Socket.Connection>()
    let opened = 0
    let requestIds = 0
    let refusal: Refusal | undefined
    let refused = 0

    const core: Core = {
      engine: Engine.make({
        script: options.script ?? model,
        idPrefix: options.idPrefix ?? (yield* randomPrefix)
      }),
      store: makeStore(options.storeLimit ?? 1000),
      apiKey: options.apiKey,
      deltaDelay: Duration.toMillis(options.deltaDelay ?? 0),
      nextRequestId: () => `req_${++requestIds}`,
      publish: (observation) => {
        if (observation._tag === "RequestReceived") {
          requests.push(observation.request)
          if (requests.length > recordLimit) requests.shift()
        }
        observations.unsafeOffer(observation)
      }
    }

    const refusalOf = (request: IncomingMessage): Omit<Refusal, "times"> | undefined => {
      if (refusal !== undefined && refused < (refusal.times ?? Number.POSITIVE_INFINITY)) {
        refused++
        return refusal
      }
      const { pathname } = new URL(request.url ?? "/", "http://localhost")
      if (pathname !== "/v1/responses") return { status: notFound.status, body: Http.errorBody(notFound) }
      if (isAuthorized(core, request.headers.authorization)) return undefined
      return { status: wrongKey.status, body: Http.errorBody(wrongKey) }
    }

    const run = yield* FiberSet.makeRuntime<never>()
    const port = yield* Listener.listen({
      port: options.port ?? 0,
      host,
      maxFrame: options.maxFrame ?? 100 * 1024 * 1024,
      onRequest: yield* NodeHttpServer.makeHandler(Http.app(core)),
      refusal: (request) => {
        const found = refusalOf(request)
        if (found === undefined) return undefined
        core.publish({ _tag: "ConnectionRefused", status: found.status })
        return toAnswer(found, core.nextRequestId())
      },
      onSocket: (ws, request) => {
        const connection = Socket.serve(core, ws, {
          number: ++opened,
          headers: recordable(request.headers),
          ageLimit: options.ageLimit ?? Duration.minutes(60),
          connections
        })
        run(Effect.interruptible(Effect.scoped(connection)))
      }
    })

    const each = (f: (connection: Socket.Connection) => void) => Effect.sync(() => [...connections].forEach(f))
    const events = Stream.fromPubSub(observations)

    return {
      url: `http://${host}:${port}/v1`,
      requests: Effect.sync(() => [...requests]),
      connections: Effect.sync(() => ({ opened, open: connections.size })),
      events,
      waitFor: <Tag extends Observation["_tag"]>(tag: Tag, count = 1) =>
        events.pipe(
          Stream.filter((event): event is Extract<Observation, { readonly _tag: Tag }> => event._tag === tag),
          Stream.drop(count - 1),
          Stream.runHead,
          Effect.flatMap(Option.match({ onNone: () => Effect.never, onSome: Effect.succeed }))
        ),
      forget: (what) =>
        Effect.sync(() => {
          const wanted = what === "latest" ? core.engine.latest() : what === "all" ? undefined : what.responseId
          const isWanted = (id: string) => what === "all" || id === wanted
          core.store.forget(isWanted)
          for (const { lanes } of connections) {
            for (const lane of lanes.values()) {
              if (lane.latest !== undefined && isWanted(lane.latest.id)) lane.latest = undefined
            }
          }
        }),
      expire: each((connection) => connection.expire()),
      refuseUpgrades: (next) =>
        Effect.sync(() => {
          refusal = next
          refused = 0
        }),
      acceptUpgrades: Effect.sync(() => {
        refusal = undefined
      }),
      disconnect: (how) =>
        each((connection) =>
          connection.close(how === "cut" ? undefined : { code: how.code, reason: how.reason ?? "" })
        ),
      sendToIdle: (frame) =>
        Effect.sync(() => {
          const idle = [...connections].filter((connection) => connection.isIdle())
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
