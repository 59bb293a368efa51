/** The main property, with the local server as the judge: it reports a hash of what its model saw. */
import { assert, describe, it } from "@effect/vitest"
import type { Rule } from "effect-responses/Continuation"
import * as ResponseRequest from "effect-responses/ResponseRequest"
import * as Continuation from "effect-responses/unstable/Continuation"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Thorough from "../../responses/test/support/thorough.ts"
import * as Courses from "./support/courses.ts"

/** `COURSES=5000 pnpm test` for more. */
const numRuns = Number(process.env["COURSES"] ?? Thorough.amount(300, 100))

/** `SEED=…` runs the courses of another run. */
const seed = process.env["SEED"] === undefined ? {} : { seed: Number(process.env["SEED"]) }

const check = (
  arbitrary: FastCheck.Arbitrary<Courses.Course>,
  judge: (verdict: Courses.Verdict) => string | undefined,
  { rule, ...parameters }: { readonly rule?: Rule } & FastCheck.Parameters<[Courses.Course]> = {}
) =>
  Effect.promise(() =>
    FastCheck.check(
      FastCheck.asyncProperty(arbitrary, async (course) => {
        const wrong = judge(await Effect.runPromise(Courses.run(course, rule)))
        if (wrong !== undefined) throw new Error(wrong)
      }),
      { numRuns, ...seed, ...parameters }
    )
  )

const sees = (verdict: Courses.Verdict) => verdict.wrong

describe("what the model sees", () => {
  it.effect(
    "is what the caller's whole history says, in any course of dialogues with any faults",
    () =>
      Effect.map(
        check(Courses.wild, sees),
        (details) => assert.isFalse(details.failed, FastCheck.defaultReportMessage(details))
      ),
    900_000
  )

  it.effect("in a dialogue that only grows, every turn after the first is a delta", () =>
    Effect.map(
      check(Courses.calm, ({ sendings: [first, ...rest], wrong }) =>
        wrong ?? (first === "full" && rest.every((input) =>
            input === "delta"
          )
          ? undefined
          : rest.join(", ")), {
        numRuns: Thorough.amount(50, 25)
      }),
      (details) =>
        assert.isFalse(details.failed, FastCheck.defaultReportMessage(details))
    ), 300_000)
})

describe("a broken rule goes red", () => {
  /** The first course that fails is enough: to make it smaller would take longer than to find it. */
  const search = { numRuns: 1000, endOnFailure: true }

  /** Continues the latest response, whatever it was, with what stands behind as many items as it had. */
  const broken = (
    isSame: (head: Kept, request: ResponseRequest.ResponseRequest) => boolean
  ): Rule => {
    const kept = new Map<string, Kept>()
    return Continuation.make({
      plan: (heads, request) => {
        const full = Continuation.full(request, { _tag: "First" })
        const head = heads.map(({ responseId }) => kept.get(responseId)).find((head) => head !== undefined)
        if (head === undefined || full.reason._tag === "Explicit" || !isSame(head, request)) return full
        const items = ResponseRequest.items(request)
        const input = items.slice(head.items.length)
        return input.length === 0 || full.snapshot === undefined ? full : {
          _tag: "Delta",
          request: { ...request, previous_response_id: head.id, input },
          sharedItems: head.items.length,
          snapshot: full.snapshot
        }
      },
      commit: (plan, result) => {
        const head = Continuation.commit(plan, result)
        if (head !== undefined) {
          const before = kept.get(plan.request.previous_response_id ?? "")
          const items = [...ResponseRequest.items(plan.request), ...result.output]
          kept.set(head.responseId, {
            id: head.responseId,
            items: [...before?.items ?? [], ...items],
            texts: [...before?.texts ?? [], ...items.map((item) => JSON.stringify(item))],
            request: plan.request
          })
        }
        return head
      }
    })
  }

  interface Kept {
    readonly id: string
    readonly items: ReadonlyArray<unknown>
    readonly texts: ReadonlyArray<string>
    readonly request: ResponseRequest.ResponseRequest
  }

  const sameInstructions = (head: Kept, request: ResponseRequest.ResponseRequest) =>
    head.request.instructions === request.instructions

  const longer = (head: Kept, request: ResponseRequest.ResponseRequest) =>
    sameInstructions(head, request) && ResponseRequest.items(request).length > head.items.length

  const prefix =
    (isSame: (head: Kept, index: number, item: unknown) => boolean) =>
    (head: Kept, request: ResponseRequest.ResponseRequest) => {
      const items = ResponseRequest.items(request)
      return items.length > head.items.length && head.items.every((_, index) => isSame(head, index, items[index]))
    }

  const identical = prefix((head, index, item) => head.items[index] === item)
  const equal = prefix((head, index, item) => head.texts[index] === JSON.stringify(item))

  /** With the seed that a rule has here, one of the first courses shows what is wrong with it. */
  const rules: Readonly<Record<string, readonly [rule: Rule, wrong: string, seed: number]>> = {
    "that counts items": [broken(longer), "the model saw", 10],
    "that trusts the identity of items": [
      broken((head, request) => sameInstructions(head, request) && identical(head, request)),
      "the model saw",
      10
    ],
    "that looks at the last item only": [
      broken((head, request) =>
        longer(head, request) &&
        JSON.stringify(head.items.at(-1)) === JSON.stringify(ResponseRequest.items(request)[head.items.length - 1])
      ),
      "the model saw",
      10
    ],
    "that does not compare the settings": [
      broken(equal),
      "other settings",
      17
    ]
  }

  for (const [name, [rule, wrong, seed]] of Object.entries(rules)) {
    it.effect(name, () =>
      Effect.map(check(Courses.vendors, sees, { rule, seed, ...search }), (details) => {
        assert.isTrue(details.failed)
        assert.include(FastCheck.defaultReportMessage(details), wrong)
      }), 300_000)
  }
})
