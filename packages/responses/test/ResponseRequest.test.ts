import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck } from "effect"
import * as ResponseRequest from "../src/ResponseRequest.ts"

type Request = ResponseRequest.ResponseRequest

/** What a caller without types may pass. */
const untyped = (request: object): Request => request

const frame = (request: Request): unknown => JSON.parse(Either.getOrThrow(ResponseRequest.toFrame(request)))
const body = (request: Request): unknown => JSON.parse(Either.getOrThrow(ResponseRequest.toBody(request)))

describe("ResponseRequest", () => {
  describe("validate", () => {
    const good: ReadonlyArray<readonly [string, Request]> = [
      ["a string", { model: "m", input: "Hello" }],
      ["items", { model: "m", input: [{ role: "user", content: "Hello" }] }],
      ["no items", { model: "m", input: [] }],
      ["no input", { model: "m" }],
      ["a null input", untyped({ model: "m", input: null })],
      ["a null previous_response_id", { model: "m", previous_response_id: null, conversation: "conv_1" }],
      ["a conversation", { model: "m", conversation: { id: "conv_1" } }],
      ["a null conversation", { model: "m", previous_response_id: "resp_1", conversation: null }],
      ["a stored prompt instead of a model", { prompt: { id: "pmpt_1" }, input: "Hello" }],
      ["a stored prompt and nothing else", { prompt: { id: "pmpt_1", version: "2", variables: { city: "Oslo" } } }],
      ["a stored prompt and no items", { prompt: { id: "pmpt_1" }, input: [] }],
      ["a stored prompt and a null model", untyped({ prompt: { id: "pmpt_1" }, model: null })],
      ["a stored prompt in a chain", { prompt: { id: "pmpt_1" }, previous_response_id: "resp_1" }],
      ["a stored prompt and a model", { prompt: { id: "pmpt_1" }, model: "m" }],
      ["a model and a prompt that is the server's to judge", untyped({ model: "m", prompt: {} })],
      ["tools that are the server's to judge", untyped({ model: "m", tools: [{ type: "function", name: "a b" }] })],
      ["a lane of one character", { model: "m", stream_id: "a" }],
      ["a lane of all the characters there are", { model: "m", stream_id: "azAZ09_.-" }],
      ["a lane of 256 characters", { model: "m", stream_id: "a".repeat(256) }]
    ]
    for (const [name, request] of good) {
      it(`accepts ${name}`, () => assert.strictEqual(Either.getOrThrow(ResponseRequest.validate(request)), request))
    }

    const bad: ReadonlyArray<readonly [string, object, field: string]> = [
      ["no model", {}, "model"],
      ["an empty model", { model: "" }, "model"],
      ["a blank model", { model: " " }, "model"],
      ["a model that is no string", { model: 1 }, "model"],
      ["no model and a null prompt", { prompt: null }, "model"],
      ["no model and a prompt without an id", { prompt: {} }, "model"],
      ["no model and a prompt with a blank id", { prompt: { id: " " } }, "model"],
      ["no model and a prompt that is a text", { prompt: "pmpt_1" }, "model"],
      ["an empty model and a stored prompt", { model: "", prompt: { id: "pmpt_1" } }, "model"],
      ["an input that is a number", { model: "m", input: 1 }, "input"],
      ["an input that is one item", { model: "m", input: { role: "user", content: "" } }, "input"],
      ["an item that is a string", { model: "m", input: [{ role: "user", content: "" }, "Hello"] }, "input[1]"],
      ["an item that is null", { model: "m", input: [null] }, "input[0]"],
      ["an item that is a list", { model: "m", input: [[]] }, "input[0]"],
      ["an empty previous_response_id", { model: "m", previous_response_id: "" }, "previous_response_id"],
      ["a previous_response_id that is no string", { model: "m", previous_response_id: 1 }, "previous_response_id"],
      [
        "a conversation with previous_response_id",
        { model: "m", previous_response_id: "resp_1", conversation: "conv_1" },
        "conversation"
      ],
      ["an empty lane", { model: "m", stream_id: "" }, "stream_id"],
      ["a null lane", { model: "m", stream_id: null }, "stream_id"],
      ["a lane of 257 characters", { model: "m", stream_id: "a".repeat(257) }, "stream_id"],
      ["a lane with a space", { model: "m", stream_id: "a b" }, "stream_id"],
      ["a lane with a newline at its end", { model: "m", stream_id: "a\n" }, "stream_id"],
      ["a lane with a letter beyond ASCII", { model: "m", stream_id: "ä" }, "stream_id"]
    ]
    for (const [name, request, field] of bad) {
      it(`refuses ${name}, and names ${field}`, () => {
        const error = Either.getOrThrow(Either.flip(ResponseRequest.validate(untyped(request))))
        assert.deepInclude(error, { _tag: "InvalidRequest", field })
        assert.include(error.message, `\`${field}\``)
        assert.include(error.message, "nothing was sent")
      })
    }
  })

  const everything = untyped({
    model: "m",
    input: [{ role: "user", content: "Hello", note: null }],
    previous_response_id: "resp_1",
    background: true,
    background_options: { a: 1 },
    stream: false,
    generate: false,
    stream_id: "lane",
    instructions: null,
    temperature: undefined,
    tools: [{ type: "function", name: "f", parameters: { default: null } }],
    store: false,
    max_output_tokens: 0,
    user: "",
    a_new_field: { x: 1 }
  })

  describe("toFrame", () => {
    it("has the socket's own fields and not those of HTTP, no nulls at the top and all of them below", () => {
      assert.deepStrictEqual(frame(everything), {
        type: "response.create",
        model: "m",
        input: [{ role: "user", content: "Hello", note: null }],
        previous_response_id: "resp_1",
        generate: false,
        stream_id: "lane",
        tools: [{ type: "function", name: "f", parameters: { default: null } }],
        store: false,
        max_output_tokens: 0,
        user: "",
        a_new_field: { x: 1 }
      })
    })

    it("is a response.create, whatever a caller puts there", () => {
      assert.deepInclude(frame(untyped({ model: "m", type: "response.steer" })), { type: "response.create" })
    })
  })

  describe("toBody", () => {
    it("has the fields of HTTP and not the socket's own, no nulls at the top and all of them below", () => {
      assert.deepStrictEqual(body(everything), {
        model: "m",
        input: [{ role: "user", content: "Hello", note: null }],
        previous_response_id: "resp_1",
        background: true,
        background_options: { a: 1 },
        stream: true,
        tools: [{ type: "function", name: "f", parameters: { default: null } }],
        store: false,
        max_output_tokens: 0,
        user: "",
        a_new_field: { x: 1 }
      })
    })
  })

  it("a stored prompt travels without a model", () => {
    for (const request of [{ prompt: { id: "pmpt_1" } }, { prompt: { id: "pmpt_1" }, model: null }]) {
      assert.deepStrictEqual(frame(request), { type: "response.create", prompt: { id: "pmpt_1" } })
      assert.deepStrictEqual(body(request), { stream: true, prompt: { id: "pmpt_1" } })
    }
  })

  it("what cannot be written as JSON is an InvalidRequest", () => {
    const circular: { role: "user"; content: string; self?: unknown } = { role: "user", content: "" }
    circular.self = circular
    const requests = [
      untyped({ model: "m", input: [circular] }),
      untyped({ model: "m", metadata: { a: 1n } }),
      untyped({
        model: "m",
        input: [{
          toJSON: () => {
            throw new Error("no")
          }
        }]
      })
    ]
    for (const request of requests) {
      for (const encode of [ResponseRequest.toFrame, ResponseRequest.toBody]) {
        const error = Either.getOrThrow(Either.flip(encode(request)))
        assert.strictEqual(error._tag, "InvalidRequest")
        assert.include(error.message, "cannot be written as JSON")
      }
    }
  })

  it.prop("no transport sees a null or an undefined at the top", [
    FastCheck.dictionary(FastCheck.string(), FastCheck.jsonValue())
  ], ([fields]) => {
    const request = untyped({ ...fields, model: "m" })
    for (const sent of [frame(request), body(request)]) {
      assert.notInclude(Object.values(sent as object), null)
      assert.deepInclude(sent as object, { model: "m" })
    }
  })

  it.prop(
    "the request of the caller is not touched",
    [FastCheck.dictionary(FastCheck.string(), FastCheck.jsonValue())],
    ([fields]) => {
      const request = Object.freeze(untyped({ ...fields, model: "m" }))
      const before = JSON.stringify(request)
      ResponseRequest.toFrame(request)
      ResponseRequest.toBody(request)
      assert.strictEqual(JSON.stringify(request), before)
    }
  )

  it("a string as input is one message of the user's", () => {
    assert.deepStrictEqual(ResponseRequest.items({ model: "m", input: "Hello" }), [
      { type: "message", role: "user", content: "Hello" }
    ])
    assert.deepStrictEqual(ResponseRequest.items({ model: "m" }), [])
    const input = [{ role: "user", content: "Hello" }] as const
    assert.strictEqual(ResponseRequest.items({ model: "m", input }), input)
  })
})
