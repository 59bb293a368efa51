/**
 * `Effect.addFinalizer` of Effect 3.22 gives the fiber that closes the scope its state of before the finalizer back, and
 * with it forgets an interruption that arrived meanwhile: a loop that should stop goes on for ever.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"

export const add = (finalizer: Effect.Effect<unknown>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizerExit(scope, () => Effect.uninterruptible(finalizer)))
