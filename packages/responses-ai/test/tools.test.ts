/** Tools and answers with a schema: what travels, what comes back, and a server that refuses what the vendor refuses. */
import * as OpenAiLanguageModel from "@effect/ai-openai/OpenAiLanguageModel"
import * as Chat from "@effect/ai/Chat"
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as Tool from "@effect/ai/Tool"
import * as Toolkit from "@effect/ai/Toolkit"
import { assert, describe, it } from "@effect/vitest"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import type * as ResponseEvent from "effect-responses/ResponseEvent"
import type * as Responses from "effect-responses/Responses"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Events from "../src/internal/events.ts"
import * as Ways from "./support/ways.ts"

const { item, text, turn } = ResponseScript

const on = (script: ResponseScript.Script) => Effect.provide(Ways.layer(Ways.overResponses, script))

const bodies = Effect.flatMap(
  ResponsesServer.ResponsesServer,
  ({ requests }) => Effect.map(requests, (all) => all.map(({ body }) => body))
)

const clock = Toolkit.make(
  Tool.make("now", { parameters: { zone: Schema.optional(Schema.String) }, success: Schema.String }),
  Tool.make("noon", { parameters: {}, success: Schema.String })
)
const handlers = clock.toLayer({ now: () => Effect.succeed("12:01"), noon: () => Effect.succeed("12:00") })

const callOf = (name: string, args: string) =>
  item({ type: "function_call", id: `fc_${name}`, call_id: `call_${name}`, name, arguments: args, status: "completed" })

describe("a call without arguments", () => {
  for (const args of ["", "  \n", "null", "{}"]) {
    for (const streaming of [false, true]) {
      it.effect(`${JSON.stringify(args)}, ${streaming ? "streamed" : "at once"}: the tools run, and the chain goes on`, () =>
        Effect.gen(function*() {
          const chat = yield* Chat.empty
          const ask = (prompt: string | []) =>
            streaming
              ? Effect.map(
                Stream.runCollect(chat.streamText({ prompt, toolkit: clock })),
                (parts) =>
                  Chunk.toReadonlyArray(parts).flatMap((part) => part.type === "tool-result" ? [part.result] : [])
              )
              : Effect.map(
                chat.generateText({ prompt, toolkit: clock }),
                ({ toolResults }) => toolResults.map(({ result }) => result)
              )
          assert.sameMembers([...yield* ask("What time is it?")], ["12:01", "12:00"])
          assert.deepStrictEqual(yield* ask([]), [])
          const sent = yield* Ways.sent
          assert.deepStrictEqual(
            sent.map(({ input, previous }) => [previous, Array.isArray(input) ? input.length : 1]),
            [[null, 1], ["resp_1", 2]]
          )
        }).pipe(Effect.provide(handlers), on([turn([callOf("now", args), callOf("noon", args)]), text("Noon.")])))
    }
  }

  const call = (args: unknown) => ({ type: "function_call", id: "f", call_id: "c", name: "n", arguments: args })
  const none = { type: "function_call", id: "f", call_id: "c", name: "n", arguments: "{}" }
  const holders: ReadonlyArray<readonly [type: string, (args: unknown) => object]> = [
    ["response.output_item.done", (args) => ({ output_index: 0, item: call(args) })],
    ["response.function_call_arguments.done", (args) => ({ output_index: 0, item_id: "f", arguments: args })],
    ["response.completed", (args) => ({ response: { id: "r", output: [call(args)] } })],
    ["response.incomplete", (args) => ({ response: { id: "r", output: [call(args)] } })]
  ]
  it.each(holders)("%s has none of them as {}", (type, holder) => {
    const defaults = { model: "m", createdAt: 1 }
    const read = (args: unknown): unknown =>
      Events.toStreamEvent({ type, ...holder(args) } as unknown as ResponseEvent.ResponseEvent, defaults)
    for (const args of ["", null, undefined, "null"]) assert.deepStrictEqual(read(args), read("{}"))
    assert.notDeepEqual(read("{\"a\":1}"), read("{}"))
  })

  it("a response has none of them as {}, and a call that begins has what it has", () => {
    const defaults = { model: "m", createdAt: 1 }
    const response = (output: unknown) => ({ id: "r", output }) as unknown as Responses.FinalResponse
    for (const args of ["", null, undefined, "null"]) {
      assert.deepStrictEqual<unknown>(Events.toResponse(response([call(args)]), defaults, undefined).output, [none])
    }
    assert.deepStrictEqual(Events.toResponse(response(undefined), defaults, undefined).output, [])
    const begun = { type: "response.output_item.added", output_index: 0, item: call("") }
    const event: object = Events.toStreamEvent(begun as unknown as ResponseEvent.ResponseEvent, defaults)
    assert.deepInclude(event, { item: call("") })
  })
})

interface Tree {
  readonly value: number
  readonly children: ReadonlyArray<Tree>
}
const Tree: Schema.Schema<Tree> = Schema.Struct({
  value: Schema.Number,
  children: Schema.Array(Schema.suspend((): Schema.Schema<Tree> => Tree))
}).annotations({ identifier: "Tree" })

const closed = { type: "object", additionalProperties: false }

/** Any schema, also one that the types of a tool do not take. */
const toolkitOf = (parameters: Schema.Schema.Any) =>
  Toolkit.make(Tool.make("t", { success: Schema.String }).setParameters(parameters as unknown as Schema.Struct<{}>))

describe("the schemas that travel", () => {
  const table: ReadonlyArray<readonly [string, Schema.Schema.Any, object]> = [
    ["no fields", Schema.Struct({}), { strict: true, parameters: { ...closed, properties: {}, required: [] } }],
    ["fields", Schema.Struct({ a: Schema.String }), {
      strict: true,
      parameters: { ...closed, properties: { a: { type: "string" } }, required: ["a"] }
    }],
    ["optional ones, which strict mode does not have", Schema.Struct({ a: Schema.optional(Schema.String) }), {
      strict: false,
      parameters: { ...closed, properties: { a: { type: "string" } }, required: [] }
    }],
    ["a limit that strict mode does not have", Schema.Struct({ a: Schema.NonEmptyString }), {
      strict: true,
      parameters: {
        ...closed,
        properties: {
          a: { type: "string", title: "nonEmptyString", description: "a non empty string (minLength: 1)" }
        },
        required: ["a"]
      }
    }],
    ["a record", Schema.Struct({ a: Schema.Record({ key: Schema.String, value: Schema.Number }) }), {
      strict: false,
      parameters: {
        ...closed,
        properties: {
          a: { type: "object", properties: {}, required: [], additionalProperties: { type: "number" } }
        },
        required: ["a"]
      }
    }]
  ]
  it.effect.each(table)("%s", ([, schema, expected]) => {
    const toolkit = toolkitOf(schema)
    return Effect.gen(function*() {
      yield* LanguageModel.generateText({ prompt: "x", toolkit })
      const [body] = yield* bodies
      const { parameters, strict } = (body?.tools?.[0] ?? {}) as Record<string, unknown>
      assert.deepStrictEqual({ parameters, strict }, expected)
    }).pipe(Effect.provide(toolkit.toLayer({ t: () => Effect.succeed("x") })), on([text("ok")]))
  })

  it.effect("a recursive tool", () => {
    const toolkit = toolkitOf(Schema.Struct({ tree: Tree }))
    return Effect.gen(function*() {
      const { text } = yield* LanguageModel.generateText({ prompt: "x", toolkit })
      assert.strictEqual(text, "ok")
    }).pipe(Effect.provide(toolkit.toLayer({ t: () => Effect.succeed("x") })), on([text("ok")]))
  })

  it.effect("an answer with optional properties, and one without", () =>
    Effect.gen(function*() {
      const some = yield* LanguageModel.generateObject({
        prompt: "x",
        objectName: "some",
        schema: Schema.Struct({ a: Schema.optional(Schema.String) })
      })
      assert.deepStrictEqual(some.value, {})
      yield* LanguageModel.generateObject({
        prompt: "x",
        objectName: "all",
        schema: Schema.Struct({ a: Schema.String })
      })
      assert.deepStrictEqual(
        (yield* bodies).map(({ text }) => (text as { readonly format: { readonly strict: boolean } }).format.strict),
        [false, true]
      )
    }).pipe(on([text("{}"), text("{\"a\":\"x\"}")])))

  it.effect("what the model's settings call not strict stays so, in the form that the API takes", () =>
    Effect.gen(function*() {
      yield* OpenAiLanguageModel.withConfigOverride(LanguageModel.generateText({ prompt: "x", toolkit: clock }), {
        strict: false
      })
      const [body] = yield* bodies
      assert.deepStrictEqual(body?.tools?.map((tool) => "strict" in tool && tool.strict), [false, false])
      assert.deepInclude(body?.tools?.[1], {
        parameters: { ...closed, properties: {}, required: [] }
      })
    }).pipe(Effect.provide(handlers), on([text("ok")])))

  it.effect("what nobody can mend is refused by the server, and says which tool", () => {
    const toolkit = toolkitOf(Schema.Union(Schema.Struct({ a: Schema.String }), Schema.Struct({ b: Schema.String })))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(LanguageModel.generateText({ prompt: "x", toolkit }))
      assert.include(String(error), "Invalid schema for function 't'")
    }).pipe(Effect.provide(toolkit.toLayer({ t: () => Effect.succeed("x") })), on([text("ok")]))
  })
})
