import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ResponseScript } from "effect-responses"
import { Context, ResponsesServer } from "effect-responses-server"
import { connect, end, type Frame, json, output, post, response, stream, text, weather } from "./client.ts"

const echo: ResponseScript.Script = (_, context) => ResponseScript.text(`saw ${context.input.length}`)

const user = (content: string) => ({ role: "user", content })

const notFound = (frames: ReadonlyArray<Frame>, id: string) => {
  const expected: object = {
    type: "error",
    status: 400,
    error: {
      type: "invalid_request_error",
      code: "previous_response_not_found",
      message: `Previous response with id '${id}' not found.`,
      param: "previous_response_id"
    }
  }
  assert.deepStrictEqual<object>(end(frames), expected)
}

describe("what the server remembers", () => {
  it.scoped("store: false lives on the connection, and only the latest response of a lane", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo })
      const client = yield* connect(server.url)
      const first = response(yield* client.turn({ store: false, input: [user("1")] }))
      const second = response(
        yield* client.turn({ store: false, input: [user("2")], previous_response_id: first.id })
      )
      assert.strictEqual(second.metadata.context_items, "3")
      assert.strictEqual(second.previous_response_id, first.id)

      notFound(yield* client.turn({ store: false, input: [user("3")], previous_response_id: first.id }), first.id)
      const third = yield* client.turn({ store: false, input: [user("3")], previous_response_id: second.id })
      assert.strictEqual(text(third), "saw 5", "the connection goes on after an error")

      const other = yield* connect(server.url)
      const latest = response(third).id
      notFound(yield* other.turn({ input: [user("x")], previous_response_id: latest }), latest)
      const overHttp = yield* post(server.url, { input: [user("x")], previous_response_id: latest, stream: true })
      assert.strictEqual(overHttp.status, 400)
      const { error } = yield* json(overHttp)
      assert.strictEqual(error.code, "previous_response_not_found")
      assert.strictEqual(error.param, "previous_response_id")
    }))

  it.scoped("store: true is the default and lives everywhere", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo })
      const client = yield* connect(server.url)
      const first = response(yield* client.turn({ input: "1" }))
      const second = response(yield* client.turn({ input: "2", previous_response_id: first.id }))
      const other = yield* connect(server.url)
      assert.strictEqual(text(yield* other.turn({ input: "x", previous_response_id: first.id })), "saw 3")
      const overHttp = yield* stream(server.url, { input: "x", previous_response_id: second.id })
      assert.strictEqual(text(overHttp), "saw 5")
      const fromHttp = yield* other.turn({ input: "y", previous_response_id: response(overHttp).id })
      assert.strictEqual(text(fromHttp), "saw 7")
    }))

  it.scoped("the store is bounded: the oldest go first", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo, storeLimit: 1 })
      const [first] = [response(yield* stream(server.url, { input: "1" }))]
      const second = response(yield* stream(server.url, { input: "2" }))
      const gone = yield* post(server.url, { input: "3", previous_response_id: first.id })
      assert.strictEqual(gone.status, 400)
      assert.strictEqual(text(yield* stream(server.url, { input: "3", previous_response_id: second.id })), "saw 3")
    }))

  it.scoped("forget: one, the latest, all", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo })
      const client = yield* connect(server.url)
      const ask = (previous?: string) => client.turn({ input: "1", previous_response_id: previous })
      const first = response(yield* ask()).id
      const second = response(yield* ask()).id
      yield* server.forget({ responseId: first })
      notFound(yield* ask(first), first)
      yield* server.forget("latest")
      notFound(yield* ask(second), second)
      const third = response(yield* ask()).id
      yield* server.forget("all")
      notFound(yield* ask(third), third)
    }))

  it.scoped("a failed continuation evicts what it named on its own lane, and not on another", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        script: (request, context) =>
          request.instructions === "fail"
            ? ResponseScript.failed({ code: "server_error", message: "no" })
            : ResponseScript.text(`saw ${context.input.length}`)
      })
      const client = yield* connect(server.url)
      const ask = (more: object) => client.turn({ store: false, input: "1", ...more })
      const parent = response(yield* ask({})).id
      assert.strictEqual(
        end(yield* ask({ instructions: "fail", previous_response_id: parent, stream_id: "fork" })).type,
        "response.failed"
      )
      assert.strictEqual(text(yield* ask({ previous_response_id: parent, stream_id: "fork" })), "saw 3")
      assert.strictEqual(
        end(yield* ask({ instructions: "fail", previous_response_id: parent })).type,
        "response.failed"
      )
      notFound(yield* ask({ previous_response_id: parent }), parent)
    }))

  it.scoped("an error frame in the middle leaves nothing to continue from", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        script: [
          ResponseScript.turn([
            ResponseScript.text("Hello"),
            ResponseScript.error({ status: 500, code: "server_error" }, { after: 4 })
          ])
        ]
      })
      const client = yield* connect(server.url)
      const frames = yield* client.turn({ input: "1" })
      assert.strictEqual(frames.length, 5)
      const id = frames[0]?.response.id ?? ""
      notFound(yield* client.turn({ input: "2", previous_response_id: id }), id)
    }))
})

describe("the judge", () => {
  it.scoped("deltas and full sending give the model the same context", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make()
      const client = yield* connect(server.url)
      const history: Array<{ readonly type: string }> = []
      let fresh: Array<{ readonly type: string }> = [{ ...user("3 tool calls, please"), type: "message" }]
      let previous: string | undefined
      const tools = [weather]
      const include = ["reasoning.encrypted_content"]
      for (let round = 0; round < 10 && fresh.length > 0; round++) {
        history.push(...fresh)
        const delta = response(
          yield* client.turn({ store: false, tools, include, input: fresh, previous_response_id: previous })
        )
        const full = response(yield* stream(server.url, { store: false, tools, include, input: history }))
        for (const { metadata } of [delta, full]) {
          assert.strictEqual(metadata.context_items, String(history.length))
          assert.strictEqual(metadata.context_hash, Context.hash(history))
        }
        assert.strictEqual(Context.hash(delta.output), Context.hash(full.output), "the same conversation")
        history.push(...delta.output)
        previous = delta.id
        fresh = delta.output.filter((item) => item.type === "function_call")
          .map((item) => output(item.call_id, `result of ${item.arguments}`))
      }
      const calls = history.filter((item) => item.type === "function_call")
      assert.strictEqual(calls.length, 3)
      assert.isTrue(history.some((item) => item.type === "reasoning"))
      assert.match(JSON.stringify(history.at(-1)), /After 3 tool calls: .*get_weather said result of/)
    }))

  it.scoped("a call has an id that no earlier one had, also when the history has been made smaller", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make()
      const ids: Array<string | undefined> = []
      for (const input of ["Weather?", "Weather, again?", "Weather?"].map(user)) {
        const { output } = response(yield* stream(server.url, { tools: [weather], input: [input] }))
        ids.push(output.find((item) => item.type === "function_call")?.call_id)
      }
      assert.notStrictEqual(ids[0], ids[1])
      assert.strictEqual(ids[0], ids[2], "the same context gives the same conversation")
    }))

  it.scoped("arguments follow the schema", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make()
      const frames = yield* stream(server.url, { tools: [weather], input: "Weather?" })
      const call = response(frames).output.find((item) => item.type === "function_call")
      assert.deepStrictEqual(JSON.parse(call?.arguments ?? ""), { city: "Oslo", days: 1 })
    }))
})
