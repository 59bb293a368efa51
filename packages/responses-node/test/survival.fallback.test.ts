/** Servers that give no socket, or lose one: how much is tried, who waits for it, and for how long HTTP serves. */
import { assert, describe, it } from "@effect/vitest"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Upgrade from "effect-responses-server/Upgrade"
import * as ResponseScript from "effect-responses/ResponseScript"
import { ResponsesFallback } from "effect-responses/ResponsesFallback"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as NodeResponses from "../src/NodeResponses.ts"
import { apiKey, ask, elapsing, eventLoopTurn, unjittered } from "./support/survival.ts"

const fallback = Effect.flatMap(ResponsesFallback, ({ stats }) => stats)

const probed = Effect.repeat(Effect.zipLeft(fallback, eventLoopTurn), { while: ({ serving }) => serving === "second" })

/** A server that counts how often somebody asks for a socket. */
const counting = Effect.fnUntraced(function*(upgrade: (index: number) => Upgrade.Upgrade) {
  let dials = 0
  const server = yield* ResponsesServer.make({
    apiKey,
    upgrades: ({ index }) => {
      dials++
      return upgrade(index)
    }
  })
  return { server, dials: () => dials, layer: NodeResponses.layer({ apiKey, baseUrl: server.url }) }
})

const inParallel = (count: number) => Effect.all(Array.from({ length: count }, () => ask), { concurrency: "unbounded" })

describe("a server that answers every upgrade with 500", () => {
  it.scoped("is dialled three times by the first request, once by a probe, and by nobody else", () =>
    Effect.gen(function*() {
      const { dials, layer } = yield* counting(() => Upgrade.refuse(500))
      yield* Effect.gen(function*() {
        assert.strictEqual((yield* elapsing("100 millis")(ask)).transport, "http")
        assert.strictEqual(dials(), 3)
        for (const { transport } of yield* inParallel(20)) assert.strictEqual(transport, "http")
        assert.strictEqual(dials(), 3)
        yield* TestClock.adjust("5 seconds")
        // The first of these starts the probe, which tries as often as a request does; no other one does.
        yield* inParallel(20)
        yield* elapsing("100 millis")(
          Effect.repeat(Effect.zipLeft(fallback, eventLoopTurn), { until: () => dials() === 6 })
        )
        yield* inParallel(20)
        assert.strictEqual(dials(), 6)
        assert.deepInclude(yield* fallback, { serving: "second", fallbacks: 1, fellBack: 61, probes: 1 })
      }).pipe(Effect.provide(layer), unjittered)
    }))

  it.scoped("is dialled by the first of those who wait: the others get its answer", () =>
    Effect.gen(function*() {
      const { dials, layer } = yield* counting(() => Upgrade.refuse(500))
      const responses = yield* Effect.provide(elapsing("100 millis")(inParallel(20)), layer).pipe(unjittered)
      for (const { transport } of responses) assert.strictEqual(transport, "http")
      assert.strictEqual(dials(), 3)
    }))
})

describe("a server that never answers the upgrade", () => {
  it.scoped("costs one connectTimeout, and twenty who wait share it", () =>
    Effect.gen(function*() {
      const { dials, layer, server } = yield* counting(() => Upgrade.stall)
      yield* Effect.gen(function*() {
        const fiber = yield* Effect.fork(inParallel(20))
        yield* server.waitFor("ConnectionRefused")
        yield* Effect.repeatN(eventLoopTurn, 5)
        yield* TestClock.adjust("10 seconds")
        for (const { recoveries, transport } of yield* Fiber.join(fiber)) {
          assert.strictEqual(transport, "http")
          assert.include(recoveries[0]?.error, { reason: "OpenTimeout", delivery: "unsent" })
        }
        assert.strictEqual((yield* ask).transport, "http")
      }).pipe(Effect.provide(layer))
      assert.strictEqual(dials(), 1)
    }))
})

describe("a connection that breaks without a close frame", () => {
  it.scoped("in the middle of responses: each next request has a socket again", () =>
    Effect.gen(function*() {
      const broken = ResponseScript.turn([ResponseScript.text("Hi"), ResponseScript.drop({ after: 3 })])
      const server = yield* ResponsesServer.make({
        apiKey,
        script: (_, { index }) => index % 2 === 0 ? broken : ResponseScript.text("Hi")
      })
      yield* Effect.gen(function*() {
        for (let round = 0; round < 5; round++) {
          assert.include(yield* Effect.flip(ask), { reason: "Lost", closeCode: 1006 })
          const { recoveries, transport } = yield* ask
          assert.deepStrictEqual([transport, recoveries], ["websocket", []])
        }
        assert.deepInclude(yield* fallback, { serving: "first", fallbacks: 0, fellBack: 0 })
      }).pipe(Effect.provide(NodeResponses.layer({ apiKey, baseUrl: server.url })))
      assert.notInclude((yield* server.requests).map(({ transport }) => transport), "http")
    }))

  it.scoped("instead of an answer to the upgrade: HTTP serves for five seconds, and then the socket again", () =>
    Effect.gen(function*() {
      const { server } = yield* counting((index) => index === 0 ? Upgrade.cut : Upgrade.accept())
      const layer = NodeResponses.layer({ apiKey, baseUrl: server.url, reconnect: Schedule.stop })
      yield* Effect.gen(function*() {
        assert.strictEqual((yield* ask).transport, "http")
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual((yield* ask).transport, "http")
        yield* probed
        const { recoveries, transport } = yield* ask
        assert.deepStrictEqual([transport, recoveries], ["websocket", []])
      }).pipe(Effect.provide(layer))
    }))
})

describe("a server that opens sockets and never answers on one", () => {
  const dead: ReadonlyArray<
    readonly [
      string,
      ResponseScript.Turn,
      { readonly reason: "FirstEventTimeout" | "Lost"; readonly closeCode?: number }
    ]
  > = [
    ["says nothing", ResponseScript.silence(), { reason: "FirstEventTimeout" }],
    ["breaks the connection", ResponseScript.drop(), { reason: "Lost", closeCode: 1006 }],
    ["closes with 1011", ResponseScript.close({ code: 1011 }), { reason: "Lost", closeCode: 1011 }],
    ["closes with 1000", ResponseScript.close({ code: 1000 }), { reason: "Lost", closeCode: 1000 }]
  ]
  /** Which of the requests below come on a socket. */
  const onSocket = new Set([0, 1, 2, 5, 8])
  for (const [name, turn, error] of dead) {
    it.scoped(`and ${name}: three requests fail and are not repeated, HTTP serves the next, a probe looks after it`, () =>
      Effect.gen(function*() {
        const server = yield* ResponsesServer.make({
          apiKey,
          script: (_, { index }) => onSocket.has(index) ? turn : ResponseScript.text("Hi")
        })
        const transports = Effect.map(server.requests, (requests) => requests.map(({ transport }) => transport))
        const unanswered = Effect.gen(function*() {
          assert.deepInclude(yield* elapsing("100 millis")(Effect.flip(ask)), { ...error, delivery: "unacknowledged" })
        })
        yield* Effect.gen(function*() {
          for (let round = 0; round < 3; round++) yield* unanswered
          assert.deepStrictEqual(yield* transports, ["websocket", "websocket", "websocket"])
          const { recoveries, transport } = yield* ask
          assert.strictEqual(transport, "http")
          assert.deepInclude(recoveries[0]?.error, { ...error, delivery: "unsent" })
          assert.deepInclude(yield* fallback, { serving: "second", fallbacks: 1 })
          // The probe connects. One more request without an answer is enough then.
          for (const seconds of ["5 seconds", "10 seconds"] as const) {
            yield* TestClock.adjust(seconds)
            assert.strictEqual((yield* ask).transport, "http")
            yield* elapsing("1 millis")(probed)
            yield* unanswered
            assert.strictEqual((yield* ask).transport, "http")
          }
          assert.deepInclude(yield* fallback, { serving: "second", fallbacks: 3, probes: 2 })
          const served = yield* transports
          assert.deepStrictEqual(served, served.map((_, index) => onSocket.has(index) ? "websocket" : "http"))
        }).pipe(
          Effect.provide(NodeResponses.layer({ apiKey, baseUrl: server.url, firstEventTimeout: "1 second" })),
          unjittered
        )
      }))
  }

  it.scoped("and cuts each right after it was opened: HTTP serves the fourth request at the latest", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* counting(() => Upgrade.close({ code: 1011 }))
      yield* Effect.gen(function*() {
        for (let round = 0; round < 3; round++) yield* Effect.exit(elapsing("100 millis")(ask))
        assert.strictEqual((yield* ask).transport, "http")
        assert.deepInclude(yield* fallback, { serving: "second", fallbacks: 1 })
      }).pipe(Effect.provide(layer), unjittered)
      const socketRequests = (yield* server.requests).filter(({ transport }) => transport === "websocket")
      assert.isAtMost(socketRequests.length, 3)
    }))

  it.scoped("but for a response in between: it is no outage", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        apiKey,
        script: (_, { index }) => index % 3 === 2 ? ResponseScript.text("Hi") : ResponseScript.drop()
      })
      yield* Effect.gen(function*() {
        for (let round = 0; round < 3; round++) {
          yield* Effect.flip(ask)
          yield* Effect.flip(ask)
          assert.strictEqual((yield* ask).transport, "websocket")
        }
        assert.deepInclude(yield* fallback, { serving: "first", fallbacks: 0 })
      }).pipe(Effect.provide(NodeResponses.layer({ apiKey, baseUrl: server.url })))
    }))
})
