import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import * as FairSemaphore from "../src/internal/effect/fairSemaphore.ts"
import * as Interrupter from "./support/interrupter.ts"

type Permit = <A>(semaphore: FairSemaphore.FairSemaphore, effect: Effect.Effect<A>) => Effect.Effect<A>

/** The ways to hold the permit while an effect runs. */
const permits: Readonly<Record<"withPermit" | "permitScoped", Permit>> = {
  withPermit: (semaphore, effect) => semaphore.withPermit(effect),
  permitScoped: (semaphore, effect) => Effect.scoped(Effect.zipRight(semaphore.permitScoped, effect))
}

/** Nobody holds the permit, and nobody waits for it. */
const isFree = (semaphore: FairSemaphore.FairSemaphore) => {
  const place = semaphore.enter()
  const isGranted = place.isGranted()
  place.leave()
  return isGranted
}

const rounds = (count: number) => Effect.repeatN(Effect.yieldNow(), count - 1)

for (const [name, withPermit] of Object.entries(permits)) {
  describe(`${name}:`, () => {
    it.effect("1,000 callers have their turn one at a time, in the order in which they came", () =>
      Effect.gen(function*() {
        const semaphore = FairSemaphore.make()
        const callers = Array.from({ length: 1000 }, (_, index) => index)
        const served: Array<number> = []
        let running = 0
        yield* Effect.forEach(callers, (caller) =>
          withPermit(
            semaphore,
            Effect.gen(function*() {
              assert.strictEqual(++running, 1)
              served.push(caller)
              yield* rounds(caller % 3 + 1)
              running--
            })
          ), { concurrency: "unbounded", discard: true })
        assert.deepStrictEqual(served, callers)
        assert.isTrue(isFree(semaphore))
      }))

    it.effect("a fiber that has left does not get the permit again before one that waits", () =>
      Effect.gen(function*() {
        const semaphore = FairSemaphore.make()
        const served: Array<string> = []
        const busy = withPermit(semaphore, Effect.zipRight(Effect.yieldNow(), Effect.sync(() => served.push("busy"))))
        const loop = yield* Effect.fork(Effect.repeatN(busy, 2))
        yield* Effect.yieldNow()
        const waiter = yield* Effect.fork(withPermit(semaphore, Effect.sync(() => served.push("waiter"))))
        yield* Fiber.joinAll([loop, waiter])
        assert.deepStrictEqual(served, ["busy", "waiter", "busy", "busy"])
      }))

    it.effect("a caller that is interrupted while it waits leaves the queue, and the order stays", () =>
      Effect.gen(function*() {
        const semaphore = FairSemaphore.make()
        const holder = semaphore.enter()
        const served: Array<number> = []
        const fibers = yield* Effect.forEach(
          [0, 1, 2, 3],
          (caller) => Effect.fork(withPermit(semaphore, Effect.sync(() => served.push(caller))))
        )
        yield* Effect.yieldNow()
        for (const [caller, fiber] of fibers.entries()) if (caller % 2 === 0) yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(served, [])
        holder.leave()
        yield* Effect.forEach(fibers, Fiber.await)
        assert.deepStrictEqual(served, [1, 3])
        assert.isTrue(isFree(semaphore))
      }))

    it.effect("the permit is given back by an effect that fails, dies or is interrupted", () =>
      Effect.gen(function*() {
        const semaphore = FairSemaphore.make()
        for (const effect of [Effect.die("a defect"), Effect.interrupt, Effect.exit(Effect.fail("no"))]) {
          yield* Effect.exit(withPermit(semaphore, effect))
          assert.isTrue(isFree(semaphore))
        }
      }))

    it.effect("a caller that is interrupted before any operation holds up nobody", () =>
      Effect.gen(function*() {
        let operation = 0
        let last = 0
        do {
          const semaphore = FairSemaphore.make()
          let running = 0
          const turn = Effect.gen(function*() {
            assert.strictEqual(++running, 1, `two at a time, at operation ${operation}`)
            yield* rounds(2)
            running--
          }).pipe(Effect.uninterruptible)
          const { count, scheduler } = Interrupter.make(operation)
          const before = yield* Effect.fork(withPermit(semaphore, turn))
          yield* Effect.yieldNow()
          const caller = yield* Effect.fork(Effect.withScheduler(withPermit(semaphore, turn), scheduler))
          const after = yield* Effect.fork(withPermit(semaphore, turn))
          const exit = yield* Fiber.await(caller)
          if (Exit.isFailure(exit)) assert.isTrue(Exit.isInterrupted(exit), String(exit))
          yield* Fiber.joinAll([before, after])
          assert.isTrue(isFree(semaphore), `the permit is lost at operation ${operation}`)
          last = count()
        } while (last > operation++)
        assert.isAbove(operation, 10)
      }))
  })
}

describe("permitScoped", () => {
  it.effect("a place that is left early gives the permit on, and the end of its scope takes it from nobody", () =>
    Effect.gen(function*() {
      const semaphore = FairSemaphore.make()
      const scope = yield* Scope.make()
      const place = yield* Scope.extend(semaphore.permitScoped, scope)
      const second = semaphore.enter()
      const third = semaphore.enter()
      assert.deepStrictEqual([second.isGranted(), third.isGranted()], [false, false])
      place.leave()
      assert.deepStrictEqual([second.isGranted(), third.isGranted()], [true, false])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual([second.isGranted(), third.isGranted()], [true, false])
    }))

  it.effect("a caller that is interrupted while it waits leaves the queue before its scope closes", () =>
    Effect.gen(function*() {
      const semaphore = FairSemaphore.make()
      const holder = semaphore.enter()
      const scope = yield* Scope.make()
      const waiter = yield* Effect.fork(Scope.extend(semaphore.permitScoped, scope))
      yield* Effect.yieldNow()
      const next = semaphore.enter()
      yield* Fiber.interrupt(waiter)
      holder.leave()
      assert.isTrue(next.isGranted())
    }))
})

describe("a place", () => {
  it.effect("is told at once that it is granted if nobody is before it, and else when the last one before it leaves", () =>
    Effect.gen(function*() {
      const semaphore = FairSemaphore.make()
      const [first, second, third] = [semaphore.enter(), semaphore.enter(), semaphore.enter()]
      yield* first.granted
      const told = yield* Deferred.make<void>()
      yield* Effect.fork(Effect.zipRight(third.granted, Deferred.succeed(told, undefined)))
      yield* Effect.yieldNow()
      first.leave()
      yield* rounds(2)
      assert.isFalse(yield* Deferred.isDone(told))
      second.leave()
      yield* Deferred.await(told)
    }))
})
