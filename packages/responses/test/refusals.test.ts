import { assert, describe, it } from "@effect/vitest"
import * as Refusals from "../src/internal/socket/refusals.ts"

const minute = 60_000

const make = () => {
  let time = 0
  const refusals = Refusals.make(() => time)
  return {
    ...refusals,
    pass: (millis: number) => {
      time += millis
    },
    /** How long the pause lasts, which is over then. */
    rest: () => {
      let lasted = 0
      for (; refusals.isPaused(); lasted += minute) time += minute
      return lasted / minute
    }
  }
}

describe("refusals of deltas", () => {
  it("one is no reason to stop, two in a row are", () => {
    const { isPaused, refused } = make()
    assert.isFalse(isPaused())
    refused()
    assert.isFalse(isPaused())
    refused()
    assert.isTrue(isPaused())
  })

  it("one after each delta that succeeds never is", () => {
    const { accepted, isPaused, refused } = make()
    for (let count = 0; count < 10; count++) {
      refused()
      assert.isFalse(isPaused())
      accepted()
    }
  })

  it("the pause lasts to the millisecond", () => {
    const { isPaused, pass, refused } = make()
    refused()
    refused()
    pass(minute - 1)
    assert.isTrue(isPaused())
    pass(1)
    assert.isFalse(isPaused())
  })

  it("each further refusal doubles it, up to an hour", () => {
    const { refused, rest } = make()
    refused()
    const lengths = Array.from({ length: 9 }, () => {
      refused()
      return rest()
    })
    assert.deepStrictEqual(lengths, [1, 2, 4, 8, 16, 32, 60, 60, 60])
  })

  it("each delta that succeeds halves the next one, down to a minute", () => {
    const { accepted, refused, rest } = make()
    const pauseAfter = (successes: number) => {
      for (let count = 0; count < successes; count++) accepted()
      refused()
      refused()
      return rest()
    }
    assert.deepStrictEqual([0, 0, 0, 0, 1, 2, 9].map(pauseAfter), [1, 4, 16, 60, 30, 15, 1])
  })
})
