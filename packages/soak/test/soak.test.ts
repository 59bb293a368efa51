import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { specs } from "../src/layers.ts"
import * as Report from "../src/report.ts"
import * as Soak from "../src/soak.ts"

it.live("a short soak finds nothing wrong", () =>
  Effect.gen(function*() {
    const facts = yield* Soak.run({ seed: 7, turns: 200, callers: specs.length, limit: 3000 })
    assert.isAtLeast(facts.turns, 200)
    assert.isAbove(Object.keys(facts.counts.faults).length, 20)
    assert.deepStrictEqual(facts.violations, [], Report.toText(facts))
  }), 120_000)
