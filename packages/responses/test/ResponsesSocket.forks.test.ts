/** Branches of a conversation: each goes by id, and what they branch off is not dropped under them. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as ResponseItem from "../src/ResponseItem.ts"
import * as Responses from "../src/Responses.ts"
import { ResponsesSocket } from "../src/ResponsesSocket.ts"
import { settle } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { collect, socket } from "./support/socket.ts"

const many = { maxConnections: 1, maxLanes: 8 }

const named = (stream_id: unknown, ...events: ReadonlyArray<object>): ReadonlyArray<object> =>
  events.map((event) => ({ ...event, stream_id }))

const beginning = [ResponseItem.user("first"), { type: "message", role: "assistant", content: "Hello" } as const]

const ask = (text: string, fields: object = {}) =>
  Effect.fork(collect(
    Responses.stream({ model: "m", store: false, input: [...beginning, ResponseItem.user(text)], ...fields })
  ))

/** A conversation of one turn, on lane 1. */
const begun = Effect.fnUntraced(function*(server: FakeServer.FakeServer, fields: object = {}) {
  const first = yield* ask("", { input: [ResponseItem.user("first")], ...fields })
  const connection = yield* server.connection
  yield* connection.request
  yield* connection.send(...named("1", ...FakeServer.answer("resp_1")))
  yield* Fiber.join(first)
  return connection
})

const stats = Effect.flatMap(ResponsesSocket, (socket) => socket.stats)

const progress = (id: string) => ({ ...FakeServer.created(id), type: "response.in_progress" })

const failed = (id: string) => ({
  type: "response.failed",
  response: { id, status: "failed", error: { code: "server_error", message: "no" } }
})

const notFound = {
  type: "error",
  status: 400,
  error: { code: "previous_response_not_found", message: "Previous response with id 'resp_1' not found." }
}

const branch = (lane: string) => ({ stream_id: lane, previous_response_id: "resp_1" })

describe("a branch", () => {
  socket(
    "off a response that another turn goes on from is sent by its id on another lane",
    (server) =>
      Effect.gen(function*() {
        const connection = yield* begun(server)
        yield* ask("one")
        assert.deepInclude(yield* connection.request, { ...branch("1"), input: [ResponseItem.user("one")] })
        yield* ask("other")
        assert.deepInclude(yield* connection.request, { ...branch("2"), input: [ResponseItem.user("other")] })
        assert.deepInclude(yield* stats, { forks: 1, affineHits: 2 })
      }),
    many
  )

  socket(
    "that is refused is sent in full on its lane, and what it branches off is kept",
    (server) =>
      Effect.gen(function*() {
        const connection = yield* begun(server, { stream_id: "a" })
        const other = yield* ask("other", { stream_id: "b" })
        assert.deepInclude(yield* connection.request, branch("2"))
        yield* connection.send(...named("2", notFound))
        const again = yield* connection.request
        assert.strictEqual(again["stream_id"], "2")
        assert.isFalse(Reflect.has(again, "previous_response_id"))
        yield* connection.send(...named("2", ...FakeServer.answer("resp_2")))
        yield* Fiber.join(other)
        yield* ask("one", { stream_id: "a" })
        assert.deepInclude(yield* connection.request, branch("1"))
      }),
    many
  )

  socket(
    "leaves the lane to its conversation, on which nothing is sent until the server works on the branch",
    (server) =>
      Effect.gen(function*() {
        const connection = yield* begun(server, { stream_id: "a" })
        yield* ask("other", { stream_id: "b" })
        assert.deepInclude(yield* connection.request, branch("2"))
        yield* connection.send(...named("2", FakeServer.created("resp_2")))
        // The conversation does not wait: it branches off itself.
        yield* ask("one", { stream_id: "a" })
        assert.deepInclude(yield* connection.request, branch("3"))
        yield* connection.send(...named("2", progress("resp_2")), ...named("3", FakeServer.created("resp_3")))
        yield* ask("two", { stream_id: "a" })
        assert.deepInclude(yield* connection.request, branch("4"))
        yield* connection.send(...named("3", progress("resp_3")), ...named("4", progress("resp_4")))
        yield* ask("three", { stream_id: "a" })
        assert.deepInclude(yield* connection.request, branch("1"))
      }),
    many
  )

  for (const end of ["leaves", "fails"] as const) {
    socket(`gives the lane free when it ${end}`, (server) =>
      Effect.gen(function*() {
        const connection = yield* begun(server, { stream_id: "a" })
        const other = yield* ask("other", { stream_id: "b" })
        assert.deepInclude(yield* connection.request, branch("2"))
        if (end === "leaves") yield* Fiber.interrupt(other)
        yield* connection.send(...named("2", failed("resp_2")))
        yield* settle
        yield* ask("one", { stream_id: "a" })
        assert.deepInclude(yield* connection.request, branch("1"))
      }), many)
  }

  socket("off a stored response pins nothing", (server) =>
    Effect.gen(function*() {
      const connection = yield* begun(server, { stream_id: "a", store: true })
      yield* ask("other", { stream_id: "b", store: true })
      assert.deepInclude(yield* connection.request, branch("2"))
      yield* ask("one", { stream_id: "a", store: true })
      assert.deepInclude(yield* connection.request, branch("1"))
    }), many)

  socket("that names the response itself is placed, and pins, alike", (server) =>
    Effect.gen(function*() {
      const connection = yield* begun(server)
      const explicit = (text: string) => ask(text, { previous_response_id: "resp_1", input: [ResponseItem.user(text)] })
      yield* explicit("one")
      assert.deepInclude(yield* connection.request, branch("1"))
      yield* explicit("other")
      assert.deepInclude(yield* connection.request, branch("2"))
      yield* connection.send(...named("1", failed("resp_x")), ...named("2", FakeServer.created("resp_2")))
      yield* explicit("third")
      assert.deepInclude(yield* connection.request, branch("3"))
      assert.strictEqual((yield* stats).forks, 2)
    }), many)
})
