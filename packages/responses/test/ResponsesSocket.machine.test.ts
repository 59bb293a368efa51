/** What the socket's clocks do when the wall clock is set, and when the machine sleeps. */
import { assert, describe } from "@effect/vitest"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Responses from "../src/Responses.ts"
import type { ConnectionError, Delivery } from "../src/ResponsesError.ts"
import { ResponsesSocket } from "../src/ResponsesSocket.ts"
import { assertConnectionError, endsAfter, failing, settle } from "./support/clocks.ts"
import { answer, ask, first, hello, hi } from "./support/conversation.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { type Machine, socketOnMachine } from "./support/machine.ts"
import { begin, firstTurn, request, run, serve, wholeAnswer } from "./support/socket.ts"

const clocks: ReadonlyArray<{
  readonly reason: ConnectionError["reason"]
  readonly delivery: Delivery
  readonly limit: "2 minutes" | "10 minutes" | "20 minutes"
  readonly sent: ReadonlyArray<object>
  readonly stallTimeout?: Duration.DurationInput
}> = [
  { reason: "FirstEventTimeout", delivery: "unacknowledged", limit: "2 minutes", sent: [] },
  { reason: "Stalled", delivery: "unacknowledged", limit: "10 minutes", sent: [FakeServer.created("resp_1")] },
  {
    reason: "TurnTimeout",
    delivery: "unacknowledged",
    limit: "20 minutes",
    sent: [FakeServer.created("resp_1")],
    stallTimeout: Infinity
  }
]

/** A response that runs, and of which so much has come. */
const running = Effect.fnUntraced(function*(server: FakeServer.FakeServer, sent: ReadonlyArray<object>) {
  const fiber = yield* failing()
  const connection = yield* server.connection
  yield* connection.request
  yield* connection.send(...sent)
  return { connection, fiber }
})

describe("a wall clock that is set back by an hour", () => {
  for (const { delivery, limit, reason, sent, stallTimeout } of clocks) {
    const options = stallTimeout === undefined ? {} : { stallTimeout }

    socketOnMachine(
      `${reason} comes in time all the same, after ${limit}`,
      (machine, server) =>
        Effect.gen(function*() {
          yield* Effect.flatMap(ResponsesSocket, ({ connect }) => connect ?? Effect.void)
          machine.setBack("1 hour")
          const { fiber } = yield* running(server, sent)
          machine.setBack("1 hour")
          assertConnectionError(yield* endsAfter(fiber, limit), reason, delivery)
        }),
      options
    )

    socketOnMachine(
      `${reason} is not put off by each time that it is set back`,
      (machine, server) =>
        Effect.gen(function*() {
          const { fiber } = yield* running(server, sent)
          for (let times = 0; times < 3; times++) {
            yield* TestClock.adjust("30 seconds")
            machine.setBack("1 hour")
          }
          assertConnectionError(yield* endsAfter(fiber, Duration.subtract(limit, "90 seconds")), reason, delivery)
        }),
      options
    )
  }

  socketOnMachine(
    "a silent connection is asked before it is used, after 30 seconds",
    (machine, server) =>
      Effect.gen(function*() {
        const connection = yield* firstTurn(server)
        machine.setBack("1 hour")
        yield* TestClock.adjust("29999 millis")
        yield* serve(connection, "resp_2")
        assert.strictEqual(connection.pings(), 0)
        machine.setBack("1 hour")
        yield* TestClock.adjust("30 seconds")
        yield* serve(connection, "resp_3")
        assert.strictEqual(connection.pings(), 1)
      })
  )

  socketOnMachine("an idle connection is asked as often as ever", (machine, server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      for (let pings = 1; pings < 4; pings++) {
        machine.setBack("1 hour")
        yield* TestClock.adjust("19999 millis")
        assert.strictEqual(connection.pings(), pings - 1)
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(connection.pings(), pings)
      }
    }), { ping: "20 seconds" })

  socketOnMachine("a connection is replaced at its age", (machine, server) =>
    Effect.gen(function*() {
      const old = yield* firstTurn(server)
      yield* TestClock.adjust("20 minutes")
      machine.setBack("1 hour")
      yield* TestClock.adjust("1799999 millis")
      assert.isFalse(old.isClosed())
      yield* TestClock.adjust("1 millis")
      yield* old.closed
    }), { recycle: Schedule.spaced("50 minutes") })

  socketOnMachine(
    "the schedule goes on where no successor could be opened",
    (machine, server) =>
      Effect.gen(function*() {
        const old = yield* firstTurn(server)
        server.plan("never")
        yield* TestClock.adjust("50 minutes")
        machine.setBack("2 hours")
        yield* TestClock.adjust("50 minutes")
        assert.isFalse(old.isClosed())
        yield* TestClock.adjust("15 seconds")
        yield* old.closed
      }),
    { recycle: Schedule.spaced("50 minutes") }
  )

  socketOnMachine(
    "a new connection is told the conversation in its own time",
    (machine, server) =>
      Effect.gen(function*() {
        const { connection: old } = yield* first(server, ask([hello]), "resp_1", [hi])
        machine.setBack("1 hour")
        yield* TestClock.adjust("50 minutes")
        const next = yield* server.connection
        assert.strictEqual((yield* next.request)["generate"], false)
        yield* next.send(...answer("resp_w", []))
        yield* old.closed
        assert.deepInclude(yield* Effect.flatMap(ResponsesSocket, ({ stats }) => stats), { recycled: 1, rewarmed: 1 })
      }),
    { recycle: Schedule.spaced("50 minutes"), rewarm: true }
  )

  let isThere = true
  let asked = 0
  const apiKey = Effect.suspend(() => {
    asked++
    return isThere
      ? Effect.succeed(Redacted.make("sk-1"))
      : Effect.fail(ConfigError.MissingData(["KEY"], "the vault is down"))
  })
  socketOnMachine(
    "the key is asked for again a minute after it could not be had",
    (machine, server) =>
      Effect.gen(function*() {
        isThere = true
        const connection = yield* firstTurn(server)
        isThere = false
        yield* serve(connection, "resp_2")
        const before = asked
        machine.setBack("1 hour")
        yield* TestClock.adjust("59999 millis")
        yield* serve(connection, "resp_3")
        assert.strictEqual(asked, before)
        yield* TestClock.adjust("1 millis")
        yield* serve(connection, "resp_4")
        assert.strictEqual(asked, before + 1)
      }),
    { apiKey }
  )
})

describe("a machine that sleeps", () => {
  for (const { delivery, limit, reason, sent, stallTimeout } of clocks) {
    socketOnMachine(`${reason} comes soon after it has woken up`, (machine, server) =>
      Effect.gen(function*() {
        const { fiber } = yield* running(server, sent)
        yield* TestClock.adjust("5 seconds")
        machine.sleep(limit)
        yield* TestClock.adjust("25 seconds")
        assertConnectionError(yield* Fiber.join(fiber), reason, delivery)
      }), stallTimeout === undefined ? {} : { stallTimeout })
  }

  socketOnMachine(
    "what it slept is part of a silence, and what came then ends that",
    (machine, server) =>
      Effect.gen(function*() {
        const { connection, fiber } = yield* running(server, [FakeServer.created("resp_1")])
        machine.sleep("9 minutes")
        yield* connection.send(FakeServer.delta("He"))
        yield* settle
        yield* TestClock.adjust("4 minutes")
        machine.sleep("5 minutes")
        yield* TestClock.adjust("59999 millis")
        assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
        yield* TestClock.adjust("1 millis")
        assertConnectionError(yield* Fiber.join(fiber), "Stalled", "partial")
      })
  )

  socketOnMachine(
    "a connection that was silent meanwhile is asked before it is used",
    (machine, server) =>
      Effect.gen(function*() {
        const old = yield* firstTurn(server)
        old.answerPings(false)
        machine.setBack("1 hour")
        yield* serve(old, "resp_2")
        machine.sleep("30 seconds")
        const fiber = yield* Effect.fork(run())
        yield* settle
        assert.strictEqual(old.pings(), 1)
        yield* TestClock.adjust("10 seconds")
        assert.isTrue(old.isClosed())
        const next = yield* server.connection
        yield* next.request
        yield* next.send(...FakeServer.answer("resp_3"))
        assert.deepStrictEqual(yield* Fiber.join(fiber), wholeAnswer)
      })
  )

  for (
    const [what, noticed] of [
      ["when it is used", (_: Machine, old: FakeServer.FakeConnection) => Effect.asVoid(serve(old, "resp_2"))],
      ["within five minutes", () => TestClock.adjust("5 minutes")]
    ] as const
  ) {
    socketOnMachine(
      `a connection that has become too old meanwhile is replaced ${what}`,
      (machine, server) =>
        Effect.gen(function*() {
          const old = yield* firstTurn(server)
          yield* TestClock.adjust("1 minute")
          machine.sleep("49 minutes")
          yield* settle
          assert.isFalse(old.isClosed())
          yield* noticed(machine, old)
          yield* settle
          yield* old.closed
          assert.strictEqual(server.dials(), 2)
        }),
      { recycle: Schedule.spaced("50 minutes") }
    )
  }

  socketOnMachine(
    "an idle connection wakes nothing up for more than once in five minutes",
    (machine, server) =>
      Effect.gen(function*() {
        yield* firstTurn(server)
        yield* TestClock.adjust("1 minute")
        const before = machine.sleeps()
        yield* TestClock.adjust("30 minutes")
        assert.isAtMost(machine.sleeps() - before, 6)
      }),
    { recycle: Schedule.spaced("50 minutes") }
  )

  socketOnMachine("durations are what it was awake, and never below zero", (machine, server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      const { scope } = yield* begin(connection, "resp_2")
      const waiting = yield* Effect.fork(Scope.extend(Responses.open(request), scope))
      yield* TestClock.adjust("3 seconds")
      machine.sleep("1 minute")
      yield* connection.send(FakeServer.completed("resp_2"))
      yield* connection.request
      machine.setBack("1 hour")
      yield* TestClock.adjust("2 seconds")
      yield* connection.send(FakeServer.created("resp_3"))
      const { firstEvent, queued } = yield* Fiber.join(waiting)
      assert.deepStrictEqual([queued, firstEvent], [Duration.seconds(3), Duration.seconds(2)])
      yield* Scope.close(scope, Exit.void)
    }))
})
