/** Whether a call needs an approval, from what its tool says. */
import * as Effect from "effect/Effect"

/** Only a `false` lets a call run: of what no type allows, such as a Promise, nobody knows what it means. */
const isNeeded = (answer: unknown): boolean => answer !== false

/** `true` as well looks at the arguments: nobody should have to approve a call that cannot run. */
export const check = <Call, A, E, R, E2, R2>(
  needsApproval: boolean | ((args: A) => boolean | Effect.Effect<boolean, E2, R2>) | undefined,
  read: (call: Call) => Effect.Effect<A, E, R>
): ((call: Call) => Effect.Effect<boolean, E | E2, R | R2>) | undefined => {
  if (needsApproval === undefined || needsApproval === false) return undefined
  return (call) =>
    Effect.flatMap(read(call), (args): Effect.Effect<boolean, E2, R2> => {
      const answer = typeof needsApproval === "function" ? needsApproval(args) : needsApproval
      return Effect.isEffect(answer) ? Effect.map(answer, isNeeded) : Effect.succeed(isNeeded(answer))
    })
}
