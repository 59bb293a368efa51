/** Calls that run alone, and calls that run beside each other. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as Exclusive from "../src/internal/conversation/exclusive.ts"
import * as Clocks from "./support/clocks.ts"
import * as Thorough from "./support/thorough.ts"

const step = FastCheck.record({
  isExclusive: FastCheck.boolean(),
  /** When it enters, after the one before, and how long it runs. */
  after: FastCheck.nat({ max: 3 }),
  takes: FastCheck.nat({ max: 5 }),
  end: FastCheck.constantFrom("well", "fails", "dies", "interrupted" as const),
  /** When it is interrupted, after it has entered. */
  interruptedAfter: FastCheck.nat({ max: 8 })
})

describe("exclusive calls", () => {
  it.effect("wait for those before them, and those behind them wait", () =>
    Effect.gen(function*() {
      const exclusive = Exclusive.make()
      const begun: Array<string> = []
      const enter = (name: string, isExclusive: boolean) =>
        Effect.gen(function*() {
          const end = yield* Deferred.make<void>()
          const body = Effect.zipRight(Effect.sync(() => begun.push(name)), Deferred.await(end))
          yield* Effect.fork(exclusive.run(isExclusive, body))
          yield* Clocks.settle
          return Effect.zipRight(Deferred.succeed(end, undefined), Clocks.settle)
        })
      const endA = yield* enter("a", false)
      const endB = yield* enter("b", false)
      const endX = yield* enter("X", true)
      const endC = yield* enter("c", false)
      const endY = yield* enter("Y", true)
      assert.deepStrictEqual(begun, ["a", "b"])
      yield* endA
      assert.deepStrictEqual(begun, ["a", "b"])
      yield* endB
      assert.deepStrictEqual(begun, ["a", "b", "X"])
      yield* endX
      assert.deepStrictEqual(begun, ["a", "b", "X", "c"])
      yield* endC
      assert.deepStrictEqual(begun, ["a", "b", "X", "c", "Y"])
      yield* endY
      yield* yield* enter("d", false)
      assert.strictEqual(begun.at(-1), "d")
    }))

  for (const isExclusive of [true, false]) {
    it.effect(`${isExclusive ? "an exclusive" : "another"} one that is interrupted while it waits holds nobody up`, () =>
      Effect.gen(function*() {
        const exclusive = Exclusive.make()
        const end = yield* Deferred.make<void>()
        yield* Effect.fork(exclusive.run(!isExclusive, Deferred.await(end)))
        yield* Clocks.settle
        const waiting = yield* Effect.fork(exclusive.run(isExclusive, Effect.dieMessage("it ran")))
        yield* Clocks.settle
        const next = yield* Effect.fork(exclusive.run(false, Effect.succeed("next")))
        yield* Clocks.settle
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(waiting)))
        yield* Deferred.succeed(end, undefined)
        assert.strictEqual(yield* Fiber.join(next), "next")
      }))
  }

  it.effect.prop(
    "by chance: never beside another, in their order, and all of them run",
    [FastCheck.array(step, { minLength: 1, maxLength: 12 })],
    ([steps]) =>
      Effect.gen(function*() {
        const exclusive = Exclusive.make()
        const running = new Set<number>()
        const begun: Array<number> = []
        const besideAnother: Array<number> = []
        const body = (index: number) =>
          Effect.suspend(() => {
            const { end, isExclusive, takes } = steps[index]!
            begun.push(index)
            if ([...running].some((other) => isExclusive || steps[other]!.isExclusive)) besideAnother.push(index)
            running.add(index)
            const ended: Effect.Effect<void, string> = end === "fails"
              ? Effect.fail("no")
              : end === "dies"
              ? Effect.die("expected")
              : Effect.void
            return Effect.delay(ended, takes).pipe(Effect.ensuring(Effect.sync(() => running.delete(index))))
          })
        const fibers: Array<Fiber.RuntimeFiber<void, string>> = []
        for (const [index, { after, end, interruptedAfter, isExclusive }] of steps.entries()) {
          yield* TestClock.adjust(after)
          const fiber = yield* Effect.fork(exclusive.run(isExclusive, body(index)))
          fibers.push(fiber)
          if (end === "interrupted") {
            yield* Effect.fork(Effect.delay(Fiber.interrupt(fiber), interruptedAfter))
          }
          yield* Clocks.settle
        }
        yield* TestClock.adjust(200)
        for (const [index, fiber] of fibers.entries()) {
          const exit = yield* Fiber.await(fiber)
          const { end } = steps[index]!
          if (end === "well") assert.deepStrictEqual(exit, Exit.void)
          if (end === "dies") assert.deepStrictEqual(exit, Exit.die("expected"))
          if (end !== "interrupted") assert.include(begun, index)
        }
        assert.deepStrictEqual(besideAnother, [])
        assert.deepStrictEqual(begun, begun.toSorted((one, other) => one - other))
        assert.strictEqual(yield* exclusive.run(true, Effect.succeed(running.size)), 0)
      }),
    { fastCheck: { numRuns: Thorough.amount(100, 40) } }
  )
})
