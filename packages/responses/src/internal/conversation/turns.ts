/** One caller at a time, in the order of their coming, and none that would wait for itself. */
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import type * as Scope from "effect/Scope"
import { InvalidRequest } from "../../ResponsesError.ts"
import * as FairSemaphore from "../effect/fairSemaphore.ts"

export interface Turns {
  /** Waits for the callers before, and holds the turn for as long as the scope lasts. */
  readonly take: Effect.Effect<void, InvalidRequest, Scope.Scope>
  /** Fails in a fiber that the holder of the turn waits for. */
  readonly check: Effect.Effect<void, InvalidRequest>
  /** The holder now waits for its reader or for its tools, or does no more. */
  readonly handOver: (isOver: boolean) => void
}

interface Turn {
  isHandedOver: boolean
}

/**
 * The turns that the running fiber, or one that forked it, holds. That forked ones have them too is needed: to run a
 * Stream is to fork, and so is a time-out.
 */
const holding = globalValue(
  Symbol.for("effect-responses/internal/turns/holding"),
  () => FiberRef.unsafeMake<ReadonlyArray<Turn>>([])
)

const refused = new InvalidRequest({
  field: "conversation",
  description: "is asked by the reader of its own stream or by one of its tools, and would wait for itself for ever: " +
    "ask its `fork`, or wait until the stream has ended"
})

export const make = (): Turns => {
  const semaphore = FairSemaphore.make()
  let held: Turn | undefined

  const check = Effect.flatMap(FiberRef.get(holding), (turns) =>
    // While the holder waits for the server it does not wait for what its reader has forked: that may wait for it.
    held?.isHandedOver === true && turns.includes(held) ? Effect.fail(refused) : Effect.void)

  const take = Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(check, () => {
      const place = semaphore.enter()
      const turn: Turn = { isHandedOver: false }
      const leave = Effect.suspend(() => {
        if (held === turn) held = undefined
        place.leave()
        return FiberRef.update(holding, (turns) => turns.filter((other) => other !== turn))
      })
      const begin = Effect.suspend(() => {
        held = turn
        return FiberRef.update(holding, (turns) => [...turns, turn])
      })
      return Effect.addFinalizer(() => leave).pipe(
        Effect.zipRight(restore(place.granted)),
        Effect.onInterrupt(() => leave),
        Effect.zipRight(begin)
      )
    })
  )

  return {
    take,
    check,
    handOver: (isOver) => {
      if (held !== undefined) held.isHandedOver = isOver
    }
  }
}
