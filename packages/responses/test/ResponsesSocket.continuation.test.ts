import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Continuation from "../src/Continuation.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import type { ResponseRequest } from "../src/ResponseRequest.ts"
import * as Responses from "../src/Responses.ts"
import { ResponsesSocket } from "../src/ResponsesSocket.ts"
import { answer, ask, begin, first, hello, hi, more, turn } from "./support/conversation.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { socket } from "./support/socket.ts"

const notFound = (id: string) => ({
  type: "error",
  status: 400,
  error: { code: "previous_response_not_found", message: `Previous response with id '${id}' not found.` }
})

describe("what travels", () => {
  socket("the frames of a tool call's two turns, to the letter", (server) =>
    Effect.gen(function*() {
      const call = { type: "function_call", call_id: "call_1", name: "look", arguments: "{}" } as const
      const settings: ResponseRequest = {
        model: "gpt-5.5",
        instructions: "Look first.",
        store: false,
        tools: [{ type: "function", name: "look" }]
      }
      const fiber = yield* begin({ ...settings, input: "What is there?" })
      const connection = yield* server.connection
      assert.strictEqual(
        yield* connection.frame,
        `{"model":"gpt-5.5","instructions":"Look first.","store":false,"tools":[{"type":"function","name":"look"}],` +
          `"input":"What is there?","type":"response.create"}`
      )
      yield* connection.send(...answer("resp_1", [call]))
      yield* Fiber.join(fiber)
      const found = ResponseItem.functionCallOutput("call_1", "a cat")
      const next = yield* begin({ ...settings, input: [ResponseItem.user("What is there?"), call, found] })
      assert.strictEqual(
        yield* connection.frame,
        `{"model":"gpt-5.5","instructions":"Look first.","store":false,"tools":[{"type":"function","name":"look"}],` +
          `"input":[{"type":"function_call_output","call_id":"call_1","output":"a cat"}],` +
          `"previous_response_id":"resp_1","type":"response.create"}`
      )
      yield* connection.send(...answer("resp_2", [hi]))
      yield* Fiber.join(next)
    }))

  socket(
    "a turn that goes on from the last is a delta, and says how much it spared",
    (server) =>
      Effect.gen(function*() {
        const { connection, opened } = yield* first(server, ask([hello]), "resp_1")
        assert.deepInclude(opened, { input: "full", reason: { _tag: "First" }, bytesSaved: 0 })
        const next = yield* turn(connection, ask([hello, hi, more]), "resp_2")
        assert.deepInclude(next.sent, { previous_response_id: "resp_1", input: [more] })
        assert.deepInclude(next.opened, { input: "delta", reason: undefined })
        const spared = JSON.stringify([hello, hi]).length
        assert.approximately(next.opened.bytesSaved, spared, 20)
        const stats = yield* Effect.flatMap(ResponsesSocket, (service) => service.stats)
        assert.deepInclude(stats, { responses: 2, deltas: 1, connections: 1, bytesSaved: next.opened.bytesSaved })
        assert.strictEqual(stats.bytesSent, opened.bytesSent + next.opened.bytesSent)
      })
  )

  for (const store of [false, true]) {
    const fate = store ? "is continued: stored responses stay" : "is sent in full"
    socket(`a conversation that another came between ${fate}`, (server) =>
      Effect.gen(function*() {
        const a = ResponseItem.user("a")
        const b = ResponseItem.user("b")
        const { connection } = yield* first(server, ask([a], { store }), "resp_a")
        yield* turn(connection, ask([b], { store }), "resp_b")
        const again = yield* turn(connection, ask([a, hi, more], { store }), "resp_a2")
        assert.strictEqual(again.sent["previous_response_id"], store ? "resp_a" : undefined)
        const other = yield* turn(connection, ask([b, hi, more], { store }), "resp_b2")
        assert.strictEqual(other.sent["previous_response_id"], store ? "resp_b" : undefined)
      }))
  }

  for (const store of [false, true]) {
    socket(
      `on a new connection ${store ? "a stored response is continued" : "everything travels, and it says why"}`,
      (server) =>
        Effect.gen(function*() {
          const { connection } = yield* first(server, ask([hello], { store }), "resp_1")
          yield* connection.close(1006)
          const next = yield* first(server, ask([hello, hi, more], { store }), "resp_2")
          assert.strictEqual(next.sent["previous_response_id"], store ? "resp_1" : undefined)
          assert.deepStrictEqual(next.opened.reason, store ? undefined : { _tag: "NewConnection" })
        })
    )
  }

  it.scoped("what one key stored is not continued with another", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make
      let keys = 0
      const rotating = server.layer({ apiKey: Effect.sync(() => Redacted.make(`key-${keys++}`)) })
      yield* Effect.gen(function*() {
        const { connection } = yield* first(server, ask([hello], { store: true }), "resp_1")
        yield* connection.close(1006)
        const next = yield* first(server, ask([hello, hi, more], { store: true }), "resp_2")
        assert.deepStrictEqual(next.sent["input"], [hello, hi, more])
      }).pipe(Effect.provide(rotating))
    }))

  socket("each lane has its own place to go on from", (server) =>
    Effect.gen(function*() {
      const a = ResponseItem.user("a")
      const b = ResponseItem.user("b")
      const { connection } = yield* first(server, ask([a], { stream_id: "a" }), "resp_a")
      yield* turn(connection, ask([b], { stream_id: "b" }), "resp_b")
      const onA = yield* turn(connection, ask([a, hi, more], { stream_id: "a" }), "resp_a2")
      const onB = yield* turn(connection, ask([b, hi, more], { stream_id: "b" }), "resp_b2")
      assert.strictEqual(onA.sent["previous_response_id"], "resp_a")
      assert.strictEqual(onB.sent["previous_response_id"], "resp_b")
    }))

  for (
    const [what, end] of [
      ["failed", { type: "response.failed", response: { id: "resp_2", error: { code: "x", message: "no" } } }],
      ["refused", { type: "error", status: 400, error: { code: "bad", message: "no" } }]
    ] as const
  ) {
    socket(`after a ${what} turn everything travels again`, (server) =>
      Effect.gen(function*() {
        const { connection } = yield* first(server, ask([hello]), "resp_1")
        const fiber = yield* begin(ask([hello, hi, more]))
        yield* connection.request
        yield* connection.send(FakeServer.created("resp_2"), end)
        yield* Effect.flip(Fiber.join(fiber))
        const next = yield* turn(connection, ask([hello, hi, more]), "resp_3")
        assert.deepStrictEqual(next.sent["input"], [hello, hi, more])
      }))
  }

  socket("a scope that closes late does not bring an older response back", (server) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const fiber = yield* Effect.fork(
        Effect.tap(Scope.extend(Responses.open(ask([hello])), scope), (opened) => Stream.runDrain(opened.events))
      )
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(...answer("resp_1", [hi]))
      yield* Fiber.join(fiber)
      yield* turn(connection, ask([hello, hi, more]), "resp_2")
      yield* Scope.close(scope, Exit.void)
      const next = yield* turn(connection, ask([hello, hi, more, hi, more]), "resp_3")
      assert.deepInclude(next.sent, { previous_response_id: "resp_2", input: [more] })
    }))

  socket("an incomplete response is continued too", (server) =>
    Effect.gen(function*() {
      const fiber = yield* begin(ask([hello]))
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(FakeServer.created("resp_1"), {
        type: "response.incomplete",
        response: { id: "resp_1", status: "incomplete", output: [hi] }
      })
      yield* Fiber.join(fiber)
      const next = yield* turn(connection, ask([hello, hi, more]), "resp_2")
      assert.strictEqual(next.sent["previous_response_id"], "resp_1")
    }))

  socket(
    "output that comes with its items only, and not with the end, is continued",
    (server) =>
      Effect.gen(function*() {
        const fiber = yield* begin(ask([hello]))
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.send(
          FakeServer.created("resp_1"),
          { type: "response.output_item.done", output_index: 0, item: hi },
          { type: "response.completed", response: { id: "resp_1" } }
        )
        yield* Fiber.join(fiber)
        const next = yield* turn(connection, ask([hello, hi, more]), "resp_2")
        assert.deepInclude(next.sent, { previous_response_id: "resp_1", input: [more] })
      })
  )

  socket(
    "a warm-up is continued by the first real turn, and changes nothing if it fails",
    (server) =>
      Effect.gen(function*() {
        const warm = yield* Effect.fork(Responses.warmUp(ask([hello])))
        const connection = yield* server.connection
        assert.deepInclude(yield* connection.request, { generate: false, input: [hello] })
        yield* connection.send(...answer("resp_w", []))
        assert.strictEqual(yield* Fiber.join(warm), "resp_w")
        const next = yield* turn(connection, ask([hello]), "resp_1")
        assert.deepInclude(next.sent, { previous_response_id: "resp_w", input: [] })
        assert.notProperty(next.sent, "generate")

        const failing = yield* Effect.fork(Effect.flip(Responses.warmUp(ask([more]))))
        yield* connection.request
        yield* connection.send({ type: "error", status: 500, error: { code: "server_error", message: "no" } })
        assert.strictEqual((yield* Fiber.join(failing))._tag, "ResponseFailed")
        assert.deepInclude((yield* turn(connection, ask([more]), "resp_2")).sent, { input: [more] })
      })
  )

  socket("nothing is continued by itself when it is switched off", (server) =>
    Effect.gen(function*() {
      const { connection } = yield* first(server, ask([hello]), "resp_1")
      const next = yield* turn(connection, ask([hello, hi, more]), "resp_2")
      assert.deepStrictEqual(next.sent["input"], [hello, hi, more])
      assert.deepStrictEqual(next.opened.reason, { _tag: "Off" })
    }), { continuation: Continuation.off })
})

describe("a response that the server has forgotten", () => {
  socket(
    "is repaired once by sending everything on the same connection, unseen but recorded",
    (server) =>
      Effect.gen(function*() {
        const { connection } = yield* first(server, ask([hello]), "resp_1")
        const fiber = yield* begin(ask([hello, hi, more]))
        assert.strictEqual((yield* connection.request)["previous_response_id"], "resp_1")
        yield* connection.send(notFound("resp_1"))
        const again = yield* connection.request
        assert.notProperty(again, "previous_response_id")
        assert.deepStrictEqual(again["input"], [hello, hi, more])
        yield* connection.send(...answer("resp_2", [hi]))
        const opened = yield* Fiber.join(fiber)
        assert.deepStrictEqual(opened.recoveries.map((recovery) => recovery._tag), ["ResentInFull"])
        assert.deepInclude(opened, { input: "full", reason: { _tag: "Forgotten" } })
        assert.strictEqual(server.dials(), 1)
        const stats = yield* Effect.flatMap(ResponsesSocket, (service) => service.stats)
        assert.strictEqual(stats.resentInFull, 1)
      })
  )

  socket("is not looked for again", (server) =>
    Effect.gen(function*() {
      const { connection } = yield* first(server, ask([hello], { store: true }), "resp_1")
      const fiber = yield* begin(ask([hello, hi, more], { store: true }))
      yield* connection.request
      yield* connection.send(notFound("resp_1"))
      yield* connection.request
      yield* connection.send({ type: "error", status: 500, error: { code: "server_error", message: "no" } })
      yield* Effect.flip(Fiber.join(fiber))
      const next = yield* turn(connection, ask([hello, hi, more], { store: true }), "resp_2")
      assert.notProperty(next.sent, "previous_response_id")
    }))

  socket(
    "named by the caller is the caller's typed error, and the request went out as it was given",
    (server) =>
      Effect.gen(function*() {
        const { connection } = yield* first(server, ask([hello]), "resp_1")
        const request = ask([more], { previous_response_id: "resp_0" })
        const fiber = yield* Effect.fork(Effect.flip(Effect.scoped(Responses.open(request))))
        assert.deepStrictEqual(yield* connection.request, { type: "response.create", ...request })
        yield* connection.send(notFound("resp_0"))
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "PreviousResponseNotFound")
      })
  )

  socket(
    "in answer to a request that named none is the caller's error: there is nothing to leave out",
    (server) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.flip(Effect.scoped(Responses.open(ask([hello])))))
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.send(notFound("resp_0"))
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "PreviousResponseNotFound")
      })
  )
})
