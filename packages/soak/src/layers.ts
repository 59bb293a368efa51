/** The Layers that are put under load, with their options varied, and replaced by new ones on demand. */
import * as NodeResponses from "effect-responses-node/NodeResponses"
import * as NodeResponsesHttp from "effect-responses-node/NodeResponsesHttp"
import * as NodeResponsesSocket from "effect-responses-node/NodeResponsesSocket"
import * as Continuation from "effect-responses/Continuation"
import { Responses, type Service } from "effect-responses/Responses"
import { ResponsesSocket, type Stats } from "effect-responses/ResponsesSocket"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { layerHeader } from "./upgrades.ts"

export interface Spec {
  readonly name: string
  readonly kind: "both" | "socket" | "http"
  readonly store: boolean
  readonly drains?: true
  /** How old a connection becomes. Default: as old as it likes */
  readonly recycle?: string
  readonly lanes?: true
  readonly options?: Partial<NodeResponsesSocket.Options>
}

export const specs: readonly [Spec, ...ReadonlyArray<Spec>] = [
  { name: "both", kind: "both", store: false },
  { name: "both-store", kind: "both", store: true },
  { name: "both-drain", kind: "both", store: false, drains: true },
  { name: "both-store-restless", kind: "both", store: true, recycle: "3 millis" },
  { name: "both-lanes", kind: "both", store: false, lanes: true },
  { name: "both-full", kind: "both", store: true, options: { continuation: Continuation.off } },
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
  { name: "http", kind: "http", store: true }
]

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
  { apiKey, url }: { readonly apiKey: Redacted.Redacted; readonly url: string }
) {
  const options: NodeResponsesSocket.Options = {
    apiKey,
    baseUrl: url,
    headers: { [layerHeader]: spec.name },
    connectTimeout: "3 seconds",
    reconnect: Schedule.recurs(1),
    recycle: spec.recycle === undefined ? Schedule.stop : Schedule.spaced(spec.recycle as "1 millis"),
    onEarlyEnd: spec.drains === true ? "drain" : "close",
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
