import { assert, describe, it } from "@effect/vitest"
import { Cause, Chunk, Duration, Effect, Exit, Fiber, Option, Stream, TestClock } from "effect"
import type { ResponseRequest } from "../src/ResponseRequest.ts"
import * as Responses from "../src/Responses.ts"
import type { ConnectionError, Delivery } from "../src/ResponsesError.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import { onMachine } from "./support/machine.ts"

const T = ResponsesTest

const request: ResponseRequest = { model: "m", input: "Hi" }

const run = (
  script: ResponsesTest.Script,
  name: string,
  test: Effect.Effect<
    void,
    unknown,
    Responses.Responses | ResponsesTest.ResponsesTest
  >
) => it.effect(name, () => Effect.provide(test, ResponsesTest.layer(script)))

const text = (request: ResponseRequest) =>
  Responses.stream(request).pipe(
    Stream.map((event) => event.type === "response.output_text.delta" ? event.delta : ""),
    Stream.runFold("", (all, delta) => all + delta)
  )

const types = (request: ResponseRequest) =>
  Responses.stream(request).pipe(
    Stream.map((event): string => event.type),
    Stream.runCollect,
    Effect.map(Chunk.toArray)
  )

const error = (request: ResponseRequest) => Effect.flip(Responses.create(request))

const mock = ResponsesTest.ResponsesTest

describe("ResponsesTest", () => {
  run(
    [T.text("Hello"), T.turn([T.toolCall({ name: "f", arguments: { a: 1 } })])],
    "turns in order, requests recorded as they were made",
    Effect.gen(function*() {
      assert.strictEqual(yield* text(request), "Hello")
      const next = { ...request, input: [{ role: "user" as const, content: "More" }] }
      const { output } = yield* Responses.create(next)
      assert.deepInclude(output[0], { type: "function_call", name: "f", arguments: "{\"a\":1}" })
      const { abandoned, requests } = yield* mock
      assert.deepStrictEqual(yield* requests, [request, next])
      assert.strictEqual(yield* abandoned, 0)
    })
  )

  const cycle: { self?: unknown; readonly type: string } = { type: "response.of_tomorrow" }
  cycle.self = cycle

  run(
    [T.turn([T.raw([cycle]), T.text("Hello")]), T.text("Hello")],
    "a frame that cannot be written fails the request, and the next one is served",
    Effect.gen(function*() {
      assert.deepInclude(yield* error(request), { _tag: "MalformedEvent", delivery: "unacknowledged" })
      assert.strictEqual(yield* text(request), "Hello")
    })
  )

  run(
    [T.turn([T.raw([{ type: "keepalive" }, { type: "codex.rate_limits" }]), T.text("x"), T.completed, T.raw(["{"])])],
    "opens with the first event that names the response and keeps what came before; what trails the end is nobody's",
    Effect.gen(function*() {
      const response = yield* Effect.scoped(Effect.gen(function*() {
        const response = yield* Responses.open(request)
        const events = yield* Stream.runCollect(response.events)
        return { ...response, types: Chunk.toArray(events).map((event): string => event.type) }
      }))
      assert.strictEqual(response.id, "resp_1")
      assert.strictEqual(response.transport, "websocket")
      assert.deepStrictEqual(response.types.slice(0, 3), ["keepalive", "codex.rate_limits", "response.created"])
      assert.strictEqual(response.types.at(-1), "response.completed")
      assert.strictEqual(response.bytesSent, "{\"model\":\"m\",\"input\":\"Hi\",\"type\":\"response.create\"}".length)
    })
  )

  run(
    [T.text("x")],
    "validates like the others, and sends nothing",
    Effect.gen(function*() {
      const failure = yield* error({ model: "" })
      assert.deepInclude(failure, { _tag: "InvalidRequest", field: "model" })
      assert.deepStrictEqual(yield* (yield* mock).requests, [])
      assert.strictEqual(yield* text(request), "x", "no turn was taken")
    })
  )

  const notFound = { status: 400, code: "previous_response_not_found", message: "gone" }
  const failures: ReadonlyArray<readonly [name: string, turn: ResponsesTest.Turn, error: object]> = [
    ["an error before output", T.error({ status: 429, code: "rate_limit_exceeded" }), {
      _tag: "ResponseFailed",
      code: "rate_limit_exceeded",
      retryable: true,
      delivery: "unsent"
    }],
    ["an error after output", T.turn([T.text("x"), T.error({ shape: "flat", code: "server_error" })]), {
      _tag: "ResponseFailed",
      code: "server_error",
      delivery: "partial"
    }],
    ["response.failed", T.failed({ code: "server_error", message: "no" }), {
      _tag: "ResponseFailed",
      code: "server_error",
      delivery: "unacknowledged",
      responseId: "resp_1"
    }],
    ["previous_response_not_found", T.error(notFound), { _tag: "PreviousResponseNotFound", description: "gone" }],
    ["the age limit", T.error({ code: "websocket_connection_limit_reached" }), {
      _tag: "ConnectionError",
      reason: "Expired"
    }],
    ["a drop before output", T.drop({ after: 2 }), {
      _tag: "ConnectionError",
      reason: "Lost",
      closeCode: 1006,
      delivery: "unacknowledged"
    }],
    ["a drop after output", T.turn([T.text("x"), T.drop()]), {
      _tag: "ConnectionError",
      reason: "Lost",
      delivery: "partial"
    }],
    ["a clean close is none", T.turn([T.text("x"), T.close({ code: 1000 })]), {
      _tag: "ConnectionError",
      reason: "Lost",
      closeCode: 1000
    }],
    ["garbage", T.turn([T.text("x"), T.raw(["{"], { after: 1 })]), {
      _tag: "MalformedEvent",
      frame: "{",
      delivery: "unacknowledged"
    }],
    ["garbage after output", T.turn([T.text("x"), T.raw(["{"])]), { _tag: "MalformedEvent", delivery: "partial" }]
  ]

  for (const [name, turn, expected] of failures) {
    run(
      [turn, T.text("next")],
      `${name}: a typed error, and the next request is served`,
      Effect.gen(function*() {
        const failure = yield* error({ ...request, previous_response_id: "resp_0" })
        for (const [field, value] of Object.entries(expected)) {
          assert.strictEqual(Reflect.get(failure, field), value, field)
        }
        assert.isNotEmpty(failure.message)
        assert.strictEqual(yield* text(request), "next")
        assert.strictEqual(yield* (yield* mock).abandoned, 0)
      })
    )
  }

  run(
    [T.turn([T.text("x"), T.drop()])],
    "what came before a failure is delivered first",
    Effect.gen(function*() {
      const seen: Array<string> = []
      const exit = yield* Responses.stream(request).pipe(
        Stream.runForEach((event) => Effect.sync(() => seen.push(event.type))),
        Effect.exit
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(seen.at(-1), "response.output_item.done")
    })
  )

  run(
    [T.text("x")],
    "a script that has run out is a defect that says so",
    Effect.gen(function*() {
      yield* text(request)
      const exit = yield* Effect.exit(text(request))
      const defect = Exit.isFailure(exit) ? Chunk.toArray(Cause.defects(exit.cause))[0] : undefined
      assert.match(String(defect), /the script has 1 turn, and this is request 2/)
    })
  )

  run(
    [T.text("x")],
    "a warm-up takes no turn, and gives an id to chain from",
    Effect.gen(function*() {
      assert.strictEqual(yield* Responses.warmUp(request), "resp_1")
      assert.strictEqual(yield* text({ ...request, previous_response_id: "resp_1" }), "x")
    })
  )

  run(
    (request, context) => T.text(`${request.model} saw ${context.input.length}`),
    "a function sees the request and the context it continues",
    Effect.gen(function*() {
      assert.strictEqual(yield* text(request), "m saw 1")
      assert.strictEqual(yield* text({ ...request, previous_response_id: "resp_1" }), "m saw 3")
    })
  )

  run(
    [T.turn([T.text("one"), T.wait("1 minute")]), T.text("two")],
    "a response that is asked for while another one runs is served at once",
    Effect.gen(function*() {
      const { requests } = yield* mock
      const first = yield* Effect.fork(text(request))
      yield* Effect.yieldNow()
      assert.strictEqual(yield* text(request), "two")
      assert.strictEqual((yield* requests).length, 2)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(first), "one")
    })
  )

  run(
    [T.turn([T.text("one"), T.silence()]), T.text("two"), T.text("three")],
    "leaving early gives the response up, and no other one",
    Effect.gen(function*() {
      const { abandoned } = yield* mock
      const first = yield* Effect.fork(types(request))
      yield* Effect.yieldNow()
      assert.strictEqual(yield* text(request), "two")
      assert.strictEqual(yield* abandoned, 0)
      yield* Fiber.interrupt(first)
      assert.strictEqual(yield* abandoned, 1)
      yield* Responses.stream(request).pipe(Stream.take(2), Stream.runDrain)
      assert.strictEqual(yield* abandoned, 2)
    })
  )
})

describe("the clocks of a response", () => {
  const limits = { firstEventTimeout: "3 seconds", stallTimeout: "5 seconds", turnTimeout: "8 seconds" } as const
  const slow = Array.from({ length: 9 }, () => [T.wait("1 seconds"), T.text("x")]).flat()
  const cases: ReadonlyArray<
    readonly [
      reason: ConnectionError["reason"],
      delivery: Delivery,
      seconds: number,
      turn: ResponsesTest.Turn,
      options: ResponsesTest.Options
    ]
  > = [
    ["FirstEventTimeout", "unacknowledged", 3, T.silence(), limits],
    ["Stalled", "partial", 6, T.turn([T.wait("1 seconds"), T.text("x"), T.silence()]), limits],
    ["TurnTimeout", "partial", 8, T.turn(slow), limits],
    ["FirstEventTimeout", "unacknowledged", 120, T.silence(), {}],
    ["Stalled", "partial", 600, T.turn([T.text("x"), T.silence()]), {}],
    ["TurnTimeout", "unacknowledged", 1200, T.silence(), { firstEventTimeout: "1 hours" }]
  ]
  for (const [reason, delivery, seconds, turn, options] of cases) {
    it.effect(`${reason} after ${seconds} s`, () =>
      Effect.gen(function*() {
        const failing = yield* Effect.fork(error(request))
        yield* TestClock.adjust(`${seconds - 1} seconds`)
        assert.isTrue(Option.isNone(yield* Fiber.poll(failing)))
        yield* TestClock.adjust("1 seconds")
        const failure = yield* Fiber.join(failing)
        assert.deepStrictEqual(failure._tag === "ConnectionError" && [failure.reason, failure.delivery], [
          reason,
          delivery
        ])
        assert.strictEqual(yield* text(request), "next")
      }).pipe(Effect.provide(ResponsesTest.layer([turn, T.text("next")], options))))
  }

  it.effect("an option that is no duration is a defect that names it", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(ResponsesTest.make([], { stallTimeout: "soon" as never }))
      assert.match(String(exit), /stallTimeout/)
    }))
})

onMachine(
  "durations are what the machine was awake, whatever its wall clock was set to",
  (machine) =>
    Effect.gen(function*() {
      const opening = yield* Effect.fork(Responses.open(request))
      yield* TestClock.adjust("3 seconds")
      machine.sleep("1 minute")
      machine.setBack("1 hour")
      yield* TestClock.adjust("1 seconds")
      const { firstEvent, queued } = yield* Fiber.join(opening)
      assert.deepStrictEqual([queued, firstEvent], [Duration.zero, Duration.seconds(4)])
    }).pipe(Effect.provide(ResponsesTest.layer([T.turn([T.wait("4 seconds"), T.text("one")])])))
)
