/**
 * The contract of the transports, by way of the language model: whatever carries a response, its events, its parts and its
 * failures are the same, and nothing that a decoder refuses ends a stream or gets lost.
 */
import * as OpenAiClient from "@effect/ai-openai/OpenAiClient"
import type * as AiError from "@effect/ai/AiError"
import * as LanguageModel from "@effect/ai/LanguageModel"
import { assert, describe, it } from "@effect/vitest"
import * as NodeResponses from "effect-responses-node/NodeResponses"
import * as NodeResponsesHttp from "effect-responses-node/NodeResponsesHttp"
import * as NodeResponsesSocket from "effect-responses-node/NodeResponsesSocket"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import type { Responses } from "effect-responses/Responses"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as ResponsesTest from "effect-responses/ResponsesTest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { toResponsesError } from "../src/ResponsesAiError.ts"
import * as ResponsesOpenAiClient from "../src/ResponsesOpenAiClient.ts"
import { apiKey, model } from "./support/ways.ts"

type Transport = (script: ResponseScript.Script) => Layer.Layer<Responses>

const local = (
  client: (options: NodeResponses.Options) => Layer.Layer<Responses, unknown>,
  prepare: (server: ResponsesServer.Service) => Effect.Effect<void> = () => Effect.void
): Transport =>
(script) =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const server = yield* ResponsesServer.make({ apiKey, script, idPrefix: "" })
    yield* prepare(server)
    return client({ apiKey, baseUrl: server.url, reconnect: Schedule.stop })
  })).pipe(Layer.orDie)

const transports: Readonly<Record<string, Transport>> = {
  "the mock": ResponsesTest.layer,
  "a WebSocket": local(NodeResponsesSocket.layer),
  "HTTP": local(NodeResponsesHttp.layer),
  "a WebSocket that falls back to HTTP": local(NodeResponses.layer, (server) => server.refuseUpgrades({ status: 426 }))
}

const provided = (transport: Transport, script: ResponseScript.Script) =>
  Layer.provideMerge(model, Layer.provide(ResponsesOpenAiClient.layerWithoutHttp, transport(script)))

const isOwn = (key: string, value: object) =>
  key === "metadata" && ("context_hash" in value || Object.keys(value).length === 0)

/** Times, and what is reported of the context, are the server's own. */
const normalize = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, value: unknown) =>
      /^(created_at|completed_at|timestamp)$/.test(key) ||
        typeof value === "object" && value !== null && isOwn(key, value)
        ? undefined
        : value)
  )

const failure = (error: AiError.AiError) => {
  const cause = Option.getOrThrow(toResponsesError(error))
  return {
    _tag: error._tag,
    cause: cause._tag,
    delivery: "delivery" in cause ? cause.delivery : undefined,
    ...error._tag === "HttpResponseError" ? { status: error.response.status, body: error.body } : {}
  }
}

const request = { model: "gpt-5.5", input: "hi" } as const

/** The same turn by each way in: as events, as a response, as parts of both kinds. */
const outcome = Effect.gen(function*() {
  const client = yield* OpenAiClient.OpenAiClient
  const events: Array<OpenAiClient.ResponseStreamEvent> = []
  const parts: Array<{ readonly type: string }> = []
  const into = <A>(list: Array<A>) => Stream.runForEach((item: A) => Effect.sync(() => list.push(item)))
  const streamed = yield* Effect.either(into(events)(client.createResponseStream(request)))
  const whole = yield* Effect.either(client.createResponse(request))
  const streamedText = yield* Effect.either(into(parts)(LanguageModel.streamText({ prompt: "hi" })))
  const text = yield* Effect.either(LanguageModel.generateText({ prompt: "hi" }))
  const after = yield* LanguageModel.generateText({ prompt: "hi" })
  const ends: ReadonlyArray<Either.Either<unknown, AiError.AiError>> = [streamed, whole, streamedText, text]
  const errors = ends.map((end) => Either.isLeft(end) ? failure(end.left) : undefined)
  return {
    types: events.map(({ type }) => type),
    partTypes: parts.map(({ type }) => type),
    finish: Either.isRight(text) ? text.right.finishReason : undefined,
    error: errors[0],
    errors,
    after: after.text,
    all: normalize({
      events,
      parts,
      whole: Either.getOrUndefined(whole),
      content: Either.isRight(text) ? text.right.content : undefined
    })
  }
})

const { close, completed, drop, error, events, failed, incomplete, raw, reasoning, refusal, text, turn } =
  ResponseScript

interface Case {
  readonly turn: ResponseScript.Turn
  readonly finish?: string
  readonly error?: Readonly<Record<string, unknown>>
  readonly has?: ReadonlyArray<string>
  readonly parts?: ReadonlyArray<string>
}

const unknownItem = { type: "response.output_item.done", output_index: 9, item: { type: "brand_new", id: "x" } }

const cases: Readonly<Record<string, Case>> = {
  "text": { turn: text("Hello, world. This is more than one delta."), finish: "stop" },
  "reasoning and text": {
    turn: turn([reasoning("Let me think"), text("Done")]),
    finish: "stop",
    parts: ["reasoning-start", "reasoning-end", "text-delta"]
  },
  "a refusal": { turn: refusal("I will not"), finish: "stop", has: ["response.refusal.delta"] },
  "an output that is too long": { turn: turn([text("So far"), incomplete("max_output_tokens")]), finish: "length" },
  "a filtered output": { turn: turn([text("So far"), incomplete("content_filter")]), finish: "content-filter" },
  "an end for a reason that nobody knows": { turn: turn([text("So far"), incomplete("steered")]), finish: "unknown" },
  "unknown events, before, in between and after": {
    turn: turn([
      raw([{ type: "codex.rate_limits", used: 3 }]),
      events([{ type: "response.brand_new", deep: { list: [1, null, "ä"] } }, { type: "keepalive" }], { after: 3 }),
      text("Hello"),
      completed,
      raw([{ type: "response.done", response: { id: "x" } }])
    ]),
    finish: "stop",
    has: ["codex.rate_limits", "response.brand_new", "keepalive"]
  },
  "known events that the decoder of ai-openai refuses": {
    turn: turn([
      raw([{ type: "response.created", response: { id: "resp_x" } }]),
      raw([{ type: "response.in_progress", response: { id: "resp_x" } }, unknownItem]),
      raw([{ type: "response.output_item.added", output_index: 0, item: { type: "message", content: [] } }]),
      raw([{ type: "response.output_text.delta", output_index: 0, delta: "Hello" }]),
      raw([{
        type: "response.output_item.done",
        output_index: 0,
        item: { type: "message", role: "assistant", content: [{ type: "output_text", text: "Hello" }] }
      }]),
      raw([{ type: "response.completed", response: { id: "resp_x", status: "completed" } }])
    ]),
    finish: "stop",
    has: ["response.created", "response.output_text.delta", "response.completed"],
    parts: ["response-metadata", "text-start", "text-delta", "text-end", "finish"]
  },
  "a failed response": {
    turn: turn([text("He"), failed({ code: "server_error", message: "Sorry" })]),
    error: { _tag: "HttpResponseError", cause: "ResponseFailed", delivery: "partial", status: 500 }
  },
  "a failed response with a code that has no status": {
    turn: turn([text("He"), failed({ code: "invalid_prompt", message: "Sorry" })]),
    error: { _tag: "UnknownError", cause: "ResponseFailed", delivery: "partial" }
  },
  "an error frame in the middle": {
    turn: turn([
      text("Hello"),
      error({ code: "rate_limit_exceeded", message: "Slow down", status: 429 }, { after: 5 })
    ]),
    error: { _tag: "HttpResponseError", cause: "ResponseFailed", delivery: "partial", status: 429 }
  },
  "an error in answer to the request": {
    turn: error({ code: "context_length_exceeded", message: "Too long", status: 400, param: "input" }),
    error: {
      _tag: "HttpResponseError",
      cause: "ResponseFailed",
      delivery: "unsent",
      status: 400,
      body:
        "{\"error\":{\"message\":\"Too long\",\"type\":\"invalid_request_error\",\"param\":\"input\",\"code\":\"context_length_exceeded\"}}"
    }
  },
  "a frame that is not JSON": {
    turn: turn([text("Hello"), raw(["{\"type\": oops"], { after: 5 })]),
    error: { _tag: "MalformedOutput", cause: "MalformedEvent", delivery: "partial" }
  },
  "a connection that breaks in the middle": {
    turn: turn([text("Hello"), drop({ after: 5 })]),
    error: { _tag: "HttpRequestError", cause: "ConnectionError", delivery: "partial" }
  },
  "a clean close before the end": {
    turn: turn([text("Hello"), close({ code: 1000, after: 5 })]),
    error: { _tag: "HttpRequestError", cause: "ConnectionError", delivery: "partial" }
  }
}

for (const [name, transport] of Object.entries(transports)) {
  describe(`over ${name}`, () => {
    for (const [what, { error, finish, has = [], parts = [], turn }] of Object.entries(cases)) {
      it.effect(what, () =>
        Effect.gen(function*() {
          const script = [turn, turn, turn, turn, text("And on")]
          const found = yield* Effect.provide(outcome, provided(transport, script))
          const reference = yield* Effect.provide(outcome, provided(ResponsesTest.layer, script))
          assert.deepStrictEqual(found, reference)
          assert.strictEqual(found.finish, finish)
          assert.strictEqual(found.after, "And on")
          for (const type of has) assert.include(found.types, type)
          for (const type of parts) assert.include(found.partTypes, type)
          if (error === undefined) {
            assert.deepStrictEqual(found.errors, [undefined, undefined, undefined, undefined])
          } else {
            for (const one of found.errors) assert.deepStrictEqual(one, found.error)
            assert.deepInclude(found.error ?? {}, error)
            assert.notInclude(found.partTypes, "finish")
          }
        }))
    }
  })
}
