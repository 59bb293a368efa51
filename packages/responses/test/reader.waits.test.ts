/** What waits to be read, and who waits for it. `reader.test.ts` has the states. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Reader from "../src/internal/exchange/reader.ts"
import type { ResponseEvent } from "../src/ResponseEvent.ts"
import { settle } from "./support/clocks.ts"

const event = (delta: string): ResponseEvent => ({ type: "response.output_text.delta", delta })

const make = () => new Reader.Reader({ hasEnded: () => false, error: () => undefined, onCaughtUp: () => {} })

describe("the reader of a response", () => {
  it("is behind from the high-water mark on", () => {
    const reader = make()
    reader.push(event("x"), Reader.highWaterMark - 1)
    assert.isFalse(reader.isBehind())
    reader.push(event("x"), 1)
    assert.isTrue(reader.isBehind())
  })

  it.effect("events that come while a callback takes the ones before are given to it after those", () =>
    Effect.gen(function*() {
      const reader = make()
      const seen: Array<string> = []
      reader.push(event("a"), 1)
      reader.push(event("b"), 1)
      const fiber = yield* Effect.fork(reader.forEach((taken) => {
        const name = taken.type === "response.output_text.delta" ? taken.delta : taken.type
        seen.push(name)
        if (name === "a") reader.push(event("c"), 1)
      }))
      yield* settle
      assert.deepStrictEqual(seen, ["a", "b", "c"])
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("a fiber that waits goes on when what it waits for is there, at once if it is there already", () =>
    Effect.gen(function*() {
      const reader = make()
      yield* reader.until(() => true)
      let isReady = false
      const fiber = yield* Effect.fork(reader.until(() => isReady))
      yield* settle
      reader.notify()
      yield* settle
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      isReady = true
      reader.notify()
      yield* Fiber.join(fiber)
    }))

  it("tells a fiber that waits once", () => {
    const reader = make()
    let told = 0
    reader.whenReady(() => true, () => told++)
    reader.notify()
    assert.strictEqual(told, 1)
  })
})
