import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ResponseEvent } from "../src/ResponseEvent.ts"
import * as Responses from "../src/Responses.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import { settle } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { begin, firstTurn, request, serve, socket, wholeAnswer } from "./support/socket.ts"
import { transports } from "./support/transports.ts"

const long = ResponsesTest.text("It was a dark and stormy night. ".repeat(10))
const second = ResponsesTest.text("The second answer.")

const whole = ResponsesTest.turn([
  ResponsesTest.reasoning("Let me see."),
  long,
  ResponsesTest.toolCall({ name: "look", arguments: {} })
])
const brokenOff = ResponsesTest.turn([long, ResponsesTest.drop({ after: 8 })])
const quiet = ResponsesTest.turn([long, ResponsesTest.silence({ after: 8 })])

/** All that came, and how it ended, by `forEach` and by `stream`. */
const gathered = Effect.suspend(() => {
  const events: Array<ResponseEvent> = []
  return Effect.map(
    Effect.either(Responses.forEach(request, (event) => events.push(event))),
    (end) => ({ events, end: end._tag === "Left" ? end.left.message : undefined })
  )
})
const streamed = Effect.suspend(() => {
  const events: Array<ResponseEvent> = []
  return Effect.map(
    Effect.either(Stream.runForEach(Responses.stream(request), (event) => Effect.sync(() => events.push(event)))),
    (end) => ({ events, end: end._tag === "Left" ? end.left.message : undefined })
  )
})

const textOf = (events: ReadonlyArray<ResponseEvent>) =>
  events.map((event) => event.type === "response.output_text.delta" ? event.delta : "").join("")

const assertDefect = (exit: Exit.Exit<unknown, unknown>, text: string) => {
  assert(Exit.isFailure(exit) && Cause.isDie(exit.cause))
  assert.include(Cause.pretty(exit.cause), text)
}

for (const [name, make] of transports) {
  describe(`forEach, ${name}`, () => {
    for (
      const [what, turn] of [
        ["a whole response", whole],
        ["one that is incomplete", ResponsesTest.turn([long, ResponsesTest.incomplete()])],
        ["one that failed", ResponsesTest.turn([long, ResponsesTest.failed({ code: "server_error", message: "no" })])],
        ["one that broke off", brokenOff]
      ] as const
    ) {
      it.effect(`gives the events that the stream gives, and its end: ${what}`, () =>
        Effect.gen(function*() {
          const expected = yield* Effect.provide(streamed, make([turn]))
          const given = yield* Effect.provide(gathered, make([turn]))
          assert.isAbove(expected.events.length, 3)
          assert.deepStrictEqual(given, expected)
        }))
    }

    it.effect("ends when the last event was given, and the next turn can begin right then", () =>
      Effect.gen(function*() {
        const first = yield* gathered
        assert.strictEqual(first.events.at(-1)?.type, "response.completed")
        assert.strictEqual(textOf((yield* gathered).events), "The second answer.")
      }).pipe(Effect.provide(make([long, second]))))

    for (const at of ["response.created", "response.output_text.delta", "response.completed"]) {
      it.effect(`dies with what the function throws at ${at}, gives it nothing more, and the next turn is clean`, () =>
        Effect.gen(function*() {
          const defect = new Error("of the function")
          const seen: Array<string> = []
          const exit = yield* Effect.exit(Responses.forEach(request, (event) => {
            seen.push(event.type)
            if (event.type === at) throw defect
          }))
          assert(Exit.isFailure(exit))
          assert.strictEqual(Array.from(Cause.defects(exit.cause))[0], defect)
          assert.isTrue(Cause.isDie(exit.cause))
          assert.strictEqual(seen.indexOf(at), seen.length - 1)
          const next = yield* gathered
          assert.deepStrictEqual([textOf(next.events), next.end], ["The second answer.", undefined])
        }).pipe(Effect.provide(make([whole, second]))))
    }

    it.effect("gives nothing more once it was interrupted, and the next turn is clean", () =>
      Effect.gen(function*() {
        const begun = yield* Deferred.make<void>()
        const seen: Array<string> = []
        const fiber = yield* Effect.fork(Responses.forEach(request, (event) => {
          seen.push(event.type)
          if (event.type === "response.output_text.delta") Deferred.unsafeDone(begun, Effect.void)
        }))
        yield* Deferred.await(begun)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        const then = seen.length
        const next = yield* gathered
        assert.deepStrictEqual([textOf(next.events), next.end], ["The second answer.", undefined])
        assert.lengthOf(seen, then)
      }).pipe(Effect.provide(make([quiet, second]))))

    it.scoped("can be run once, it or the stream, and in its scope", () =>
      Effect.gen(function*() {
        const none = () => {}
        const first = yield* Responses.open(request)
        yield* first.forEach(none)
        assertDefect(yield* Effect.exit(first.forEach(none)), "can be read once")
        assertDefect(yield* Effect.exit(Stream.runDrain(first.events)), "can be read once")
        const other = yield* Responses.open(request)
        yield* Stream.runDrain(other.events)
        assertDefect(yield* Effect.exit(other.forEach(none)), "can be read once")
      }).pipe(Effect.provide(make([long, second]))))

    it.scoped("gives what has come before it was run, first", () =>
      Effect.gen(function*() {
        const expected = yield* Effect.provide(streamed, make([whole]))
        const response = yield* Responses.open(request)
        yield* settle
        const events: Array<ResponseEvent> = []
        yield* response.forEach((event) => events.push(event))
        assert.deepStrictEqual(events, expected.events)
      }).pipe(Effect.provide(make([whole]))))
  })
}

describe("forEach on a socket", () => {
  const large = FakeServer.delta("x".repeat(700_000))

  socket("is not held up, and does not pause the network", (server) =>
    Effect.gen(function*() {
      let size = 0
      const fiber = yield* Effect.fork(Responses.forEach(request, (event) => {
        if (event.type === "response.output_text.delta") size += event.delta.length
      }))
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(FakeServer.created("resp_1"))
      yield* settle
      for (let sent = 1; sent <= 10; sent++) {
        yield* connection.send(large)
        assert.strictEqual(size, sent * 700_000)
        assert.isFalse(connection.isPaused())
      }
      yield* connection.send(FakeServer.completed("resp_1"))
      yield* Fiber.join(fiber)
    }))

  socket("takes what has piled up, and lets the network go on", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      const { response } = yield* begin(connection, "resp_2")
      yield* connection.send(large, large)
      assert.isTrue(connection.isPaused())
      const seen: Array<string> = []
      const fiber = yield* Effect.fork(response.forEach(({ type }) => seen.push(type)))
      yield* settle
      assert.isFalse(connection.isPaused())
      assert.lengthOf(seen, 3)
      yield* connection.send(FakeServer.completed("resp_2"))
      yield* Fiber.join(fiber)
      assert.lengthOf(seen, 4)
    }))

  socket("a function that throws gets nothing that came in the same step", (server) =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const onEvent = ({ type }: ResponseEvent) => {
        seen.push(type)
        if (type === "response.output_text.delta") throw new Error("of the function")
      }
      const connection = yield* firstTurn(server)
      const later = yield* begin(connection, "resp_2")
      const fiber = yield* Effect.fork(Effect.exit(later.response.forEach(onEvent)))
      yield* settle
      yield* connection.send(FakeServer.delta("a"), FakeServer.delta("b"), FakeServer.completed("resp_2"))
      assertDefect(yield* Fiber.join(fiber), "of the function")
      assert.deepStrictEqual(seen, ["response.created", "response.output_text.delta"])

      const before = yield* begin(connection, "resp_3")
      yield* connection.send(FakeServer.delta("a"), FakeServer.delta("b"))
      assertDefect(yield* Effect.exit(before.response.forEach(onEvent)), "of the function")
      assert.lengthOf(seen, 4)
    }))

  socket("gives nothing more once it was interrupted, although its scope lives on", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      const { response } = yield* begin(connection, "resp_2")
      const seen: Array<string> = []
      const fiber = yield* Effect.fork(response.forEach(({ type }) => seen.push(type)))
      yield* settle
      yield* Fiber.interrupt(fiber)
      yield* connection.send(FakeServer.delta("late"), FakeServer.completed("resp_2"))
      assert.deepStrictEqual(seen, ["response.created"])
      assert.deepStrictEqual(yield* serve(connection, "resp_3"), wholeAnswer)
    }))

  socket(
    "a function that throws at the end leaves the connection in use, and in the middle does not",
    (server) =>
      Effect.gen(function*() {
        const throwing = (at: string) =>
          Effect.fork(Effect.exit(Responses.forEach(request, ({ type }) => {
            if (type === at) throw new Error("of the function")
          })))
        const connection = yield* firstTurn(server)
        const atTheEnd = yield* throwing("response.completed")
        yield* connection.request
        yield* connection.send(...FakeServer.answer("resp_2"))
        assertDefect(yield* Fiber.join(atTheEnd), "of the function")
        assert.deepStrictEqual(yield* serve(connection, "resp_3"), wholeAnswer)
        const before = yield* throwing("response.created")
        yield* connection.request
        yield* connection.send(FakeServer.created("resp_4"))
        assertDefect(yield* Fiber.join(before), "of the function")
        yield* connection.closed
      })
  )

  socket("is a defect after its scope was closed", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      const { response, scope } = yield* begin(connection, "resp_2")
      yield* connection.send(FakeServer.completed("resp_2"))
      yield* Scope.close(scope, Exit.void)
      assertDefect(yield* Effect.exit(response.forEach(() => {})), "after its scope was closed")
    }))
})
