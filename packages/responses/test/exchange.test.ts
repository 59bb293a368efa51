import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { RuntimeFiber } from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Stream from "effect/Stream"
import * as Exchange from "../src/internal/exchange.ts"
import type * as ResponseEvent from "../src/ResponseEvent.ts"
import * as FakeServer from "./support/fakeServer.ts"

/** Makes the fiber yield at one of its steps, and has something happen there, as a socket's message does. */
class Between extends Scheduler.MixedScheduler {
  private steps = 0
  private readonly step: number
  private readonly happening: () => void
  constructor(step: number, happening: () => void) {
    super(2048)
    this.step = step
    this.happening = happening
  }
  override shouldYield(fiber: RuntimeFiber<unknown, unknown>): number | false {
    if (++this.steps !== this.step) return super.shouldYield(fiber)
    this.happening()
    return 0
  }
}

const make = () => Exchange.make({ onPressure: () => {}, scrub: (text) => text.replaceAll("123456789", "<redacted>") })

describe("an exchange", () => {
  it.effect("an event that comes at any step of the waiting fiber wakes it", () =>
    Effect.forEach(Array.from({ length: 200 }, (_, step) => step + 1), (step) => {
      const exchange = make()
      const whole = FakeServer.answer("resp_1") as ReadonlyArray<object> as ReadonlyArray<ResponseEvent.ServerEvent>
      const scheduler = new Between(step, () => {
        for (const event of whole) exchange.offer(event, 1)
      })
      return exchange.started.pipe(
        Effect.zipRight(Stream.runCount(exchange.events)),
        Effect.withScheduler(scheduler),
        Effect.fork,
        Effect.flatMap((fiber) =>
          // Past the last step nobody has sent anything yet.
          Effect.yieldNow().pipe(
            Effect.repeatN(20),
            Effect.zipRight(Effect.sync(() => whole.forEach((event) => exchange.offer(event, 1)))),
            Effect.zipRight(fiber)
          )
        ),
        Effect.tap((count) => Effect.sync(() => assert.strictEqual(count, 3)))
      )
    }, { discard: true }))

  it("a key of digits is taken out of the texts of a failure, and its numbers stay numbers", () => {
    const exchange = make()
    exchange.offer({ type: "error", status: 400, number: 123456789, error: { message: "key 123456789" } }, 1)
    const error = exchange.error()
    assert(error?._tag === "ResponseFailed")
    assert.strictEqual(error.description, "key <redacted>")
    assert.deepInclude(error.frame as object, { number: 123456789 })
  })
})
