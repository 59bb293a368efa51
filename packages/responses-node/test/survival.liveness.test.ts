/** Connections that died without telling, behind a proxy that keeps everything back, and connections that only seem to. */
import { assert, describe, it } from "@effect/vitest"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import type * as Responses from "effect-responses/Responses"
import type * as ResponsesSocket from "effect-responses/ResponsesSocket"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as NodeResponsesSocket from "../src/NodeResponsesSocket.ts"
import * as Proxy from "./support/proxy.ts"
import * as RawServer from "./support/rawServer.ts"
import {
  accepted,
  apiKey,
  ask,
  asking,
  closedOnThisSide,
  completed,
  created,
  elapsing,
  eventLoopTurn,
  listening,
  stats
} from "./support/survival.ts"

interface Network {
  readonly server: ResponsesServer.Service
  readonly proxy: Proxy.Proxy
}

const onNetwork = (
  name: string,
  body: (network: Network) => Effect.Effect<
    void,
    unknown,
    Responses.Responses | ResponsesSocket.ResponsesSocket | Scope.Scope
  >,
  options?: Partial<NodeResponsesSocket.Options>
) =>
  it.scoped(name, () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey })
      const proxy = yield* Proxy.make(server)
      yield* Effect.provide(
        body({ server, proxy }),
        NodeResponsesSocket.layer({ apiKey, baseUrl: proxy.url, ...options })
      )
    }))

describe("a connection that died while nobody used it costs no request", () => {
  const deaths: ReadonlyArray<readonly [string, (network: Network) => Effect.Effect<void>]> = [
    ["closed by the server", ({ server }) => server.disconnect({ code: 1001 })],
    ["cut without a close frame", ({ proxy }) => proxy.cut],
    ["reset", ({ proxy }) => proxy.reset]
  ]
  for (const [name, die] of deaths) {
    onNetwork(name, (network) =>
      Effect.gen(function*() {
        yield* ask
        yield* die(network)
        yield* closedOnThisSide
        const response = yield* ask
        assert.deepStrictEqual([response.transport, response.recoveries], ["websocket", []])
        assert.strictEqual(network.proxy.dials(), 2)
        assert.strictEqual((yield* network.server.requests).length, 2)
      }))
  }

  onNetwork("given up by the network, which tells nobody", ({ proxy, server }) =>
    Effect.gen(function*() {
      yield* ask
      yield* proxy.hold
      yield* TestClock.adjust("30 seconds")
      const response = yield* elapsing("1 second")(ask)
      assert.deepStrictEqual([response.transport, response.recoveries], ["websocket", []])
      assert.deepInclude(yield* stats, { connections: 2, unresponsive: 1, reconnected: 0 })
      assert.strictEqual((yield* server.requests).length, 2)
    }))

  onNetwork("and is still there: it serves on, however long it was silent", () =>
    Effect.gen(function*() {
      yield* ask
      yield* TestClock.adjust("20 minutes")
      yield* ask
      assert.deepInclude(yield* stats, { connections: 1, unresponsive: 0 })
    }))
})

describe("with a ping every 5 seconds, and 10 seconds for its answer", () => {
  const pinging = { ping: "5 seconds", pingTimeout: "10 seconds" } as const

  onNetwork(
    "a dead connection is found 10 seconds after the first ping: a later one puts nothing off",
    ({ proxy }) =>
      Effect.gen(function*() {
        yield* ask
        yield* proxy.hold
        yield* TestClock.adjust("5 seconds")
        yield* TestClock.adjust("5 seconds")
        assert.isTrue((yield* stats).open)
        yield* TestClock.adjust("5 seconds")
        yield* closedOnThisSide
        assert.deepInclude(yield* stats, { open: false, unresponsive: 1 })
      }),
    pinging
  )

  it.scoped("a connection that dies while a response runs is lost, and nothing is sent again", () =>
    Effect.gen(function*() {
      const server = yield* RawServer.make
      const proxy = yield* Proxy.make(server)
      yield* Effect.gen(function*() {
        const { event, outcome } = yield* listening
        yield* (yield* accepted(server)).send(created)
        yield* event
        yield* proxy.hold
        yield* TestClock.adjust("5 seconds")
        yield* TestClock.adjust("10 seconds")
        const either = yield* outcome
        assert(either._tag === "Left" && either.left._tag === "ConnectionError")
        assert.include(either.left, { reason: "Lost", delivery: "unacknowledged" })
        assert.include(either.left.message, "did not answer a ping within 10s")
        assert.strictEqual(proxy.dials(), 1)
      }).pipe(Effect.provide(NodeResponsesSocket.layer({ apiKey, baseUrl: proxy.url, ...pinging })))
    }))

  it.scoped("a response that takes minutes without a word runs on while its server answers", () =>
    Effect.gen(function*() {
      const server = yield* RawServer.make
      yield* Effect.gen(function*() {
        const { outcome } = yield* listening
        const peer = yield* accepted(server)
        yield* peer.send(created)
        for (let asked = 1; asked <= 20; asked++) {
          const answered = yield* Effect.fork(peer.pinged)
          yield* TestClock.adjust("5 seconds")
          yield* Fiber.join(answered)
          // Whatever came to the client before this has been heard.
          yield* peer.ping
        }
        yield* peer.send(completed)
        assert.strictEqual((yield* outcome)._tag, "Right")
      }).pipe(Effect.provide(NodeResponsesSocket.layer({ apiKey, baseUrl: server.url, ...pinging })))
    }))

  onNetwork(
    "a large upload on a slow line is not taken for a dead connection",
    ({ proxy, server }) =>
      Effect.gen(function*() {
        yield* ask
        yield* proxy.hold
        const fiber = yield* Effect.fork(asking("x".repeat(14 * 1024 * 1024)))
        yield* Effect.repeatN(eventLoopTurn, 10)
        for (let seconds = 0; seconds < 60; seconds += 5) yield* TestClock.adjust("5 seconds")
        yield* proxy.release
        assert.strictEqual((yield* Fiber.join(fiber)).transport, "websocket")
        assert.deepInclude(yield* stats, { connections: 1, unresponsive: 0 })
        assert.strictEqual((yield* server.requests).length, 2)
      }),
    pinging
  )
})
