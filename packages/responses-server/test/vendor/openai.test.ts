/** The vendor's own client, as it is published, against this server. It asks for Node 22, and runs on 20 as well. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, TestClock } from "effect"
import { ResponseScript } from "effect-responses"
import { ResponsesServer } from "effect-responses-server"
import OpenAI, { APIError } from "openai"
import type * as Vendor from "openai/resources/responses/responses"
import { ResponsesWS } from "openai/resources/responses/ws"

const key = "sk-vendor"

const tools: Array<Vendor.FunctionTool> = [{
  type: "function",
  name: "get_weather",
  strict: true,
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false
  }
}]

const withServer = <A>(
  use: (client: OpenAI, server: ResponsesServer.Service) => Promise<A>,
  options: ResponsesServer.Options = {},
  meanwhile: (server: ResponsesServer.Service) => Effect.Effect<unknown> = () => Effect.void
) =>
  Effect.gen(function*() {
    const server = yield* ResponsesServer.make({ apiKey: Redacted.make(key), ...options })
    const client = new OpenAI({ apiKey: key, baseURL: server.url, maxRetries: 0 })
    const [result] = yield* Effect.all([Effect.promise(() => use(client, server)), meanwhile(server)], {
      concurrency: "unbounded"
    })
    return result
  })

const rejection = <A>(promise: Promise<A>): Promise<APIError> =>
  promise.then(() => {
    throw new Error("It was not refused")
  }, (error: unknown) => {
    assert.instanceOf(error, APIError)
    return error
  })

/** The events of one response. */
const answer = async (socket: ResponsesWS, event: Vendor.ResponsesClientEvent) => {
  const events: Array<Vendor.ResponsesServerEvent> = []
  socket.send(event)
  for await (const message of socket.stream()) {
    if (message.type !== "message") continue
    events.push(message.message)
    if (/^(error|response\.(completed|incomplete|failed))$/.test(message.message.type)) break
  }
  return events
}

const completed = (events: ReadonlyArray<Vendor.ResponsesServerEvent>): Vendor.Response => {
  const last = events.at(-1)
  assert(last?.type === "response.completed")
  return last.response
}

describe("the openai package", () => {
  it.scoped("ResponsesWS: turns of a tool loop on one connection", () =>
    withServer(async (client) => {
      const socket = new ResponsesWS(client)
      const create = { type: "response.create" as const, model: "gpt-5.5", tools, store: false }
      const first = completed(await answer(socket, { ...create, input: "Weather? 1 tool call" }))
      const call = first.output.find((item) => item.type === "function_call")
      assert(call !== undefined)
      const second = completed(
        await answer(socket, {
          ...create,
          previous_response_id: first.id,
          input: [{ type: "function_call_output", call_id: call.call_id, output: "sunny" }]
        })
      )
      const [message] = second.output
      assert(message?.type === "message" && message.content[0]?.type === "output_text")
      assert.include(message.content[0].text, "get_weather said sunny")
      assert.strictEqual(second.previous_response_id, first.id)
      socket.close()
    }))

  it.scoped("ResponsesWS: lanes side by side", () =>
    withServer(async (client) => {
      const socket = new ResponsesWS(client)
      const lanes = ["a", "b", "c"]
      const texts = new Map<string, string>()
      for (const stream_id of lanes) {
        socket.send({ type: "response.create", model: "gpt-5.5", stream_id, input: `I am ${stream_id}` })
      }
      let left = lanes.length
      for await (const message of socket.stream()) {
        if (message.type !== "message") continue
        const event = message.message
        if (event.type === "response.output_text.delta") {
          const lane = event.stream_id ?? ""
          texts.set(lane, (texts.get(lane) ?? "") + event.delta)
        }
        if (event.type === "response.completed" && --left === 0) break
      }
      assert.deepStrictEqual(lanes.map((lane) => texts.get(lane)), lanes.map((lane) => `You said: I am ${lane}`))
      socket.close()
    }))

  it.scoped("responses.create, streamed or not, and previous_response_id", () =>
    withServer(async (client) => {
      const first = await client.responses.create({ model: "gpt-5.5", input: "One" })
      assert.strictEqual(first.output_text, "You said: One")
      const stream = await client.responses.create({
        model: "gpt-5.5",
        input: "Two",
        previous_response_id: first.id,
        stream: true
      })
      const events: Array<Vendor.ResponseStreamEvent> = []
      for await (const event of stream) events.push(event)
      const last = events.at(-1)
      assert(last?.type === "response.completed")
      assert.strictEqual(last.response.metadata?.["context_items"], "3")
      assert.deepStrictEqual(events.map((event) => event.sequence_number), events.map((_, index) => index))
    }))

  it.scoped("the stream helper puts the response together", () =>
    withServer(async (client) => {
      const response = await client.responses.stream({ model: "gpt-5.5", input: "Hi" }).finalResponse()
      assert.strictEqual(response.output_text, "You said: Hi")
    }))

  it.scoped("structured output is parsed", () =>
    withServer(async (client) => {
      const response = await client.responses.parse({
        model: "gpt-5.5",
        input: "Where?",
        text: {
          format: {
            type: "json_schema",
            name: "place",
            schema: {
              type: "object",
              properties: { city: { type: "string" } },
              required: ["city"],
              additionalProperties: false
            }
          }
        }
      })
      assert.property(response.output_parsed, "city")
    }))

  it.scoped("retrieve, input items, delete, compact", () =>
    withServer(async (client) => {
      const first = await client.responses.create({ model: "gpt-5.5", input: "One" })
      const second = await client.responses.create({ model: "gpt-5.5", input: "Two", previous_response_id: first.id })
      assert.strictEqual((await client.responses.retrieve(second.id)).output_text, "You said: Two")

      const ids: Array<string> = []
      for await (const item of client.responses.inputItems.list(second.id, { limit: 2, order: "asc" })) {
        assert(item.type === "message")
        ids.push(item.id)
      }
      assert.strictEqual(new Set(ids).size, 3, "three items in two pages")

      const compacted = await client.responses.compact({ model: "gpt-5.5", previous_response_id: second.id })
      assert.strictEqual(compacted.object, "response.compaction")
      assert.deepStrictEqual(compacted.output.map((item) => item.type), ["message", "message", "compaction"])
      const next = await client.responses.create({
        model: "gpt-5.5",
        input: [...compacted.output as Array<Vendor.ResponseInputItem>, { role: "user", content: "Three" }]
      })
      assert.strictEqual(next.metadata?.["context_items"], "4")

      await client.responses.delete(second.id)
      assert.strictEqual((await rejection(client.responses.retrieve(second.id))).status, 404)
    }))

  it.scoped("conversations", () =>
    withServer(async (client) => {
      const { id } = await client.conversations.create()
      await client.responses.create({ model: "gpt-5.5", input: "One", conversation: id })
      const response = await client.responses.create({ model: "gpt-5.5", input: "Two", conversation: { id } })
      assert.strictEqual(response.metadata?.["context_items"], "3")
      assert.strictEqual(response.conversation?.id, id)
    }))

  it.scoped("errors are the client's own kinds", () =>
    withServer(async (client, server) => {
      const missing = await rejection(
        client.responses.create({ model: "m", input: "x", previous_response_id: "resp_0" })
      )
      assert.strictEqual(missing.status, 400)
      assert.strictEqual(missing.code, "previous_response_not_found")
      const stranger = new OpenAI({ apiKey: "sk-other", baseURL: server.url, maxRetries: 0 })
      assert.strictEqual((await rejection(stranger.responses.create({ model: "m", input: "x" }))).status, 401)
      const limited = await rejection(client.responses.create({ model: "m", input: "x" }))
      assert.strictEqual(limited.status, 429)
      assert.strictEqual(limited.headers?.get("retry-after"), "7")
    }, {
      script: [ResponseScript.error({ status: 429, code: "rate_limit_exceeded", headers: { "retry-after": "7" } })]
    }))

  it.scoped("ResponsesWS: a response is steered, and its successor comes by itself", () =>
    withServer(async (client) => {
      const socket = new ResponsesWS(client)
      socket.send({ type: "response.create", model: "gpt-5.5", input: "Go" })
      const seen: Array<string> = []
      for await (const message of socket.stream()) {
        if (message.type !== "message") continue
        const event = message.message
        seen.push(event.type)
        if (event.type === "response.in_progress" && seen.length === 2) {
          socket.send({ type: "response.steer", previous_response_id: event.response.id, input: "Faster" })
        }
        if (event.type === "response.incomplete") {
          assert.strictEqual(event.response.incomplete_details?.reason, "steered")
        }
        if (event.type === "response.completed") {
          assert.strictEqual(event.response.metadata?.["context_items"], "3")
          break
        }
      }
      assert.includeMembers(seen, ["response.steer.accepted", "response.incomplete"])
      socket.close()
    }, {
      script: [
        ResponseScript.turn([ResponseScript.text("One"), ResponseScript.wait("1 minute"), ResponseScript.text("Two")]),
        ResponseScript.text("Three")
      ]
    }, (server) => Effect.zipRight(server.waitFor("RequestReceived", 2), TestClock.adjust("1 minute"))))
})
