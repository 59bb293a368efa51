/**
 * Whatever a server sends: the language model of `@effect/ai` ends with parts or with a typed failure, never with a defect
 * and never not at all, and the next call works.
 */
import * as OpenAiClient from "@effect/ai-openai/OpenAiClient"
import type * as AiError from "@effect/ai/AiError"
import * as Chat from "@effect/ai/Chat"
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as Tool from "@effect/ai/Tool"
import * as Toolkit from "@effect/ai/Toolkit"
import { assert, describe, it } from "@effect/vitest"
import * as ResponseEvent from "effect-responses/ResponseEvent"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as ResponsesTest from "effect-responses/ResponsesTest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ServerFrames from "../../responses/test/support/serverFrames.ts"
import * as Thorough from "../../responses/test/support/thorough.ts"
import * as ResponsesOpenAiClient from "../src/ResponsesOpenAiClient.ts"
import { model } from "./support/ways.ts"

const isEvent = (frame: string): boolean => {
  const event = ResponseEvent.read(frame)
  return typeof event !== "string" && !ResponseEvent.isFailure(event)
}

/** With all frames, and with only those that get as far as the language model. */
const frames = FastCheck.oneof(
  { arbitrary: ServerFrames.frames.map((frames) => frames.filter(isEvent)), weight: 4 },
  { arbitrary: ServerFrames.frames, weight: 1 }
)

const over = (frames: ReadonlyArray<string>) =>
  Layer.provideMerge(
    model,
    Layer.provide(
      ResponsesOpenAiClient.layerWithoutHttp,
      ResponsesTest.layer([ResponseScript.raw(frames), ResponseScript.text("And on")])
    )
  )

const toolkit = Toolkit.make(
  Tool.make("look", { parameters: { at: Schema.String }, success: Schema.String }),
  Tool.make("any", { parameters: { any: Schema.optional(Schema.Unknown) }, success: Schema.String })
)

const handlers = toolkit.toLayer({ look: ({ at }) => Effect.succeed(at), any: () => Effect.succeed("any") })

interface Failure {
  readonly _tag: string
  readonly message: string
}

const errorOf = (exit: Exit.Exit<unknown, Failure>): Failure => {
  assert(Exit.isFailure(exit), "did not fail")
  return Option.getOrThrowWith(Cause.failureOption(exit.cause), () => new Error(Cause.pretty(exit.cause)))
}

/** Typed, and written without a throw. */
const check = (exit: Exit.Exit<unknown, Failure>): void => {
  if (Exit.isFailure(exit)) assert.isAbove(errorOf(exit).message.length, 0)
}

const options = { prompt: "Hi", toolkit } as const

type Way = Effect.Effect<
  unknown,
  AiError.AiError | ParseResult.ParseError,
  LanguageModel.LanguageModel | OpenAiClient.OpenAiClient | Tool.HandlersFor<typeof toolkit.tools>
>

const ways: Readonly<Record<string, Way>> = {
  generateText: LanguageModel.generateText({ prompt: "Hi" }),
  "generateText with tools": LanguageModel.generateText(options),
  "generateText with tools that are the program's to call": LanguageModel.generateText({
    ...options,
    disableToolCallResolution: true
  }),
  generateObject: LanguageModel.generateObject({ prompt: "Hi", schema: Schema.Struct({ at: Schema.String }) }),
  streamText: Stream.runCollect(LanguageModel.streamText({ prompt: "Hi" })),
  "streamText with tools": Stream.runCollect(LanguageModel.streamText(options)),
  "a chat that goes on": Effect.flatMap(Chat.empty, (chat) =>
    Effect.zipRight(
      chat.generateText(options),
      Effect.zipRight(chat.exportJson, chat.generateText({ prompt: "And?", toolkit }))
    )),
  "a chat that goes on, streamed": Effect.flatMap(Chat.empty, (chat) =>
    Effect.zipRight(
      Stream.runDrain(chat.streamText(options)),
      Effect.zipRight(chat.exportJson, Stream.runDrain(chat.streamText({ prompt: "And?", toolkit })))
    )),
  createResponse: Effect.flatMap(
    OpenAiClient.OpenAiClient,
    (client) => client.createResponse({ model: "m", input: "Hi" })
  ),
  createResponseStream: Effect.flatMap(
    OpenAiClient.OpenAiClient,
    (client) => Stream.runDrain(client.createResponseStream({ model: "m", input: "Hi" }))
  )
}

const asked = Effect.map(LanguageModel.generateText(options), ({ text }) => text)

const streamed = Stream.runFold(
  LanguageModel.streamText(options),
  "",
  (text, part) => part.type === "text-delta" ? text + part.delta : text
)

describe("over whatever a server sends", () => {
  for (const [name, way] of Object.entries(ways)) {
    it.effect.prop(name, [frames], ([frames]) =>
      Effect.gen(function*() {
        check(yield* Effect.exit(way))
        if (name.startsWith("a chat")) return
        const after = yield* LanguageModel.generateText({ prompt: "And?" })
        assert.strictEqual(after.text, "And on")
      }).pipe(Effect.provide(handlers), Effect.provide(over(frames))), {
      fastCheck: { numRuns: Thorough.amount(20, 7) }
    })
  }
})

const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`
const created = "{\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\"}}"
const hello =
  "{\"type\":\"message\",\"id\":\"msg_1\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"Hello\"}]}"

const itemDone = (item: string, index = 0) =>
  `{"type":"response.output_item.done","output_index":${index},"item":${item}}`

/** A greeting, and an item that is done before its beginning was told. */
const withItem = (item: string) => [
  created,
  `{"type":"response.output_item.added","output_index":0,"item":${hello}}`,
  "{\"type\":\"response.output_text.delta\",\"output_index\":0,\"item_id\":\"msg_1\",\"delta\":\"Hello\"}",
  itemDone(hello),
  itemDone(item, 1),
  `{"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[${hello},${item}]}}`
]

const withFields = (fields: string) => [
  `{"type":"response.created","response":{"id":"resp_1",${fields}}}`,
  ...withItem("{\"type\":\"compaction\"}").slice(1, -1),
  `{"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[${hello}],${fields}}}`
]

const withEvents = (...events: ReadonlyArray<string>) =>
  withItem("{\"type\":\"compaction\"}").toSpliced(3, 0, ...events)

const callOf = (name: string, args: string) =>
  JSON.stringify({ type: "function_call", id: "fc_1", call_id: "call_1", name, arguments: args })

const annotated = (annotation: string) =>
  `{"type":"response.output_text.annotation.added","item_id":"msg_1","output_index":0,"annotation":${annotation}}`

const messageWith = (content: string) => `{"type":"message","id":"msg_2","role":"assistant","content":${content}}`

type Outcome = { readonly text: string } | { readonly fails: string }

/** What made the language model throw, one by one. */
const cases: Readonly<Record<string, readonly [frames: ReadonlyArray<string>, outcome: Outcome]>> = {
  "a time that no Date can hold": [withFields("\"created_at\":1e300"), { text: "Hello" }],
  "no time and no model": [withFields("\"created_at\":null,\"model\":{}"), { text: "Hello" }],
  "usage in words": [withFields("\"usage\":{\"input_tokens\":\"3\",\"output_tokens\":1e999}"), { text: "Hello" }],
  "usage without numbers": [withFields("\"usage\":{\"input_tokens_details\":3}"), { text: "Hello" }],
  "a reason that is a name of every object": [
    withFields("\"incomplete_details\":{\"reason\":\"constructor\"}"),
    { text: "Hello" }
  ],
  "a response nested too deep": [withFields(`"metadata":${deep}`), { text: "Hello" }],
  "reasoning that ends without a beginning": [
    withItem("{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[]}"),
    { text: "Hello" }
  ],
  "reasoning of which nothing is said": [withItem("{\"type\":\"reasoning\",\"summary\":[null,{}]}"), { text: "Hello" }],
  "reasoning with the name of every object": [
    withEvents(
      "{\"type\":\"response.reasoning_summary_part.added\",\"item_id\":\"toString\",\"summary_index\":1,\"part\":{}}"
    ),
    { text: "Hello" }
  ],
  "an annotation that is none": [withEvents(annotated("null"), annotated("[]"), annotated("3")), { text: "Hello" }],
  "an annotation without an address": [withEvents(annotated("{\"type\":\"url_citation\",\"url\":\"//\"}")), {
    text: "Hello"
  }],
  "arguments of no call": [
    withEvents(
      "{\"type\":\"response.function_call_arguments.delta\",\"output_index\":\"constructor\",\"delta\":\"{\"}"
    ),
    { text: "Hello" }
  ],
  "a message without content": [withItem(messageWith("null")), { text: "Hello" }],
  "a message of junk": [
    withItem(
      messageWith(
        "[null,3,{},{\"type\":\"output_text\",\"annotations\":[null,{\"type\":\"url_citation\"}]},{\"type\":\"refusal\"}]"
      )
    ),
    { text: "Hello" }
  ],
  "a message nested too deep": [withItem(messageWith(deep)), { text: "Hello" }],
  "a type that is an object": [withItem("{\"type\":{\"toString\":1}}"), { text: "Hello" }],
  "a type of a tool that is an object": [withFields("\"tools\":[{\"type\":{\"toString\":1}}]"), { text: "Hello" }],
  "a type of a part that is an object": [withItem(messageWith("[{\"type\":{\"toString\":1}}]")), { text: "Hello" }],
  "an item that is named as every object's prototype": [
    withItem("{\"type\":\"reasoning\",\"id\":\"__proto__\",\"summary\":[]}"),
    { text: "Hello" }
  ],
  "an annotation nested too deep": [
    withEvents(
      annotated(`{"type":"url_citation","url":"https://example.com","title":"An example","deep":${deep}}`),
      annotated(`{"type":"of_tomorrow","deep":${deep}}`)
    ),
    { text: "Hello" }
  ],
  ...Object.fromEntries(
    // Around the limit: what is in an item or in a response may be one level less deep than the whole.
    [510, 511, 512, 513, 514, 528, 529, 530, 531, 544, 545, 546].flatMap((levels) => {
      const nested = `${"[".repeat(levels)}${"]".repeat(levels)}`
      return [
        [`an item nested ${levels} levels deep`, [withItem(`{"type":"x","deep":${nested}}`), { text: "Hello" }]],
        [`a response nested ${levels} levels deep`, [withFields(`"metadata":${nested}`), { text: "Hello" }]]
      ] as const
    })
  ),
  "a call of what every object has": [withItem(callOf("constructor", "{}")), { fails: "MalformedOutput" }],
  "a call without a name": [withItem("{\"type\":\"function_call\",\"arguments\":\"{}\"}"), {
    fails: "MalformedOutput"
  }],
  "a call whose name is an object": [
    withItem("{\"type\":\"function_call\",\"name\":{\"toString\":1},\"arguments\":\"{\"}"),
    { fails: "MalformedOutput" }
  ],
  "arguments that are an object, which cannot be said": [
    withItem("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"look\",\"arguments\":{\"toString\":1}}"),
    { fails: "MalformedOutput" }
  ],
  "arguments that are an object": [
    withItem("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"look\",\"arguments\":{\"at\":\"it\"}}"),
    { text: "Hello" }
  ],
  "arguments nested too deep": [withItem(callOf("look", `{"at":${deep}}`)), { fails: "MalformedOutput" }],
  "arguments nested too deep for a tool that takes anything": [
    withItem(callOf("any", `{"any":${deep}}`)),
    { fails: "MalformedOutput" }
  ]
}

describe("what the language model cannot read is made readable, or fails typed", () => {
  for (const [name, [frames, expected]] of Object.entries(cases)) {
    for (const [how, asks] of Object.entries({ generateText: asked, streamText: streamed })) {
      it.effect(`${name}: ${how}`, () =>
        Effect.gen(function*() {
          const found = yield* Effect.exit(asks)
          if ("fails" in expected) return assert.strictEqual(errorOf(found)._tag, expected.fails)
          assert(Exit.isSuccess(found), Exit.isFailure(found) ? Cause.pretty(found.cause) : "")
          assert.strictEqual(found.value, expected.text)
        }).pipe(Effect.provide(handlers), Effect.provide(over(frames))))
    }
  }
})
