import { assert, describe, it } from "@effect/vitest"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { Connector } from "../src/Connector.ts"
import * as Responses from "../src/Responses.ts"
import { ConnectionError, type Delivery } from "../src/ResponsesError.ts"
import * as ResponsesSocket from "../src/ResponsesSocket.ts"
import { assertConnectionError, endsAfter, failing, settle } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { begin, firstTurn, request, run, socket, types, wholeAnswer } from "./support/socket.ts"

const busy = new ConnectionError({ reason: "Refused", delivery: "unsent", description: "no", status: 503 })

const off = {
  queueTimeout: Infinity,
  firstEventTimeout: Infinity,
  stallTimeout: Infinity,
  turnTimeout: Infinity
}

describe("clocks of a response", () => {
  const cases: ReadonlyArray<{
    readonly what: string
    readonly reason: ConnectionError["reason"]
    readonly delivery: Delivery
    readonly limit: "2 minutes" | "10 minutes" | "20 minutes" | "3 seconds"
    readonly sent: ReadonlyArray<object>
    readonly options?: Partial<ResponsesSocket.Options>
  }> = [
    {
      what: "no first event, by default",
      reason: "FirstEventTimeout",
      delivery: "unacknowledged",
      limit: "2 minutes",
      sent: []
    },
    {
      what: "no first event but what belongs to no response",
      reason: "FirstEventTimeout",
      delivery: "unacknowledged",
      limit: "2 minutes",
      sent: [{ type: "codex.rate_limits" }]
    },
    {
      what: "no first event within a limit of one's own",
      reason: "FirstEventTimeout",
      delivery: "unacknowledged",
      limit: "3 seconds",
      sent: [],
      options: { firstEventTimeout: "3 seconds" }
    },
    {
      what: "silence before any output, by default",
      reason: "Stalled",
      delivery: "unacknowledged",
      limit: "10 minutes",
      sent: [FakeServer.created("resp_1")]
    },
    {
      what: "silence in the middle, by default",
      reason: "Stalled",
      delivery: "partial",
      limit: "10 minutes",
      sent: [FakeServer.created("resp_1"), FakeServer.delta("He")]
    },
    {
      what: "silence within a limit of one's own",
      reason: "Stalled",
      delivery: "partial",
      limit: "3 seconds",
      sent: [FakeServer.created("resp_1"), FakeServer.delta("He")],
      options: { stallTimeout: "3 seconds" }
    },
    {
      what: "no end, by default",
      reason: "TurnTimeout",
      delivery: "partial",
      limit: "20 minutes",
      sent: [FakeServer.created("resp_1"), FakeServer.delta("He")],
      options: { stallTimeout: Infinity }
    },
    {
      what: "no end before any output",
      reason: "TurnTimeout",
      delivery: "unacknowledged",
      limit: "3 seconds",
      sent: [FakeServer.created("resp_1")],
      options: { turnTimeout: "3 seconds" }
    },
    {
      what: "no end before the first event",
      reason: "TurnTimeout",
      delivery: "unacknowledged",
      limit: "20 minutes",
      sent: [],
      options: { firstEventTimeout: Infinity }
    }
  ]

  for (const { delivery, limit, options, reason, sent, what } of cases) {
    socket(
      `${what}: ${reason} after ${limit}, and the next turn has another connection`,
      (server) =>
        Effect.gen(function*() {
          const fiber = yield* failing()
          const old = yield* server.connection
          yield* old.request
          yield* old.send(...sent)
          assertConnectionError(yield* endsAfter(fiber, limit), reason, delivery)
          assert.isTrue(old.isClosed())
          assert.strictEqual(server.dials(), 1)
          yield* old.send(FakeServer.delta("late"), FakeServer.completed("resp_1"))
          yield* firstTurn(server)
          assert.strictEqual(server.dials(), 2)
          assert.strictEqual(server.open(), 1)
        }),
      options
    )
  }

  socket(
    "a request that the network does not take is given up by the clock of the turn, not of the first event",
    (server) =>
      Effect.gen(function*() {
        const isWriting = yield* server.hangSend
        const fiber = yield* failing()
        const old = yield* server.connection
        yield* isWriting
        assertConnectionError(yield* endsAfter(fiber, "20 minutes"), "TurnTimeout", "unacknowledged")
        assert.isTrue(old.isClosed())
        yield* firstTurn(server)
      })
  )

  socket("the clock of the turn starts with its turn on the connection", (server) =>
    Effect.gen(function*() {
      const first = yield* Effect.fork(run("first"))
      const connection = yield* server.connection
      yield* connection.request
      const second = yield* failing("second")
      yield* connection.send(FakeServer.created("resp_1"))
      yield* TestClock.adjust("4 minutes")
      yield* connection.send(FakeServer.completed("resp_1"))
      yield* Fiber.join(first)
      yield* connection.request
      yield* connection.send(FakeServer.created("resp_2"), FakeServer.delta("He"))
      assertConnectionError(yield* endsAfter(second, "5 minutes"), "TurnTimeout", "partial")
    }), { turnTimeout: "5 minutes" })

  socket("the clock of the first event does not run in the queue", (server) =>
    Effect.gen(function*() {
      const first = yield* Effect.fork(run("first"))
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(FakeServer.created("resp_1"))
      const second = yield* failing("second")
      yield* TestClock.adjust("9 minutes")
      yield* connection.send(FakeServer.completed("resp_1"))
      yield* Fiber.join(first)
      yield* connection.request
      assertConnectionError(yield* endsAfter(second, "2 minutes"), "FirstEventTimeout", "unacknowledged")
    }))

  socket(
    "nor while the connection is being opened",
    (server) =>
      Effect.gen(function*() {
        server.plan(busy)
        const fiber = yield* failing()
        yield* TestClock.adjust("5 seconds")
        const connection = yield* server.connection
        yield* connection.request
        assertConnectionError(yield* endsAfter(fiber, "6 seconds"), "FirstEventTimeout", "unacknowledged")
      }),
    { reconnect: Schedule.spaced("5 seconds"), firstEventTimeout: "6 seconds" }
  )

  socket("Infinity switches each of them off", (server) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(run("first"))
      const connection = yield* server.connection
      yield* connection.request
      const queued = yield* Effect.fork(run("second"))
      yield* TestClock.adjust("1 days")
      yield* connection.send(FakeServer.created("resp_1"))
      yield* TestClock.adjust("1 days")
      yield* connection.send(FakeServer.delta("Hello"), FakeServer.completed("resp_1"))
      assert.deepStrictEqual(yield* Fiber.join(fiber), wholeAnswer)
      yield* connection.request
      yield* connection.send(...FakeServer.answer("resp_2"))
      assert.deepStrictEqual(yield* Fiber.join(queued), wholeAnswer)
    }), { ...off, recycle: Schedule.stop })
})

describe("the queue's clock", () => {
  socket(
    "who has waited too long leaves the queue, which stays in order, and the response that ran runs on",
    (server) =>
      Effect.gen(function*() {
        const first = yield* Effect.fork(run("first"))
        const connection = yield* server.connection
        yield* connection.request
        const second = yield* failing("second")
        yield* TestClock.adjust("10 seconds")
        const third = yield* Effect.fork(run("third"))
        yield* settle
        const fourth = yield* Effect.fork(run("fourth"))
        assertConnectionError(yield* endsAfter(second, "20 seconds"), "QueueTimeout", "unsent")
        assert.isFalse(connection.isClosed())
        yield* connection.send(...FakeServer.answer("resp_1"))
        assert.deepStrictEqual(yield* Fiber.join(first), wholeAnswer)
        for (const [input, fiber] of [["third", third], ["fourth", fourth]] as const) {
          assert.strictEqual((yield* connection.request)["input"], input)
          yield* connection.send(...FakeServer.answer(`resp_${input}`))
          assert.deepStrictEqual(yield* Fiber.join(fiber), wholeAnswer)
        }
        assert.strictEqual(server.dials(), 1)
      }),
    { queueTimeout: "30 seconds" }
  )

  socket("leaves nothing behind in a scope that lives on", (server) =>
    Effect.gen(function*() {
      const first = yield* Effect.fork(run("first"))
      const connection = yield* server.connection
      yield* connection.request
      const second = yield* Effect.fork(Effect.flip(Responses.open(request)))
      assertConnectionError(yield* endsAfter(second, "30 seconds"), "QueueTimeout", "unsent")
      const third = yield* Effect.fork(run("third"))
      yield* connection.send(...FakeServer.answer("resp_1"))
      yield* Fiber.join(first)
      yield* connection.request
      yield* connection.send(...FakeServer.answer("resp_2"))
      assert.deepStrictEqual(yield* Fiber.join(third), wholeAnswer)
    }), { queueTimeout: "30 seconds" })

  socket("does not run once it is one's turn", (server) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(run())
      const connection = yield* server.connection
      yield* connection.request
      yield* TestClock.adjust("1 minute")
      yield* connection.send(...FakeServer.answer("resp_1"))
      assert.deepStrictEqual(yield* Fiber.join(fiber), wholeAnswer)
    }), { queueTimeout: "1 seconds" })
})

it.scoped("the clock of a Layer and that of a caller are not compared", () =>
  Effect.gen(function*() {
    const server = yield* FakeServer.make
    const clock = yield* Effect.clock
    const ahead: Clock.Clock = {
      ...clock,
      sleep: (duration) => clock.sleep(duration),
      unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + 100 * 60 * 60 * 1000,
      unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos()
    }
    const context = yield* Effect.withClock(Layer.build(server.layer()), ahead)
    yield* Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      yield* TestClock.adjust("1 minute")
      const { response, scope } = yield* begin(connection, "resp_2")
      assert.isBelow(Duration.toHours(response.firstEvent), 1)
      const fiber = yield* Effect.fork(Effect.flip(types(response.events)))
      assertConnectionError(yield* endsAfter(fiber, "10 minutes"), "Stalled", "unacknowledged")
      yield* Scope.close(scope, Exit.void)
      const failing = yield* Effect.fork(Effect.flip(run()))
      yield* server.connection
      assertConnectionError(yield* endsAfter(failing, "2 minutes"), "FirstEventTimeout", "unacknowledged")
    }).pipe(Effect.provide(context))
  }))

it.scoped("a turn that is over before its connection is open fails unsent", () =>
  Effect.gen(function*() {
    const server = yield* FakeServer.make
    const service = yield* ResponsesSocket.make({ apiKey: Redacted.make("sk"), turnTimeout: "5 seconds" }).pipe(
      Effect.provideService(
        Connector,
        (target, listener) => Effect.delay(server.connect(target, listener), "6 seconds")
      )
    )
    const fiber = yield* Effect.fork(Effect.flip(Effect.scoped(service.open(request))))
    assertConnectionError(yield* endsAfter(fiber, "6 seconds"), "TurnTimeout", "unsent")
  }))
