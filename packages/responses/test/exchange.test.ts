import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { RuntimeFiber } from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Stream from "effect/Stream"
import * as Exchange from "../src/internal/exchange/exchange.ts"
import type * as ResponseEvent from "../src/ResponseEvent.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import { ConnectionError, type Delivery } from "../src/ResponsesError.ts"
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

const make = (options: Partial<Exchange.Options> = {}) =>
  Exchange.make({
    maxOutputSize: Infinity,
    onPressure: () => {},
    redact: (text) => text.replaceAll("123456789", "<redacted>"),
    ...options
  })

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

  const created: ResponseEvent.ServerEvent = { type: "response.created", response: { id: "resp_1" } }
  const news = { type: "vendor.news" } as unknown as ResponseEvent.ServerEvent
  const text: ResponseEvent.ServerEvent = { type: "response.output_text.delta", delta: "x" }
  const completed: ResponseEvent.ServerEvent = { type: "response.completed", response: { id: "resp_1" } }
  const failed: ResponseEvent.ServerEvent = { type: "error", error: { message: "No." } }
  const message = ResponseItem.message("assistant", "Hi")
  const itemDone: ResponseEvent.ServerEvent = { type: "response.output_item.done", output_index: 0, item: message }

  const lost = (delivery: Delivery) => new ConnectionError({ reason: "Lost", delivery, description: "lost" })

  type Happening = "created" | "news" | "text" | "completed" | "failed" | "lost" | "abandoned"

  const happenings: Readonly<Record<Happening, (exchange: Exchange.Exchange) => void>> = {
    created: (exchange) => exchange.offer(created, 1),
    news: (exchange) => exchange.offer(news, 1),
    text: (exchange) => exchange.offer(text, 1),
    completed: (exchange) => exchange.offer(completed, 1),
    failed: (exchange) => exchange.offer(failed, 1),
    lost: (exchange) => exchange.fail(lost),
    abandoned: (exchange) => exchange.abandon()
  }

  /** What there is to see of an exchange, in one line. */
  const look = (exchange: Exchange.Exchange): string => {
    const error = exchange.error()
    return [
      exchange.hasBegun() ? "begun" : "waiting",
      ...exchange.hasEnded() ? [exchange.isFinished() ? "ended by the server" : "ended by us"] : [],
      ...exchange.result() === undefined ? [] : ["with a result"],
      ...error === undefined ? [] : [error._tag, "delivery" in error ? error.delivery : ""],
      `unread ${exchange.size()}`
    ].join(", ")
  }

  const states: Readonly<Record<string, ReadonlyArray<Happening>>> = {
    waiting: [],
    "waiting, after news": ["news"],
    begun: ["created"],
    "begun, with output": ["created", "text"],
    "begun without a name": ["text"],
    "left by its caller": ["created", "abandoned"],
    done: ["created", "completed"],
    "failed by the server": ["created", "failed"],
    "failed by us": ["created", "lost"]
  }

  const ends = (state: string) => ({
    created: state,
    news: state,
    text: state,
    completed: state,
    failed: state,
    lost: state,
    abandoned: state.replace(/unread \d/, "unread 0")
  })

  const failedBy = (us: boolean, begun: boolean, delivery: Delivery, unread: number) =>
    `${begun ? "begun" : "waiting"}, ended by ${
      us ? "us, ConnectionError" : "the server, ResponseFailed"
    }, ${delivery}, unread ${unread}`

  const expected: Readonly<Record<string, Readonly<Record<Happening, string>>>> = {
    waiting: {
      created: "begun, unread 1",
      news: "waiting, unread 1",
      text: "begun, unread 1",
      completed: "begun, ended by the server, with a result, unread 1",
      failed: failedBy(false, false, "unacknowledged", 0),
      lost: failedBy(true, false, "unacknowledged", 0),
      abandoned: "waiting, unread 0"
    },
    "waiting, after news": {
      created: "begun, unread 2",
      news: "waiting, unread 2",
      text: "begun, unread 2",
      completed: "begun, ended by the server, with a result, unread 2",
      failed: failedBy(false, false, "unacknowledged", 1),
      lost: failedBy(true, false, "unacknowledged", 1),
      abandoned: "waiting, unread 0"
    },
    begun: {
      created: "begun, unread 2",
      news: "begun, unread 2",
      text: "begun, unread 2",
      completed: "begun, ended by the server, with a result, unread 2",
      failed: failedBy(false, true, "unacknowledged", 1),
      lost: failedBy(true, true, "unacknowledged", 1),
      abandoned: "begun, unread 0"
    },
    "begun, with output": {
      created: "begun, unread 3",
      news: "begun, unread 3",
      text: "begun, unread 3",
      completed: "begun, ended by the server, with a result, unread 3",
      failed: failedBy(false, true, "partial", 2),
      lost: failedBy(true, true, "partial", 2),
      abandoned: "begun, unread 0"
    },
    "begun without a name": {
      created: "begun, unread 2",
      news: "begun, unread 2",
      text: "begun, unread 2",
      completed: "begun, ended by the server, with a result, unread 2",
      failed: failedBy(false, true, "partial", 1),
      lost: failedBy(true, true, "partial", 1),
      abandoned: "begun, unread 0"
    },
    "left by its caller": {
      created: "begun, unread 0",
      news: "begun, unread 0",
      text: "begun, unread 0",
      completed: "begun, ended by the server, with a result, unread 0",
      failed: failedBy(false, true, "unacknowledged", 0),
      lost: failedBy(true, true, "unacknowledged", 0),
      abandoned: "begun, unread 0"
    },
    done: ends("begun, ended by the server, with a result, unread 2"),
    "failed by the server": ends(failedBy(false, true, "unacknowledged", 1)),
    "failed by us": ends(failedBy(true, true, "unacknowledged", 1))
  }

  for (const [state, before] of Object.entries(states)) {
    it(`${state}: whatever happens next`, () => {
      const found = Object.fromEntries(
        Object.entries(happenings).map(([name, happen]) => {
          const exchange = make()
          for (const past of before) happenings[past](exchange)
          happen(exchange)
          return [name, look(exchange)]
        })
      )
      assert.deepStrictEqual(found, { ...expected[state] })
    })
  }

  it("its end is told once, before the caller gets it", () => {
    for (const [name, happen] of Object.entries(happenings)) {
      const told: Array<string> = []
      const exchange = make({ onEnd: (hasBegun) => told.push(hasBegun ? "begun" : "waiting") })
      happen(exchange)
      happenings.completed(exchange)
      happenings.lost(exchange)
      assert.strictEqual(told.length, 1, name)
    }
  })

  it("with more output than is kept fails its caller, and holds nothing of it", () => {
    const exchange = make({ maxOutputSize: 10 })
    exchange.offer(created, 1)
    exchange.offer(itemDone, 6)
    assert.isUndefined(exchange.error())
    exchange.offer({ ...itemDone, output_index: 1 }, 6)
    const error = exchange.error()
    assert(error?._tag === "ConnectionError")
    assert.strictEqual(error.reason, "Overrun")
    assert.strictEqual(error.delivery, "partial")
    assert.isFalse(exchange.isFinished())
  })

  it("that nobody reads may put out more than is kept: it ends without a result", () => {
    const exchange = make({ maxOutputSize: 10 })
    exchange.offer(created, 1)
    exchange.abandon()
    for (let index = 0; index < 5; index++) exchange.offer({ ...itemDone, output_index: index }, 6)
    assert.isFalse(exchange.hasEnded())
    exchange.offer(completed, 1)
    assert.isTrue(exchange.isFinished())
    assert.isUndefined(exchange.result())
    assert.isUndefined(exchange.error())
  })

  it("that nobody reads has a result only where its output is of use", () => {
    for (const keepsOutput of [true, false]) {
      const exchange = make({ keepsOutput })
      exchange.offer(created, 1)
      exchange.offer(itemDone, 1)
      exchange.abandon()
      exchange.offer({ ...itemDone, output_index: 1 }, 1)
      exchange.offer(completed, 1)
      assert.isTrue(exchange.isFinished())
      assert.strictEqual(exchange.answer()?.output.length, keepsOutput ? 2 : undefined)
    }
  })

  it("that is read has a result, whether or not its output would be of use without its reader", () => {
    const exchange = make({ keepsOutput: false })
    exchange.offer(created, 1)
    exchange.offer(itemDone, 1)
    exchange.offer(completed, 1)
    assert.deepStrictEqual(exchange.answer()?.output, [message])
  })

  it.effect("events that come while a sink takes the ones before stay in their order", () =>
    Effect.gen(function*() {
      const exchange: Exchange.Exchange = make({
        onPressure: (behind) => {
          if (!behind) exchange.offer({ ...text, delta: "c" }, 1)
        }
      })
      exchange.offer(created, 1)
      exchange.offer({ ...text, delta: "a" }, 1 << 20)
      exchange.offer({ ...text, delta: "b" }, 1)
      const seen: Array<string> = []
      yield* Effect.fork(exchange.forEach((event) => {
        if (event.type === "response.output_text.delta") seen.push(event.delta)
      }))
      yield* Effect.yieldNow()
      assert.deepStrictEqual(seen, ["a", "b", "c"])
    }))
})
