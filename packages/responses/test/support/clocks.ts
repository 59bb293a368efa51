/** What tests of time share: the very moment at which something happens, and how a request failed. */
import { assert } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import type { ConnectionError, Delivery, ResponsesError } from "../../src/ResponsesError.ts"
import { run } from "./socket.ts"

/** Lets the fibers get as far as they can without time. */
export const settle = TestClock.adjust(0)

/** Nothing a millisecond before, everything then. */
export const endsAfter = Effect.fnUntraced(function*<A, E>(
  fiber: Fiber.RuntimeFiber<A, E>,
  duration: Duration.DurationInput
) {
  yield* TestClock.adjust(Duration.subtract(duration, "1 millis"))
  assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)), "it ended too early")
  yield* TestClock.adjust("1 millis")
  assert.isTrue(Option.isSome(yield* Fiber.poll(fiber)), "it has not ended in time")
  return yield* Fiber.join(fiber)
})

/** A request that is expected to fail. */
export const failing = (input?: string) => Effect.fork(Effect.flip(run(input)))

export const assertConnectionError = (
  error: ResponsesError,
  reason: ConnectionError["reason"],
  delivery: Delivery
): void => {
  assert(error._tag === "ConnectionError", error._tag)
  assert.deepStrictEqual([error.reason, error.delivery], [reason, delivery])
}
