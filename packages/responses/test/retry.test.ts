/** What is asked again, how often and when: on the mock, with a clock that the test moves. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { Retrying } from "../src/ConversationEvent.ts"
import * as Responses from "../src/Responses.ts"
import { ConnectionError, InvalidRequest, MalformedEvent, type ResponsesError } from "../src/ResponsesError.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"

const request = { model: "m", input: "hi" }

const { drop, error, failed, raw, text, turn } = ResponsesTest

const overloaded = error({ status: 503, code: "server_is_overloaded", message: "Busy" })
const limited = error({ status: 429, code: "rate_limit_exceeded", message: "Slow down" })
const spoken = turn([
  raw([
    { type: "response.created", response: { id: "resp_void", status: "in_progress", output: [] } },
    { type: "response.output_text.delta", item_id: "m", output_index: 0, content_index: 0, delta: "Void" }
  ]),
  drop()
])

const asked = Effect.flatMap(
  ResponsesTest.ResponsesTest,
  ({ requests }) => Effect.map(requests, (requests) => requests.length)
)

/** Long enough for all retries of these tests. */
const later = TestClock.adjust("10 minutes")

/** Runs to the end, whatever is waited for. */
const settle = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.exit(self))
    yield* later
    return yield* yield* Fiber.join(fiber)
  })

const on = (script: ResponsesTest.Script) => Effect.provide(ResponsesTest.layer(script))

/** A script of one turn for ever. */
const always = (turn: ResponsesTest.Turn): ResponsesTest.Script => () => turn

type Kind = readonly [
  name: string,
  turn: ResponsesTest.Turn,
  tries: Record<"unsent" | "unacknowledged" | "partial", number>
]

const kinds: ReadonlyArray<Kind> = [
  ["a rate limit", limited, { unsent: 4, unacknowledged: 4, partial: 4 }],
  ["overload, which the server says with a 5xx", overloaded, { unsent: 4, unacknowledged: 4, partial: 4 }],
  [
    "a rate limit of a response that was created",
    failed({ code: "rate_limit_exceeded", message: "Slow down" }),
    { unsent: 4, unacknowledged: 4, partial: 4 }
  ],
  ["a fault of the server's", error({ status: 500, code: "server_error", message: "Broke" }), {
    unsent: 1,
    unacknowledged: 4,
    partial: 4
  }],
  ["a connection that is lost after sending", drop(), { unsent: 1, unacknowledged: 4, partial: 4 }],
  ["a connection that is lost in the middle", spoken, { unsent: 1, unacknowledged: 1, partial: 4 }],
  ["a wrong request", error({ status: 400, code: "invalid_prompt", message: "No" }), {
    unsent: 1,
    unacknowledged: 1,
    partial: 1
  }],
  ["a spent quota", error({ status: 429, code: "insufficient_quota", message: "Pay" }), {
    unsent: 1,
    unacknowledged: 1,
    partial: 1
  }]
]

describe("tries of", () => {
  for (const [name, turn, tries] of kinds) {
    for (const delivery of ["unsent", "unacknowledged", "partial"] as const) {
      const retry = { delivery }
      const ways: ReadonlyArray<readonly [string, Effect.Effect<unknown, ResponsesError, Responses.Responses>]> = [
        ["create", Responses.create(request, { retry })],
        ["create, in the combinator", Responses.create(request).pipe(Responses.retry(retry))],
        ["stream", Stream.runDrain(Responses.stream(request, { retry }))],
        ["stream, in the combinator", Stream.runDrain(Responses.stream(request).pipe(Responses.retry(retry)))],
        ["forEach", Responses.forEach(request, () => {}, { retry })]
      ]
      for (const [way, effect] of ways) {
        it.effect(`${name}, up to ${delivery}, by ${way}: ${tries[delivery]}`, () =>
          Effect.gen(function*() {
            yield* Effect.flip(settle(effect))
            assert.strictEqual(yield* asked, tries[delivery])
          }).pipe(on(always(turn))))
      }
    }
    it.effect(`${name}, by default: 1`, () =>
      Effect.gen(function*() {
        yield* Effect.flip(settle(Responses.create(request)))
        yield* Effect.flip(settle(Responses.create(request, { retry: false })))
        assert.strictEqual(yield* asked, 2)
      }).pipe(on(always(turn))))
  }

  it.effect("what succeeds in the end", () =>
    Effect.gen(function*() {
      const response = yield* settle(Responses.create(request, { retry: {} }))
      assert.strictEqual(response.output.length, 1)
      assert.strictEqual(yield* asked, 3)
    }).pipe(on([limited, overloaded, text("Hello")])))

  it.effect("open are until the response begins, and leave nothing behind", () =>
    Effect.gen(function*() {
      const id = yield* settle(Effect.scoped(
        Effect.flatMap(Responses.open(request, { retry: {} }), (response) =>
          Effect.as(Responses.collect(response), response.id))
      ))
      assert.strictEqual(id, "resp_3")
      const { abandoned, requestOptions } = yield* ResponsesTest.ResponsesTest
      assert.strictEqual(yield* abandoned, 0)
      assert.deepStrictEqual(yield* requestOptions, [{}, {}, {}])
    }).pipe(on([limited, limited, text("Hello")])))

  it.effect("other errors are not made", () =>
    Effect.gen(function*() {
      const problem = new MalformedEvent({ description: "noise", frame: "", delivery: "unsent" })
      for (const error of [problem, "unreachable", { retryable: true, delivery: "unsent" }]) {
        let runs = 0
        const failing = Effect.suspend(() => {
          runs++
          return Effect.fail(error)
        })
        assert.strictEqual(yield* Effect.flip(settle(failing.pipe(Responses.retry()))), error)
        assert.strictEqual(runs, 1)
      }
    }))
})

describe("the time between tries", () => {
  const unreachable = (retryAfter?: Duration.Duration) =>
    new ConnectionError({ reason: "Unreachable", delivery: "unsent", description: "Nobody", retryAfter })

  /** Fails for ever, and tells when it was run. */
  const failing = (error: ResponsesError) => {
    const times: Array<number> = []
    const effect = Effect.flatMap(Effect.clock, (clock) => {
      times.push(clock.unsafeCurrentTimeMillis())
      return Effect.fail(error)
    })
    return { times, effect }
  }

  it.effect("doubles from half a second on, a fifth more or less", () =>
    Effect.gen(function*() {
      const { effect, times } = failing(unreachable())
      yield* Effect.flip(settle(effect.pipe(Responses.retry({ times: 9 }))))
      const delays = times.slice(1).map((time, at) => time - times[at]!)
      assert.strictEqual(delays.length, 9)
      for (const [at, delay] of delays.entries()) {
        const base = 500 * 2 ** at
        assert.isAtMost(delay, Math.min(30_000, base * 1.2))
        assert.isAtLeast(delay, Math.min(30_000, base * 0.8) - 1)
      }
    }))

  it.effect("is at least what the server asks for", () =>
    Effect.gen(function*() {
      const { effect, times } = failing(unreachable(Duration.seconds(20)))
      yield* Effect.flip(settle(effect.pipe(Responses.retry())))
      assert.deepStrictEqual(times, [0, 20_000, 40_000, 60_000])
    }))

  it.effect("is not waited for when the server asks for more than maxDelay", () =>
    Effect.gen(function*() {
      for (const [retry, seconds] of [[{}, 61], [{ maxDelay: "5 seconds" }, 6]] as const) {
        const { effect, times } = failing(unreachable(Duration.seconds(seconds)))
        yield* Effect.flip(effect.pipe(Responses.retry(retry)))
        assert.strictEqual(times.length, 1)
      }
    }))

  it.effect("is that of a schedule, which also says how often", () =>
    Effect.gen(function*() {
      const schedule = Schedule.spaced("2 minutes").pipe(Schedule.intersect(Schedule.recurs(4)))
      const long = failing(unreachable())
      yield* Effect.flip(settle(long.effect.pipe(Responses.retry({ schedule, maxDelay: "3 minutes" }))))
      assert.deepStrictEqual(long.times, [0, 120_000, 240_000, 360_000, 480_000])
      const short = failing(unreachable())
      yield* Effect.flip(settle(short.effect.pipe(Responses.retry({ schedule, times: 1, maxDelay: "1 second" }))))
      assert.deepStrictEqual(short.times.map((time) => time - short.times[0]!), [0, 1000])
    }))

  it.effect("can be interrupted, of an Effect and of a Stream", () =>
    Effect.gen(function*() {
      const ways = [
        Responses.create(request, { retry: {} }),
        Stream.runDrain(Responses.stream(request, { retry: {} })),
        Effect.scoped(Responses.open(request, { retry: {} }))
      ]
      for (const way of ways) {
        const before = yield* asked
        const fiber = yield* Effect.fork(way)
        yield* TestClock.adjust("100 millis")
        yield* Fiber.interrupt(fiber)
        yield* later
        assert.strictEqual(yield* asked, before + 1)
      }
    }).pipe(on(always(limited))))
})

describe("the events", () => {
  const shorten = (event: { readonly type: string; readonly delta?: unknown } | Retrying) =>
    event.type === "conversation.retrying"
      ? `void ${(event as Retrying).responseId}`
      : event.type === "response.output_text.delta"
      ? String((event as { readonly delta?: unknown }).delta)
      : event.type.replace("response.", "")

  const expected = ["created", "Void", "void resp_void", "void undefined", "Hello", "completed"]

  const relevant = (all: ReadonlyArray<string>) =>
    all.filter((each, at) => expected.includes(each) && (each !== "created" || at === 0))

  const script = [spoken, limited, text("Hello")]

  it.effect("of a Stream say what is void before the request is asked again", () =>
    Effect.gen(function*() {
      for (
        const stream of [
          Responses.stream(request, { retry: { delivery: "partial" } }),
          Responses.stream(request).pipe(Responses.retry({ delivery: "partial" }))
        ]
      ) {
        const events = yield* settle(Stream.runCollect(stream)).pipe(on(script))
        assert.deepStrictEqual(relevant(Array.from(events, shorten)), expected)
        const retries = Array.from(events).filter((event): event is Retrying => event.type === "conversation.retrying")
        assert.deepStrictEqual(
          retries.map(({ attempt, error }) => [attempt, error._tag, error.delivery]),
          [[1, "ConnectionError", "partial"], [2, "ResponseFailed", "unsent"]]
        )
        assert.isTrue(retries.every(({ delay }) => Duration.toMillis(delay) >= 400))
      }
    }))

  it.effect("come before the delay", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const fiber = yield* Effect.fork(
        Stream.runForEach(
          Responses.stream(request, { retry: {} }),
          (event) => Effect.sync(() => seen.push(event.type))
        )
      )
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(seen, ["conversation.retrying"])
      assert.strictEqual(yield* asked, 1)
      yield* Fiber.interrupt(fiber)
    }).pipe(on(always(limited))))

  it.effect("are told to the function of forEach", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const see = (event: Parameters<typeof shorten>[0]) => {
        seen.push(shorten(event))
      }
      yield* settle(Responses.forEach(request, see, { retry: { delivery: "partial" } })).pipe(on(script))
      assert.deepStrictEqual(relevant(seen), expected)
    }))

  it.effect("the response is of the last try alone", () =>
    Effect.gen(function*() {
      const response = yield* settle(Responses.create(request, { retry: { delivery: "partial" } }))
      assert.notInclude(JSON.stringify(response.output), "Void")
    }).pipe(on(script)))
})

describe("two retries around each other", () => {
  it.effect("do not multiply", () =>
    Effect.gen(function*() {
      const twice = Responses.create(request, { retry: {} }).pipe(Responses.retry({ times: 5 }), Responses.retry())
      yield* Effect.flip(settle(twice))
      assert.strictEqual(yield* asked, 4)
      const streams = Responses.stream(request, { retry: {} }).pipe(Responses.retry())
      yield* Effect.flip(settle(Stream.runDrain(streams)))
      assert.strictEqual(yield* asked, 8)
    }).pipe(on(always(limited))))
})

describe("a failure that several requests have", () => {
  it.effect("is tried again for each of them", () =>
    Effect.gen(function*() {
      const error = new ConnectionError({ reason: "Unreachable", delivery: "unsent", description: "Nobody" })
      let runs = 0
      const failing = Effect.suspend(() => {
        runs++
        return Effect.fail(error)
      })
      yield* Effect.flip(settle(failing.pipe(Responses.retry())))
      yield* Effect.flip(settle(failing.pipe(Responses.retry())))
      assert.strictEqual(runs, 8)
    }))
})

describe("a wrong option", () => {
  const wrong = [
    ["retry.times", { times: -1 }],
    ["retry.times", { times: 1.5 }],
    ["retry.times", { times: NaN }],
    ["retry.delivery", { delivery: "sent" as "unsent" }],
    ["retry.maxDelay", { maxDelay: "soon" as "1 second" }],
    ["retry.schedule", { schedule: {} as Schedule.Schedule<unknown> }]
  ] as const
  for (const [field, retry] of wrong) {
    it.effect(`${field} ${JSON.stringify(retry)} is told before anything is sent`, () =>
      Effect.gen(function*() {
        for (
          const effect of [
            Responses.create(request, { retry }),
            Effect.scoped(Responses.open(request, { retry })),
            Responses.forEach(request, () => {}, { retry }),
            Stream.runDrain(Responses.stream(request, { retry })),
            Responses.create(request).pipe(Responses.retry(retry)),
            Stream.runDrain(Responses.stream(request).pipe(Responses.retry(retry)))
          ]
        ) {
          const error = yield* Effect.flip(effect)
          assert.instanceOf(error, InvalidRequest)
          assert.strictEqual(error.field, field)
        }
        assert.strictEqual(yield* asked, 0)
      }).pipe(on(always(limited))))
  }
})
