import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import * as Finalizer from "../src/internal/effect/finalizer.ts"

/** A finalizer that tells when it runs, and does not end before it may. */
const stopping = Effect.gen(function*() {
  const runs = yield* Deferred.make<void>()
  const mayEnd = yield* Deferred.make<void>()
  let hasEnded = false
  return {
    runs: Deferred.await(runs),
    mayEnd: Deferred.succeed(mayEnd, undefined),
    hasEnded: () => hasEnded,
    finalizer: Deferred.succeed(runs, undefined).pipe(
      Effect.zipRight(Deferred.await(mayEnd)),
      Effect.zipRight(Effect.sync(() => {
        hasEnded = true
      }))
    )
  }
})

describe("an interruption that arrives while a scope closes", () => {
  // Finalizers run in the reverse order of their adding.
  for (const before of [0, 1, 2]) {
    for (const after of [0, 1]) {
      it.effect(`is kept, after ${before} and before ${after} other finalizers`, () =>
        Effect.gen(function*() {
          const { finalizer, hasEnded, mayEnd, runs } = yield* stopping
          let goesOn = false
          const others = (count: number) => Effect.replicateEffect(Finalizer.add(Effect.void), count, { discard: true })
          const fiber = yield* others(after).pipe(
            Effect.zipRight(Finalizer.add(finalizer)),
            Effect.zipRight(others(before)),
            Effect.scoped,
            Effect.zipRight(Effect.yieldNow()),
            Effect.zipRight(Effect.sync(() => {
              goesOn = true
            })),
            Effect.fork
          )
          yield* runs
          const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
          yield* Effect.yieldNow()
          yield* mayEnd
          assert.isTrue(Exit.isInterrupted(yield* Fiber.join(interrupting)))
          assert.deepStrictEqual([hasEnded(), goesOn], [true, false])
        }))
    }
  }

  it.effect("does not break a finalizer off", () =>
    Effect.gen(function*() {
      const { finalizer, hasEnded, mayEnd, runs } = yield* stopping
      const scope = yield* Scope.make()
      yield* Scope.extend(Finalizer.add(finalizer), scope)
      const closing = yield* Effect.fork(Effect.interruptible(Scope.close(scope, Exit.void)))
      yield* runs
      const interrupting = yield* Effect.fork(Fiber.interrupt(closing))
      yield* Effect.yieldNow()
      yield* mayEnd
      yield* Fiber.join(interrupting)
      assert.isTrue(hasEnded())
    }))
})
