import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Responses from "../src/Responses.ts"
import { assertConnectionError, endsAfter, failing, settle } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { request, run, socket, wholeAnswer } from "./support/socket.ts"

const large = FakeServer.delta("x".repeat(2_000_000))

/** A response whose consumer takes nothing before the gate opens, so that the socket is paused. */
const behind = Effect.fnUntraced(function*(server: FakeServer.FakeServer) {
  const gate = yield* Deferred.make<void>()
  const fiber = yield* Responses.stream(request).pipe(
    Stream.tap(() => Deferred.await(gate)),
    Stream.runCount,
    Effect.either,
    Effect.fork
  )
  const connection = yield* server.connection
  yield* connection.request
  yield* connection.send(FakeServer.created("resp_1"))
  yield* settle
  yield* connection.send(large)
  assert.isTrue(connection.isPaused())
  return { connection, fiber, open: Deferred.succeed(gate, undefined) }
})

describe("a server that is silent", () => {
  const signs: ReadonlyArray<readonly [string, (connection: FakeServer.FakeConnection) => Effect.Effect<void>]> = [
    ["an event", (connection) => connection.send(FakeServer.delta("x"))],
    ["a keepalive frame", (connection) => connection.send({ type: "keepalive" })],
    ["a frame of a lane that nobody asked for", (connection) => connection.send({ type: "news", stream_id: "other" })],
    ["a ping or a pong", (connection) => connection.sign]
  ]
  for (const [what, give] of signs) {
    socket(`${what} is a sign of life`, (server) =>
      Effect.gen(function*() {
        const fiber = yield* failing()
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.send(FakeServer.created("resp_1"), FakeServer.delta("He"))
        yield* TestClock.adjust("9999 millis")
        yield* give(connection)
        yield* TestClock.adjust("9999 millis")
        assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
        yield* give(connection)
        assertConnectionError(yield* endsAfter(fiber, "10 seconds"), "Stalled", "partial")
        assert.isTrue(connection.isClosed())
      }), { stallTimeout: "10 seconds" })
  }

  socket("may be silent for nine minutes, again and again, by default", (server) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(run())
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(FakeServer.created("resp_1"))
      yield* TestClock.adjust("9 minutes")
      yield* connection.send(FakeServer.delta("Hello"))
      yield* TestClock.adjust("9 minutes")
      yield* connection.send(FakeServer.completed("resp_1"))
      assert.deepStrictEqual(yield* Fiber.join(fiber), wholeAnswer)
      assert.strictEqual(server.dials(), 1)
    }))

  socket(
    "a short limit counts from the moment of the first event, however late that came",
    (server) =>
      Effect.gen(function*() {
        const fiber = yield* failing()
        const connection = yield* server.connection
        yield* connection.request
        yield* TestClock.adjust("543210 millis")
        yield* connection.send(FakeServer.created("resp_1"))
        assertConnectionError(yield* endsAfter(fiber, "7 seconds"), "Stalled", "unacknowledged")
      }),
    { firstEventTimeout: "10 minutes", stallTimeout: "7 seconds" }
  )

  socket("a long limit is kept after a short one for the first event", (server) =>
    Effect.gen(function*() {
      const fiber = yield* failing()
      const connection = yield* server.connection
      yield* connection.request
      yield* TestClock.adjust("6999 millis")
      yield* connection.send(FakeServer.created("resp_1"))
      assertConnectionError(yield* endsAfter(fiber, "5 minutes"), "Stalled", "unacknowledged")
    }), { firstEventTimeout: "7 seconds", stallTimeout: "5 minutes" })
})

describe("a consumer that is slow", () => {
  socket(
    "is no stall of the server's, whose clock starts anew when the consumer has caught up",
    (server) =>
      Effect.gen(function*() {
        const { connection, fiber, open } = yield* behind(server)
        yield* TestClock.adjust("930 seconds")
        assert.isFalse(connection.isClosed())
        yield* open
        yield* settle
        assert.isFalse(connection.isPaused())
        const outcome = yield* endsAfter(fiber, "1 minute")
        assert(outcome._tag === "Left")
        assertConnectionError(outcome.left, "Stalled", "partial")
      }),
    { stallTimeout: "1 minute" }
  )

  socket("gets all of it", (server) =>
    Effect.gen(function*() {
      const { connection, fiber, open } = yield* behind(server)
      yield* TestClock.adjust("15 minutes")
      yield* open
      yield* settle
      yield* connection.send(FakeServer.completed("resp_1"))
      assert.deepInclude(yield* Fiber.join(fiber), { _tag: "Right", right: 3 })
    }), { stallTimeout: "1 minute" })

  socket("has as long as the turn has", (server) =>
    Effect.gen(function*() {
      const { connection, fiber, open } = yield* behind(server)
      yield* TestClock.adjust("1199999 millis")
      assert.isFalse(connection.isClosed())
      yield* TestClock.adjust("1 millis")
      assert.isTrue(connection.isClosed())
      yield* open
      const outcome = yield* Fiber.join(fiber)
      assert(outcome._tag === "Left")
      assertConnectionError(outcome.left, "TurnTimeout", "partial")
    }))
})
