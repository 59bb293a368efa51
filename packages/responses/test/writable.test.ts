import { assert, describe, it } from "@effect/vitest"
import * as Writable from "../src/internal/wire/writable.ts"

const lists = (levels: number, inside: unknown = ""): unknown => levels === 0 ? inside : [lists(levels - 1, inside)]

const objects = (levels: number, inside: unknown = ""): unknown =>
  levels === 0 ? inside : { next: objects(levels - 1, inside) }

const shared = { a: 1 }

const itself: Array<unknown> = []
itself.push(itself, itself)

describe("a value can be written as JSON", () => {
  const written: ReadonlyArray<readonly [what: string, value: unknown]> = [
    ["nothing", undefined],
    ["null", null],
    ["a text", "a"],
    ["a list of the deepest kind", lists(Writable.maxDepth)],
    ["an object of the deepest kind", objects(Writable.maxDepth)],
    ["one that says itself how it is written", { at: new Date(0), toJSON: () => "itself", count: 1n }],
    ["the same value twice", { a: shared, b: [shared] }]
  ]
  for (const [what, value] of written) it(`if it is ${what}`, () => assert.isTrue(Writable.isWritable(value)))

  const refused: ReadonlyArray<readonly [what: string, value: unknown]> = [
    ["a BigInt", 1n],
    ["one with a BigInt in it", { a: [{ b: 1n }] }],
    ["one that refers to itself", itself],
    ["a list that is one level too deep", lists(Writable.maxDepth + 1)],
    ["an object that is one level too deep", objects(Writable.maxDepth + 1)],
    ["one of a million levels", JSON.parse(`${"[".repeat(1e6)}${"]".repeat(1e6)}`)],
    ["one with a field that throws", {
      get a() {
        throw new Error("no")
      }
    }]
  ]
  for (const [what, value] of refused) it(`but not if it is ${what}`, () => assert.isFalse(Writable.isWritable(value)))
})

it("a caller's own limit counts the levels of lists and objects", () => {
  const within = [0, 1, 2, 3].map((levels) => [
    Writable.isWritable(lists(levels), 2),
    Writable.isWritable(objects(levels), 2)
  ])
  assert.deepStrictEqual(within, [[true, true], [true, true], [true, true], [false, false]])
  assert.isFalse(Writable.isWritable([[], { a: [[]] }], 2))
  assert.isTrue(Writable.isWritable({ a: 1 }, 1))
})
