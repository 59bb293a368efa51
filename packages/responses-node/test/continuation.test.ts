import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Courses from "./support/courses.ts"

/** `COURSES=5000 pnpm test` for more. */
const numRuns = Number(process.env["COURSES"] ?? 300)

const check = (
  arbitrary: FastCheck.Arbitrary<Courses.Course>,
  judge: (verdict: Courses.Verdict) => string | undefined,
  rule?: Parameters<typeof Courses.run>[1],
  runs = numRuns
) =>
  Effect.promise(() =>
    FastCheck.check(
      FastCheck.asyncProperty(arbitrary, async (course) => {
        const wrong = judge(await Effect.runPromise(Courses.run(course, rule)))
        if (wrong !== undefined) throw new Error(wrong)
      }),
      { numRuns: runs }
    )
  )

describe("what the model sees", () => {
  it.effect(
    "is what the caller's whole history says, in any course of dialogues with any faults",
    () =>
      Effect.gen(function*() {
        const details = yield* check(Courses.wild, (verdict) => verdict.wrong)
        assert.isFalse(details.failed, FastCheck.defaultReportMessage(details))
      }),
    600_000
  )
})
