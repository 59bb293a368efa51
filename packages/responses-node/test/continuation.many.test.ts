/** The main property with many conversations at once, on servers that have lanes, labels only, or neither. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Thorough from "../../responses/test/support/thorough.ts"
import * as Courses from "./support/manyCourses.ts"
import * as Many from "./support/manyRun.ts"

/** `COURSES=2000 pnpm test` for more. */
const numRuns = Number(process.env["COURSES"] ?? Thorough.amount(200, 25))

/** `SEED=…` runs the courses of another run. What runs at once differs from run to run, so a course is not made smaller. */
const seed = process.env["SEED"] === undefined ? {} : { seed: Number(process.env["SEED"]) }

const check = (
  arbitrary: FastCheck.Arbitrary<Courses.Course>,
  judge: (verdict: Many.Verdict, course: Courses.Course) => string | undefined
) =>
  Effect.map(
    Effect.promise(() =>
      FastCheck.check(
        FastCheck.asyncProperty(arbitrary, async (course) => {
          const wrong = judge(await Effect.runPromise(Many.run(course)), course)
          if (wrong !== undefined) throw new Error(wrong)
        }),
        { numRuns, endOnFailure: process.env["SHRINK"] !== "1", ...seed }
      )
    ),
    (details) => assert.isFalse(details.failed, FastCheck.defaultReportMessage(details))
  )

const onlyDeltas = ({ sendings, wrong }: Many.Verdict): string | undefined =>
  wrong ??
    sendings.map((all, index) => `${index}: ${all.join(", ")}`).find((all) =>
      !/^\d+: (First|delta)(, delta)*$/.test(all)
    )

describe("many conversations at once", () => {
  it.effect(
    "each model sees what its caller's history says, each caller gets its own events, and nothing is left behind",
    () => check(Courses.wild, ({ wrong }) => wrong),
    900_000
  )

  it.effect(
    "without faults, and with a lane for each, every turn after the first is a delta",
    () => check(Courses.calm, onlyDeltas),
    600_000
  )

  it.effect(
    "that come all at once, as many as there are lanes on all connections, send only deltas after the first turn",
    () => check(Courses.full, onlyDeltas),
    600_000
  )
})
