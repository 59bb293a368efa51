import { assert, describe, it } from "@effect/vitest"
import * as Referee from "../src/referee.ts"

const key = "1.0.1"

/** Whether a turn that is asked for so long after an upgrade that stalls is taken for one that it stood in the way of. */
const isMarked = (millis: number): boolean => {
  let now = 0
  const referee = Referee.make({
    now: () => now,
    stalled: 6000,
    onAsked: () => {},
    traitsOf: () => ({ kind: "socket" })
  })
  referee.upgraded("socket", "stall")
  now = millis
  referee.begin(key, { _tag: "Listen", slow: false })
  return referee.ask(key, { layer: "socket", hash: "", text: "", isExplicit: false }).upgrades.has("stall")
}

describe("the referee", () => {
  // The library is given a clock that can be slower than the machine's.
  it("measures how long an upgrade stalls by the clock that it is given", () => {
    assert.deepStrictEqual([0, 6000, 6001].map(isMarked), [true, true, false])
  })
})
