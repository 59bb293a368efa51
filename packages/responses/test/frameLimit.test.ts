import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as FrameLimit from "../src/internal/wire/frameLimit.ts"
import * as ResponseEvent from "../src/ResponseEvent.ts"

const { hasTooManyValues, maxMarks } = FrameLimit

/** Strings hold what looks like structure, and quotes behind backslashes. */
const padding = JSON.stringify("x\\\"{[,:]}".repeat(100_000))

describe("a frame has too many values", () => {
  const shapes: Readonly<Record<string, readonly [open: string, value: string, close: string, marks: number]>> = {
    "empty objects": ["[", "{},", "0]", 2],
    "empty lists": ["[", "[],", "0]", 2],
    numbers: ["[", "1,", "0]", 1],
    strings: ["[", "\"a,b\",", "0]", 1],
    fields: ["{", "\"a\":1,", "\"b\":1}", 2],
    nesting: ["", "[", "", 1]
  }

  for (const [name, [open, value, close, marks]] of Object.entries(shapes)) {
    it(`${name}: at the limit it is read, above it is not`, () => {
      // The brackets of the shape itself, and the colon of its last field.
      const fits = Math.floor((maxMarks - 2) / marks)
      assert.isFalse(hasTooManyValues(`${open}${value.repeat(fits)}${close}`))
      assert.isTrue(hasTooManyValues(`${open}${value.repeat(fits + 3)}${close}`))
    })
  }

  it("what stands in a string counts nothing, however large it is", () => {
    assert.isAbove(padding.length, maxMarks)
    assert.isFalse(hasTooManyValues(`{"type":"a","text":${padding}}`))
  })

  it("what follows a string counts, whatever quotes and backslashes the string ends with", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("\\", "\"", "{", ",", "x", "é")), (parts) => {
        const text = JSON.stringify(parts.join(""))
        assert.isFalse(hasTooManyValues(`[${text},${padding}]`))
        assert.isTrue(hasTooManyValues(`[${text},${"1,".repeat(maxMarks)}1]`))
      }),
      { numRuns: 20 }
    )
  })

  it("a string without an end is read to the end of the frame", () => {
    assert.isFalse(hasTooManyValues(`{"text":"${"x,".repeat(maxMarks)}\\`))
  })

  it("is refused before it is parsed, with a reason", () => {
    assert.include(ResponseEvent.read(`[${"{},".repeat(maxMarks)}0]`), "values")
  })
})
