import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Continuation from "../src/internal/compare/continuation.ts"
import * as Rule from "../src/internal/compare/rule.ts"
import * as Profile from "../src/Profile.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import type { ResponseRequest } from "../src/ResponseRequest.ts"
import { ResponsesSocket } from "../src/ResponsesSocket.ts"
import { settle } from "./support/clocks.ts"
import { answer, ask, begin, first, hello, hi, more, turn } from "./support/conversation.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { socket } from "./support/socket.ts"

const options = { recycle: Schedule.spaced("50 minutes"), rewarm: true } as const

const rewarmed = Effect.flatMap(ResponsesSocket, ({ stats }) => Effect.map(stats, (totals) => totals.rewarmed))

/** One turn, and the successor's first request when the connection is recycled. */
const recycled = Effect.fnUntraced(function*(
  server: FakeServer.FakeServer,
  request: ResponseRequest = ask([hello]),
  output: ReadonlyArray<ResponseItem.ResponseItem> = [hi]
) {
  const { connection: old } = yield* first(server, request, "resp_1", output)
  yield* TestClock.adjust("50 minutes")
  const next = yield* server.connection
  return { old, next, warmUp: yield* Effect.timeoutOption(next.request, 0) }
})

const call = { type: "function_call", call_id: "call_1", name: "look", arguments: "{}" } as const
const found = ResponseItem.functionCallOutput("call_1", "a cat")

describe("a conversation on a new connection", () => {
  socket(
    "is told in full, without output, before the old one is closed, and goes on from there",
    (server) =>
      Effect.gen(function*() {
        const { next, old, warmUp } = yield* recycled(server, ask([hello], { instructions: "Be kind." }))
        assert.deepStrictEqual(
          warmUp,
          Option.some({
            type: "response.create",
            model: "m",
            store: false,
            instructions: "Be kind.",
            input: [hello, hi],
            generate: false
          })
        )
        assert.isFalse(old.isClosed())
        yield* next.send(...answer("resp_w", []))
        yield* settle
        assert.isTrue(old.isClosed())
        const { opened, sent } = yield* turn(next, ask([hello, hi, more], { instructions: "Be kind." }), "resp_2")
        assert.deepInclude(sent, { previous_response_id: "resp_w", input: [more] })
        assert.notProperty(sent, "generate")
        assert.strictEqual(opened.input, "delta")
        assert.strictEqual(yield* rewarmed, 1)
      }),
    options
  )

  socket(
    "is told without calls that nobody has answered, which the next turn brings along",
    (server) =>
      Effect.gen(function*() {
        const { next, warmUp } = yield* recycled(server, ask([hello]), [call])
        assert.deepInclude(Option.getOrThrow(warmUp), { input: [hello], generate: false })
        yield* next.send(...answer("resp_w", []))
        yield* settle
        const { sent } = yield* turn(next, ask([hello, call, found]), "resp_2")
        assert.deepInclude(sent, { previous_response_id: "resp_w", input: [call, found] })
      }),
    options
  )

  socket(
    "is not held up by it: turns go on on the old one, and the delta has what happened meanwhile",
    (server) =>
      Effect.gen(function*() {
        const { next, old } = yield* recycled(server)
        const meanwhile = yield* turn(old, ask([hello, hi, more]), "resp_2")
        assert.deepInclude(meanwhile.sent, { previous_response_id: "resp_1", input: [more] })
        yield* next.send(...answer("resp_w", []))
        yield* settle
        const { sent } = yield* turn(next, ask([hello, hi, more, hi, hello]), "resp_3")
        assert.deepInclude(sent, { previous_response_id: "resp_w", input: [more, hi, hello] })
      }),
    options
  )

  socket("with a response that runs over the recycle", (server) =>
    Effect.gen(function*() {
      const { connection: old } = yield* first(server, ask([hello]), "resp_1")
      yield* TestClock.adjust("45 minutes")
      const running = yield* begin(ask([hello, hi, more]))
      yield* old.request
      yield* old.send(FakeServer.created("resp_2"))
      yield* TestClock.adjust("5 minutes")
      const next = yield* server.connection
      assert.deepInclude(yield* next.request, { input: [hello, hi], generate: false })
      yield* next.send(...answer("resp_w", []))
      yield* settle
      assert.isFalse(old.isClosed())
      yield* old.send(...answer("resp_2", [hi]))
      yield* Fiber.join(running)
      const { sent } = yield* turn(next, ask([hello, hi, more, hi, hello]), "resp_3")
      assert.deepInclude(sent, { previous_response_id: "resp_w", input: [more, hi, hello] })
      assert.isTrue(old.isClosed())
    }), options)

  socket("is the one that was served last", (server) =>
    Effect.gen(function*() {
      const { connection } = yield* first(server, ask([more]), "resp_0")
      yield* turn(connection, ask([hello]), "resp_1")
      yield* TestClock.adjust("50 minutes")
      const next = yield* server.connection
      assert.deepInclude(yield* next.request, { input: [hello, hi] })
    }), options)

  socket(
    "is told as it was served, whatever its caller has made of the array since",
    (server) =>
      Effect.gen(function*() {
        const history: Array<ResponseItem.ResponseItem> = [hello]
        const { connection } = yield* first(server, ask(history), "resp_1")
        history.push(hi, more)
        yield* TestClock.adjust("50 minutes")
        const next = yield* server.connection
        assert.deepStrictEqual((yield* next.request)["input"], [hello, hi])
        assert.isFalse(connection.isClosed())
        yield* next.send(...answer("resp_w", []))
        yield* settle
        const { sent } = yield* turn(next, ask(history), "resp_2")
        assert.deepInclude(sent, { previous_response_id: "resp_w", input: [more] })
      }),
    options
  )

  socket(
    "is not told where only the caller knows it, who named a response itself",
    (server) =>
      Effect.gen(function*() {
        const { connection } = yield* first(server, ask([hello]), "resp_1")
        yield* turn(connection, ask([more], { previous_response_id: "resp_1" }), "resp_2")
        yield* TestClock.adjust("50 minutes")
        const next = yield* server.connection
        const { sent } = yield* turn(next, ask([hello, hi, more, hi, hello]), "resp_3")
        assert.notProperty(sent, "previous_response_id")
        assert.notProperty(sent, "generate")
        assert.strictEqual(yield* rewarmed, 0)
      }),
    options
  )
})

describe("a new connection with another key", () => {
  let key = "sk-a"

  socket(
    "is not told what was said under the old one",
    (server) =>
      Effect.gen(function*() {
        yield* first(server, ask([hello]), "resp_1")
        key = "sk-b"
        yield* TestClock.adjust("50 minutes")
        const next = yield* server.connection
        const { sent } = yield* turn(next, ask([more]), "resp_2")
        assert.notProperty(sent, "generate")
        assert.deepStrictEqual(sent["input"], [more])
        assert.strictEqual(yield* rewarmed, 0)
      }),
    { ...options, apiKey: Effect.sync(() => Redacted.make(key)) }
  )
})

describe("a warm-up that comes to nothing", () => {
  for (
    const [what, ...frames] of [
      ["refused", { type: "error", status: 400, error: { code: "bad", message: "no" } }],
      ["failed", FakeServer.created("resp_w"), { type: "response.failed", response: { id: "resp_w", error: {} } }]
    ] as const
  ) {
    socket(
      `${what}: the new connection takes over, and the next turn travels in full`,
      (server) =>
        Effect.gen(function*() {
          const { next, old } = yield* recycled(server)
          yield* next.send(...frames)
          yield* settle
          assert.isTrue(old.isClosed())
          const { sent } = yield* turn(next, ask([hello, hi, more]), "resp_2")
          assert.notProperty(sent, "previous_response_id")
          assert.deepStrictEqual(sent["input"], [hello, hi, more])
          assert.strictEqual(yield* rewarmed, 0)
        }),
      options
    )
  }

  socket(
    "refused, on a server that serves nothing more after an error: another connection takes over",
    (server) =>
      Effect.gen(function*() {
        const { next, old } = yield* recycled(server)
        yield* next.send({ type: "error", status: 400, error: { code: "bad", message: "Unknown parameter: generate" } })
        yield* settle
        const fresh = yield* server.connection
        assert.deepStrictEqual([old.isClosed(), next.isClosed(), fresh.isClosed()], [true, true, false])
        const { opened, sent } = yield* turn(fresh, ask([hello, hi, more]), "resp_2")
        assert.deepStrictEqual(sent["input"], [hello, hi, more])
        assert.deepStrictEqual(opened.reason, { _tag: "NewConnection" })
        assert.deepInclude(yield* Effect.flatMap(ResponsesSocket, ({ stats }) => stats), { rewarmed: 0, recycled: 1 })
        assert.strictEqual(server.open(), 1)
      }),
    { ...options, profile: { ...Profile.openAi, usableAfterError: false } }
  )

  socket("a new connection that is lost over it: the old one serves on", (server) =>
    Effect.gen(function*() {
      const { next, old } = yield* recycled(server)
      yield* next.send(FakeServer.created("resp_w"))
      yield* next.close(1006)
      yield* settle
      const { sent } = yield* turn(old, ask([hello, hi, more]), "resp_2")
      assert.deepInclude(sent, { previous_response_id: "resp_1" })
      yield* TestClock.adjust("50 minutes")
      assert.strictEqual(server.dials(), 3)
    }), options)

  socket("one that does not end in the time of a turn: the old one serves on", (server) =>
    Effect.gen(function*() {
      const { next, old } = yield* recycled(server)
      yield* next.send(FakeServer.created("resp_w"))
      yield* TestClock.adjust("59999 millis")
      assert.isFalse(next.isClosed())
      yield* TestClock.adjust("1 millis")
      assert.isTrue(next.isClosed())
      const { sent } = yield* turn(old, ask([hello, hi, more]), "resp_2")
      assert.deepInclude(sent, { previous_response_id: "resp_1" })
      assert.strictEqual(server.open(), 1)
    }), { ...options, turnTimeout: "1 minute" })

  socket("an old connection that is lost meanwhile: the new one is closed with it", (server) =>
    Effect.gen(function*() {
      const { next, old } = yield* recycled(server)
      yield* old.close(1006)
      yield* settle
      assert.isTrue(next.isClosed())
      const { sent } = yield* first(server, ask([hello, hi, more]), "resp_2")
      assert.deepStrictEqual(sent["input"], [hello, hi, more])
      assert.strictEqual(server.open(), 1)
    }), options)

  socket(
    "an old connection that is lost just as the new one is ready: the new one is closed with it",
    (server) =>
      Effect.gen(function*() {
        const { next, old } = yield* recycled(server)
        yield* Effect.zipRight(next.send(...answer("resp_w", [])), old.close(1006))
        yield* settle
        assert.isTrue(next.isClosed())
        yield* first(server, ask([hello, hi, more]), "resp_2")
        assert.strictEqual(server.open(), 1)
      }),
    options
  )

  socket(
    "that cannot be compared is sent in full on it",
    (server) =>
      Effect.gen(function*() {
        const { next, old, warmUp } = yield* recycled(server)
        assert.deepStrictEqual(warmUp, Option.none())
        assert.isTrue(old.isClosed())
        const { sent } = yield* turn(next, ask([hello, hi, more]), "resp_2")
        assert.deepStrictEqual(sent["input"], [hello, hi, more])
        yield* TestClock.adjust("50 minutes")
        yield* server.connection
        assert.strictEqual(server.open(), 1)
      }),
    {
      ...options,
      continuation: Rule.make({
        ...Continuation.automatic,
        plan: (heads, request) => {
          if (request.generate === false) throw new Error("a rule that throws")
          return Continuation.automatic.plan(heads, request)
        }
      })
    }
  )

  it.scoped("closing the Layer in the middle of it closes both connections at once", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(server.layer(options), scope)
      yield* Effect.provide(recycled(server), context)
      assert.strictEqual(server.open(), 2)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(server.open(), 0)
    }))
})

describe("a stored conversation", () => {
  socket("is told to a new connection that would take its id for another response", (server) =>
    Effect.gen(function*() {
      const { warmUp } = yield* recycled(server, ask([hello], { store: true }))
      assert.deepInclude(Option.getOrThrow(warmUp), { input: [hello, hi], generate: false })
    }), { ...options, profile: { ...Profile.openAi, uniqueIds: false } })
})

describe("no warm-up", () => {
  socket("while the server refuses to continue responses", (server) =>
    Effect.gen(function*() {
      const { connection: old } = yield* first(server, ask([hello]), "resp_1")
      yield* TestClock.adjust("49.5 minutes")
      for (const [input, id] of [[[hello, hi, more], "resp_2"], [[hello, hi, more, hi, more], "resp_3"]] as const) {
        const fiber = yield* begin(ask(input))
        assert.property(yield* old.request, "previous_response_id")
        yield* old.send({ type: "error", status: 400, error: { message: "Unsupported: previous_response_id" } })
        yield* old.request
        yield* old.send(...answer(id, [hi]))
        yield* Fiber.join(fiber)
      }
      yield* TestClock.adjust("30 seconds")
      const next = yield* server.connection
      assert.isTrue(old.isClosed())
      const { opened } = yield* turn(next, ask([hello, hi, more]), "resp_4")
      assert.strictEqual(opened.input, "full")
      assert.strictEqual(yield* rewarmed, 0)
    }), options)

  const small: Profile.Profile = { ...Profile.openAi, maxFrameBytes: 140 }
  for (
    const [what, request, own] of [
      ["unless it is asked for", ask([hello]), { rewarm: false }],
      ["for stored responses, which every connection knows", ask([hello], { store: true }), {}],
      ["where the caller named the response", ask([hello], { previous_response_id: "resp_0" }), {}],
      ["that would be too large", ask([hello]), { profile: small }]
    ] as const
  ) {
    socket(what, (server) =>
      Effect.gen(function*() {
        const { next, old, warmUp } = yield* recycled(server, request)
        assert.deepStrictEqual(warmUp, Option.none())
        assert.isTrue(old.isClosed())
        yield* turn(next, ask([more]), "resp_2")
      }), { ...options, ...own })
  }
})
