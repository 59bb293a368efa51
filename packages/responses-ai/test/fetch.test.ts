/** SDKs that know HTTP only, unmodified: over the real `fetch` and over ours they see the same. */
import { createOpenAI } from "@ai-sdk/openai"
import { assert, describe, it } from "@effect/vitest"
import { AIMessageChunk, HumanMessage, ToolMessage } from "@langchain/core/messages"
import { ChatOpenAI } from "@langchain/openai"
import { jsonSchema, type ModelMessage, stepCountIs, streamText, tool } from "ai"
import * as NodeResponses from "effect-responses-node/NodeResponses"
import type * as Dialect from "effect-responses-server/Dialect"
import type { RecordedRequest } from "effect-responses-server/Observation"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as ResponsesFetch from "effect-responses/ResponsesFetch"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import OpenAI from "openai"
import * as Ways from "./support/ways.ts"

interface Client {
  readonly fetch: typeof globalThis.fetch
  readonly apiKey: string
  readonly baseURL: string
}

/** What a program has over each of the two, and the requests that the server got. */
const run = <A>(
  script: ResponseScript.Script,
  program: (client: Client, server: ResponsesServer.Service) => Promise<A>,
  dialect: Dialect.Dialect = {}
) => {
  const over = (ours: boolean) =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey: Ways.apiKey, script, dialect, idPrefix: "" })
      const responses = NodeResponses.layer({ apiKey: Ways.apiKey, baseUrl: server.url, reconnect: Schedule.stop })
      const fetch = ours ? ResponsesFetch.make() : Effect.succeed(globalThis.fetch)
      return yield* Effect.flatMap(fetch, (fetch) =>
        Effect.promise(() =>
          program({ fetch, apiKey: Redacted.value(Ways.apiKey), baseURL: server.url }, server)
        )).pipe(
          Effect.zip(server.requests),
          Effect.map(([result, requests]) => ({ result, requests })),
          Effect.provide(responses)
        )
    }).pipe(Effect.scoped)
  return Effect.all({ http: over(false), ours: over(true) })
}

const shape = (requests: ReadonlyArray<RecordedRequest>) =>
  requests.map(({ body, transport }) => [
    transport,
    body.previous_response_id ?? null,
    Array.isArray(body.input) ? body.input.map(({ role, type }) => type ?? role) : body.input
  ])

/** Without what is the server's own, or says what travelled. */
const comparable = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, value: unknown) =>
      /^(created_at|completed_at|metadata|previous_response_id|usage)$/.test(key) ? undefined : value)
  )

const { error, failed, reasoning, silence, text, toolCall, turn } = ResponseScript

const collect = async <A>(items: AsyncIterable<A>): Promise<Array<A>> => {
  const all: Array<A> = []
  for await (const item of items) all.push(item)
  return all
}

const settled = <A>(promise: Promise<A>) =>
  promise.then(
    () => "no error",
    (error: { readonly status?: number; readonly code?: string; readonly name: string }) => ({
      class: (error as object).constructor.name,
      status: error.status,
      code: error.code
    })
  )

describe("openai", () => {
  const make = (client: Client) => new OpenAI({ ...client, maxRetries: 0 })
  const request = { model: "gpt-5.5", input: "Hi", stream: true } as const

  it.effect("responses.create with stream", () =>
    Effect.gen(function*() {
      const { http, ours } = yield* run(
        [turn([reasoning("Think"), text("Hello, world. This is more than one delta.")])],
        async (client) => collect(await make(client).responses.create(request))
      )
      assert.strictEqual(ours.result.at(-1)?.type, "response.completed")
      assert.deepStrictEqual(comparable(ours.result), comparable(http.result))
      assert.deepStrictEqual(shape(ours.requests), [["websocket", null, "Hi"]])
    }))

  it.effect("responses.stream, with the whole history each turn", () =>
    Effect.gen(function*() {
      const { http, ours } = yield* run([text("1"), text("2")], async (client) => {
        const openai = make(client)
        const first: OpenAI.Responses.ResponseInput = [{ role: "user", content: "One" }]
        const one = await openai.responses.stream({ model: "gpt-5.5", input: first }).finalResponse()
        const output = one.output as OpenAI.Responses.ResponseInput
        const second: OpenAI.Responses.ResponseInput = [...first, ...output, { role: "user", content: "Two" }]
        const two = await openai.responses.stream({ model: "gpt-5.5", input: second }).finalResponse()
        return [one, two]
      })
      assert.deepStrictEqual(ours.result.map(({ output_text }) => output_text), ["1", "2"])
      assert.deepStrictEqual(comparable(ours.result), comparable(http.result))
      assert.deepStrictEqual(shape(ours.requests), [["websocket", null, ["user"]], ["websocket", "resp_1", ["user"]]])
    }))

  it.effect("two histories at once, each in a place of its own", () =>
    Effect.gen(function*() {
      const { ours } = yield* run(() => text("Yes"), async (client) => {
        const openai = make(client)
        const talk = async (name: string) => {
          const history: OpenAI.Responses.ResponseInput = []
          for (const round of [1, 2, 3]) {
            history.push({ role: "user", content: `${name}, ${round}` })
            const input = [...history]
            const { output } = await openai.responses.stream({ model: "gpt-5.5", input }).finalResponse()
            history.push(...output as OpenAI.Responses.ResponseInput)
          }
        }
        await Promise.all([talk("one"), talk("two")])
      })
      const placesOf = (name: string) => {
        const own = ours.requests.filter(({ body }) => JSON.stringify(body.input).includes(`${name}, `))
        assert.deepStrictEqual(own.map(({ body }) => [typeof body.previous_response_id, body.input?.length]), [
          ["undefined", 1],
          ["string", 1],
          ["string", 1]
        ])
        return [...new Set(own.map(({ body, connection }) => `${connection} ${body.stream_id}`))]
      }
      const places = [placesOf("one"), placesOf("two")]
      assert.deepStrictEqual(places.map(({ length }) => length), [1, 1])
      assert.notDeepEqual(places[0], places[1])
    }))

  it.effect("what is not streamed goes to the real fetch", () =>
    Effect.gen(function*() {
      const { ours } = yield* run([text("Hello")], (client) =>
        make(client).responses.create({ model: "gpt-5.5", input: "Hi" }))
      assert.strictEqual(ours.result.output_text, "Hello")
      assert.deepStrictEqual(shape(ours.requests), [["http", null, "Hi"]])
    }))

  const failures: Readonly<Record<string, readonly [turn: ResponseScript.Turn, expected: unknown]>> = {
    "a rate limit": [
      error({ code: "rate_limit_exceeded", message: "Slow down", status: 429 }),
      { class: "RateLimitError", status: 429, code: "rate_limit_exceeded" }
    ],
    "a bad request": [
      error({ code: "context_length_exceeded", message: "Too long", status: 400 }),
      { class: "BadRequestError", status: 400, code: "context_length_exceeded" }
    ],
    "an error after output": [
      turn([text("Hello"), error({ code: "server_error", message: "Sorry", status: 500 }, { after: 5 })]),
      { class: "APIError", status: undefined, code: "server_error" }
    ]
  }
  for (const [what, [one, expected]] of Object.entries(failures)) {
    it.effect(`has the same error for ${what}`, () =>
      Effect.gen(function*() {
        const { http, ours } = yield* run([one], (client) =>
          settled(make(client).responses.create(request).then(collect)))
        assert.deepStrictEqual(ours.result, expected)
        assert.deepStrictEqual(ours.result, http.result)
      }))
  }

  it.effect("has the event for a failed response, as over HTTP", () =>
    Effect.gen(function*() {
      const { http, ours } = yield* run(
        [turn([text("Hel"), failed({ code: "server_error", message: "Sorry" })])],
        async (client) => collect(await make(client).responses.create(request))
      )
      assert.strictEqual(ours.result.at(-1)?.type, "response.failed")
      assert.deepStrictEqual(comparable(ours.result), comparable(http.result))
    }))

  it.effect("left in the middle, leaves nothing behind", () =>
    Effect.gen(function*() {
      const { ours } = yield* run(
        [turn([text("First"), silence({ after: 5 })]), text("Second")],
        async (client, server) => {
          const openai = make(client)
          for await (const event of await openai.responses.create(request)) {
            if (event.type === "response.output_text.delta") break
          }
          const { outcome } = await Effect.runPromise(server.waitFor("ResponseEnded"))
          const next = await openai.responses.stream({ model: "gpt-5.5", input: "Hi" }).finalResponse()
          return [outcome, next.output_text]
        }
      )
      assert.deepStrictEqual(ours.result, ["abandoned", "Second"])
      assert.deepStrictEqual(shape(ours.requests), [["websocket", null, "Hi"], ["websocket", null, "Hi"]])
    }))
})

describe("ai, with @ai-sdk/openai", () => {
  const weather = tool({
    inputSchema: jsonSchema<{ city: string }>({ type: "object", properties: { city: { type: "string" } } }),
    execute: ({ city }) => Promise.resolve({ city, celsius: 21 })
  })
  const script = [
    turn([reasoning("Look", { encrypted: "abc" }), toolCall({ name: "weather", arguments: { city: "Oslo" } })]),
    text("It is 21 degrees.")
  ]
  const stream = (client: Client, options: { readonly store: boolean; readonly abortSignal?: AbortSignal }) =>
    streamText({
      model: createOpenAI(client).responses("gpt-5.5"),
      prompt: "What is the weather in Oslo?",
      tools: { weather },
      stopWhen: stepCountIs(3),
      maxRetries: 0,
      onError: () => {},
      providerOptions: { openai: { store: options.store, include: ["reasoning.encrypted_content"] } },
      ...options.abortSignal === undefined ? {} : { abortSignal: options.abortSignal }
    })

  it.effect("streamText with a tool sends only the tool's output", () =>
    Effect.gen(function*() {
      const { http, ours } = yield* run(script, async (client) => {
        const result = stream(client, { store: false })
        const parts = (await collect(result.fullStream)).map((part) => part.type)
        return { parts, text: await result.text, finish: await result.finishReason, steps: (await result.steps).length }
      })
      assert.deepInclude(ours.result, { text: "It is 21 degrees.", finish: "stop", steps: 2 })
      assert.deepStrictEqual(ours.result, http.result)
      assert.deepStrictEqual(shape(ours.requests), [
        ["websocket", null, ["user"]],
        ["websocket", "resp_1", ["function_call_output"]]
      ])
    }))

  const look = (city: string) =>
    turn([
      reasoning(`Look at ${city}`, { encrypted: `cipher ${city}` }),
      toolCall({ name: "weather", arguments: { city } })
    ])

  for (
    const [name, store, dialect] of [
      ["encrypted reasoning", false, {}],
      ["reasoning that the server encrypts anew at the end", false, { encryptsAnew: true }],
      ["references to stored items", true, {}],
      ["references to stored items, encrypted anew", true, { encryptsAnew: true }]
    ] as const
  ) {
    it.effect(`with ${name}: every turn after the first sends only what is new`, () =>
      Effect.gen(function*() {
        const turns = [look("Oslo"), look("Rome"), text("Rome."), look("Bern"), text("Bern.")]
        const { http, ours } = yield* run(turns, async (client) => {
          const model = createOpenAI(client).responses("gpt-5.5")
          const messages: Array<ModelMessage> = []
          const texts: Array<string> = []
          for (const content of ["Where is it warmer?", "And in Bern?"]) {
            messages.push({ role: "user", content })
            const result = streamText({
              model,
              messages,
              tools: { weather },
              stopWhen: stepCountIs(4),
              maxRetries: 0,
              providerOptions: { openai: { store, include: ["reasoning.encrypted_content"] } }
            })
            texts.push(await result.text)
            messages.push(...(await result.response).messages)
          }
          return texts
        }, dialect)
        assert.deepStrictEqual(ours.result, ["Rome.", "Bern."])
        assert.deepStrictEqual(ours.result, http.result)
        assert.deepStrictEqual(shape(ours.requests), [
          ["websocket", null, ["user"]],
          ["websocket", "resp_1", ["function_call_output"]],
          ["websocket", "resp_2", ["function_call_output"]],
          ["websocket", "resp_3", ["user"]],
          ["websocket", "resp_4", ["function_call_output"]]
        ])
      }))
  }

  it.effect("aborted in the middle, leaves nothing behind", () =>
    Effect.gen(function*() {
      const { ours } = yield* run(
        [turn([text("First"), silence({ after: 6 })]), text("Second")],
        async (client, server) => {
          const controller = new AbortController()
          const types: Array<string> = []
          for await (const part of stream(client, { store: false, abortSignal: controller.signal }).fullStream) {
            types.push(part.type)
            if (part.type === "text-delta") controller.abort()
          }
          const { outcome } = await Effect.runPromise(server.waitFor("ResponseEnded"))
          return { last: types.at(-1), outcome, next: await stream(client, { store: false }).text }
        }
      )
      assert.deepStrictEqual(ours.result, { last: "abort", outcome: "abandoned", next: "Second" })
    }))
})

describe("@langchain/openai", () => {
  const make = ({ apiKey, baseURL, fetch }: Client) =>
    new ChatOpenAI({
      model: "gpt-5.5",
      apiKey,
      useResponsesApi: true,
      maxRetries: 0,
      configuration: { fetch, baseURL }
    })
  const weather = {
    type: "function" as const,
    function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } }
  }

  it.effect("a stream with a tool", () =>
    Effect.gen(function*() {
      const { http, ours } = yield* run(
        [toolCall({ name: "weather", arguments: { city: "Oslo" } }), text("It is 21 degrees.")],
        async (client) => {
          const model = make(client).bindTools([weather])
          const question = new HumanMessage("What is the weather in Oslo?")
          const chunks = await collect(await model.stream([question]))
          const call = chunks.reduce((all, chunk) => all.concat(chunk), new AIMessageChunk(""))
          const [toolCall] = call.tool_calls ?? []
          const output = new ToolMessage({ tool_call_id: toolCall?.id ?? "", content: "21" })
          const answer = await collect(await model.stream([question, call, output]))
          return { toolCall, text: answer.map(({ text }) => text).join("") }
        }
      )
      assert.deepStrictEqual(ours.result, http.result)
      assert.deepInclude(ours.result.toolCall, { name: "weather", args: { city: "Oslo" } })
      assert.strictEqual(ours.result.text, "It is 21 degrees.")
      assert.deepStrictEqual(shape(ours.requests)[1], ["websocket", "resp_1", ["function_call_output"]])
    }))
})
