/** One caller at a time, in the order of their coming, and nobody who would wait for itself. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberStatus from "effect/FiberStatus"
import { globalValue } from "effect/GlobalValue"
import * as HashSet from "effect/HashSet"
import type * as Scope from "effect/Scope"
import { InvalidRequest } from "../ResponsesError.ts"
import * as FairSemaphore from "./fairSemaphore.ts"

export interface Turns {
  /** Waits for the callers before, and holds the turn for as long as the scope lasts. */
  readonly take: Effect.Effect<void, InvalidRequest, Scope.Scope>
  /** Fails if the running fiber is at work for the turn that is held. */
  readonly check: Effect.Effect<void, InvalidRequest>
  /** Marks an effect, and the fibers that it forks, as work for the turn that is held. */
  readonly within: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** A turn that is held, by the fiber that pulls the stream. */
interface Turn {
  readonly fiber: Fiber.RuntimeFiber<unknown, unknown>
}

/** The turns that the running fiber works for: a tool may ask another conversation, whose tool asks the first. */
const worksFor = globalValue(
  Symbol.for("effect-responses/internal/turns/worksFor"),
  () => FiberRef.unsafeMake<ReadonlyArray<Turn>>([])
)

const refused = new InvalidRequest({
  field: "conversation",
  description: "is asked by the reader of its own stream or by one of its tools, and would wait for itself for ever: " +
    "ask its `fork`, or wait until the stream has ended"
})

/** Whether a fiber waits for another one, as in a race with a time-out. */
const waitsFor = (
  waiting: Fiber.RuntimeFiber<unknown, unknown>,
  other: Fiber.RuntimeFiber<unknown, unknown>
): Effect.Effect<boolean> =>
  Effect.map(
    waiting.status,
    (status) => FiberStatus.isSuspended(status) && HashSet.has(FiberId.ids(status.blockingOn), other.id().id)
  )

export const make = (): Turns => {
  const semaphore = FairSemaphore.make()
  let held: Turn | undefined

  const check = Effect.withFiberRuntime<void, InvalidRequest>((fiber) => {
    if (held === undefined) return Effect.void
    if (held.fiber === fiber || fiber.getFiberRef(worksFor).includes(held)) return Effect.fail(refused)
    return Effect.flatMap(waitsFor(held.fiber, fiber), (waits) => waits ? Effect.fail(refused) : Effect.void)
  })

  const take = Effect.uninterruptibleMask((restore) =>
    Effect.zipRight(
      restore(check),
      Effect.withFiberRuntime<void, never, Scope.Scope>((fiber) => {
        const place = semaphore.enter()
        const turn = { fiber }
        const leave = Effect.sync(() => {
          if (held === turn) held = undefined
          place.leave()
        })
        const begin = Effect.sync(() => {
          held = turn
        })
        return Effect.addFinalizer(() => leave).pipe(
          Effect.zipRight(restore(place.granted)),
          Effect.zipRight(begin),
          Effect.onInterrupt(() => leave)
        )
      })
    )
  )

  return {
    take,
    check,
    within: (effect) =>
      Effect.suspend(() => {
        const turn = held
        return turn === undefined ? effect : Effect.locallyWith(effect, worksFor, (turns) => [...turns, turn])
      })
  }
}
