import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Connector } from "../src/Connector.ts"
import * as Responses from "../src/Responses.ts"
import { ConnectionError } from "../src/ResponsesError.ts"
import * as ResponsesSocket from "../src/ResponsesSocket.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { firstTurn, request, run, serve, socket, wholeAnswer } from "./support/socket.ts"

const error500 = new ConnectionError({ reason: "Refused", delivery: "unsent", description: "no", status: 503 })
const error401 = new ConnectionError({ reason: "Refused", delivery: "unsent", description: "no", status: 401 })

const limitReached = {
  type: "error",
  status: 400,
  error: { code: "websocket_connection_limit_reached", message: "60 minutes are over" }
}

describe("the connection's life", () => {
  socket("opens on first use and serves every turn on the same connection", (server) =>
    Effect.gen(function*() {
      assert.strictEqual(server.dials(), 0)
      const connection = yield* firstTurn(server)
      assert.deepStrictEqual(yield* serve(connection, "resp_2"), wholeAnswer)
      assert.strictEqual(server.dials(), 1)
      assert.strictEqual(
        (yield* Effect.flatMap(ResponsesSocket.ResponsesSocket, (service) => service.stats)).connections,
        1
      )
    }))

  socket("opens when the Layer is built, if eager", (server) =>
    Effect.gen(function*() {
      const connection = yield* server.connection
      assert.deepStrictEqual(yield* serve(connection, "resp_1"), wholeAnswer)
      assert.strictEqual(server.dials(), 1)
    }), { eager: true })

  it.scoped("is closed with the Layer's scope", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make
      const connection = yield* Effect.provide(firstTurn(server), server.layer())
      yield* connection.closed
      assert.strictEqual(server.open(), 0)
    }))

  it.scoped("closing the Layer ends the running turn, the queued one and later ones with a typed error", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(server.layer(), scope)
      const running = yield* Effect.fork(Effect.provide(Effect.flip(run()), context))
      const connection = yield* server.connection
      yield* connection.request
      const queued = yield* Effect.fork(Effect.provide(Effect.flip(run()), context))
      yield* Effect.yieldNow()
      yield* Scope.close(scope, Exit.void)
      const later = yield* Effect.provide(Effect.flip(run()), context)
      for (const error of [yield* Fiber.join(running), yield* Fiber.join(queued), later]) {
        assert(error._tag === "ConnectionError")
        assert.strictEqual(error.reason, "Closed")
      }
      assert.strictEqual(server.open(), 0)
    }))

  socket("a connection lost while idle is replaced at the next request", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      yield* connection.close(1006)
      const fiber = yield* Effect.fork(run())
      const next = yield* server.connection
      yield* next.request
      yield* next.send(...FakeServer.answer("resp_2"))
      assert.deepStrictEqual(yield* Fiber.join(fiber), wholeAnswer)
    }))

  socket(
    "the age limit, reported on an idle connection, closes it and is not noticed by the next caller",
    (server) =>
      Effect.gen(function*() {
        const connection = yield* firstTurn(server)
        yield* connection.send(limitReached)
        yield* connection.closed
        const fiber = yield* Effect.fork(run())
        const next = yield* server.connection
        yield* next.request
        yield* next.send(...FakeServer.answer("resp_2"))
        assert.deepStrictEqual(yield* Fiber.join(fiber), wholeAnswer)
      })
  )

  socket(
    "the age limit in answer to a request leads to a new connection, unseen but recorded",
    (server) =>
      Effect.gen(function*() {
        const connection = yield* firstTurn(server)
        const fiber = yield* Effect.fork(Effect.scoped(Responses.open(request)))
        yield* connection.request
        yield* connection.send(limitReached)
        const next = yield* server.connection
        yield* next.request
        yield* next.send(...FakeServer.answer("resp_2"))
        const response = yield* Fiber.join(fiber)
        assert.strictEqual(response.id, "resp_2")
        assert.deepStrictEqual(response.recoveries.map((recovery) => recovery._tag), ["Reconnected"])
        yield* connection.closed
      })
  )

  socket(
    "the age limit in the middle of a response is an error of the caller's, and the next turn works",
    (server) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.flip(run()))
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.send(FakeServer.created("resp_1"), FakeServer.delta("He"), limitReached)
        const error = yield* Fiber.join(fiber)
        assert(error._tag === "ConnectionError")
        assert.deepStrictEqual([error.reason, error.delivery], ["Expired", "partial"])
        yield* firstTurn(server)
        yield* connection.closed
        assert.strictEqual(server.dials(), 2)
      })
  )

  socket("a slow server is given up after the time-out", (server) =>
    Effect.gen(function*() {
      server.plan("never")
      const fiber = yield* Effect.fork(Effect.flip(run()))
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "ConnectionError")
      assert.deepStrictEqual([error.reason, error.delivery], ["OpenTimeout", "unsent"])
      yield* firstTurn(server)
    }))

  it.effect("an option that is no duration is a ConfigError that names it", () =>
    Effect.gen(function*() {
      const error = yield* ResponsesSocket.make({ apiKey: Redacted.make("k"), connectTimeout: "soon" as "1 second" })
        .pipe(
          Effect.provideService(Connector, () => Effect.never),
          Effect.scoped,
          Effect.flip
        )
      assert.include(Cause.pretty(Cause.fail(error)), "connectTimeout")
    }))

  socket("a passing refusal is tried again with backoff", (server) =>
    Effect.gen(function*() {
      server.plan(error500, error500)
      const fiber = yield* Effect.fork(run())
      yield* TestClock.adjust("1 second")
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(...FakeServer.answer("resp_1"))
      yield* Fiber.join(fiber)
      assert.strictEqual(server.dials(), 3)
    }))

  socket("backoff ends: the third refusal is the caller's error", (server) =>
    Effect.gen(function*() {
      server.plan(error500, error500, error500)
      const fiber = yield* Effect.fork(Effect.flip(run()))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "ConnectionError")
      assert.strictEqual(server.dials(), 3)
    }))

  socket("a refusal for good is not tried again", (server) =>
    Effect.gen(function*() {
      server.plan(error401)
      const error = yield* Effect.flip(run())
      assert(error._tag === "ConnectionError")
      assert.strictEqual(error.status, 401)
      assert.strictEqual(server.dials(), 1)
    }))
})

describe("exclusivity", () => {
  socket("callers are served one at a time, in the order in which they came", (server) =>
    Effect.gen(function*() {
      const names = Array.from({ length: 50 }, (_, index) => `caller ${index}`)
      const fibers = yield* Effect.forEach(names, (name) => Effect.fork(run(name)))
      const connection = yield* server.connection
      const seen: Array<unknown> = []
      for (const name of names) {
        seen.push((yield* connection.request)["input"])
        yield* connection.send(...FakeServer.answer(`resp_${name}`))
      }
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(seen, names)
    }))

  socket("a caller that comes back at once does not pass the one who waits", (server) =>
    Effect.gen(function*() {
      const busy = yield* Effect.fork(Effect.zipRight(run("a1"), run("a2")))
      const connection = yield* server.connection
      yield* connection.request
      const waiting = yield* Effect.fork(run("b"))
      yield* Effect.yieldNow()
      yield* connection.send(...FakeServer.answer("resp_1"))
      assert.strictEqual((yield* connection.request)["input"], "b")
      yield* connection.send(...FakeServer.answer("resp_2"))
      assert.strictEqual((yield* connection.request)["input"], "a2")
      yield* connection.send(...FakeServer.answer("resp_3"))
      yield* Fiber.joinAll([busy, waiting])
    }))

  socket("an interrupted caller leaves the queue and nobody else notices", (server) =>
    Effect.gen(function*() {
      const first = yield* Effect.fork(run("first"))
      const connection = yield* server.connection
      yield* connection.request
      const second = yield* Effect.fork(run("second"))
      const third = yield* Effect.fork(run("third"))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(second)
      yield* connection.send(...FakeServer.answer("resp_1"))
      assert.strictEqual((yield* connection.request)["input"], "third")
      yield* connection.send(...FakeServer.answer("resp_2"))
      yield* Fiber.joinAll([first, third])
      assert.strictEqual(server.dials(), 1)
    }))

  socket(
    "a running caller that is interrupted closes the connection, and the next one gets a new one",
    (server) =>
      Effect.gen(function*() {
        const first = yield* Effect.fork(run("first"))
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.send(FakeServer.created("resp_1"))
        const second = yield* Effect.fork(run("second"))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(first)
        yield* connection.closed
        const next = yield* server.connection
        yield* next.request
        yield* next.send(...FakeServer.answer("resp_2"))
        assert.deepStrictEqual(yield* Fiber.join(second), wholeAnswer)
      })
  )

  socket(
    "a caller interrupted while the connection is being opened leaves nothing behind",
    (server) =>
      Effect.gen(function*() {
        server.plan("never")
        const fiber = yield* Effect.fork(run())
        yield* Effect.repeat(Effect.yieldNow(), { until: () => server.dials() === 1 })
        yield* Fiber.interrupt(fiber)
        yield* firstTurn(server)
        assert.strictEqual(server.open(), 1)
      })
  )

  socket(
    "an open that times out in a scope that lives on gives the permit back at once",
    (server) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.exit(Effect.timeout(Responses.open(request), "1 minute")))
        const connection = yield* server.connection
        yield* connection.request
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        yield* firstTurn(server)
      })
  )

  socket(
    "an open that fails in a scope that lives on gives the permit back at once",
    (server) =>
      Effect.gen(function*() {
        server.plan(error401)
        yield* Effect.flip(Responses.open(request))
        yield* firstTurn(server)
      })
  )

  socket(
    "a caller interrupted while its request is being written gives the connection up",
    (server) =>
      Effect.gen(function*() {
        const isWriting = yield* server.hangSend
        const fiber = yield* Effect.fork(run())
        const connection = yield* server.connection
        yield* isWriting
        yield* Fiber.interrupt(fiber)
        yield* connection.closed
        yield* firstTurn(server)
      })
  )

  socket("whoever reacts to the last event may ask again from within", (server) =>
    Effect.gen(function*() {
      const fiber = yield* Responses.stream(request).pipe(
        Stream.mapEffect((event) => event.type === "response.completed" ? run("nested") : Effect.succeed([])),
        Stream.runCollect,
        Effect.fork
      )
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(...FakeServer.answer("resp_1"))
      yield* connection.request
      yield* connection.send(...FakeServer.answer("resp_2"))
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(fiber)).at(-1), wholeAnswer)
    }))

  it.scoped("interruption anywhere, a thousand times: no permit is lost or doubled, no connection left", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make
      let inFlight = 0
      let most = 0
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(server.layer(), scope)
      yield* server.connection.pipe(
        Effect.tap((connection) =>
          connection.request.pipe(
            Effect.tap(() => {
              most = Math.max(most, ++inFlight)
              return Effect.yieldNow().pipe(
                Effect.zipRight(connection.send(FakeServer.created("r"))),
                Effect.zipRight(Effect.yieldNow()),
                Effect.tap(() => {
                  inFlight--
                }),
                Effect.zipRight(connection.send(FakeServer.delta("x"), FakeServer.completed("r")))
              )
            }),
            Effect.forever,
            Effect.race(Effect.tap(connection.closed, () => {
              inFlight = 0
            })),
            Effect.fork
          )
        ),
        Effect.forever,
        Effect.forkScoped
      )
      let done = 0
      yield* Effect.forEach(Array.from({ length: 1000 }, (_, index) => index), (index) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.provide(run(), context))
          for (let step = 0; step < index % 40; step++) yield* Effect.yieldNow()
          const exit = yield* index % 3 === 0 ? Fiber.await(fiber) : Fiber.interrupt(fiber)
          if (Exit.isSuccess(exit)) done++
        }), { concurrency: 5, discard: true })
      assert.deepStrictEqual(yield* Effect.provide(run(), context), wholeAnswer)
      assert.isAtLeast(done, 333)
      assert.strictEqual(most, 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(server.open(), 0)
    }))
})
