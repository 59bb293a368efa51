import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, FastCheck, Fiber } from "effect"
import { ResponseFailed, type ResponsesError } from "../src/ResponsesError.ts"
import { connectionError, outage, pair, request, settle, unjittered } from "./support/fallback.ts"
import * as Thorough from "./support/thorough.ts"

const results: Record<
  "served" | "outage" | "expired" | "unauthorized" | "unanswered" | "rejected",
  Exit.Exit<void, ResponsesError>
> = {
  served: Exit.void,
  outage: Exit.fail(outage),
  expired: Exit.fail(connectionError({ reason: "Expired" })),
  unauthorized: Exit.fail(connectionError({ status: 401 })),
  unanswered: Exit.fail(connectionError({ reason: "FirstEventTimeout", delivery: "unacknowledged" })),
  rejected: Exit.fail(new ResponseFailed({ description: "No", delivery: "unsent", frame: {}, status: 400 }))
}

type Result = keyof typeof results

type Step =
  | { readonly _tag: "Wait"; readonly seconds: number }
  | { readonly _tag: "Ask"; readonly warmUp: boolean }
  /** One of the requests that the first is opening. */
  | { readonly _tag: "Opened"; readonly which: number; readonly result: Result }
  /** The probe that runs. */
  | { readonly _tag: "Connected"; readonly result: Result }

const { array, constant, constantFrom, nat, oneof, record } = FastCheck

const steps = (opened: FastCheck.Arbitrary<Result>, connected: FastCheck.Arbitrary<Result>) =>
  array<Step>(
    oneof(
      record({ _tag: constant("Wait" as const), seconds: constantFrom(1, 2, 5, 10, 20) }),
      record({ _tag: constant("Ask" as const), warmUp: constantFrom(false, false, false, true) }),
      record({ _tag: constant("Ask" as const), warmUp: constant(false) }),
      record({ _tag: constant("Opened" as const), which: nat(5), result: opened }),
      record({ _tag: constant("Connected" as const), result: connected })
    ),
    { maxLength: 40, size: "max" }
  )

const mixed = constantFrom<Result>("served", "outage", "outage", "outage", "expired", "unauthorized")
const anyCourse = steps(oneof(mixed, constantFrom<Result>("unanswered", "unanswered", "unanswered", "rejected")), mixed)
const withoutAnswers = steps(
  constantFrom<Result>("unanswered", "unanswered", "unanswered", "unanswered", "unanswered", "rejected"),
  constantFrom<Result>("served", "served", "outage")
)

/** What the documentation says, in numbers. */
const model = () => {
  let time = 0
  /** The number of the fallback that lasts. */
  let down: number | undefined
  let fallbacks = 0
  let interval = 5
  let until = 0
  let probe: number | undefined
  let probes = 0
  /** Requests without an answer, since the last answer. */
  let unanswered = 0
  const opening: Array<{ readonly fallbacks: number; readonly warmUp: boolean }> = []
  const hold = () => {
    until = time + interval
    interval = Math.min(interval * 2, 30)
  }
  return {
    perform: (step: Step): ReadonlyArray<"first" | "second"> => {
      switch (step._tag) {
        case "Wait":
          time += step.seconds
          return []
        case "Ask":
          if (down === undefined || step.warmUp) {
            opening.push({ fallbacks, warmUp: step.warmUp })
            return ["first"]
          }
          if (time >= until && probe === undefined) {
            probe = down
            probes++
          }
          return ["second"]
        case "Opened": {
          const [asked] = opening.splice(step.which % Math.max(opening.length, 1), 1)
          if (asked === undefined) return []
          const isNews = asked.fallbacks === fallbacks
          if (step.result === "served" || step.result === "rejected" || step.result === "expired") unanswered = 0
          if (step.result === "unanswered" && isNews) unanswered++
          if (step.result === "served" && isNews) {
            down = undefined
            interval = 5
          }
          const isDown = step.result === "outage" || (step.result === "unanswered" && unanswered >= 3)
          if (isDown && isNews && down === undefined) {
            down = ++fallbacks
            hold()
          }
          return !asked.warmUp && (step.result === "outage" || step.result === "expired") ? ["second"] : []
        }
        case "Connected": {
          if (probe === undefined) return []
          const isNews = probe === down
          probe = undefined
          if (!isNews) return []
          if (step.result === "outage" || step.result === "expired") hold()
          else down = undefined
          return []
        }
      }
    },
    state: () => ({ serving: down === undefined ? "first" : "second", fallbacks, probes })
  }
}

/** Moves when it is told to, without the pauses of `TestClock`; and nobody may sleep. */
const manualClock = () => {
  let millis = 0
  const asleep = Effect.dieMessage("There is a timer")
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => millis,
    unsafeCurrentTimeNanos: () => BigInt(millis) * 1_000_000n,
    currentTimeMillis: Effect.sync(() => millis),
    currentTimeNanos: Effect.sync(() => BigInt(millis) * 1_000_000n),
    sleep: () => asleep
  }
  return { clock, forward: (seconds: number) => void (millis += seconds * 1000) }
}

const follow = Effect.fnUntraced(
  function*(steps: ReadonlyArray<Step>, forward: (seconds: number) => void) {
    const { first, second, service, stats } = yield* pair({ probe: { max: "30 seconds" } })
    const expected = model()
    let met: Array<"first" | "second"> = []
    const opening: Array<Deferred.Deferred<void, ResponsesError>> = []
    let probe: Deferred.Deferred<void, ResponsesError> | undefined
    first.opens(Effect.flatMap(Deferred.make<void, ResponsesError>(), (gate) => {
      met.push("first")
      opening.push(gate)
      return Deferred.await(gate)
    }))
    second.opens(Effect.sync(() => met.push("second")))
    first.connects(Effect.flatMap(Deferred.make<void, ResponsesError>(), (gate) => {
      probe = gate
      return Deferred.await(gate)
    }))
    const requests: Array<Fiber.Fiber<unknown, ResponsesError>> = []

    for (const [index, step] of steps.entries()) {
      met = []
      switch (step._tag) {
        case "Wait":
          forward(step.seconds)
          break
        case "Ask":
          requests.push(
            yield* Effect.scoped(service.open(step.warmUp ? { ...request, generate: false } : request)).pipe(
              Effect.fork
            )
          )
          break
        case "Opened": {
          const [gate] = opening.splice(step.which % Math.max(opening.length, 1), 1)
          if (gate !== undefined) yield* Deferred.done(gate, results[step.result])
          break
        }
        case "Connected":
          if (probe !== undefined) yield* Deferred.done(probe, results[step.result])
          probe = undefined
      }
      yield* settle
      const where = `step ${index} ${JSON.stringify(step)}`
      assert.deepStrictEqual(met, expected.perform(step), where)
      const { fallbacks, probes, serving } = yield* stats
      assert.deepStrictEqual({ serving, fallbacks, probes }, expected.state(), where)
      assert.isAtMost(first.calls.mostConnecting, 1, where)
    }
    yield* Fiber.interruptAll(requests)
  },
  Effect.scoped,
  unjittered
)

const eventLoopTurn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

describe("ResponsesFallback", () => {
  it.effect.prop(
    "in any course of requests, failures and probes: each request meets what the documentation says, one probe runs",
    [oneof(anyCourse, withoutAnswers)],
    ([steps]) => {
      const { clock, forward } = manualClock()
      // Two hundred courses in one row of microtasks would let none of Vitest's own messages through.
      return Effect.zipRight(eventLoopTurn, Effect.withClock(follow(steps, forward), clock))
    },
    { fastCheck: { numRuns: Thorough.amount(200, 70) } }
  )
})
