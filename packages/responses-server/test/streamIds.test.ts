/** Servers that make something else of `stream_id`, and one that gives up parents early. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { ResponseScript } from "effect-responses"
import { ResponsesServer } from "effect-responses-server"
import { connect, end, type Frame, response } from "./client.ts"

const create = (more: object) => ({ type: "response.create", model: "test", store: false, input: "x", ...more })

/** The rest of each answer comes a minute after its first event. */
const slow: ResponseScript.Script = () =>
  ResponseScript.turn([ResponseScript.text("x"), ResponseScript.wait("1 minute", { after: 1 })])

const code = (frames: ReadonlyArray<Frame>) => end(frames).error?.code

describe("stream_id", () => {
  for (const streamIds of ["echoed", "dropped"] as const) {
    it.scoped(`${streamIds}: one response at a time, and the latest one is kept`, () =>
      Effect.gen(function*() {
        const server = yield* ResponsesServer.make({ streamIds, script: slow })
        const client = yield* connect(server.url)
        const names = ["a", "b"] as const
        for (const name of names) yield* client.send(create({ stream_id: name }))
        yield* server.waitFor("RequestReceived", 2)
        const ids: Array<string> = []
        for (const name of names) {
          const first = yield* client.next
          const { inFlight, queued } = yield* server.stats
          assert.deepStrictEqual({ inFlight, queued }, { inFlight: 1, queued: name === "a" ? 1 : 0 })
          yield* TestClock.adjust("1 minute")
          const frames = [first, ...(yield* client.rest)]
          for (const frame of frames) assert.strictEqual(frame.stream_id, streamIds === "echoed" ? name : undefined)
          ids.push(response(frames).id)
        }
        for (const [index, expected] of [[0, "previous_response_not_found"], [1, undefined]] as const) {
          yield* client.send(create({ stream_id: "a", previous_response_id: ids[index] }))
          const first = yield* client.next
          assert.strictEqual(first.error?.code, expected)
        }
        assert.strictEqual((yield* server.stats).lanes, 1)
      }))
  }

  it.scoped("refused: a request with a name is an error, and the connection serves on", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ streamIds: "refused", script: () => ResponseScript.text("x") })
      const client = yield* connect(server.url)
      const refused = end(yield* client.turn({ input: "x", stream_id: "a" }))
      assert.deepInclude<object>(refused.error, { code: "unknown_parameter", param: "stream_id" })
      assert.notProperty(refused, "stream_id")
      assert.strictEqual(end(yield* client.turn({ input: "x" })).type, "response.completed")
    }))

  it.scoped("a request beyond the limit is refused where the server is told to, and only as long as it must", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ maxInFlight: 2, atMaxInFlight: "refuse", script: slow })
      const client = yield* connect(server.url)
      for (const name of ["a", "b"]) {
        yield* client.send(create({ stream_id: name }))
        assert.strictEqual((yield* client.next).type, "response.created")
      }
      yield* client.send(create({ stream_id: "c" }))
      const refused = yield* client.next
      assert.strictEqual(refused.error.code, "response_already_in_flight")
      assert.strictEqual(refused.stream_id, "c")
      assert.deepInclude(yield* server.waitFor("RequestRefused"), { code: "response_already_in_flight" })
      yield* TestClock.adjust("1 minute")
      yield* client.rest
      yield* client.rest
      yield* client.send(create({ stream_id: "c" }))
      assert.strictEqual((yield* client.next).type, "response.created")
    }))
})

describe("a parent", () => {
  const script: ResponseScript.Script = (_, context) => ResponseScript.text(`saw ${context.input.length}`)

  for (const evictsParents of [false, true]) {
    it.scoped(
      evictsParents
        ? "that is given up when its lane goes on is continued there, and by no fork"
        : "is kept until the next response of its lane has ended",
      () =>
        Effect.gen(function*() {
          const server = yield* ResponsesServer.make({
            evictsParents,
            script: (request, context) =>
              request.stream_id === "a" && request.previous_response_id !== undefined
                ? slow(request, context)
                : script(request, context)
          })
          const client = yield* connect(server.url)
          const { id } = response(yield* client.turn({ store: false, input: "x", stream_id: "a" }))
          const fork = () => client.turn({ store: false, input: "x", stream_id: "b", previous_response_id: id })
          assert.isUndefined(code(yield* fork()))
          yield* client.send(create({ stream_id: "a", previous_response_id: id }))
          assert.strictEqual((yield* client.next).type, "response.created")
          assert.strictEqual(code(yield* fork()), evictsParents ? "previous_response_not_found" : undefined)
          yield* TestClock.adjust("1 minute")
          const next = response(yield* client.rest)
          assert.strictEqual(next.metadata.context_items, "3")
          assert.strictEqual(code(yield* fork()), "previous_response_not_found")
          yield* client.send(create({ stream_id: "a", previous_response_id: next.id }))
          assert.strictEqual((yield* client.next).type, "response.created")
        })
    )
  }

  it.scoped("is given up when the next request comes, even for a fork that came before and has not begun", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ evictsParents: true, script })
      const client = yield* connect(server.url)
      const { id } = response(yield* client.turn({ store: false, input: "x", stream_id: "a" }))
      for (const name of ["b", "a"]) yield* client.send(create({ stream_id: name, previous_response_id: id }))
      const answers = [yield* client.rest, yield* client.rest]
      const of = (name: string) => answers.find((frames) => end(frames).stream_id === name) ?? []
      assert.strictEqual(code(of("b")), "previous_response_not_found")
      assert.strictEqual(response(of("a")).metadata.context_items, "3")
    }))

  it.scoped("that is stored is never given up", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ evictsParents: true, script })
      const client = yield* connect(server.url)
      const { id } = response(yield* client.turn({ input: "x", stream_id: "a" }))
      for (const name of ["a", "b"]) {
        const next = response(yield* client.turn({ input: "x", stream_id: name, previous_response_id: id }))
        assert.strictEqual(next.metadata.context_items, "3")
      }
    }))
})
