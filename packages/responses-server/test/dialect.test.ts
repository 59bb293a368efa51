import { assert, describe, it } from "@effect/vitest"
import { ResponseScript } from "effect-responses"
import * as ResponseSteps from "effect-responses/unstable/ResponseSteps"
import * as Context from "../src/Context.ts"
import type { Dialect } from "../src/Dialect.ts"
import * as Dialects from "../src/internal/dialect.ts"

const turn = ResponseScript.turn([
  ResponseScript.reasoning("Hm", { encrypted: "cipher" }),
  ResponseScript.text("Hello"),
  ResponseScript.toolCall({ name: "look", callId: "call_1" })
])

const steps = ResponseSteps.steps(turn, {
  request: { model: "m" },
  responseId: "resp_1",
  createdAt: 0,
  index: 0,
  input: []
})

interface Frame {
  readonly type: string
  readonly sequence_number: number
  readonly item?: { readonly type: string; readonly id: string; readonly call_id?: string }
  readonly response?: { readonly output: ReadonlyArray<{ readonly type: string; readonly encrypted_content?: string }> }
}

const spoken = (dialect: Dialect) =>
  Dialects.speak(dialect, steps).flatMap((step) => step._tag === "Send" ? [step.frame as Frame] : [])

const ended = (dialect: Dialect) => spoken(dialect).at(-1)?.response?.output ?? []

describe("a dialect", () => {
  it("of the vendor leaves the steps alone", () => {
    assert.strictEqual(Dialects.speak({}, steps), steps)
    assert.isUndefined(Dialects.wholeOutput({}, steps))
  })

  it("without announcements begins with the output, and counts from zero", () => {
    const frames = spoken({ announces: false })
    assert.strictEqual(frames[0]?.type, "response.output_item.added")
    assert.deepStrictEqual(frames.map(({ sequence_number }) => sequence_number), frames.map((_, index) => index))
  })

  it("with thin or empty ends leaves items out of the last event only", () => {
    const types = (dialect: Dialect) => ended(dialect).map(({ type }) => type)
    assert.deepStrictEqual(types({}), ["reasoning", "message", "function_call"])
    assert.deepStrictEqual(types({ ends: "thin" }), ["reasoning", "message"])
    assert.deepStrictEqual(types({ ends: "empty" }), [])
    assert.strictEqual(spoken({ ends: "empty" }).length, spoken({}).length)
    assert.strictEqual(Dialects.wholeOutput({ ends: "empty" }, steps)?.length, 3)
  })

  it("that doubles calls gives each two item ids and one call_id", () => {
    const calls = spoken({ doublesCalls: true }).filter(({ item, type }) =>
      type === "response.output_item.done" && item?.type === "function_call"
    ).map(({ item }) => item)
    assert.strictEqual(calls.length, 2)
    assert.notStrictEqual(calls[0]?.id, calls[1]?.id)
    assert.strictEqual(calls[0]?.call_id, calls[1]?.call_id)
    assert.strictEqual(ended({ doublesCalls: true }).length, 4)
  })

  it("that encrypts anew has another ciphertext at the end, which means the same to the model", () => {
    const [reasoning] = ended({ encryptsAnew: true })
    assert.notStrictEqual(reasoning?.encrypted_content, "cipher")
    assert.strictEqual(Context.hash([{ ...reasoning }]), Context.hash([{ ...ended({})[0] }]))
    assert.notStrictEqual(Context.hash([{ ...reasoning }]), Context.hash([{ ...reasoning, encrypted_content: "x" }]))
  })
})
