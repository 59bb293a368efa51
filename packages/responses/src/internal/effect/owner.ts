/**
 * Fibers and scopes that belong to a service: they outlive the caller that started them, and end with the service. `FiberSet`
 * runs fibers too, but a caller that is interrupted after a resource was opened would leave it without an owner.
 */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Finalizer from "./finalizer.ts"

export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export interface Owned<A> {
  readonly value: A
  readonly scope: Scope.CloseableScope
}

export interface Owner<Closed> {
  /**
   * Runs an effect in a fiber of the owner's, whose end interrupts it. Not `raceFirst`: a fiber that is interrupted in the
   * step before `raceFirst` starts its fibers waits for ever. To be run uninterruptibly.
   */
  readonly run: <A, E>(effect: Effect.Effect<A, E>, restore: Restore) => Effect.Effect<A, E | Closed>
  /** Opens a resource with a scope of its own. To be run uninterruptibly, up to where the resource is kept. */
  readonly open: <A, E>(
    resource: Effect.Effect<A, E, Scope.Scope>,
    restore: Restore
  ) => Effect.Effect<Owned<A>, E | Closed>
  /** Starts a fiber that ends with the scope; not at once: the step that starts it goes on first. */
  readonly fork: <A>(effect: Effect.Effect<A>, scope?: Scope.Scope) => Fiber.RuntimeFiber<A>
  /**
   * Closes a scope in a fiber that does nothing else. A finalizer of Effect 3.22 can make the fiber that runs it forget an
   * interruption (`finalizer.ts` says when), and a loop that forgets it goes on for ever.
   */
  readonly discard: (scope: Scope.CloseableScope) => void
}

/** `closed` is the failure of those who use the owner when it is closed, or afterwards. */
export const make = <Closed>(closed: () => Closed): Effect.Effect<Owner<Closed>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const runtime = yield* Effect.runtime<never>()
    const scope = yield* Scope.make()
    let isClosed = false
    yield* Finalizer.add(Effect.suspend(() => {
      isClosed = true
      return Scope.close(scope, Exit.void)
    }))

    const fork: Owner<Closed>["fork"] = (effect, own = scope) =>
      Runtime.runFork(runtime, Effect.interruptible(effect), { scope: own, immediate: false })

    const run = <A, E>(effect: Effect.Effect<A, E>, restore: Restore): Effect.Effect<A, E | Closed> =>
      Effect.flatMap(Effect.forkIn(Effect.interruptible(effect), scope), (fiber) =>
        Effect.flatMap(
          Effect.onInterrupt(restore(Fiber.await(fiber)), () => Fiber.interrupt(fiber)),
          (exit): Exit.Exit<A, E | Closed> => Exit.isFailure(exit) && isClosed ? Exit.fail(closed()) : exit
        ))

    const discard: Owner<Closed>["discard"] = (owned) => {
      fork(Effect.uninterruptible(Scope.close(owned, Exit.void)))
    }

    return {
      run,
      fork,
      discard,
      open: <A, E>(resource: Effect.Effect<A, E, Scope.Scope>, restore: Restore) =>
        Effect.gen(function*() {
          if (isClosed) return yield* Effect.fail(closed())
          const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
          const value = yield* run(Scope.extend(resource, own), restore).pipe(
            Effect.onError(() => Effect.sync(() => discard(own)))
          )
          return { value, scope: own }
        })
    }
  })
