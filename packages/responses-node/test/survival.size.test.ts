/** Requests that are too large for a socket. */
import { assert, describe, it } from "@effect/vitest"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Profile from "effect-responses/Profile"
import * as ResponseScript from "effect-responses/ResponseScript"
import { ResponsesFallback } from "effect-responses/ResponsesFallback"
import * as Effect from "effect/Effect"
import * as NodeResponses from "../src/NodeResponses.ts"
import * as NodeResponsesSocket from "../src/NodeResponsesSocket.ts"
import { apiKey, ask, asking } from "./support/survival.ts"

const large = "x".repeat(4000)

const profile: Profile.Profile = { ...Profile.openAi, maxFrameBytes: 4000 }

const fallback = Effect.flatMap(ResponsesFallback, ({ stats }) => stats)

const transports = (server: ResponsesServer.Service) =>
  Effect.map(server.requests, (requests) => requests.map(({ transport }) => transport))

describe("a request over the limit of the server", () => {
  it.scoped("goes over HTTP, and nothing is dialled for it", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey })
      const response = yield* Effect.provide(
        asking(large),
        NodeResponses.layer({ apiKey, baseUrl: server.url, profile })
      )
      assert.strictEqual(response.transport, "http")
      assert.strictEqual((yield* server.connections).opened, 0)
    }))

  it.scoped("goes over HTTP alone: the connection serves the ones before and after it", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey })
      yield* Effect.gen(function*() {
        yield* Effect.all([ask, asking(large), ask])
        assert.deepInclude(yield* fallback, { serving: "first", fallbacks: 0, fellBack: 1 })
      }).pipe(Effect.provide(NodeResponses.layer({ apiKey, baseUrl: server.url, profile })))
      assert.deepStrictEqual(yield* transports(server), ["websocket", "http", "websocket"])
      assert.strictEqual((yield* server.connections).opened, 1)
    }))

  it.scoped("fails as such where there is no HTTP, and nothing is dialled for it", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey })
      const layer = NodeResponsesSocket.layer({ apiKey, baseUrl: server.url, profile })
      const error = yield* Effect.flip(Effect.provide(asking(large), layer))
      assert.include(error, { _tag: "ConnectionError", reason: "TooLarge", delivery: "unsent" })
      assert.strictEqual((yield* server.connections).opened, 0)
    }))
})

describe("a server that closes with 1009 because its own limit is lower", () => {
  it.scoped("has not taken the request: HTTP serves it, and the socket the next one", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        apiKey,
        script: [ResponseScript.close({ code: 1009 }), ResponseScript.text("over HTTP"), ResponseScript.text("small")]
      })
      yield* Effect.gen(function*() {
        const [first, second] = yield* Effect.all([asking("x".repeat(2 * 1024 * 1024)), ask])
        assert.strictEqual(first.transport, "http")
        assert.include(first.recoveries[0]?.error, { reason: "TooLarge", closeCode: 1009 })
        assert.deepStrictEqual([second.transport, second.recoveries], ["websocket", []])
        assert.deepInclude(yield* fallback, { serving: "first", fallbacks: 0 })
      }).pipe(Effect.provide(NodeResponses.layer({ apiKey, baseUrl: server.url })))
      assert.deepStrictEqual(yield* transports(server), ["websocket", "http", "websocket"])
    }))

  it.scoped("while the request is still on its way: it is not sent again over a socket", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey, maxFrame: 1000 })
      const layer = NodeResponsesSocket.layer({ apiKey, baseUrl: server.url })
      const error = yield* Effect.flip(Effect.provide(asking("x".repeat(14 * 1024 * 1024)), layer))
      assert.include(error, { _tag: "ConnectionError", reason: "TooLarge", delivery: "unsent", closeCode: 1009 })
      assert.strictEqual((yield* server.connections).opened, 1)
    }))

  it.scoped("in answer to little: that is no matter of the request's size", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey, script: [ResponseScript.close({ code: 1009 })] })
      const error = yield* Effect.flip(Effect.provide(ask, NodeResponses.layer({ apiKey, baseUrl: server.url })))
      assert.include(error, { _tag: "ConnectionError", reason: "Lost", delivery: "unacknowledged", closeCode: 1009 })
      assert.deepStrictEqual(yield* transports(server), ["websocket"])
    }))

  it.scoped("in the middle of an answer: nor is that", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        apiKey,
        script: [ResponseScript.turn([ResponseScript.text("Hi"), ResponseScript.close({ code: 1009, after: 4 })])]
      })
      const layer = NodeResponses.layer({ apiKey, baseUrl: server.url })
      const error = yield* Effect.flip(Effect.provide(ask, layer))
      assert.include(error, { _tag: "ConnectionError", reason: "Lost", closeCode: 1009 })
      assert.deepStrictEqual(yield* transports(server), ["websocket"])
    }))
})
