import { assert, describe, it } from "@effect/vitest"
import * as Signs from "../src/internal/socket/signs.ts"

const make = (busy: number) => {
  let now = 0
  const signs = Signs.make({ busy: () => busy }, { heardAt: () => -1 }, { now: () => now })
  return {
    signs,
    at: (time: number) => {
      now = time
      return signs
    }
  }
}

describe("the last sign of life", () => {
  it("is that of the connection, for a response that runs alone", () => {
    const { at } = make(1)
    assert.strictEqual(at(5).heardAt({ heard: 1 }), -1)
  })

  it("is an event of its own, for one beside others, and is found when it is looked for", () => {
    const { at } = make(2)
    const [one, other] = [{ heard: 0 }, { heard: 0 }]
    assert.deepStrictEqual([at(1).heardAt(one), at(1).heardAt(other)], [1, 1])
    one.heard++
    assert.deepStrictEqual([at(2).heardAt(one), at(2).heardAt(other)], [2, 1])
    assert.deepStrictEqual([at(3).heardAt(one), at(3).heardAt(other)], [2, 1])
  })

  it("is also what is nobody's event, for all of them", () => {
    const { at, signs } = make(2)
    const [one, other] = [{ heard: 0 }, { heard: 7 }]
    for (const exchange of [one, other]) at(1).heardAt(exchange)
    signs.add()
    assert.deepStrictEqual([at(2).heardAt(one), at(3).heardAt(other), at(4).heardAt(one)], [2, 3, 2])
  })
})
