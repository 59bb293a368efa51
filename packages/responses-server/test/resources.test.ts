/** What a server does besides answering: what it has stored, what it sums up, what it was pointed to. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ResponseItem, ResponseScript } from "effect-responses"
import { Context, ResponsesServer } from "effect-responses-server"
import { connect, end, json, post, type Response, response, stream, text } from "./client.ts"
import { problemOfResponse } from "./support/judge.ts"

const echo: ResponseScript.Script = (_, { input }) => ResponseScript.text(`saw ${input.length}`)

interface Page {
  readonly object: string
  readonly data: ReadonlyArray<{ readonly id: string; readonly type: string; readonly role: string }>
  readonly first_id: string | null
  readonly last_id: string | null
  readonly has_more: boolean
}

interface Answer<A> {
  readonly status: number
  readonly value: A
}

/** Says what it expects to be answered; the assertions look. */
const call = <A = object>(url: string, method = "GET", body?: object): Effect.Effect<Answer<A>> =>
  Effect.promise(() => fetch(url, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })).pipe(
    Effect.flatMap((answer) => Effect.map(json<A>(answer), (value) => ({ status: answer.status, value })))
  )

describe("stored responses", () => {
  it.scoped("GET gives the response as it ended, over whichever transport it was made", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo })
      const client = yield* connect(server.url)
      const made = response(yield* client.turn({ input: "1", metadata: { a: "b" } }))
      const { status, value } = yield* call<Response>(`${server.url}/responses/${made.id}`)
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(value, made)
      assert.isUndefined(problemOfResponse(value))
      const unstored = response(yield* client.turn({ input: "1", store: false }))
      assert.strictEqual((yield* call(`${server.url}/responses/${unstored.id}`)).status, 404)
      assert.strictEqual((yield* call(`${server.url}/responses/${made.id}?stream=true`)).status, 400)
    }))

  it.scoped("DELETE: it is gone, also for who continues from it over HTTP", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo })
      const { id } = response(yield* stream(server.url, { input: "1" }))
      assert.deepStrictEqual<unknown>(yield* call(`${server.url}/responses/${id}`, "DELETE"), {
        status: 200,
        value: { id, object: "response", deleted: true }
      })
      assert.strictEqual((yield* call(`${server.url}/responses/${id}`, "DELETE")).status, 404)
      assert.strictEqual((yield* post(server.url, { input: "2", previous_response_id: id })).status, 400)
    }))

  it.scoped("input_items: everything the model saw, in pages, newest first or last", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo })
      const first = response(yield* stream(server.url, { input: "1" }))
      const { id } = response(
        yield* stream(server.url, {
          previous_response_id: first.id,
          input: [{ role: "user", content: "2" }, { type: "message", role: "user", content: "3", id: "msg_mine" }]
        })
      )
      const url = `${server.url}/responses/${id}/input_items`
      const { value: all } = yield* call<Page>(`${url}?order=asc`)
      assert.deepStrictEqual(all.data.map(({ role, type }) => [type, role]), [
        ["message", "user"],
        ["message", "assistant"],
        ["message", "user"],
        ["message", "user"]
      ])
      assert.strictEqual(new Set(all.data.map(({ id }) => id)).size, 4)
      assert.strictEqual(all.last_id, "msg_mine")
      assert.isFalse(all.has_more)
      const { value: page } = yield* call<Page>(`${url}?limit=3`)
      assert.deepStrictEqual(page.data.map(({ id }) => id), all.data.toReversed().slice(0, 3).map(({ id }) => id))
      assert.isTrue(page.has_more)
      const { value: rest } = yield* call<Page>(`${url}?limit=3&after=${page.last_id}`)
      assert.deepStrictEqual(rest.data.map(({ id }) => id), [all.first_id])
      for (
        const [query, code] of [["order=up", "invalid_value"], ["limit=0", "integer_below_min_value"], [
          "limit=101",
          "integer_above_max_value"
        ], ["limit=x", "invalid_type"]]
      ) {
        const { status, value } = yield* call<{ readonly error: { readonly code: string } }>(`${url}?${query}`)
        assert.deepStrictEqual([status, value.error.code], [400, code])
      }
      assert.strictEqual((yield* call(`${server.url}/responses/resp_0/input_items`)).status, 404)
    }))

  it.scoped("item_reference: an item that was stored, an item of this connection", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo })
      const client = yield* connect(server.url)
      const [stored] = response(yield* stream(server.url, { input: "1" })).output
      const [mine] = response(yield* client.turn({ input: "2", store: false })).output
      const references = [stored, mine].map((item) => ({ type: "item_reference", id: Reflect.get(Object(item), "id") }))
      const frames = yield* client.turn({ input: [...references, { role: "user", content: "3" }] })
      const expected = [...[stored, mine].map((item) => ({ ...item })), { role: "user", content: "3" }]
      assert.strictEqual(response(frames).metadata.context_hash, Context.hash(expected))
    }))

  it.scoped("conversations: items that responses read and add to", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo })
      const made = yield* call<{ readonly id: string; readonly object: string }>(
        `${server.url}/conversations`,
        "POST",
        {
          items: [{ role: "user", content: "0" }],
          metadata: { a: "b" }
        }
      )
      const conversation = made.value.id
      assert.strictEqual(made.value.object, "conversation")
      assert.strictEqual(text(yield* stream(server.url, { input: "1", conversation })), "saw 2")
      const client = yield* connect(server.url)
      assert.strictEqual(text(yield* client.turn({ input: "2", conversation: { id: conversation } })), "saw 4")
      const items = yield* call<Page>(`${server.url}/conversations/${conversation}/items?order=asc`)
      assert.strictEqual(items.value.data.length, 5)
      assert.deepStrictEqual((yield* call<object>(`${server.url}/conversations/${conversation}`)).value, made.value)
      assert.strictEqual((yield* call(`${server.url}/conversations/conv_0`)).status, 404)
    }))

  it.scoped("conversation items: added, read, and removed one by one, as a session of the Agents SDK does", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo })
      const made = yield* call<{ readonly id: string }>(`${server.url}/conversations`, "POST", { items: [] })
      const conversation = `${server.url}/conversations/${made.value.id}`
      const said = ["1", "2", "3"].map((content) => ({ role: "user", content }))
      const added = yield* call<Page>(`${conversation}/items`, "POST", { items: said })
      assert.strictEqual(added.status, 200)
      const ids = added.value.data.map((item): string => Reflect.get(item, "id"))
      assert.strictEqual(new Set(ids).size, 3)
      const [, , third = ""] = ids
      assert.strictEqual((yield* call<{ readonly id: string }>(`${conversation}/items/${third}`)).value.id, third)
      // The session takes the last item off by its id.
      const [last] = (yield* call<Page>(`${conversation}/items?limit=1&order=desc`)).value.data
      assert.strictEqual(Reflect.get(last ?? {}, "id"), third)
      assert.strictEqual((yield* call(`${conversation}/items/${third}`, "DELETE")).status, 200)
      assert.strictEqual((yield* call(`${conversation}/items/${third}`, "DELETE")).status, 404)
      assert.strictEqual((yield* call(`${conversation}/items/${third}`)).status, 404)
      const rest = yield* call<Page>(`${conversation}/items?order=asc`)
      assert.deepStrictEqual(rest.value.data.map((item) => Reflect.get(item, "id")), ids.slice(0, 2))
      assert.strictEqual(text(yield* stream(server.url, { input: "4", conversation: made.value.id })), "saw 3")
      assert.strictEqual((yield* call(conversation, "POST", { metadata: { a: "b" } })).status, 200)
      assert.strictEqual((yield* call(conversation, "DELETE")).status, 200)
      assert.strictEqual((yield* call(conversation)).status, 404)
      const many = Array.from({ length: 21 }, () => said[0])
      assert.strictEqual((yield* call(`${server.url}/conversations`, "POST", { items: many })).status, 400)
    }))

  it.scoped("input_tokens: what a request would have the model read, without a response", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo })
      interface Count {
        readonly object: string
        readonly input_tokens: number
      }
      const count = (body: object) => call<Count>(`${server.url}/responses/input_tokens`, "POST", body)
      const short = yield* count({ model: "test", input: "Hi" })
      assert.strictEqual(short.value.object, "response.input_tokens")
      const long = yield* count({ input: "Hi ".repeat(100) })
      assert.isAbove(long.value.input_tokens, short.value.input_tokens)
      const { id } = response(yield* stream(server.url, { input: "Hi ".repeat(100) }))
      assert.isAbove((yield* count({ previous_response_id: id, input: "Hi" })).value.input_tokens, 25)
      assert.strictEqual((yield* count({ input: "Hi", stream: true })).status, 400)
    }))
})

describe("compaction", () => {
  it.scoped("a window: the caller's messages and one item for everything", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo })
      const { id } = response(yield* stream(server.url, { input: "1" }))
      const { status, value } = yield* call<{ readonly output: ReadonlyArray<{ readonly type: string }> }>(
        `${server.url}/responses/compact`,
        "POST",
        { model: "test", previous_response_id: id, input: [{ role: "user", content: "2" }] }
      )
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(value.output.map(({ type }) => type), ["message", "message", "compaction"])
      const frames = yield* stream(server.url, { input: [...value.output, { role: "user", content: "3" }] })
      assert.strictEqual(text(frames), "saw 4")
      for (const body of [{ model: "test" }, { input: "x" }, { model: "test", input: "x", stream: true }]) {
        assert.strictEqual((yield* call(`${server.url}/responses/compact`, "POST", body)).status, 400)
      }
    }))

  it.scoped("on demand: a compaction and nothing else, which is no turn of the script, and the chain goes on", () =>
    Effect.gen(function*() {
      const script = ["One", "Two", "Three"].map((said) => ResponseScript.text(said))
      const server = yield* ResponsesServer.make({ script })
      const client = yield* connect(server.url)
      const first = response(yield* client.turn({ input: "1", store: false }))
      const trigger = { type: "compaction_trigger" }
      const frames = yield* client.turn({ input: [trigger], previous_response_id: first.id, store: false })
      assert.deepStrictEqual(frames.map(({ type }) => type), [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.compaction.compacting",
        "response.output_item.done",
        "response.completed"
      ])
      const compacted = response(frames)
      assert.deepStrictEqual(compacted.output.map(({ type }) => type), ["compaction"])
      assert.isUndefined(problemOfResponse(compacted))
      const next = yield* client.turn({
        input: [{ role: "user", content: "2" }],
        previous_response_id: compacted.id,
        store: false
      })
      assert.strictEqual(text(next), "Two")
      assert.strictEqual(response(next).metadata["context_items"], "2")
      const whole = response(
        yield* stream(server.url, { input: [...compacted.output, { role: "user", content: "2" }] })
      )
      assert.strictEqual(whole.metadata["context_hash"], response(next).metadata["context_hash"])
    }))

  it.scoped("on demand: by the last item of an input only", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo })
      const early = [{ type: "compaction_trigger" }, { role: "user", content: "1" }]
      const { status, value } = yield* call<{ readonly error: { readonly param: string } }>(
        `${server.url}/responses`,
        "POST",
        { model: "test", input: early, stream: true }
      )
      assert.strictEqual(status, 400)
      assert.strictEqual(value.error.param, "input[0]")
    }))

  it.scoped("by the server: the chain goes on from the item that stands for what was before", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo })
      const client = yield* connect(server.url)
      const ask = (previous?: string) =>
        client.turn({
          input: [{ role: "user", content: "x".repeat(400) }],
          previous_response_id: previous,
          context_management: [{ type: "compaction", compact_threshold: 260 }]
        })
      const first = response(yield* ask())
      const second = response(yield* ask(first.id))
      const third = response(yield* ask(second.id))
      assert.deepStrictEqual(
        [first, second, third].map(({ metadata, output }) => [metadata.context_items, output[0]?.type]),
        [["1", "message"], ["3", "compaction"], ["3", "message"]]
      )
    }))
})

describe("the built-in model and the settings", () => {
  const tools = ["a", "b"].map((name) => ({ type: "function", name, parameters: { type: "object", properties: {} } }))
  const input = "2 tool calls"

  const called = (frames: Parameters<typeof response>[0]) =>
    response(frames).output.filter(({ type }) => type === "function_call").map((item) => Reflect.get(item, "name"))

  it.scoped("tool_choice: none, one by name, some allowed, required", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make()
      const ask = (tool_choice: unknown, more: object = {}) =>
        Effect.map(stream(server.url, { input, tools, tool_choice, ...more }), called)
      assert.deepStrictEqual(yield* ask("auto"), ["a"])
      assert.deepStrictEqual(yield* ask("none"), [])
      assert.deepStrictEqual(yield* ask({ type: "function", name: "b" }), ["b"])
      const allowed = (mode: string) => ({ type: "allowed_tools", mode, tools: [{ type: "function", name: "b" }] })
      assert.deepStrictEqual(yield* ask(allowed("auto")), ["b"])
      const done = { input: [{ role: "user", content: "0 tool calls" }] }
      assert.deepStrictEqual(yield* ask("auto", done), [])
      assert.deepStrictEqual(yield* ask("required", done), ["a"])
      assert.deepStrictEqual(yield* ask(allowed("required"), done), ["b"])
    }))

  it.scoped("custom tools, images and files", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make()
      const frames = yield* stream(server.url, {
        tools: [{ type: "custom", name: "shell" }],
        input: [{
          role: "user",
          content: [
            { type: "input_text", text: "Look" },
            { type: "input_image", image_url: "data:image/png;base64,AAAA", detail: "low" },
            { type: "input_file", filename: "a.txt", file_data: "data:text/plain;base64,AAAA" }
          ]
        }]
      })
      assert.include(response(frames).output.map(({ type }) => type), "custom_tool_call")
    }))

  it.scoped("max_output_tokens: the output is cut, the response incomplete, the usage within", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        script: () =>
          ResponseScript.turn([ResponseScript.reasoning("x".repeat(20)), ResponseScript.text("y".repeat(200))])
      })
      const frames = yield* stream(server.url, { input: "Hi", max_output_tokens: 16 })
      const { output, status, ...rest } = response(frames)
      assert.strictEqual(end(frames).type, "response.incomplete")
      assert.strictEqual(status, "incomplete")
      assert.deepStrictEqual(Reflect.get(rest, "incomplete_details"), { reason: "max_output_tokens" })
      assert.strictEqual(text(frames).length, (16 - 5) * 4)
      assert.strictEqual(Reflect.get(Object(output[1]), "status"), "incomplete")
      assert.deepStrictEqual(Reflect.get(rest, "usage"), {
        input_tokens: 1,
        input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
        output_tokens: 16,
        output_tokens_details: { reasoning_tokens: 5 },
        total_tokens: 17
      })
    }))

  it.scoped("tokens of the previous response are counted as cached", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: () => ResponseScript.text("y".repeat(40)) })
      const first = response(yield* stream(server.url, { input: "x".repeat(40) }))
      const second = response(yield* stream(server.url, { input: "x".repeat(40), previous_response_id: first.id }))
      const usage: unknown = Reflect.get(second, "usage")
      assert.deepInclude({ ...Object(usage) }, {
        input_tokens: 30,
        input_tokens_details: { cached_tokens: 20, cache_write_tokens: 0 }
      })
    }))

  it.scoped("settings are echoed, and every field of the resource is there", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make()
      const settings = {
        instructions: "Be brief",
        max_output_tokens: 100,
        max_tool_calls: 3,
        parallel_tool_calls: false,
        prompt_cache_key: "k",
        prompt_cache_retention: "24h",
        reasoning: { effort: "high", summary: "auto" },
        safety_identifier: "s",
        store: false,
        temperature: 0.5,
        text: { format: { type: "text" }, verbosity: "low" },
        tool_choice: { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "a" }] },
        top_logprobs: 2,
        top_p: 0.9,
        truncation: "auto",
        user: "u"
      }
      const frames = yield* stream(server.url, { input: "Hi", tools, service_tier: "fast", ...settings })
      const body: Readonly<Record<string, unknown>> = { ...response(frames) }
      assert.deepInclude(body, { ...settings, service_tier: "priority" })
    }))

  it.scoped("queued, every kind of event, over both transports", () =>
    Effect.gen(function*() {
      const annotation = { type: "url_citation", title: "t", url: "u", start_index: 0, end_index: 1 }
      const turn = ResponseScript.turn([
        ResponseScript.item({
          type: "reasoning",
          summary: [{ type: "summary_text", text: "Hm" }],
          content: [{ type: "reasoning_text", text: "Let me see" }],
          encrypted_content: "e"
        }),
        ResponseScript.toolCall({ name: "f" }),
        ResponseScript.customToolCall({ name: "g", input: "x" }),
        ResponseScript.refusal("No"),
        ResponseScript.message([{ type: "output_text", text: "Yes", annotations: [annotation] }])
      ], { queued: true })
      const server = yield* ResponsesServer.make({ script: () => turn })
      const client = yield* connect(server.url)
      const overSocket = yield* client.turn({ input: "Hi", stream_id: "a" })
      const overHttp = yield* stream(server.url, { input: "Hi" })
      assert.deepStrictEqual(overSocket.map(({ type }) => type), overHttp.map(({ type }) => type))
      assert.strictEqual(new Set(overHttp.map(({ type }) => type)).size, 23)
    }))
})

describe("the seed", () => {
  it.scoped("the same requests get the same bytes, another seed others", () =>
    Effect.gen(function*() {
      const bytes = Effect.fnUntraced(function*(seed: number) {
        const server = yield* ResponsesServer.make({ seed })
        const answers = yield* Effect.forEach(["One and only", "Two"], (input) =>
          Effect.flatMap(post(server.url, { input, stream: true }), (answer) =>
            Effect.promise(() => answer.text())))
        return answers.join("")
      }, Effect.scoped)
      const first = yield* bytes(7)
      assert.strictEqual(first, yield* bytes(7))
      assert.notStrictEqual(first, yield* bytes(8))
      assert.include(first, "\"created_at\":1700000001")
    }))
})

describe("what was seen", () => {
  it.scoped("contexts with their hashes, and the counts", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo })
      const client = yield* connect(server.url)
      const first = response(yield* client.turn({ input: "1" }))
      const second = response(yield* client.turn({ input: "2", previous_response_id: first.id }))
      const history = [
        ResponseItem.user("1"),
        ...first.output.map((item) => ({ ...item })),
        ResponseItem.user("2")
      ]
      assert.deepStrictEqual((yield* server.contexts).at(-1), {
        responseId: second.id,
        previousResponseId: first.id,
        items: 3,
        hash: Context.hash(history)
      })
      const { stored, ...stats } = yield* server.stats
      assert.deepStrictEqual(stats, {
        connections: { opened: 1, open: 1 },
        inFlight: 0,
        queued: 0,
        lanes: 1,
        cached: 1,
        requests: 2,
        responses: { completed: 2, incomplete: 0, failed: 0, error: 0, closed: 0, abandoned: 0 }
      })
      assert.strictEqual(stored.responses, 2)
      assert.isAbove(stored.bytes, 0)
    }))

  it.scoped("records are bounded by their size too, and waitFor still counts from the start", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: echo, recordBytes: 10_000, storeBytes: 10_000 })
      for (let index = 0; index < 10; index++) yield* post(server.url, { input: "x".repeat(3000) })
      const requests = yield* server.requests
      assert.isBelow(requests.length, 4)
      assert.isBelow((yield* server.stats).stored.responses, 4)
      const { request } = yield* server.waitFor("RequestReceived", 10)
      assert.strictEqual(request, requests.at(-1))
    }))
})
