/** Finish reasons, usage and span attributes, transport by transport. */
import * as LanguageModel from "@effect/ai/LanguageModel"
import type * as Response from "@effect/ai/Response"
import * as Tool from "@effect/ai/Tool"
import * as Toolkit from "@effect/ai/Toolkit"
import { assert, describe, it } from "@effect/vitest"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { readFileSync } from "node:fs"
import * as Ways from "./support/ways.ts"

const { incomplete, refusal, text, toolCall, turn } = ResponseScript

const usage = {
  input_tokens: 30,
  output_tokens: 20,
  total_tokens: 50,
  input_tokens_details: { cached_tokens: 10 },
  output_tokens_details: { reasoning_tokens: 5 }
}

const ends: ReadonlyArray<readonly [what: string, turn: ResponseScript.Turn]> = [
  ["`completed`", text("Hello")],
  ["`completed`, a refusal", refusal("No")],
  ["`completed`, with a tool call", toolCall({ name: "look", arguments: {} })],
  ["`incomplete`, `max_output_tokens`", turn([text("Hel"), incomplete("max_output_tokens")])],
  ["`incomplete`, `content_filter`", turn([text("Hel"), incomplete("content_filter")])],
  ["`incomplete`, another reason", turn([text("Hel"), incomplete("max_messages")])],
  ["`failed`", turn([text("Hel"), ResponseScript.failed({ code: "server_error", message: "Sorry" })])],
  ["an `error` frame after output", turn([text("Hello"), ResponseScript.error({ code: "server_error" }, { after: 5 })])]
]

const finishOf = (parts: Iterable<Response.AnyPart>): string => {
  const finish = [...parts].find((part) => part.type === "finish")
  if (finish === undefined) return "no finish"
  const { cachedInputTokens, inputTokens, outputTokens, reasoningTokens } = finish.usage
  return `\`${finish.reason}\` ${inputTokens}/${cachedInputTokens}, ${outputTokens}/${reasoningTokens}`
}

const outcomeOf = Effect.match({
  onFailure: ({ _tag }: { readonly _tag: string }) => `fails: \`${_tag}\``,
  onSuccess: finishOf
})

const toolkit = Toolkit.make(Tool.make("look"))

const outcomes = Effect.gen(function*() {
  const options = { prompt: "Hi", toolkit, disableToolCallResolution: true } as const
  const generated = LanguageModel.generateText(options)
  const streamed = LanguageModel.streamText(options)
  return [
    yield* outcomeOf(Effect.map(generated, ({ content }): Iterable<Response.AnyPart> => content)),
    yield* outcomeOf(Stream.runCollect(streamed))
  ] as const
}).pipe(Effect.provide(toolkit.toLayer({ look: () => Effect.void })))

const row = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`

describe("the table of the README", () => {
  it.effect("is what happens", () =>
    Effect.gen(function*() {
      const rows: Array<string> = []
      for (const [what, one] of ends) {
        const script = [turn([one], { usage }), turn([one], { usage })]
        const [http, httpStream] = yield* Effect.provide(outcomes, Ways.layer(Ways.overHttp, script))
        const [socket, socketStream] = yield* Effect.provide(outcomes, Ways.layer(Ways.overResponses, script))
        rows.push(row([what, http, httpStream, socket, socketStream]))
      }
      const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8").replaceAll(/ +/g, " ")
      for (const line of rows) assert.include(readme, line)
    }))
})

interface Recorded {
  readonly name: string
  readonly attributes: Record<string, unknown>
}

const recorder = (spans: Array<Recorded>) =>
  Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      spans.push({
        name,
        get attributes() {
          return Object.fromEntries(attributes)
        }
      })
      return {
        _tag: "Span",
        name,
        spanId: String(spans.length),
        traceId: "trace",
        sampled: true,
        parent,
        context,
        links: [...links],
        kind,
        attributes,
        status: { _tag: "Started", startTime },
        attribute: (key, value) => void attributes.set(key, value),
        event: () => {},
        addLinks: () => {},
        end: () => {}
      }
    },
    context: (f) => f()
  })

const spansOf = (way: Ways.Way) =>
  Effect.suspend(() => {
    const spans: Array<Recorded> = []
    return Effect.zipRight(
      LanguageModel.generateText({ prompt: "Hi" }),
      Stream.runDrain(LanguageModel.streamText({ prompt: "Hi" }))
    ).pipe(
      Effect.withTracer(recorder(spans)),
      Effect.provide(Ways.layer(way, [turn([text("1")], { usage }), turn([text("2"), incomplete()], { usage })])),
      Effect.as(spans)
    )
  })

const ofModel = (spans: ReadonlyArray<Recorded>) => spans.filter(({ name }) => name.startsWith("LanguageModel."))

describe("spans", () => {
  it.effect("the model's have the same attributes over both transports", () =>
    Effect.gen(function*() {
      const http = ofModel(yield* spansOf(Ways.overHttp))
      const socket = ofModel(yield* spansOf(Ways.overResponses))
      assert.deepStrictEqual(socket, http)
      assert.deepInclude(socket[1]?.attributes, {
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-5.5",
        "gen_ai.response.id": "resp_2",
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 20
      })
    }))

  it.effect("ours say what travelled", () =>
    Effect.gen(function*() {
      const ours = (yield* spansOf(Ways.overResponses)).filter(({ name }) => name === "Responses.open")
      assert.deepStrictEqual(
        ours.map(({ attributes }) => [attributes["responses.transport"], attributes["gen_ai.response.id"]]),
        [["websocket", "resp_1"], ["websocket", "resp_2"]]
      )
    }))
})
