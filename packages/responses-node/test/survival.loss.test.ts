/** Connections that end in the middle of a turn, and servers that say no in their own words. */
import { assert, describe, it } from "@effect/vitest"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Profile from "effect-responses/Profile"
import * as ResponseScript from "effect-responses/ResponseScript"
import type { Delivery } from "effect-responses/ResponsesError"
import * as Effect from "effect/Effect"
import * as NodeResponsesHttp from "../src/NodeResponsesHttp.ts"
import * as NodeResponsesSocket from "../src/NodeResponsesSocket.ts"
import * as Proxy from "./support/proxy.ts"
import * as RawServer from "./support/rawServer.ts"
import { accepted, apiKey, ask, completed, created, delta, listening, stats } from "./support/survival.ts"

describe("a connection that breaks in the middle of a turn is Lost with 1006, and its error tells how far it came", () => {
  const points: ReadonlyArray<readonly [string, ReadonlyArray<object>, Delivery]> = [
    ["before the first event", [], "unacknowledged"],
    ["after the response began", [created], "unacknowledged"],
    ["after the first output", [created, delta], "partial"]
  ]
  for (const how of ["cut", "reset"] as const) {
    for (const [when, frames, delivery] of points) {
      it.scoped(`${how} ${when}`, () =>
        Effect.gen(function*() {
          const server = yield* RawServer.make
          const proxy = yield* Proxy.make(server)
          yield* Effect.gen(function*() {
            const { event, outcome } = yield* listening
            yield* (yield* accepted(server)).send(...frames)
            for (const _ of frames) yield* event
            yield* proxy[how]
            const either = yield* outcome
            assert(either._tag === "Left")
            assert.include(either.left, { _tag: "ConnectionError", reason: "Lost", closeCode: 1006, delivery })
            assert.strictEqual(proxy.dials(), 1)
          }).pipe(Effect.provide(NodeResponsesSocket.layer({ apiKey, baseUrl: proxy.url })))
        }))
    }
  }

  it.scoped("after output that came before the response had a name: nothing repeats that, whatever may be repeated", () =>
    Effect.gen(function*() {
      const server = yield* RawServer.make
      yield* Effect.gen(function*() {
        const { outcome } = yield* listening
        const peer = yield* accepted(server)
        yield* peer.send(delta)
        peer.tcp.end()
        // Sent again, it would wait for an answer on another connection.
        const either = yield* outcome
        assert(either._tag === "Left")
        assert.include(either.left, { reason: "Lost", closeCode: 1006, delivery: "partial" })
      }).pipe(
        Effect.provide(NodeResponsesSocket.layer({ apiKey, baseUrl: server.url, repeat: "unacknowledged" }))
      )
    }))

  it.scoped("cut within a frame", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        apiKey,
        script: [ResponseScript.turn([ResponseScript.text("Hi"), ResponseScript.drop({ after: 5, bytes: 20 })])]
      })
      const layer = NodeResponsesSocket.layer({ apiKey, baseUrl: server.url })
      const error = yield* Effect.flip(Effect.provide(ask, layer))
      assert.include(error, { _tag: "ConnectionError", reason: "Lost", closeCode: 1006, delivery: "partial" })
    }))
})

describe("a server that sends an error frame", () => {
  const error = { type: "error", status: 500, error: { type: "server_error", message: "Oops" } }

  const afterError = Effect.fnUntraced(function*(profile: Profile.Profile) {
    const server = yield* RawServer.make
    return yield* Effect.gen(function*() {
      const first = yield* listening
      const peer = yield* accepted(server)
      yield* peer.send(error)
      assert.strictEqual((yield* first.outcome)._tag, "Left")
      const second = yield* listening
      // Whichever connection gets the request.
      const served = yield* Effect.raceFirst(accepted(server), Effect.as(peer.request, peer))
      yield* served.send(created, completed)
      assert.strictEqual((yield* second.outcome)._tag, "Right")
      return (yield* stats).connections
    }).pipe(Effect.provide(NodeResponsesSocket.layer({ apiKey, baseUrl: server.url, profile })))
  })

  it.scoped("and serves no more after it, is not asked on that connection again", () =>
    Effect.map(
      afterError({ ...Profile.openAi, usableAfterError: false }),
      (connections) => assert.strictEqual(connections, 2)
    ))

  it.scoped("and serves on, keeps its connection", () =>
    Effect.map(afterError(Profile.openAi), (connections) => assert.strictEqual(connections, 1)))
})

describe("a passing fault of the server's is retryable, on a socket as over HTTP", () => {
  const faults: ReadonlyArray<Parameters<typeof ResponseScript.error>[0]> = [
    { code: "server_error", message: "Oops" },
    { code: "server_is_overloaded", message: "Oops" },
    { code: null, type: "server_error", message: "Oops" },
    { code: null, type: "overloaded_error", message: "Oops" },
    { shape: "flat", code: null, message: "Our servers are currently overloaded. Please try again later." },
    {
      shape: "flat",
      code: null,
      message: "The server had an error while processing your request. You can retry your request."
    },
    { shape: "flat", code: "server_error", message: "Oops" },
    { shape: "flat", code: null, message: "The model is currently overloaded with other requests." },
    { shape: "untyped", code: null, type: "overloaded_error", message: "Oops" }
  ]
  const layers = { "on a socket": NodeResponsesSocket.layer, "over HTTP": NodeResponsesHttp.layer }
  for (const [where, layer] of Object.entries(layers)) {
    for (const fault of faults) {
      it.scoped(`${where}: ${JSON.stringify(fault)}`, () =>
        Effect.gen(function*() {
          const server = yield* ResponsesServer.make({
            apiKey,
            script: [
              ResponseScript.error(fault),
              ResponseScript.turn([ResponseScript.text("Hi"), ResponseScript.error(fault)])
            ]
          })
          // In place of an answer, and in the middle of one.
          for (
            const error of yield* Effect.provide(
              Effect.all([Effect.flip(ask), Effect.flip(ask)]),
              layer({ apiKey, baseUrl: server.url })
            )
          ) {
            assert(error._tag === "ResponseFailed")
            assert.isTrue(error.retryable, error.message)
          }
        }))
    }
  }
})
