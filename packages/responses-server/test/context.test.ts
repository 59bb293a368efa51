import { assert, describe, it } from "@effect/vitest"
import { Context } from "effect-responses-server"

const call = { type: "function_call", call_id: "c", name: "f", arguments: "{\"a\":1,\"b\":{\"c\":2}}" }
const message = { role: "user", content: "Hi" }
const thought = { type: "reasoning", summary: [{ type: "summary_text", text: "hm" }], encrypted_content: "e" }

const same: ReadonlyArray<readonly [name: string, a: object, b: object]> = [
  ["a string and an input_text part", message, {
    type: "message",
    content: [{ type: "input_text", text: "Hi" }],
    role: "user"
  }],
  ["ids and status", message, { ...message, id: "msg_1", status: "completed" }],
  ["annotations and log probabilities", { role: "assistant", content: "Hi" }, {
    role: "assistant",
    content: [{ type: "output_text", text: "Hi", annotations: [1], logprobs: [] }]
  }],
  ["how arguments are written", call, { ...call, arguments: "{ \"b\": {\"c\": 2}, \"a\": 1 }", id: "fc_1" }],
  ["the summary beside encrypted content", thought, { ...thought, summary: [], id: "rs_1" }],
  ["output as string and as parts", { type: "function_call_output", call_id: "c", output: "x" }, {
    type: "function_call_output",
    call_id: "c",
    output: [{ type: "input_text", text: "x" }]
  }],
  ["null and absent in a kind it does not know", { type: "new", a: 1 }, { a: 1, b: null, type: "new", id: "x" }]
]

const different: ReadonlyArray<readonly [name: string, a: object, b: object]> = [
  ["text", message, { role: "user", content: "Ho" }],
  ["role", message, { role: "assistant", content: "Hi" }],
  ["arguments", call, { ...call, arguments: "{\"a\":2}" }],
  ["call_id", call, { ...call, call_id: "d" }],
  ["name", call, { ...call, name: "g" }],
  ["encrypted content", thought, { ...thought, encrypted_content: "f" }],
  ["the summary alone", { type: "reasoning", summary: [{ type: "summary_text", text: "a" }] }, {
    type: "reasoning",
    summary: [{ type: "summary_text", text: "b" }]
  }],
  ["a refusal and a text", { role: "assistant", content: [{ type: "refusal", refusal: "Hi" }] }, {
    role: "assistant",
    content: "Hi"
  }],
  ["an image", { role: "user", content: [{ type: "input_image", image_url: "a" }] }, {
    role: "user",
    content: [{ type: "input_image", image_url: "b" }]
  }],
  ["which item is referred to", { type: "item_reference", id: "a" }, { type: "item_reference", id: "b" }]
]

describe("Context", () => {
  it.each(same)("%s: the same", (_, a, b) => {
    assert.strictEqual(Context.hash([a]), Context.hash([b]))
  })

  it.each(different)("%s: different", (_, a, b) => {
    assert.notStrictEqual(Context.hash([a]), Context.hash([b]))
  })

  it("the order of items counts", () => {
    assert.notStrictEqual(Context.hash([message, call]), Context.hash([call, message]))
  })
})
