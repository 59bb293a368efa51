import { assert, describe, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import * as ResponseItem from "../src/ResponseItem.ts"

describe("text", () => {
  const assistant = (content: unknown) => ({ type: "message", role: "assistant", content })
  const table: ReadonlyArray<readonly [item: unknown, text: string]> = [
    [assistant("Hello"), "Hello"],
    [{ role: "assistant", content: "Hello" }, "Hello"],
    [assistant([{ type: "output_text", text: "Hel" }, { type: "output_text", text: "lo" }]), "Hello"],
    [assistant([{ type: "refusal", refusal: "No." }]), "No."],
    [assistant([{ type: "output_image" }, { type: "output_text", text: "Hello" }]), "Hello"],
    [{ type: "reasoning", summary: [{ type: "summary_text", text: "Hm" }] }, ""],
    [assistant(null), ""],
    [assistant(undefined), ""],
    [assistant(3), ""],
    [assistant({ type: "output_text", text: "Hello" }), ""],
    [assistant([null, 3, "x", [], {}, { type: null }]), ""],
    [assistant([{ type: "output_text" }, { type: "output_text", text: null }, { type: "refusal", refusal: {} }]), ""],
    [{ type: null, content: "Hello" }, ""],
    [{ id: "resp_1", output: [assistant("Hel"), { type: "function_call" }, null, assistant("lo")] }, "Hello"],
    [{ id: "resp_1", output: [] }, ""],
    [{ id: "resp_1", output: null }, ""],
    [{ type: "function_call_output", call_id: "c", output: [assistant("Hello")] }, ""],
    [{ role: "user", content: "Hello", output: [assistant("no")] }, "Hello"],
    [{}, ""],
    [null, ""],
    [3, ""]
  ]
  it.each(table)("of %j is %j", (item, text) => {
    assert.strictEqual(ResponseItem.text(item as ResponseItem.ResponseItem), text)
  })
})

it("the schema says why it refuses what is nested too deep to be written", () => {
  const decoded = Schema.decodeUnknownEither(ResponseItem.ResponseItem)(
    JSON.parse(`${"[".repeat(20_000)}${"]".repeat(20_000)}`)
  )
  assert(Either.isLeft(decoded))
  assert.include(decoded.left.message, "Expected an item")
})
