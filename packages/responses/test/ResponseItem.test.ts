import { assert, describe, it } from "@effect/vitest"
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
    [{}, ""],
    [null, ""],
    [3, ""]
  ]
  it.each(table)("of %j is %j", (item, text) => {
    assert.strictEqual(ResponseItem.text(item as ResponseItem.ResponseItem), text)
  })
})
