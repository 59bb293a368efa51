/**
 * Requests that are asked again from above. What is beneath tries once then: it has tried more often the first time, and tries of
 * several levels would multiply.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"

/** One more try. Its fiber may go on to do other things when it is over. */
export interface Attempt {
  state: "opening" | "over"
}

export const current = globalValue(
  Symbol.for("effect-responses/internal/again/current"),
  () => FiberRef.unsafeMake<Attempt | undefined>(undefined)
)

export const isAgain = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  fiber.getFiberRef(current)?.state === "opening"

export interface Count {
  /** Counts the requests that are asked again until they are open. */
  readonly around: <A, E, R>(open: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Whether, of so many who wait, all may have been there before. */
  readonly isAll: (waiting: number) => boolean
}

export const makeCount = (): Count => {
  let count = 0
  return {
    around: (open) =>
      Effect.withFiberRuntime((fiber) => {
        if (!isAgain(fiber)) return open
        return Effect.acquireUseRelease(
          Effect.sync(() => {
            count++
          }),
          () => open,
          () =>
            Effect.sync(() => {
              count--
            })
        )
      }),
    isAll: (waiting) => count > 0 && waiting <= count
  }
}
