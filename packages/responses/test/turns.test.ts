import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, FiberRefs, Scope } from "effect"
import * as Turns from "../src/internal/conversation/turns.ts"
import { InvalidRequest } from "../src/ResponsesError.ts"

/** How many things the lists hold that the running fiber carries with it. */
const carried = Effect.map(Effect.getFiberRefs, (refs) => {
  const values = [...FiberRefs.fiberRefs(refs)].map((ref) => FiberRefs.getOrDefault(refs, ref))
  return values.reduce<number>((count, value) => count + (Array.isArray(value) ? value.length : 0), 0)
})

const turn = (turns: Turns.Turns) => Effect.scoped(turns.take)

describe("a turn", () => {
  it.effect("leaves nothing behind in a fiber that takes one after the other", () =>
    Effect.gen(function*() {
      const turns = Turns.make()
      yield* turn(turns)
      const before = yield* carried
      yield* Effect.replicateEffect(turn(turns), 20)
      assert.strictEqual(yield* carried, before)
    }))

  it.effect("leaves nothing behind where another fiber ends it", () =>
    Effect.gen(function*() {
      const turns = Turns.make()
      const taken = Effect.gen(function*() {
        const scope = yield* Scope.make()
        yield* Scope.extend(turns.take, scope)
        yield* Fiber.join(yield* Effect.forkDaemon(Scope.close(scope, Exit.void)))
      })
      yield* taken
      const before = yield* carried
      yield* Effect.replicateEffect(taken, 20)
      assert.strictEqual(yield* carried, before)
    }))

  it.effect("is refused to a fiber that its holder waits for, and only while it waits", () =>
    Effect.gen(function*() {
      const turns = Turns.make()
      yield* Effect.gen(function*() {
        yield* turns.take
        // The holder waits for the server: a fiber that was forked may wait for the turn's end.
        const waiting = yield* Effect.forkDaemon(turn(turns))
        yield* Effect.yieldNow()
        turns.handOver(true)
        const refused = yield* Effect.flip(Fiber.join(yield* Effect.fork(turn(turns))))
        assert.isTrue(refused instanceof InvalidRequest)
        turns.handOver(false)
        yield* turns.check
        return waiting
      }).pipe(Effect.scoped, Effect.flatMap(Fiber.join))
    }))

  it.effect("is not refused to a fiber of its holder's once it is over", () =>
    Effect.gen(function*() {
      const turns = Turns.make()
      const isOver = yield* Deferred.make<void>()
      const fiber = yield* Effect.gen(function*() {
        yield* turns.take
        turns.handOver(true)
        return yield* Effect.forkDaemon(Effect.zipRight(Deferred.await(isOver), turn(turns)))
      }).pipe(Effect.scoped)
      yield* turn(turns)
      yield* Deferred.succeed(isOver, undefined)
      yield* Fiber.join(fiber)
    }))

  it.effect("of the next caller is not that of a fiber that was forked before", () =>
    Effect.gen(function*() {
      const turns = Turns.make()
      const isNext = yield* Deferred.make<void>()
      const fiber = yield* Effect.gen(function*() {
        yield* turns.take
        return yield* Effect.forkDaemon(Effect.zipRight(Deferred.await(isNext), turns.check))
      }).pipe(Effect.scoped)
      yield* Effect.gen(function*() {
        yield* turns.take
        turns.handOver(true)
        yield* Deferred.succeed(isNext, undefined)
        yield* Fiber.join(fiber)
      }).pipe(Effect.scoped, Effect.forkDaemon, Effect.flatMap(Fiber.join))
    }))
})
