/**
 * `Effect.addFinalizer`, except that an interruption is kept that arrives while the scope closes.
 *
 * Effect 3.22 runs a finalizer with the fiber refs of the fiber that added it, and then sets those of the fiber that closes
 * the scope back to what they were. An interruption is kept in a fiber ref. Where one finalizer has run and an interruption
 * arrives while the next one runs, it is lost with that, and a loop that should stop goes on for ever.
 * `Effect.acquireRelease` does the same.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"

/** The finalizer cannot be interrupted, and runs with the fiber refs of the fiber that closes the scope. */
export const add = (finalizer: Effect.Effect<unknown>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizerExit(scope, () => Effect.uninterruptible(finalizer)))
