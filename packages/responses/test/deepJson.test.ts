import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import * as DeepJson from "../src/internal/wire/deepJson.ts"

const lists = `${"[".repeat(20_000)}${"]".repeat(20_000)}`
const objects = `${"{\"a\":".repeat(20_000)}"x"${"}".repeat(20_000)}`

describe("JSON text", () => {
  it.prop("of what is shallow is that of JSON.stringify", [FastCheck.jsonValue()], ([value]) => {
    assert.strictEqual(DeepJson.write(value), JSON.stringify(value))
  })

  const deep: Readonly<Record<string, string>> = {
    "nested lists": lists,
    "nested objects": objects,
    "anything around and beside": `{"__proto__":[1,-0.5,true,null,"\\n"],"a":[${lists},{},[],${objects},[[]]],"\\"":{}}`
  }
  for (const [name, text] of Object.entries(deep)) {
    it(`of 20,000 levels: ${name}`, () => {
      const value: unknown = JSON.parse(text)
      assert.throws(() => JSON.stringify(value), RangeError)
      assert.isTrue(DeepJson.write(value) === text)
    })
  }

  it("is not made of what is no JSON value", () => {
    const cycle: Array<unknown> = []
    cycle.push(cycle)
    assert.throws(() => DeepJson.write(cycle), TypeError)
    assert.throws(() => DeepJson.write(1n), TypeError)
  })
})
