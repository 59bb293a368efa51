import * as Exchange from "/work/main/packages/responses/src/internal/exchange.ts"
import { it } from "@effect/vitest"
import { Effect, Fiber, Option, Stream } from "effect"
it.live("race", () =>
  Effect.gen(function*() {
    for (const n of [1, 2, 3, 4, 5, 7, 9, 11]) {
      for (let delay = 0; delay < 60; delay++) {
        const x = Exchange.make({ onPressure: () => {}, scrub: (s) => s })
        const done = yield* Stream.runDrain(x.events(Effect.void)).pipe(Effect.withMaxOpsBeforeYield(n), Effect.fork)
        const f = yield* Effect.fork(Effect.gen(function*() {
          yield* Effect.promise(async () => {
            for (let i = 0; i < delay; i++) await null
          })
          x.offer({ type: "response.created", response: { id: "r" } }, 1)
          yield* Effect.promise(async () => {
            for (let i = 0; i < delay; i++) await null
          })
          x.offer({ type: "response.completed", response: { id: "r" } }, 1)
        }))
        yield* Fiber.join(f)
        const r = yield* Fiber.join(done).pipe(Effect.timeoutOption(200))
        if (Option.isNone(r)) {
          console.log("HANG at maxOps", n, "delay", delay)
          yield* Fiber.interrupt(done)
          break
        }
      }
    }
  }), 60000)
