import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Responses from "../src/Responses.ts"
import { ResponsesSocket } from "../src/ResponsesSocket.ts"
import { assertConnectionError, failing, settle } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { firstTurn, request, run, serve, socket, wholeAnswer } from "./support/socket.ts"

const unresponsive = Effect.flatMap(ResponsesSocket, ({ stats }) => Effect.map(stats, (totals) => totals.unresponsive))

/** Serves what was asked for on the next connection. */
const serveNext = Effect.fnUntraced(function*<A, E>(server: FakeServer.FakeServer, fiber: Fiber.Fiber<A, E>) {
  const next = yield* server.connection
  yield* next.request
  yield* next.send(...FakeServer.answer("resp_next"))
  assert.deepStrictEqual<unknown>(yield* Fiber.join(fiber), wholeAnswer)
  return next
})

const nothingSentOn = (connection: FakeServer.FakeConnection) =>
  Effect.map(Effect.timeoutOption(connection.frame, 0), (frame) => assert.isTrue(Option.isNone(frame)))

const connectedFor = (input?: string) =>
  Effect.fnUntraced(function*(server: FakeServer.FakeServer) {
    const fiber = yield* failing(input)
    const connection = yield* server.connection
    yield* connection.request
    return { connection, fiber }
  })

const connected = connectedFor()

describe("a connection that was silent", () => {
  socket("is not asked before 30 seconds are over", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      yield* TestClock.adjust("29999 millis")
      yield* serve(connection, "resp_2")
      assert.strictEqual(connection.pings(), 0)
    }))

  socket("is asked once before it is used again, and serves on if it answers", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(connection.pings(), 0)
      assert.deepStrictEqual(yield* serve(connection, "resp_2"), wholeAnswer)
      assert.strictEqual(connection.pings(), 1)
      yield* serve(connection, "resp_3")
      assert.strictEqual(connection.pings(), 1)
      assert.strictEqual(server.dials(), 1)
      assert.strictEqual(yield* unresponsive, 0)
    }))

  socket("that does not answer is replaced, and nothing was sent on it", (server) =>
    Effect.gen(function*() {
      const old = yield* firstTurn(server)
      old.answerPings(false)
      yield* TestClock.adjust("20 minutes")
      const fiber = yield* Effect.fork(run())
      yield* TestClock.adjust("9999 millis")
      assert.isFalse(old.isClosed())
      yield* TestClock.adjust("1 millis")
      assert.isTrue(old.isClosed())
      yield* serveNext(server, fiber)
      assert.strictEqual(old.pings(), 1)
      yield* nothingSentOn(old)
      const { stats } = yield* ResponsesSocket
      assert.deepInclude(yield* stats, { unresponsive: 1, reconnected: 0 })
      assert.strictEqual(server.open(), 1)
    }))

  socket("has a limit of one's own for the answer", (server) =>
    Effect.gen(function*() {
      const old = yield* firstTurn(server)
      old.answerPings(false)
      yield* TestClock.adjust("1 minute")
      const fiber = yield* Effect.fork(run())
      yield* TestClock.adjust("3 seconds")
      assert.isTrue(old.isClosed())
      yield* serveNext(server, fiber)
    }), { pingTimeout: "3 seconds" })

  for (
    const [what, answer] of [
      ["a pong", (connection: FakeServer.FakeConnection) => connection.sign],
      ["any frame", (connection: FakeServer.FakeConnection) => connection.send({ type: "keepalive" })]
    ] as const
  ) {
    socket(`${what} is an answer, at the last moment too`, (server) =>
      Effect.gen(function*() {
        const connection = yield* firstTurn(server)
        connection.answerPings(false)
        yield* TestClock.adjust("1 minute")
        const fiber = yield* Effect.fork(run())
        yield* TestClock.adjust("9999 millis")
        yield* answer(connection)
        yield* connection.request
        yield* TestClock.adjust("1 minute")
        yield* connection.send(...FakeServer.answer("resp_2"))
        assert.deepStrictEqual(yield* Fiber.join(fiber), wholeAnswer)
        assert.strictEqual(server.dials(), 1)
      }))
  }

  socket("that ends while it is being asked is replaced at once", (server) =>
    Effect.gen(function*() {
      const old = yield* firstTurn(server)
      old.answerPings(false)
      yield* TestClock.adjust("1 minute")
      const fiber = yield* Effect.fork(run())
      yield* settle
      assert.strictEqual(old.pings(), 1)
      yield* old.close(1006)
      yield* serveNext(server, fiber)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* unresponsive, 0)
    }))

  socket(
    "whoever leaves while it is being asked leaves the connection to the next",
    (server) =>
      Effect.gen(function*() {
        const connection = yield* firstTurn(server)
        connection.answerPings(false)
        yield* TestClock.adjust("1 minute")
        const fiber = yield* Effect.fork(run())
        yield* settle
        yield* Fiber.interrupt(fiber)
        yield* connection.sign
        yield* TestClock.adjust("20 seconds")
        assert.isFalse(connection.isClosed())
        assert.deepStrictEqual(yield* serve(connection, "resp_2"), wholeAnswer)
      })
  )
})

describe("with pings", () => {
  const options = { ping: "20 seconds", pingTimeout: "5 seconds" } as const

  socket("a connection that died while idle is found without a request", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(connection.pings(), 3)
      connection.answerPings(false)
      yield* TestClock.adjust("24999 millis")
      assert.isFalse(connection.isClosed())
      yield* TestClock.adjust("1 millis")
      assert.isTrue(connection.isClosed())
      assert.deepInclude(yield* Effect.flatMap(ResponsesSocket, ({ stats }) => stats), {
        open: false,
        unresponsive: 1
      })
      yield* firstTurn(server)
    }), options)

  socket("what comes puts the next ping off", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      for (let step = 0; step < 5; step++) {
        yield* TestClock.adjust("19999 millis")
        yield* connection.send({ type: "keepalive" })
      }
      assert.strictEqual(connection.pings(), 0)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(connection.pings(), 1)
    }), options)

  for (
    const [delivery, frames] of [
      ["unacknowledged", [FakeServer.created("resp_1")]],
      ["partial", [FakeServer.created("resp_1"), FakeServer.delta("He")]]
    ] as const
  ) {
    socket(
      `a response on a connection that died is lost, ${delivery}, before its own clock`,
      (server) =>
        Effect.gen(function*() {
          const { connection, fiber } = yield* connected(server)
          yield* connection.send(...frames)
          connection.answerPings(false)
          yield* TestClock.adjust("25 seconds")
          assertConnectionError(yield* Fiber.join(fiber), "Lost", delivery)
          assert.isTrue(connection.isClosed())
          yield* firstTurn(server)
        }),
      options
    )
  }

  socket("a later ping does not put off the end of an earlier one", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      connection.answerPings(false)
      yield* TestClock.adjust("23 seconds")
      const fiber = yield* Effect.fork(run())
      yield* settle
      assert.strictEqual(connection.pings(), 2)
      yield* TestClock.adjust("1999 millis")
      assert.isFalse(connection.isClosed())
      yield* TestClock.adjust("1 millis")
      assert.isTrue(connection.isClosed())
      yield* serveNext(server, fiber)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* unresponsive, 1)
    }), options)

  socket("nobody is asked while a request is being written", (server) =>
    Effect.gen(function*() {
      const isWriting = yield* server.hangSend
      yield* failing()
      const connection = yield* server.connection
      connection.answerPings(false)
      yield* isWriting
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(connection.pings(), 0)
      assert.isFalse(connection.isClosed())
    }), options)

  for (const [size, pings] of [[300_000, 0], [1000, 1]] as const) {
    socket(`after ${size} bytes that nothing was heard of: ${pings} pings`, (server) =>
      Effect.gen(function*() {
        const { connection } = yield* connectedFor("x".repeat(size))(server)
        yield* TestClock.adjust("20 seconds")
        assert.strictEqual(connection.pings(), pings)
        yield* connection.send(FakeServer.created("resp_1"))
        yield* TestClock.adjust("20 seconds")
        assert.strictEqual(connection.pings(), pings + 1)
      }), options)
  }

  socket("nobody is asked who could not be heard: the consumer is behind", (server) =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const fiber = yield* Responses.stream(request).pipe(
        Stream.tap(() => Deferred.await(gate)),
        Stream.runCount,
        Effect.fork
      )
      const connection = yield* server.connection
      connection.answerPings(false)
      yield* connection.request
      yield* connection.send(FakeServer.created("resp_1"))
      yield* settle
      yield* connection.send(FakeServer.delta("x".repeat(2_000_000)))
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(connection.pings(), 0)
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      yield* connection.send(FakeServer.completed("resp_1"))
      assert.strictEqual(yield* Fiber.join(fiber), 3)
    }), options)
})
