/** The Layers that are put under load, with their options varied, and replaced by new ones on demand. */
import * as NodeResponses from "effect-responses-node/NodeResponses"
import * as NodeResponsesHttp from "effect-responses-node/NodeResponsesHttp"
import * as NodeResponsesSocket from "effect-responses-node/NodeResponsesSocket"
import * as Continuation from "effect-responses/Continuation"
import * as Profile from "effect-responses/Profile"
import { Responses, type Service } from "effect-responses/Responses"
import { ResponsesSocket, type Stats } from "effect-responses/ResponsesSocket"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { Watch } from "./faults.ts"
import { layerHeader } from "./upgrades.ts"

/** What of a Layer decides how its turns may end. */
export interface Traits {
  readonly kind: "both" | "socket" | "http"
  /** Who looks at the clock when a server goes silent. Default: the caller, who gives up */
  readonly watch?: Watch
  /** Other callers' responses are waited for only so long. */
  readonly queues?: true
  /** What was sent and not answered is sent again. */
  readonly repeats?: true
  /** Never sends only what is new. */
  readonly full?: true
  readonly drains?: true
  readonly lanes?: true
  /** Many responses at once, so that what ends a connection for one ends it for others; else one at a time. */
  readonly many?: true
}

export interface Spec extends Traits {
  readonly name: string
  readonly store: boolean
  /** How old a connection becomes. Default: as old as it likes */
  readonly recycle?: string
  /** Now and then there is a new key. */
  readonly rotates?: true
  readonly options?: Partial<NodeResponses.Options>
}

/** `limit`: how long a silent server is borne with, which must be more than this process needs for anything else. */
const watching = (watch: Watch | undefined, limit: number): Partial<NodeResponses.Options> => {
  switch (watch) {
    case undefined:
      return {}
    case "clocks":
      return { firstEventTimeout: limit, stallTimeout: limit }
    case "pings":
      // As long as pings are answered nothing stalls.
      return { ping: "20 millis", pingTimeout: limit, firstEventTimeout: 1.5 * limit, turnTimeout: 2.5 * limit }
  }
}

const plain: Profile.Profile = { ...Profile.openAi, name: "plain", lanes: false, usableAfterError: false }

export const specs: readonly [Spec, ...ReadonlyArray<Spec>] = [
  { name: "both", kind: "both", store: false },
  { name: "both-store", kind: "both", store: true },
  { name: "both-drain", kind: "both", store: false, drains: true },
  { name: "both-store-restless", kind: "both", store: true, recycle: "3 millis" },
  { name: "both-lanes", kind: "both", store: false, lanes: true },
  { name: "both-full", kind: "both", store: true, full: true, options: { continuation: Continuation.off } },
  { name: "both-clocks", kind: "both", store: false, watch: "clocks" },
  { name: "both-queue", kind: "both", store: true, queues: true, options: { queueTimeout: "100 millis" } },
  { name: "both-strict", kind: "both", store: true, full: true, options: { profile: Profile.strict } },
  { name: "both-repeat", kind: "both", store: true, repeats: true, options: { repeat: "unacknowledged" } },
  { name: "socket", kind: "socket", store: false },
  { name: "socket-store-drain", kind: "socket", store: true, drains: true },
  { name: "socket-restless", kind: "socket", store: false, recycle: "25 millis" },
  { name: "socket-restless-drain", kind: "socket", store: false, drains: true, recycle: "7 millis" },
  { name: "socket-lanes-restless", kind: "socket", store: true, lanes: true, recycle: "15 millis" },
  {
    name: "socket-eager-lanes-drain",
    kind: "socket",
    store: false,
    lanes: true,
    drains: true,
    options: { eager: true }
  },
  { name: "socket-rewarm", kind: "socket", store: false, recycle: "20 millis", options: { rewarm: true } },
  { name: "socket-clocks-drain", kind: "socket", store: true, drains: true, watch: "clocks" },
  { name: "socket-ping", kind: "socket", store: false, watch: "pings" },
  {
    name: "socket-repeat-clocks",
    kind: "socket",
    store: false,
    repeats: true,
    watch: "clocks",
    options: { repeat: "unacknowledged" }
  },
  { name: "socket-plain-lanes", kind: "socket", store: true, lanes: true, options: { profile: plain } },
  { name: "socket-rotate", kind: "socket", store: true, rotates: true },
  { name: "socket-queue", kind: "socket", store: false, queues: true, options: { queueTimeout: "100 millis" } },
  { name: "both-many", kind: "both", store: false, many: true },
  { name: "both-many-store", kind: "both", store: true, many: true },
  { name: "socket-many", kind: "socket", store: false, many: true },
  { name: "socket-many-drain", kind: "socket", store: false, drains: true, many: true },
  { name: "socket-many-restless", kind: "socket", store: false, recycle: "15 millis", many: true },
  { name: "http", kind: "http", store: true },
  { name: "http-clocks", kind: "http", store: true, watch: "clocks" }
]

/** Each key is good for so many questions for it. */
const keyUses = 9

const rotating = (): Effect.Effect<Redacted.Redacted> => {
  let asked = 0
  return Effect.sync(() => Redacted.make(`sk-soak-rotated-${Math.floor(asked++ / keyUses)}`))
}

interface Built {
  readonly context: Context.Context<Responses>
  readonly scope: Scope.CloseableScope
}

export interface Held {
  readonly spec: Spec
  readonly service: () => Service
  /** A new Layer takes over, and the old one is closed under whoever uses it. */
  readonly rebuild: Effect.Effect<void, ConfigError.ConfigError>
  readonly close: Effect.Effect<void>
  /** Of all the Layers so far. */
  readonly stats: Effect.Effect<ReadonlyArray<Stats>>
}

const socketStats = ({ context }: Built): Effect.Effect<ReadonlyArray<Stats>> => {
  const found = Context.getOption(context, ResponsesSocket)
  return Option.match(found, {
    onNone: () => Effect.succeed([]),
    onSome: ({ stats }) => Effect.map(stats, (stats) => [stats])
  })
}

export const make = Effect.fnUntraced(function*(
  spec: Spec,
  { apiKey, limit, url }: { readonly apiKey: Redacted.Redacted; readonly url: string; readonly limit: number }
) {
  const options: NodeResponses.Options = {
    apiKey: spec.rotates === true ? rotating() : apiKey,
    baseUrl: url,
    // The server knows one key, and takes it here too.
    headers: { [layerHeader]: spec.name, ...(spec.rotates === true ? { "api-key": apiKey } : {}) },
    probe: { first: "20 millis", max: "500 millis" },
    connectTimeout: limit,
    reconnect: Schedule.recurs(1),
    recycle: spec.recycle === undefined ? Schedule.stop : Schedule.spaced(spec.recycle as "1 millis"),
    onEarlyEnd: spec.drains === true ? "drain" : "close",
    ...(spec.many === true ? { maxConnections: 3, maxLanes: 4 } : { maxConnections: 1, maxLanes: 1 }),
    ...watching(spec.watch, limit),
    ...spec.options
  }
  const layer: Layer.Layer<Responses, ConfigError.ConfigError> = spec.kind === "both"
    ? NodeResponses.layer(options)
    : spec.kind === "socket"
    ? NodeResponsesSocket.layer(options)
    : NodeResponsesHttp.layer(options)

  const build = Effect.gen(function*() {
    const scope = yield* Scope.make()
    const built: Built = { scope, context: yield* Layer.buildWithScope(layer, scope) }
    return built
  })
  let current = yield* build
  let past: ReadonlyArray<Stats> = []

  const closeBuilt = (built: Built) =>
    Effect.zipRight(
      Effect.map(socketStats(built), (stats) => {
        past = [...past, ...stats]
      }),
      Scope.close(built.scope, Exit.void)
    )

  const held: Held = {
    spec,
    service: () => Context.get(current.context, Responses),
    rebuild: Effect.gen(function*() {
      const old = current
      current = yield* build
      yield* closeBuilt(old)
    }),
    close: Effect.suspend(() => closeBuilt(current)),
    stats: Effect.sync(() => past)
  }
  return held
})
