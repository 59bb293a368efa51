/** One suite, over every transport: whatever carries a response, its events and its failures are the same. */
import { assert, describe, it } from "@effect/vitest"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import type * as ResponseEvent from "effect-responses/ResponseEvent"
import type { ResponseRequest } from "effect-responses/ResponseRequest"
import * as Responses from "effect-responses/Responses"
import * as ResponseScript from "effect-responses/ResponseScript"
import type { ResponsesError } from "effect-responses/ResponsesError"
import * as ResponsesTest from "effect-responses/ResponsesTest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as NodeResponses from "../src/NodeResponses.ts"
import * as NodeResponsesHttp from "../src/NodeResponsesHttp.ts"
import * as NodeResponsesSocket from "../src/NodeResponsesSocket.ts"

type Transport = (script: ResponseScript.Script) => Layer.Layer<Responses.Responses>

const apiKey = Redacted.make("sk-contract")

const local = (
  client: (options: NodeResponses.Options) => Layer.Layer<Responses.Responses, unknown>,
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
  "a WebSocket with HTTP behind it": local(NodeResponses.layer),
  "a WebSocket that falls back to HTTP": local(NodeResponses.layer, (server) => server.refuseUpgrades({ status: 426 }))
}

/** Ids and times are the server's own; what is left must be the same everywhere. */
const normalize = (events: ReadonlyArray<ResponseEvent.ResponseEvent>): unknown => {
  const ids = new Map<string, string>()
  return JSON.parse(JSON.stringify(events, (key, value: unknown) => {
    if (key === "created_at" || key === "completed_at" || key === "metadata") return undefined
    if (!/^(id|item_id|response_id|call_id|previous_response_id)$/.test(key) || typeof value !== "string") return value
    if (!ids.has(value)) ids.set(value, `#${ids.size}`)
    return ids.get(value)
  }))
}

interface Outcome {
  readonly events: unknown
  readonly types: ReadonlyArray<string>
  readonly error: Readonly<Record<string, unknown>> | undefined
}

/** A close code and the wording are the transport's own, the rest of a failure is the contract's. */
const comparable = (error: ResponsesError): Readonly<Record<string, unknown>> =>
  error._tag === "ConnectionError"
    ? { _tag: error._tag, reason: error.reason, delivery: error.delivery }
    : error._tag === "ResponseFailed"
    ? {
      _tag: error._tag,
      code: error.code,
      delivery: error.delivery,
      status: error.status,
      param: error.param,
      retryAfter: error.retryAfter,
      description: error.description
    }
    : error._tag === "MalformedEvent"
    ? { _tag: error._tag, description: error.description, delivery: error.delivery }
    : error._tag === "InvalidRequest"
    ? { _tag: error._tag, field: error.field }
    : { _tag: error._tag, description: error.description, status: error.status }

const outcome = (request: ResponseRequest) =>
  Effect.gen(function*() {
    const events: Array<ResponseEvent.ResponseEvent> = []
    const either = yield* Effect.either(
      Stream.runForEach(Responses.stream(request), (event) => Effect.sync(() => events.push(event)))
    )
    const found: Outcome = {
      events: normalize(events),
      types: events.map((event) => event.type),
      error: either._tag === "Left" ? comparable(either.left) : undefined
    }
    return found
  })

const {
  close,
  completed,
  customToolCall,
  drop,
  error,
  events,
  failed,
  incomplete,
  raw,
  reasoning,
  refusal,
  text,
  toolCall,
  turn
} = ResponseScript

const request: ResponseRequest = { model: "gpt-5.5", input: "hi", store: true }

interface Case {
  readonly turn: ResponseScript.Turn
  /** The last event, or what the failure is. */
  readonly ends: string | Readonly<Record<string, unknown>>
  readonly has?: ReadonlyArray<string>
}

const cases: Readonly<Record<string, Case>> = {
  "text": { turn: text("Hello, world. This is more than one delta."), ends: "response.completed" },
  "a tool call": {
    turn: toolCall({ name: "get_weather", arguments: { city: "Oslo" } }),
    ends: "response.completed",
    has: ["response.function_call_arguments.delta", "response.function_call_arguments.done"]
  },
  "reasoning, two tool calls and text": {
    turn: turn([
      reasoning("Let me think", { encrypted: "abc" }),
      toolCall({ name: "a", callId: "call_a" }),
      customToolCall({ name: "b", input: "free text" }),
      text("Meanwhile")
    ]),
    ends: "response.completed",
    has: ["response.reasoning_summary_text.delta", "response.custom_tool_call_input.delta"]
  },
  "a refusal": { turn: refusal("I will not"), ends: "response.completed", has: ["response.refusal.delta"] },
  "an incomplete response": {
    turn: turn([text("So far"), incomplete("max_output_tokens")]),
    ends: "response.incomplete"
  },
  "unknown events, before and in between": {
    turn: turn([
      raw([{ type: "codex.rate_limits", used: 3 }]),
      events([{ type: "response.brand_new", deep: { list: [1, null, "ä"] } }], { after: 3 }),
      text("Hello")
    ]),
    ends: "response.completed",
    has: ["codex.rate_limits", "response.brand_new"]
  },
  "something that trails the end": {
    turn: turn([text("Hello"), completed, raw([{ type: "response.done", response: { id: "x" } }])]),
    ends: "response.completed"
  },
  "a failed response": {
    turn: turn([text("He"), failed({ code: "server_error", message: "Sorry" })]),
    ends: { _tag: "ResponseFailed", code: "server_error", delivery: "partial", description: "Sorry" }
  },
  "an error frame in the middle": {
    turn: turn([
      text("Hello"),
      error({ code: "rate_limit_exceeded", message: "Slow down", status: 429 }, { after: 5 })
    ]),
    ends: { _tag: "ResponseFailed", code: "rate_limit_exceeded", delivery: "partial", status: 429 }
  },
  "an error without any shape in the middle": {
    turn: turn([text("Hello"), error({ shape: "untyped", message: "Oops" }, { after: 5 })]),
    ends: { _tag: "ResponseFailed", delivery: "partial", description: "Oops" }
  },
  "an error in answer to the request": {
    turn: error({ code: "context_length_exceeded", message: "Too long", status: 400, param: "input" }),
    ends: { _tag: "ResponseFailed", code: "context_length_exceeded", delivery: "unsent", status: 400, param: "input" }
  },
  "an unknown previous response": {
    turn: error({ code: "previous_response_not_found", message: "Previous response not found", status: 400 }),
    ends: { _tag: "PreviousResponseNotFound", description: "Previous response not found", status: 400 }
  },
  "a frame that is not JSON": {
    turn: turn([text("Hello"), raw(["{\"type\": oops"], { after: 5 })]),
    ends: { _tag: "MalformedEvent", description: "a message that is not JSON", delivery: "partial" }
  },
  "an event without what it is for": {
    turn: turn([text("Hello"), raw([{ type: "response.output_text.delta" }], { after: 2 })]),
    ends: { _tag: "MalformedEvent", delivery: "unacknowledged" }
  },
  "a connection that breaks in the middle": {
    turn: turn([text("Hello"), drop({ after: 5 })]),
    ends: { _tag: "ConnectionError", reason: "Lost", delivery: "partial" }
  },
  "a connection that breaks before any output": {
    turn: turn([text("Hello"), drop({ after: 1 })]),
    ends: { _tag: "ConnectionError", reason: "Lost", delivery: "unacknowledged" }
  },
  "a connection that breaks before any event": {
    turn: drop(),
    ends: { _tag: "ConnectionError", reason: "Lost", delivery: "unacknowledged" }
  },
  "a clean close before the end": {
    turn: turn([text("Hello"), close({ code: 1000, after: 5 })]),
    ends: { _tag: "ConnectionError", reason: "Lost", delivery: "partial" }
  }
}

for (const [name, transport] of Object.entries(transports)) {
  describe(`over ${name}`, () => {
    for (const [what, { ends, has = [], turn }] of Object.entries(cases)) {
      it.scoped(what, () =>
        Effect.gen(function*() {
          const script = [turn, text("And on")]
          const found = yield* Effect.provide(Effect.all([outcome(request), outcome(request)]), transport(script))
          const reference = yield* Effect.provide(
            Effect.all([outcome(request), outcome(request)]),
            ResponsesTest.layer(script)
          )
          const [{ error, types }] = found
          if (typeof ends === "string") {
            assert.strictEqual(types.at(-1), ends)
            assert.isUndefined(error)
          } else {
            assert.deepInclude(error ?? {}, ends)
          }
          for (const type of has) assert.include(types, type)
          assert.deepStrictEqual(found, reference)
          assert.strictEqual(found[1].types.at(-1), "response.completed")
        }))
    }

    it.scoped("create gives the response with its whole output", () =>
      Effect.gen(function*() {
        const response = yield* Responses.create(request)
        assert.strictEqual(response.status, "completed")
        const [message] = response.output
        assert(message?.type === "message" && Array.isArray(message.content))
        assert.deepInclude(message.content[0], { type: "output_text", text: "Hello" })
      }).pipe(Effect.provide(transport([text("Hello")]))))

    it.scoped("bad input is refused by the library itself", () =>
      Effect.gen(function*() {
        for (
          const [field, bad] of [
            ["model", { model: "", input: "hi" }],
            ["input", { model: "m", input: 3 as never }],
            ["stream_id", { model: "m", input: "hi", stream_id: "" }],
            ["previous_response_id", { model: "m", input: "hi", previous_response_id: "" }]
          ] as const
        ) {
          assert.deepStrictEqual((yield* outcome(bad)).error, { _tag: "InvalidRequest", field })
        }
      }).pipe(Effect.provide(transport([]))))

    it.scoped("leaving early leaves nothing for the next turn", () =>
      Effect.gen(function*() {
        const first = yield* Responses.stream(request).pipe(Stream.take(2), Stream.runCount)
        assert.strictEqual(first, 2)
        const next = yield* outcome(request)
        assert.strictEqual(next.error, undefined)
        assert.deepStrictEqual(
          next.events,
          (yield* Effect.provide(outcome(request), ResponsesTest.layer([text("Second")]))).events
        )
      }).pipe(Effect.provide(transport([turn([text("First"), ResponseScript.silence({ after: 4 })]), text("Second")]))))
  })
}
