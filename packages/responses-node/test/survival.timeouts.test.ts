/** Servers that take a request and then say too little, on real sockets. */
import { assert, describe, it } from "@effect/vitest"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import type * as Responses from "effect-responses/Responses"
import * as ResponseScript from "effect-responses/ResponseScript"
import type { ConnectionError, ResponsesError } from "effect-responses/ResponsesError"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as NodeResponses from "../src/NodeResponses.ts"
import * as NodeResponsesSocket from "../src/NodeResponsesSocket.ts"
import * as RawServer from "./support/rawServer.ts"
import { accepted, apiKey, ask, completed, created, delta, listening } from "./support/survival.ts"

const onRaw = (
  name: string,
  body: (server: Effect.Effect.Success<typeof RawServer.make>) => Effect.Effect<
    void,
    unknown,
    Responses.Responses | Scope.Scope
  >
) =>
  it.scoped(name, () =>
    Effect.flatMap(
      RawServer.make,
      (server) => Effect.provide(body(server), NodeResponsesSocket.layer({ apiKey, baseUrl: server.url }))
    ))

const connectionError = (outcome: Either.Either<void, ResponsesError>): ConnectionError => {
  assert(outcome._tag === "Left" && outcome.left._tag === "ConnectionError")
  return outcome.left
}

describe("a server that takes the request and never answers", () => {
  onRaw("is given up, and the next request has another connection", (server) =>
    Effect.gen(function*() {
      const { outcome } = yield* listening
      const peer = yield* accepted(server)
      yield* TestClock.adjust("2 minutes")
      const { delivery, reason } = connectionError(yield* outcome)
      assert.deepStrictEqual([reason, delivery], ["FirstEventTimeout", "unacknowledged"])
      assert.strictEqual(yield* peer.closed, 1000)
      const next = yield* listening
      yield* (yield* accepted(server)).send(created, completed)
      assert.strictEqual((yield* next.outcome)._tag, "Right")
    }))

  it.scoped("may be at work: HTTP does not ask a second time", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey, script: [ResponseScript.silence()] })
      yield* Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.flip(ask))
        yield* server.waitFor("RequestReceived")
        yield* TestClock.adjust("2 minutes")
        assert.include(yield* Fiber.join(fiber), { reason: "FirstEventTimeout" })
      }).pipe(Effect.provide(NodeResponses.layer({ apiKey, baseUrl: server.url })))
      assert.deepStrictEqual((yield* server.requests).map(({ transport }) => transport), ["websocket"])
    }))
})

describe("a server that goes quiet in the middle", () => {
  onRaw("is given up after ten minutes", (server) =>
    Effect.gen(function*() {
      const { event, outcome } = yield* listening
      const peer = yield* accepted(server)
      yield* peer.send(created, delta)
      yield* Effect.zipRight(event, event)
      yield* TestClock.adjust("10 minutes")
      const { delivery, reason } = connectionError(yield* outcome)
      assert.deepStrictEqual([reason, delivery], ["Stalled", "partial"])
      assert.strictEqual(yield* peer.closed, 1000)
    }))

  onRaw("and only pings, while its model thinks, is left to think", (server) =>
    Effect.gen(function*() {
      const { event, outcome } = yield* listening
      const peer = yield* accepted(server)
      yield* peer.send(created)
      yield* event
      for (let minutes = 0; minutes < 18; minutes += 6) {
        yield* TestClock.adjust("6 minutes")
        yield* peer.ping
      }
      yield* peer.send(completed)
      assert.strictEqual((yield* outcome)._tag, "Right")
    }))

  onRaw("and stops to ping as well, is given up ten minutes after the last one", (server) =>
    Effect.gen(function*() {
      const { event, outcome } = yield* listening
      const peer = yield* accepted(server)
      yield* peer.send(created)
      yield* event
      yield* TestClock.adjust("6 minutes")
      yield* peer.ping
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(connectionError(yield* outcome).reason, "Stalled")
    }))
})

describe("a server that never comes to an end", () => {
  onRaw("is given up after twenty minutes, however much it says", (server) =>
    Effect.gen(function*() {
      const { event, outcome } = yield* listening
      const peer = yield* accepted(server)
      yield* peer.send(created)
      yield* event
      for (let minute = 1; minute <= 19; minute++) {
        yield* TestClock.adjust("1 minute")
        yield* peer.send(delta)
        assert.strictEqual(yield* event, delta.type)
      }
      yield* TestClock.adjust("1 minute")
      const { delivery, reason } = connectionError(yield* outcome)
      assert.deepStrictEqual([reason, delivery], ["TurnTimeout", "partial"])
      assert.strictEqual(yield* peer.closed, 1000)
    }))
})
