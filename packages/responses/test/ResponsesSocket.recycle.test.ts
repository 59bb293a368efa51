import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { type Connect, Connector } from "../src/Connector.ts"
import * as Profile from "../src/Profile.ts"
import { ConnectionError } from "../src/ResponsesError.ts"
import * as ResponsesSocket from "../src/ResponsesSocket.ts"
import { settle } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { begin, firstTurn, run, serve, socket, types, wholeAnswer } from "./support/socket.ts"

const refused = new ConnectionError({ reason: "Refused", delivery: "unsent", description: "no", status: 403 })
const recycle = Schedule.spaced("50 minutes")
const options = { recycle, stallTimeout: Infinity, turnTimeout: Infinity } as const

describe("recycling", () => {
  socket("an idle connection is replaced before it is too old", (server) =>
    Effect.gen(function*() {
      const old = yield* firstTurn(server)
      yield* TestClock.adjust("50 minutes")
      const next = yield* server.connection
      yield* old.closed
      assert.deepStrictEqual(yield* serve(next, "resp_2"), wholeAnswer)
      assert.strictEqual(server.open(), 1)
    }), { recycle })

  for (
    const { age, before, options } of [
      { options: {}, before: "36 minutes", age: "40 minutes" },
      { options: { turnTimeout: "30 minutes" }, before: "27 minutes", age: "30 minutes" },
      { options: { turnTimeout: "50 minutes" }, before: "27 minutes", age: "30 minutes" },
      { options: { profile: Profile.strict, baseUrl: "http://localhost" }, before: "11 minutes", age: "12.5 minutes" }
    ] as const
  ) {
    socket(
      `by default a connection serves for the server's age less the longest turn: ${age} with ${
        JSON.stringify(options)
      }`,
      (server) =>
        Effect.gen(function*() {
          const old = yield* firstTurn(server)
          yield* TestClock.adjust(Duration.subtract(Duration.decode(before), "1 seconds"))
          assert.isFalse(old.isClosed())
          yield* TestClock.adjust(Duration.subtract(Duration.decode(age), before))
          yield* TestClock.adjust("1 seconds")
          yield* old.closed
        }),
      options
    )
  }

  socket("a connection that has ended is not replaced", (server) =>
    Effect.gen(function*() {
      const only = yield* firstTurn(server)
      yield* only.close(1006)
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(server.dials(), 1)
    }), { recycle })

  it.scoped("a connection that ends as it opens is not replaced later", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make
      let connections = 0
      const connect: Connect = (target, listener) =>
        Effect.tap(server.connect(target, listener), () =>
          Effect.sync(() => {
            if (connections++ === 0) listener.onClose({ code: 1006, reason: "" })
          }))
      const service = yield* ResponsesSocket.make({ apiKey: Redacted.make("sk"), recycle, eager: true }).pipe(
        Effect.provideService(Connector, connect)
      )
      yield* settle
      assert.strictEqual(connections, 1)
      assert.isFalse((yield* service.stats).open)
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(connections, 1)
    }))

  socket(
    "a schedule that ends is tried as often as it says, and the old connection serves on",
    (server) =>
      Effect.gen(function*() {
        const only = yield* firstTurn(server)
        server.plan(refused, refused, refused)
        yield* TestClock.adjust("5 hours")
        assert.strictEqual(server.dials(), 3)
        assert.deepStrictEqual(yield* serve(only, "resp_2"), wholeAnswer)
      }),
    { recycle: Schedule.intersect(recycle, Schedule.recurs(2)) }
  )

  socket("a schedule that is over at once replaces nothing", (server) =>
    Effect.gen(function*() {
      const only = yield* firstTurn(server)
      yield* TestClock.adjust("2 hours")
      assert.isFalse(only.isClosed())
      assert.strictEqual(server.dials(), 1)
    }), { recycle: Schedule.stop })

  it.scoped("what is done by itself is in the context of the Layer, not in that of whoever asked first", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make
      const parents: Array<string> = []
      const headers = Effect.map(Effect.option(Effect.currentParentSpan), (parent) => {
        parents.push(
          Option.match(parent, { onNone: () => "none", onSome: (span) => span._tag === "Span" ? span.name : "another" })
        )
        return {}
      })
      const context = yield* Layer.build(server.layer({ recycle, headers }))
      yield* Effect.provide(firstTurn(server), context)
      yield* TestClock.adjust("50 minutes")
      yield* server.connection
      assert.deepStrictEqual(parents, ["none", "none", "none"])
    }))

  socket("each new connection has its whole age before it", (server) =>
    Effect.gen(function*() {
      const first = yield* firstTurn(server)
      yield* TestClock.adjust("40 minutes")
      yield* first.close(1006)
      const fiber = yield* Effect.fork(run())
      const second = yield* server.connection
      yield* second.request
      yield* second.send(...FakeServer.answer("resp_2"))
      yield* Fiber.join(fiber)
      yield* TestClock.adjust("49 minutes")
      assert.isFalse(second.isClosed())
      yield* TestClock.adjust("1 minutes")
      yield* second.closed
    }), { recycle })

  socket(
    "a running response keeps its connection, and the next turn has the new one",
    (server) =>
      Effect.gen(function*() {
        const old = yield* firstTurn(server)
        const { response, scope } = yield* begin(old, "resp_2")
        yield* TestClock.adjust("50 minutes")
        const next = yield* server.connection
        yield* TestClock.adjust("40 minutes")
        assert.isFalse(old.isClosed())
        yield* old.send(FakeServer.delta("still here"), FakeServer.completed("resp_2"))
        assert.deepStrictEqual(yield* types(response.events), wholeAnswer)
        yield* Scope.close(scope, Exit.void)
        yield* old.closed
        assert.strictEqual(server.dials(), 2)
        assert.deepStrictEqual(yield* serve(next, "resp_3"), wholeAnswer)
      }),
    { recycle, stallTimeout: Infinity, turnTimeout: Infinity }
  )

  socket(
    "if no successor can be opened the old one serves on, and the schedule tries again",
    (server) =>
      Effect.gen(function*() {
        const old = yield* firstTurn(server)
        server.plan(refused)
        yield* TestClock.adjust("50 minutes")
        assert.deepStrictEqual(yield* serve(old, "resp_2"), wholeAnswer)
        yield* TestClock.adjust("50 minutes")
        yield* server.connection
        yield* old.closed
      }),
    { recycle }
  )

  socket("the successor is dialled before the old connection is closed", (server) =>
    Effect.gen(function*() {
      const old = yield* firstTurn(server)
      server.plan("never")
      yield* TestClock.adjust("50 minutes")
      assert.strictEqual(server.dials(), 2)
      assert.isFalse(old.isClosed())
    }), { recycle })

  socket("nobody who waits is held up by it", (server) =>
    Effect.gen(function*() {
      const old = yield* firstTurn(server)
      const { response, scope } = yield* begin(old, "resp_2")
      const waiting = yield* Effect.forEach(["a", "b"], (name) => Effect.fork(run(name)))
      yield* TestClock.adjust("50 minutes")
      const next = yield* server.connection
      yield* old.send(FakeServer.delta("x"), FakeServer.completed("resp_2"))
      assert.deepStrictEqual(yield* types(response.events), wholeAnswer)
      for (const name of ["a", "b"]) {
        assert.strictEqual((yield* next.request)["input"], name)
        yield* next.send(...FakeServer.answer(`resp_${name}`))
      }
      yield* Fiber.joinAll(waiting)
      assert.isTrue(old.isClosed())
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(server.open(), 1)
      assert.deepInclude(yield* Effect.flatMap(ResponsesSocket.ResponsesSocket, ({ stats }) => stats), {
        connections: 2,
        recycled: 1
      })
    }), options)

  socket(
    "the old connection is closed with the end of its response, not with its scope",
    (server) =>
      Effect.gen(function*() {
        const old = yield* firstTurn(server)
        const { scope } = yield* begin(old, "resp_2")
        yield* TestClock.adjust("50 minutes")
        assert.strictEqual(server.open(), 2)
        yield* old.send(FakeServer.completed("resp_2"))
        yield* settle
        assert.isTrue(old.isClosed())
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(server.open(), 1)
      }),
    options
  )

  socket("a response whose caller leaves, on the old connection, closes only that", (server) =>
    Effect.gen(function*() {
      const old = yield* firstTurn(server)
      const { scope } = yield* begin(old, "resp_2")
      yield* TestClock.adjust("50 minutes")
      const next = yield* server.connection
      yield* Scope.close(scope, Exit.void)
      yield* settle
      assert.isTrue(old.isClosed())
      assert.deepStrictEqual(yield* serve(next, "resp_3"), wholeAnswer)
    }), options)

  socket(
    "a successor that does not open costs nobody anything: the old one serves on",
    (server) =>
      Effect.gen(function*() {
        const old = yield* firstTurn(server)
        server.plan("never")
        yield* TestClock.adjust("50 minutes")
        assert.deepStrictEqual(yield* serve(old, "resp_2"), wholeAnswer)
        yield* TestClock.adjust("1 minutes")
        assert.deepStrictEqual(yield* serve(old, "resp_3"), wholeAnswer)
        assert.strictEqual(server.open(), 1)
      }),
    { recycle }
  )

  socket(
    "an old connection that is lost while its successor opens is replaced by the next caller",
    (server) =>
      Effect.gen(function*() {
        const old = yield* firstTurn(server)
        server.plan("never")
        yield* TestClock.adjust("50 minutes")
        yield* old.close(1006)
        yield* settle
        const next = yield* firstTurn(server)
        yield* TestClock.adjust("1 minutes")
        assert.isFalse(next.isClosed())
        assert.deepStrictEqual([server.dials(), server.open()], [3, 1])
      }),
    { recycle }
  )

  socket(
    "the rest of an answer that is drained does not hold up the new connection",
    (server) =>
      Effect.gen(function*() {
        const old = yield* firstTurn(server)
        const { scope } = yield* begin(old, "resp_2")
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(old.isClosed())
        yield* TestClock.adjust("50 minutes")
        const next = yield* server.connection
        assert.deepStrictEqual(yield* serve(next, "resp_3"), wholeAnswer)
        assert.strictEqual(server.open(), 1)
      }),
    { ...options, onEarlyEnd: "drain" }
  )
})
