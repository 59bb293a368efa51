import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Profile from "../src/Profile.ts"
import { assertConnectionError, failing } from "./support/clocks.ts"
import { answer, ask, begin, first, hello, hi, more, turn } from "./support/conversation.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { firstTurn, run, serve, socket, wholeAnswer } from "./support/socket.ts"

const withTraits = (traits: Partial<Profile.Profile>) => ({ profile: { ...Profile.openAi, ...traits } })

describe("lanes", () => {
  for (const lanes of [true, false]) {
    socket(
      `stream_id ${lanes ? "is sent" : "is left out, and each turn is served all the same"}`,
      (server) =>
        Effect.gen(function*() {
          const fiber = yield* begin(ask([hello], { stream_id: "a" }))
          const connection = yield* server.connection
          assert.strictEqual((yield* connection.request)["stream_id"], lanes ? "a" : undefined)
          const lane = lanes ? { stream_id: "a" } : {}
          yield* connection.send(...answer("resp_1", [hi]).map((event) => ({ ...event, ...lane })))
          assert.strictEqual((yield* Fiber.join(fiber)).id, "resp_1")
        }),
      withTraits({ lanes })
    )
  }

  socket("a server without them has one place to go on from", (server) =>
    Effect.gen(function*() {
      const { connection } = yield* first(server, ask([hello], { stream_id: "a" }), "resp_1")
      const { sent } = yield* turn(connection, ask([hello, hi, more], { stream_id: "b" }), "resp_2")
      assert.deepInclude(sent, { previous_response_id: "resp_1", input: [more] })
      assert.notProperty(sent, "stream_id")
    }), withTraits({ lanes: false }))
})

describe("an error frame", () => {
  const refusal = { type: "error", status: 400, error: { code: "bad", message: "Too long" } }
  const failure = { type: "response.failed", response: { id: "resp_1", error: { code: "bad", message: "no" } } }
  const strict = withTraits({ usableAfterError: false })

  for (
    const [what, frames] of [
      ["in answer to a request", [refusal]],
      ["in the middle of a response", [FakeServer.created("resp_1"), FakeServer.delta("He"), refusal]]
    ] as const
  ) {
    for (const usableAfterError of [true, false]) {
      socket(
        `${what} ${
          usableAfterError ? "leaves the connection in use" : "is the caller's, and another connection serves on"
        }`,
        (server) =>
          Effect.gen(function*() {
            const fiber = yield* failing()
            const connection = yield* server.connection
            yield* connection.request
            yield* connection.send(...frames)
            const error = yield* Fiber.join(fiber)
            assert.deepInclude(error, { _tag: "ResponseFailed", code: "bad" })
            if (usableAfterError) assert.deepStrictEqual(yield* serve(connection, "resp_2"), wholeAnswer)
            else yield* firstTurn(server)
            assert.strictEqual(connection.isClosed(), !usableAfterError)
            assert.strictEqual(server.open(), 1)
          }),
        withTraits({ usableAfterError })
      )
    }
  }

  socket("a response that failed is no error of the connection's", (server) =>
    Effect.gen(function*() {
      const fiber = yield* failing()
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(FakeServer.created("resp_1"), failure)
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "ResponseFailed")
      assert.deepStrictEqual(yield* serve(connection, "resp_2"), wholeAnswer)
      assert.strictEqual(server.dials(), 1)
    }), strict)

  socket("who waits behind it is served by the other connection", (server) =>
    Effect.gen(function*() {
      const fiber = yield* failing()
      const connection = yield* server.connection
      yield* connection.request
      const waiting = yield* Effect.fork(run("second"))
      yield* connection.send(refusal)
      yield* Fiber.join(fiber)
      const next = yield* server.connection
      assert.strictEqual((yield* next.request)["input"], "second")
      yield* next.send(...FakeServer.answer("resp_2"))
      assert.deepStrictEqual(yield* Fiber.join(waiting), wholeAnswer)
    }), strict)

  socket(
    "that the server has forgotten a response is repaired on another connection",
    (server) =>
      Effect.gen(function*() {
        const { connection } = yield* first(server, ask([hello]), "resp_1")
        const fiber = yield* begin(ask([hello, hi, more]))
        assert.strictEqual((yield* connection.request)["previous_response_id"], "resp_1")
        yield* connection.send({
          type: "error",
          status: 400,
          error: { code: "previous_response_not_found", message: "Previous response with id 'resp_1' not found." }
        })
        const next = yield* server.connection
        const sent = yield* next.request
        assert.notProperty(sent, "previous_response_id")
        assert.deepStrictEqual(sent["input"], [hello, hi, more])
        yield* next.send(...answer("resp_2", [hi]))
        const { recoveries } = yield* Fiber.join(fiber)
        assert.deepStrictEqual(recoveries.map(({ _tag }) => _tag), ["ResentInFull"])
      }),
    strict
  )
})

describe("instructions beside a response to continue from", () => {
  for (const continuesWithInstructions of [true, false]) {
    for (const instructions of [undefined, "Be kind."]) {
      const isDelta = continuesWithInstructions || instructions === undefined
      socket(
        `${continuesWithInstructions ? "taken" : "not taken"}, ${
          instructions === undefined ? "without" : "with"
        } instructions: ${isDelta ? "only what is new" : "everything"} travels`,
        (server) =>
          Effect.gen(function*() {
            const { connection } = yield* first(server, ask([hello], { instructions }), "resp_1")
            const { opened, sent } = yield* turn(connection, ask([hello, hi, more], { instructions }), "resp_2")
            assert.strictEqual(sent["previous_response_id"], isDelta ? "resp_1" : undefined)
            assert.deepStrictEqual(sent["input"], isDelta ? [more] : [hello, hi, more])
            assert.strictEqual(sent["instructions"], instructions)
            assert.deepStrictEqual(opened.reason, isDelta ? undefined : { _tag: "Instructions" })
          }),
        withTraits({ continuesWithInstructions })
      )
    }
  }
})

describe("the largest message", () => {
  const sizeOf = (input: string) =>
    new TextEncoder().encode(JSON.stringify({ model: "m", input, type: "response.create" })).length
  const input = "ü".repeat(100)
  const limit = sizeOf(input)

  socket("is sent", (server) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(run(input))
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(...FakeServer.answer("resp_1"))
      assert.deepStrictEqual(yield* Fiber.join(fiber), wholeAnswer)
    }), withTraits({ maxFrameBytes: limit }))

  socket(
    "is counted in bytes: what is a byte larger is refused before anything is dialled",
    (server) =>
      Effect.gen(function*() {
        assertConnectionError(yield* Effect.flip(run(input)), "TooLarge", "unsent")
        assert.strictEqual(server.dials(), 0)
        yield* firstTurn(server)
      }),
    withTraits({ maxFrameBytes: limit - 1 })
  )

  socket("a larger one is not sent on a connection that is open, which serves on", (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      assertConnectionError(yield* Effect.flip(run(input)), "TooLarge", "unsent")
      assert.deepStrictEqual(yield* serve(connection, "resp_2"), wholeAnswer)
      assert.strictEqual(server.dials(), 1)
    }), withTraits({ maxFrameBytes: limit - 1 }))

  socket("a long conversation of which only the end travels is not too large", (server) =>
    Effect.gen(function*() {
      const { connection } = yield* first(server, ask([hello, hello]), "resp_1")
      const { sent } = yield* turn(connection, ask([hello, hello, hi, more]), "resp_2")
      assert.deepInclude(sent, { previous_response_id: "resp_1", input: [more] })
      yield* connection.close(1006)
      const fiber = yield* Effect.fork(Effect.flip(Effect.scoped(
        begin(ask([hello, hello, hi, more, hi, hello])).pipe(
          Effect.flatMap(Fiber.join)
        )
      )))
      assertConnectionError(yield* Fiber.join(fiber), "TooLarge", "unsent")
      assert.strictEqual(server.dials(), 1)
    }), withTraits({ maxFrameBytes: 220 }))
})
