import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fuzz from "../src/fuzz/fuzz.ts"
import * as Mutations from "../src/fuzz/mutations.ts"

it.live(
  "a thousand turns with mutated frames: each caller gets its own frames, in order, and an end",
  () =>
    Effect.gen(function*() {
      const facts = yield* Fuzz.run({ seed: 12, turns: 1000, programs: 50 })
      assert.deepStrictEqual(facts.violations, [])
      assert.isAtLeast(facts.turns, 1000)
      assert.isAbove(facts.whole, 300, JSON.stringify(facts))
      for (const mutation of Object.keys(Mutations.weights)) assert.property(facts.mutations, mutation)
    }),
  120_000
)
