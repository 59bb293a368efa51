/**
 * Tries of one request, as the levels see them that could each try by themselves and must not multiply. What is beneath a further
 * try tries once, as it has tried more often the first time. What is around one that was given up does not begin anew.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"

export interface Try {
  /** `over`: its fiber may go on to do other things. */
  state: "first" | "again" | "over"
  /** The failure that a level beneath has given up. The same one may be that of other requests, too. */
  givenUp: unknown
}

/** The latest one of the fiber, or of the one that forked it. */
const current = globalValue(
  Symbol.for("effect-responses/internal/again/current"),
  () => FiberRef.unsafeMake<Try | undefined>(undefined)
)

export const isAgain = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  fiber.getFiberRef(current)?.state === "again"

export const outer: Effect.Effect<Try | undefined> = FiberRef.get(current)

/** `around`: the try that it is a part of. */
export const make = (isFirst: boolean, around: Try | undefined): Try => ({
  state: isFirst && around?.state !== "again" ? "first" : "again",
  givenUp: undefined
})

export const within = <A, E, R>(self: Effect.Effect<A, E, R>, one: Try): Effect.Effect<A, E, R> =>
  Effect.locally(self, current, one)

/** For the rest of the fiber: a Stream has no end that is certain to be in the same one. */
export const begin = (one: Try): Effect.Effect<void> => FiberRef.set(current, one)

export interface Count {
  /** Counts the requests that are asked again until they are open. */
  readonly around: <A, E, R>(open: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Whether, of so many who wait, all may have been there before. */
  readonly isAll: (waiting: number) => boolean
}

export const makeCount = (): Count => {
  let count = 0
  const begun = Effect.sync(() => {
    count++
  })
  const ended = () =>
    Effect.sync(() => {
      count--
    })
  return {
    around: (open) =>
      Effect.withFiberRuntime((fiber) => isAgain(fiber) ? Effect.acquireUseRelease(begun, () => open, ended) : open),
    isAll: (waiting) => count > 0 && waiting <= count
  }
}
