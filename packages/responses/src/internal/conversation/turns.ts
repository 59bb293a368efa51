/**
 * The turns of one conversation: one caller at a time, in the order of arrival. A caller that would wait for itself fails
 * instead.
 *
 * ```
 * take ─→ asking ⇄ handedOver      any ─ the scope closes ─→ over
 * ```
 *
 * Effect's semaphores do not know who holds a permit, and would let such a caller wait for ever.
 */
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import type * as Scope from "effect/Scope"
import { InvalidRequest } from "../../ResponsesError.ts"
import * as FairSemaphore from "../effect/fairSemaphore.ts"
import * as Finalizer from "../effect/finalizer.ts"

export interface Turns {
  /** Waits for the callers before, and holds the turn until the scope closes. */
  readonly take: Effect.Effect<void, InvalidRequest, Scope.Scope>
  /** Fails in a fiber that the holder of the turn waits for. */
  readonly check: Effect.Effect<void, InvalidRequest>
  /** `true`: the holder now waits for its reader or for its tools. `false`: it does no more. */
  readonly handOver: (isOver: boolean) => void
}

interface Turn {
  state: "asking" | "handedOver" | "over"
}

/**
 * The turns that the running fiber holds, or held by the fiber that forked it. A forked fiber needs them: to run a Stream is
 * to fork, and so is a time-out.
 */
const holding = globalValue(
  Symbol.for("effect-responses/internal/turns/holding"),
  () => FiberRef.unsafeMake<ReadonlyArray<Turn>>([])
)

/** For a fiber that no holder of a turn waits for, though one has forked it. */
export const apart: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = Effect.locally(holding, [])

const refused = new InvalidRequest({
  field: "conversation",
  description: "is asked by the reader of its own stream or by one of its tools, and would wait for itself for ever: " +
    "ask its `fork`, or wait until the stream has ended"
})

export const make = (): Turns => {
  const semaphore = FairSemaphore.make()
  let held: Turn | undefined

  const check = () =>
    Effect.flatMap(FiberRef.get(holding), (turns) =>
      // While the holder waits for the server it does not wait for what its reader has forked: that may wait for it.
      held?.state === "handedOver" && turns.includes(held) ? Effect.fail(refused) : Effect.void)

  const begin = () => {
    const turn: Turn = { state: "asking" }
    held = turn
    const end = Effect.sync(() => {
      turn.state = "over"
      held = undefined
    })
    return Effect.zipRight(
      Finalizer.add(end),
      // Turns are taken off here and not at their end: the fiber that closes the scope may be another one.
      FiberRef.update(holding, (turns) => [...turns.filter(({ state }) => state !== "over"), turn])
    )
  }

  // Made when they are used: there may be thousands of conversations that do nothing.
  return {
    get take() {
      return check().pipe(
        Effect.zipRight(semaphore.permitScoped),
        Effect.zipRight(Effect.uninterruptible(Effect.suspend(begin)))
      )
    },
    get check() {
      return check()
    },
    handOver: (isOver) => {
      if (held !== undefined) held.state = isOver ? "handedOver" : "asking"
    }
  }
}
