/** The key is in nothing that can be printed after any of the failures that the README lists. */
import { describe, it } from "@effect/vitest"
import { ResponseScript } from "effect-responses"
import { ResponsesServer, Upgrade } from "effect-responses-server"
import * as Profile from "effect-responses/Profile"
import * as Responses from "effect-responses/Responses"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as NodeResponses from "../src/NodeResponses.ts"
import { ask, assertNowhere, keys, stats, transports } from "./support/secrets.ts"
import * as Witness from "./support/witness.ts"

const request = { model: "m", input: "Hi" }

const { closeConnection, drop, error, failed, silence, text, turn: script } = {
  ...ResponseScript,
  closeConnection: ResponseScript.close
}

const long = script([text("A longer answer, in several pieces")])

interface Situation {
  /** Default: true */
  readonly overHttp?: boolean
  readonly script?: ResponseScript.Script
  readonly upgrades?: ReadonlyArray<Upgrade.Upgrade>
  readonly options?: Partial<NodeResponses.Options>
  readonly act?: (
    server: ResponsesServer.Service,
    ask: Effect.Effect<void, unknown, Responses.Responses>
  ) => Effect.Effect<unknown, unknown, Responses.Responses | Scope.Scope>
}

/** The rows of the README's table of failures. */
const situations: Readonly<Record<string, Situation>> = {
  "a request that is wrong": { act: () => Responses.create({ model: "" }) },
  "no upgrade": { upgrades: [Upgrade.refuse(503)] },
  "an upgrade refused with 401": { upgrades: [Upgrade.refuse(401)] },
  "an upgrade that is closed at once": { upgrades: [Upgrade.close()] },
  "an upgrade that is cut": { upgrades: [Upgrade.cut] },
  "an upgrade without an answer": { upgrades: [Upgrade.stall], options: { connectTimeout: "20 millis" } },
  "nobody who listens": { options: { baseUrl: "http://127.0.0.1:9/v1" } },
  "a large request": {
    options: { profile: { ...Profile.openAi, maxFrameBytes: 1000 } },
    act: () => Responses.create({ model: "m", input: "x".repeat(1000) })
  },
  "a connection that is lost while idle": {
    overHttp: false,
    act: (server, ask) => Effect.all([ask, server.disconnect({ code: 1012 }), server.waitFor("ConnectionClosed"), ask])
  },
  "a connection that is too old": {
    script: (_, { index }) =>
      index > 0
        ? text("Hello")
        : error({ status: 400, code: "websocket_connection_limit_reached", message: "60 minutes are over" })
  },
  "a connection that is lost without an answer": { script: () => drop() },
  "a connection that is lost without an answer, and repeated": {
    script: (_, { index }) => index > 0 ? text("Hello") : drop(),
    options: { repeat: "unacknowledged" }
  },
  "a connection that is lost in the middle": { script: () => script([long, drop({ after: 5 })]) },
  "a connection that is closed in the middle": {
    script: () => script([long, closeConnection({ code: 1012, after: 5 })])
  },
  "a response that was forgotten": {
    act: (server, ask) => Effect.all([ask, server.forget("all"), ask])
  },
  "a response that is not known": {
    act: () => Responses.create({ model: "m", input: "Hi", previous_response_id: "resp_0" })
  },
  "a response that failed": {
    script: () => script([long, failed({ code: "server_error", message: "Try again" })])
  },
  "a message that is no event": { script: () => script([long, ResponseScript.badFrame("notJson", { after: 5 })]) },
  "no first event": { script: () => silence(), options: { firstEventTimeout: "20 millis" } },
  "no further event": {
    script: () => script([long, silence({ after: 5 })]),
    options: { stallTimeout: "20 millis" }
  },
  "no end": { script: () => script([long, silence({ after: 5 })]), options: { turnTimeout: "50 millis" } },
  "a full queue": {
    overHttp: false,
    options: { queueTimeout: "20 millis" },
    script: (_, { index }) => index > 0 ? text("Hello") : script([long, silence({ after: 5 })]),
    act: (_, ask) => Effect.zipRight(Responses.open(request), ask)
  },
  "a caller who leaves": {
    script: (_, { index }) => index > 0 ? text("Hello") : script([long, silence({ after: 5 })]),
    act: (_, ask) => Effect.zipRight(Stream.runDrain(Stream.take(Responses.stream(request), 2)), ask)
  }
}

for (const [of, key] of keys) {
  describe(`a key ${of} is nowhere after`, () => {
    for (const [name, { act, options, overHttp = true, script, upgrades }] of Object.entries(situations)) {
      it.live(name, () =>
        Effect.gen(function*() {
          for (const transport of ["socket", ...overHttp ? ["http"] as const : [], "both"] as const) {
            yield* Effect.gen(function*() {
              const apiKey = Redacted.make(key)
              const server = yield* ResponsesServer.make({ apiKey, script, upgrades })
              const witness = Witness.make()
              const layer: Layer.Layer<Responses.Responses, unknown> = transports[transport]({
                apiKey,
                baseUrl: server.url,
                reconnect: Schedule.stop,
                eager: true,
                ...options
              })
              const asked = ask(witness)
              yield* witness.watch(
                Effect.scoped(act === undefined ? asked : act(server, asked)).pipe(
                  Effect.ensuring(stats(witness)),
                  Effect.provide(layer)
                )
              )
              assertNowhere(witness, key, transport)
            }).pipe(Effect.scoped)
          }
        }))
    }
  })
}
