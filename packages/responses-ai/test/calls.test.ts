/** Options of single calls, and of the model, over both transports. */
import * as OpenAiClient from "@effect/ai-openai/OpenAiClient"
import * as OpenAiConfig from "@effect/ai-openai/OpenAiConfig"
import * as OpenAiEmbeddingModel from "@effect/ai-openai/OpenAiEmbeddingModel"
import * as OpenAiLanguageModel from "@effect/ai-openai/OpenAiLanguageModel"
import * as Chat from "@effect/ai/Chat"
import * as EmbeddingModel from "@effect/ai/EmbeddingModel"
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Responses from "effect-responses/Responses"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as ResponsesTest from "effect-responses/ResponsesTest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Stream from "effect/Stream"
import * as ResponsesAiConfig from "../src/ResponsesAiConfig.ts"
import * as ResponsesOpenAiClient from "../src/ResponsesOpenAiClient.ts"
import * as Ways from "./support/ways.ts"

const hello: ResponseScript.Script = () => ResponseScript.text("Hello")

const server = Ways.layer(Ways.overResponses, hello)

const mock = (script: ResponseScript.Script) =>
  Layer.provideMerge(
    Ways.model,
    Layer.provideMerge(ResponsesOpenAiClient.layerWithoutHttp, ResponsesTest.layer(script))
  )

/** A response without events, and its names at its beginning and its end. */
const named = (begun: string | undefined, ended: string | undefined) =>
  Layer.succeed(Responses.Responses, {
    open: () =>
      Effect.succeed<Responses.OpenResponse>({
        id: begun,
        transport: "websocket",
        input: "full",
        bytesSent: 1,
        bytesSaved: 0,
        queued: Duration.zero,
        firstEvent: Duration.zero,
        recoveries: [],
        events: Stream.empty,
        forEach: () => Effect.void,
        result: () => ended === undefined ? undefined : { id: ended, output: [] }
      })
  })

const ask = LanguageModel.generateText({ prompt: "Hi" })

const transports = Effect.map(Ways.sent, (sent) => sent.map(({ transport }) => transport))

describe("transport", () => {
  it.effect("is the socket, HTTP, or what the Layer decides, by call and by stream", () =>
    Effect.gen(function*() {
      const stream = LanguageModel.streamText({ prompt: "Hi" })
      yield* ask
      yield* ResponsesAiConfig.withOverrides(ask, { transport: "http" })
      yield* ResponsesAiConfig.withOverrides(ask, { transport: "socket" })
      yield* Stream.runDrain(ResponsesAiConfig.withStreamOverrides(stream, { transport: "http" }))
      yield* stream.pipe(ResponsesAiConfig.withStreamOverrides({ transport: "socket" }), Stream.runDrain)
      assert.deepStrictEqual(yield* transports, ["websocket", "http", "websocket", "http", "websocket"])
    }).pipe(Effect.provide(server)))

  it.effect("socket does not fall back, auto does", () =>
    Effect.gen(function*() {
      yield* (yield* ResponsesServer.ResponsesServer).refuseUpgrades({ status: 503, headers: { "retry-after": "7" } })
      const error = yield* Effect.flip(ResponsesAiConfig.withOverrides(ask, { transport: "socket" }))
      assert(error._tag === "HttpResponseError")
      assert.strictEqual(error.response.status, 503)
      assert.strictEqual(error.response.headers["retry-after"], "7")
      yield* ask
      assert.deepStrictEqual(yield* transports, ["http"])
    }).pipe(Effect.provide(server)))

  it.effect("socket says what is missing where there is none", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(ResponsesAiConfig.withOverrides(ask, { transport: "socket" }))
      assert.strictEqual(error._tag, "MalformedInput")
    }).pipe(Effect.provide(mock(hello))))

  it.effect("a response in the background is HTTP's", () =>
    Effect.gen(function*() {
      const inBackground = OpenAiLanguageModel.withConfigOverride(ask, { background: true })
      yield* inBackground
      const error = yield* Effect.flip(ResponsesAiConfig.withOverrides(inBackground, { transport: "socket" }))
      assert.strictEqual(error._tag, "MalformedInput")
      assert.deepStrictEqual(yield* transports, ["http"])
    }).pipe(Effect.provide(server)))

  it.effect("inner overrides win, and leave the outer ones that they do not name", () =>
    Effect.gen(function*() {
      const opened: Array<string> = []
      const outer = ResponsesAiConfig.withOverrides({
        transport: "http",
        onOpen: ({ transport }) => Effect.sync(() => opened.push(transport))
      })
      yield* outer(ResponsesAiConfig.withOverrides(ask, { transport: "auto" }))
      assert.deepStrictEqual(opened, ["websocket"])
    }).pipe(Effect.provide(server)))
})

describe("timeout and headers", () => {
  const over = (options: ResponsesAiConfig.Service) => ResponsesAiConfig.withOverrides(ask, options)

  it.effect("headers go over HTTP behind the socket, and not over the socket alone or the other HTTP client", () =>
    Effect.gen(function*() {
      const headers = { "x-tag": "a" }
      yield* over({ headers })
      for (const transport of ["socket", "http"] as const) {
        assert.strictEqual((yield* Effect.flip(over({ headers, transport })))._tag, "MalformedInput")
      }
      assert.deepStrictEqual(yield* transports, ["http"])
      const [request] = yield* (yield* ResponsesServer.ResponsesServer).requests
      assert.strictEqual(request?.headers["x-tag"], "a")
    }).pipe(Effect.provide(server)))

  it.effect("a timeout is the one of the call", () =>
    Effect.gen(function*() {
      yield* over({ timeout: "1 minute" })
      assert.strictEqual((yield* Effect.flip(over({ timeout: 0 })))._tag, "MalformedInput")
      const { requestOptions } = yield* ResponsesTest.ResponsesTest
      assert.deepInclude((yield* requestOptions)[0], { timeout: "1 minute" })
    }).pipe(Effect.provide(mock(hello))))
})

describe("previous_response_id", () => {
  for (
    const [by, withId] of [
      ["our config", (id: string) => ResponsesAiConfig.withOverrides({ previousResponseId: id })],
      ["the model's config", (id: string) => OpenAiLanguageModel.withConfigOverride({ previous_response_id: id })]
    ] as const
  ) {
    it.effect(`by ${by}, goes as it is, and the prompt with it`, () =>
      Effect.gen(function*() {
        yield* ask
        yield* LanguageModel.generateText({ prompt: "And on" }).pipe(withId("resp_1"))
        const error = yield* LanguageModel.generateText({ prompt: "And on" }).pipe(withId("resp_unknown"), Effect.flip)
        const input = [{ role: "user", content: [{ type: "input_text", text: "And on" }] }]
        const [, second, third] = yield* Ways.sent
        assert.deepStrictEqual<unknown>(second, { transport: "websocket", previous: "resp_1", input })
        assert.deepStrictEqual<unknown>(third, { transport: "websocket", previous: "resp_unknown", input })
        assert(error._tag === "HttpResponseError")
        assert.strictEqual(error.response.status, 400)
        assert.include(error.body, "previous_response_not_found")
      }).pipe(Effect.provide(server)))
  }

  it.effect("goes over HTTP too", () =>
    Effect.gen(function*() {
      yield* ask
      yield* ResponsesAiConfig.withOverrides(ask, { previousResponseId: "resp_1", transport: "http" })
      assert.deepInclude((yield* Ways.sent)[1], { transport: "http", previous: "resp_1" })
    }).pipe(Effect.provide(server)))
})

describe("warmUp", () => {
  const prompt = [{ role: "system" as const, content: "A long text." }]

  it.effect("prepares what a chat then continues from", () =>
    Effect.gen(function*() {
      const id = yield* ResponsesAiConfig.warmUp(LanguageModel.generateText({ prompt }))
      const chat = yield* Chat.fromPrompt(prompt)
      const answer = yield* chat.generateText({ prompt: "Hi" })
      const requests = yield* (yield* ResponsesServer.ResponsesServer).requests
      assert.strictEqual(id, "resp_1")
      assert.strictEqual(answer.text, "Hello")
      assert.deepStrictEqual(requests.map(({ body }) => body["generate"]), [false, undefined])
      assert.deepStrictEqual<unknown>((yield* Ways.sent)[1], {
        transport: "websocket",
        previous: "resp_1",
        input: [{ role: "user", content: [{ type: "input_text", text: "Hi" }] }]
      })
    }).pipe(Effect.provide(Ways.layer(Ways.overResponses, [ResponseScript.text("Hello")]))))

  it.effect("is refused over HTTP, where it would be paid, and nothing is sent", () =>
    Effect.gen(function*() {
      const overHttp = ResponsesAiConfig.withOverrides(ask, { transport: "http" })
      assert.strictEqual((yield* Effect.flip(ResponsesAiConfig.warmUp(overHttp)))._tag, "MalformedInput")
      yield* (yield* ResponsesServer.ResponsesServer).refuseUpgrades({ status: 426 })
      assert.strictEqual((yield* Effect.flip(ResponsesAiConfig.warmUp(ask)))._tag, "HttpResponseError")
      assert.deepStrictEqual(yield* Ways.sent, [])
    }).pipe(Effect.provide(server)))

  it.effect("asks for no response, and says so", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(ResponsesAiConfig.warmUp(Effect.void))
      assert.strictEqual(error._tag, "MalformedInput")
      assert.include(error.description, "No response was asked for")
    }))

  const ids: ReadonlyArray<readonly [begun: string | undefined, ended: string | undefined, id: string | undefined]> = [
    ["resp_1", "resp_1", "resp_1"],
    [undefined, "resp_1", "resp_1"],
    ["resp_1", "resp_2", "resp_2"],
    ["resp_1", undefined, "resp_1"],
    [undefined, undefined, undefined]
  ]
  for (const [begun, ended, id] of ids) {
    it.effect(`of a response that began as ${begun} and ended as ${ended} gives ${id ?? "a failure"}`, () =>
      Effect.gen(function*() {
        const warmUp = ResponsesAiConfig.warmUp(Stream.runDrain(LanguageModel.streamText({ prompt: "Hi" })))
        if (id !== undefined) return assert.strictEqual(yield* warmUp, id)
        const error = yield* Effect.flip(warmUp)
        assert.strictEqual(error._tag, "MalformedOutput")
      }).pipe(Effect.provide(Layer.provideMerge(
        Ways.model,
        Layer.provide(ResponsesOpenAiClient.layerWithoutHttp, named(begun, ended))
      ))))
  }
})

describe("the options of @effect/ai-openai", () => {
  it.effect("the model's own config travels, its local settings do not", () =>
    Effect.gen(function*() {
      yield* ask.pipe(
        OpenAiLanguageModel.withConfigOverride({
          temperature: 0.5,
          max_output_tokens: 100,
          store: false,
          reasoning: { effort: "low" },
          fileIdPrefixes: ["file-"],
          strict: false
        })
      )
      const { requests } = yield* ResponsesServer.ResponsesServer
      const { input: _input, ...body } = (yield* requests)[0]!.body
      assert.deepStrictEqual<unknown>(body, {
        type: "response.create",
        model: "gpt-5.5",
        temperature: 0.5,
        max_output_tokens: 100,
        store: false,
        reasoning: { effort: "low" },
        include: [],
        text: { format: { type: "text" } }
      })
    }).pipe(Effect.provide(Ways.layer(Ways.oneAtATime, hello))))

  it.effect("a transformation of the HTTP client means something over HTTP only", () =>
    Effect.gen(function*() {
      const marked = OpenAiConfig.withClientTransform(
        HttpClient.mapRequest(HttpClientRequest.setHeader("x-mark", "yes"))
      )
      yield* marked(ask)
      yield* marked(ResponsesAiConfig.withOverrides(ask, { transport: "http" }))
      const requests = yield* (yield* ResponsesServer.ResponsesServer).requests
      assert.deepStrictEqual(requests.map(({ headers, transport }) => [transport, headers["x-mark"]]), [
        ["websocket", undefined],
        ["http", "yes"]
      ])
    }).pipe(Effect.provide(server)))

  it.effect("everything but responses goes over HTTP", () =>
    Effect.gen(function*() {
      const client = yield* OpenAiClient.OpenAiClient
      const response = { data: [{ index: 0, object: "embedding", embedding: [1, 2] }], model: "m", object: "list" }
      const http: OpenAiClient.Service = {
        ...client,
        createEmbedding: () => Effect.succeed({ ...response, usage: { prompt_tokens: 1, total_tokens: 1 } } as never)
      }
      const ours = yield* Effect.provideService(ResponsesOpenAiClient.make, OpenAiClient.OpenAiClient, http)
      assert.strictEqual(ours.client, http.client)
      assert.strictEqual(ours.streamRequest, http.streamRequest)
      const embedding = yield* Effect.flatMap(EmbeddingModel.EmbeddingModel, (model) => model.embed("Hi")).pipe(
        Effect.provide(OpenAiEmbeddingModel.layerBatched({ model: "text-embedding-3-small" })),
        Effect.provideService(OpenAiClient.OpenAiClient, ours)
      )
      assert.deepStrictEqual(embedding, [1, 2])
    }).pipe(Effect.provide(mock(hello))))

  it.effect("without HTTP, what needs it fails", () =>
    Effect.gen(function*() {
      const { createEmbedding } = yield* OpenAiClient.OpenAiClient
      const error = yield* Effect.flip(createEmbedding({ model: "text-embedding-3-small", input: "Hi" }))
      assert.strictEqual(error._tag, "HttpRequestError")
      const overHttp = ResponsesAiConfig.withOverrides(ask, { transport: "http" })
      assert.strictEqual((yield* Effect.flip(overHttp))._tag, "HttpRequestError")
      assert.strictEqual((yield* ask).text, "Hello")
    }).pipe(Effect.provide(mock(hello))))
})

describe("onUnknownEvent", () => {
  it.effect("sees the events that @effect/ai-openai has no type for, as they came", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const parts = yield* LanguageModel.streamText({ prompt: "Hi" }).pipe(
        ResponsesAiConfig.withStreamOverrides({ onUnknownEvent: (event) => Effect.sync(() => seen.push(event)) }),
        Stream.runCollect
      )
      assert.deepStrictEqual(seen, [{ type: "codex.rate_limits", used: 3 }])
      assert.strictEqual([...parts].at(-1)?.type, "finish")
    }).pipe(Effect.provide(mock([
      ResponseScript.turn([ResponseScript.raw([{ type: "codex.rate_limits", used: 3 }]), ResponseScript.text("Hello")])
    ]))))

  it.effect("sees an annotation that the language model could not be told of", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const parts = yield* LanguageModel.streamText({ prompt: "Hi" }).pipe(
        ResponsesAiConfig.withStreamOverrides({ onUnknownEvent: (event) => Effect.sync(() => seen.push(event)) }),
        Stream.runCollect
      )
      assert.deepStrictEqual(seen, [unreadable])
      assert.strictEqual([...parts].at(-1)?.type, "finish")
    }).pipe(
      Effect.provide(mock([ResponseScript.turn([ResponseScript.raw([unreadable]), ResponseScript.text("Hello")])]))
    ))

  it.effect("is a debug log by itself, and what is nested too deep does not break a logger of JSON", () =>
    Effect.gen(function*() {
      const stream = Stream.runDrain(LanguageModel.streamText({ prompt: "Hi" }))
      yield* stream.pipe(Effect.provide(Logger.json), Logger.withMinimumLogLevel(LogLevel.Debug))
    }).pipe(Effect.provide(mock([ResponseScript.turn([
      ResponseScript.raw([
        `{"type":"response.of_tomorrow","response_id":"r","deep":${"[".repeat(20_000)}${"]".repeat(20_000)}}`
      ]),
      ResponseScript.text("Hello")
    ])]))))
})

const unreadable = { type: "response.output_text.annotation.added", item_id: "msg_1", annotation: null }
