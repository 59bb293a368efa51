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
    onBehind: () => {},
    onCaughtUp: () => {},
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
    "failed by us": ["created", "lost"],
    "failed by us, with output": ["created", "text", "lost"],
    "failed by us before it began": ["lost"],
    "failed by us, and drained": ["created", "lost", "completed"]
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

  /** What comes of it is for nobody, and its end is the server's. */
  const drains = (state: string) => ({
    ...ends(state),
    completed: state.replace("by us", "by the server"),
    failed: state.replace("by us", "by the server")
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
    "failed by us": drains(failedBy(true, true, "unacknowledged", 1)),
    "failed by us, with output": drains(failedBy(true, true, "partial", 2)),
    "failed by us before it began": drains(failedBy(true, false, "unacknowledged", 0)),
    "failed by us, and drained": ends(failedBy(true, true, "unacknowledged", 1).replace("by us", "by the server"))
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
        onCaughtUp: () => exchange.offer({ ...text, delta: "c" }, 1)
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

  it("that was ended from this side before it had an id still learns it, and nothing of what comes is kept", () => {
    const exchange = make()
    exchange.fail(lost)
    assert.isUndefined(exchange.responseId())
    exchange.offer(created, 1)
    assert.strictEqual(exchange.responseId(), "resp_1")
    exchange.offer(itemDone, 1)
    exchange.offer(completed, 1)
    assert.isTrue(exchange.isFinished())
    assert.deepStrictEqual([exchange.answer(), exchange.size(), exchange.responseId()], [undefined, 0, "resp_1"])
  })

  it("counts the events that come, and knows the number of the latest, also after an end from this side", () => {
    const exchange = make()
    assert.deepStrictEqual([exchange.heard, exchange.latestNumber], [0, -1])
    exchange.offer({ ...created, sequence_number: 0 }, 1)
    exchange.offer(text, 1)
    assert.deepStrictEqual([exchange.heard, exchange.latestNumber], [2, 0])
    exchange.fail(lost)
    exchange.offer({ ...text, sequence_number: 7 }, 1)
    assert.deepStrictEqual([exchange.heard, exchange.latestNumber], [3, 7])
  })

  it("tells whatever ends it from this side how far it came, whether it had begun, and how large its request was", () => {
    const seen: Array<unknown> = []
    for (const before of [[], [created], [created, text]]) {
      const exchange = make()
      exchange.frameBytes = 5
      for (const event of before) exchange.offer(event, 1)
      exchange.fail((...told) => {
        seen.push(told)
        return lost("partial")
      })
    }
    assert.deepStrictEqual(seen, [["unacknowledged", false, 5], ["unacknowledged", true, 5], ["partial", true, 5]])
  })

  describe("on a lane with another name than its caller gave it", () => {
    const names = (streamId: string | undefined, sent: ReadonlyArray<ResponseEvent.ServerEvent>) => {
      const exchange = make({ renamed: { streamId } })
      // A frame is parsed for its exchange alone, so the object may be changed.
      for (const event of sent) exchange.offer({ ...event }, 1)
      return Effect.map(Effect.exit(Stream.runCollect(exchange.events)), (exit) => ({ exchange, exit }))
    }

    for (const streamId of ["mine", undefined]) {
      it.effect(`its events carry ${streamId === undefined ? "no name, as the caller gave none" : "the caller's"}`, () =>
        Effect.gen(function*() {
          const { exit } = yield* names(streamId, [
            { ...created, stream_id: "1" },
            text,
            { ...completed, stream_id: "1" }
          ])
          const own = streamId === undefined ? {} : { stream_id: streamId }
          assert(exit._tag === "Success")
          assert.deepStrictEqual([...exit.value], [{ ...created, ...own }, { ...text, ...own }, {
            ...completed,
            ...own
          }])
        }))

      it.effect(`so does a failure, ${streamId === undefined ? "without" : "with"} a name`, () =>
        Effect.gen(function*() {
          const { exchange } = yield* names(streamId, [{ ...failed, stream_id: "1" }])
          const error = exchange.error()
          assert(error?._tag === "ResponseFailed")
          assert.deepStrictEqual(error.frame, { ...failed, ...streamId === undefined ? {} : { stream_id: streamId } })
        }))
    }

    it("leaves the name as it is where the lane has that of the caller", () => {
      const exchange = make()
      const event = { ...failed, stream_id: "1" }
      exchange.offer(event, 1)
      assert.strictEqual(event.stream_id, "1")
    })
  })

  describe("whose caller is behind", () => {
    const large = 1 << 20

    /** What the owner is told. */
    const watched = (options: Partial<Exchange.Options> = {}) => {
      const told: Array<string> = []
      const exchange = make({
        onBehind: (behind) => told.push(`behind by ${behind.size()}`),
        onCaughtUp: () => told.push("caught up"),
        ...options
      })
      return { exchange, told }
    }

    it.effect("says so with each event until what waits was taken", () =>
      Effect.gen(function*() {
        const { exchange, told } = watched()
        exchange.offer(created, 1)
        assert.isFalse(exchange.isBehind())
        exchange.offer(text, large)
        exchange.offer(text, 5)
        assert.isTrue(exchange.isBehind())
        assert.deepStrictEqual(told, [`behind by ${large + 1}`, `behind by ${large + 6}`])
        const fiber = yield* Effect.fork(exchange.forEach(() => {}))
        yield* Effect.yieldNow()
        exchange.offer(text, large)
        assert.isFalse(exchange.isBehind())
        assert.deepStrictEqual(told.slice(2), ["caught up"])
        exchange.offer(completed, 1)
        yield* fiber
      }))

    it("has not fallen behind before the response begins", () => {
      const { exchange, told } = watched()
      exchange.offer(news, large)
      assert.isFalse(exchange.isBehind())
      assert.deepStrictEqual(told, [])
      exchange.offer(created, 1)
      assert.isTrue(exchange.isBehind())
      assert.deepStrictEqual(told, [`behind by ${large + 1}`])
    })

    it("has caught up when it leaves", () => {
      const { exchange, told } = watched()
      exchange.offer(created, large)
      exchange.abandon()
      assert.deepStrictEqual(told.slice(1), ["caught up"])
      assert.isFalse(exchange.isBehind())
    })

    it.effect("and is told that it is too much, loses what waits, while the response goes on to its result", () =>
      Effect.gen(function*() {
        const { exchange, told } = watched()
        exchange.offer(created, 1)
        exchange.offer(itemDone, large)
        exchange.fellBehind("too much waits")
        assert.deepStrictEqual(told.slice(1), ["caught up"])
        exchange.offer(text, large)
        assert.deepStrictEqual([exchange.size(), exchange.hasEnded(), told.length], [0, false, 2])
        exchange.offer(completed, 1)
        assert.isUndefined(exchange.error())
        assert.strictEqual(exchange.answer()?.output.length, 1)
        const error = yield* Effect.flip(Stream.runDrain(exchange.events))
        assert.deepInclude(error, { reason: "Overrun", delivery: "partial", description: "too much waits" })
      }))

    it("who was told so may leave more output than is kept: the response runs on, without a result", () => {
      const { exchange } = watched({ maxOutputSize: 10 })
      exchange.offer(created, 1)
      exchange.fellBehind("too much waits")
      exchange.offer(itemDone, 11)
      assert.isFalse(exchange.hasEnded())
      exchange.offer(completed, 1)
      assert.isUndefined(exchange.result())
    })
  })
})
