/** Tools that fail, hang, die, or give what cannot be sent: what the program gets, and what the model is told. */
// @effect-diagnostics globalErrorInEffectFailure:off
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import * as ResponseTool from "../src/ResponseTool.ts"
import * as Clocks from "./support/clocks.ts"

const call: ResponseTool.Call = { type: "custom_tool_call", call_id: "c", name: "t", input: "" }

/** A tool whose handler is this, whatever it is given. */
const toolOf = <E, R>(
  handler: Effect.Effect<unknown, E, R>,
  options: ResponseTool.CallOptions<NoInfer<E>, R> = {}
): ResponseTool.ResponseTool<E, R> => ResponseTool.custom({ name: "t", ...options, handler: () => handler })

const answer = <T extends ResponseTool.Any>(tool: T, onFailure: ResponseTool.OnFailure) =>
  ResponseTool.answer([tool], call, onFailure)

const told = <T extends ResponseTool.Any>(tool: T, onFailure: ResponseTool.OnFailure = "output") =>
  Effect.map(answer(tool, onFailure), ({ output }) => output)

const failure = <T extends ResponseTool.Any>(tool: T) => Effect.flip(answer(tool, "fail"))

/** A handler that fails as often as this, and counts its runs. */
const failing = (times: number, error: unknown = "busy") => {
  const ran: Array<ResponseTool.Invocation> = []
  const handler = (_: unknown, invocation: ResponseTool.Invocation) =>
    Effect.suspend(() => ran.push(invocation) > times ? Effect.succeed("done") : Effect.fail(error))
  return { ran, handler }
}

class NotFound extends Data.TaggedError("NotFound")<{ readonly password?: string }> {}

class Refused extends Schema.TaggedError<Refused>()("Refused", { password: Schema.String }) {}

class Closed extends Schema.TaggedError<Closed>()("Closed", { password: Schema.String }) {
  override get message() {
    return "The shop is closed"
  }
}

const parsed = Schema.decodeUnknown(Schema.Struct({ password: Schema.Number }))({ password: "hunter2" })

describe("what the model is told of a failure", () => {
  const words: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown>, RegExp]> = [
    ["a text", Effect.fail("no such file"), /^Error: no such file$/],
    ["nothing", Effect.fail(""), /^Error: the tool failed$/],
    ["half of a character", Effect.fail("\uD83D"), /^Error: \uFFFD$/],
    ["a long text", Effect.fail("x".repeat(11_000_000)), /^Error: x{999}…$/],
    ["a million empty lines", Effect.fail(`a${"\n".repeat(1_000_000)}b`), /^Error: a\n{998}…$/],
    ["an error", Effect.fail(new Error("no such file")), /^Error: no such file$/],
    [
      "an error with a message of its own",
      Effect.fail(new Closed({ password: "hunter2" })),
      /^Error: The shop is closed$/
    ],
    ["an error without a message", Effect.fail(new NotFound({ password: "hunter2" })), /^Error: NotFound$/],
    [
      "an error whose message is its fields",
      Effect.fail(new Refused({ password: "hunter2" })),
      /^Error: the tool failed$/
    ],
    [
      "an error with a stack in its message",
      Effect.fail(new Error(String(new Error("no").stack))),
      /^Error: Error: no$/
    ],
    ["an error of a schema", parsed, /^Error: the tool failed$/],
    ["an unknown error", Effect.tryPromise(() => Promise.reject(new Error("hunter2"))), /^Error: the tool failed$/],
    ["an object", Effect.fail({ password: "hunter2" }), /^Error: the tool failed$/],
    ["null", Effect.fail(null), /^Error: the tool failed$/],
    ["a defect", Effect.die(new Error("hunter2")), /^Error: the tool failed, and may have done its work/],
    ["an exception", Effect.sync(() => JSON.parse("{")), /^Error: the tool failed, and may have done its work/],
    ["an interruption of its own", Effect.interrupt, /^Error: the tool was interrupted, and may have done its work/],
    ["a bigint", Effect.succeed(1n), /^Error: its result cannot be written as JSON$/],
    ["a function", Effect.succeed(() => 1), /^Error: its result is a function, which JSON does not have$/]
  ]
  it.effect.each(words)("%s", ([, handler, expected]) =>
    Effect.gen(function*() {
      const text = yield* told(toolOf(handler))
      assert(typeof text === "string")
      assert.isTrue(expected.test(text), text.slice(0, 200))
      assert.notInclude(text, "hunter2")
    }))

  const Params = Schema.Struct({
    city: Schema.String,
    days: Schema.Int,
    zone: Schema.Literal("utc", "local"),
    at: Schema.Struct({ lat: Schema.Number }),
    tags: Schema.Array(Schema.Struct({ name: Schema.String })),
    code: Schema.String.annotations({ message: () => "ask the user for the code" })
  })
  const typed = ResponseTool.make({ name: "t", parameters: Params, handler: () => Effect.void })
  const bad = (args: string, tool: ResponseTool.ResponseTool<unknown, never> = typed) =>
    ResponseTool.answer([tool], { type: "function_call", call_id: "c", name: "t", arguments: args }, "fail").pipe(
      Effect.flip
    )

  it.effect("arguments: one line for each problem, without their values", () =>
    Effect.gen(function*() {
      const args = { city: 7, days: 1.5, zone: "hunter2", at: "hunter2", tags: [{ name: "a" }, { name: 7 }], code: 7 }
      const error = yield* bad(JSON.stringify(args))
      assert.strictEqual(error.reason, "BadArguments")
      assert.deepStrictEqual(error.description.split("\n"), [
        "the arguments do not fit",
        "city: expected string",
        "days: expected an integer",
        "zone: expected \"utc\"",
        "zone: expected \"local\"",
        "at: expected an object",
        "tags.1.name: expected string",
        "code: ask the user for the code"
      ])
      assert.include(String(error.cause), "└─", "the program has all of it")
      const missing = yield* bad("[]")
      assert.deepStrictEqual(missing.description.split("\n"), ["the arguments do not fit", "expected an object"])
      const none = yield* bad("{}")
      assert.strictEqual(none.description.split("\n")[1], "city: is missing")
    }))

  it.effect("arguments: what is no JSON, or has text that does not become a value, is not shown", () =>
    Effect.gen(function*() {
      const tool = ResponseTool.make({
        name: "t",
        parameters: Schema.Struct({ n: Schema.NumberFromString, at: Schema.Date, json: Schema.parseJson() }),
        handler: () => Effect.void
      })
      const error = yield* bad("{\"n\":\"hunter2, actual hunter2\",\"at\":\"hunter2\",\"json\":\"hunter2\"}", tool)
      assert.notInclude(error.description, "hunter2")
      assert.include(error.description, "n: expected a number\nat: ")
      for (const text of ["hunter2", "{hunter2}", "{\"a\": hunter2}", "[hunter2"]) {
        const { description } = yield* bad(text, tool)
        assert.match(description, /^the arguments are not JSON: /)
        assert.notInclude(description, "hunter2")
      }
    }))

  it.effect("arguments: with many problems, a few", () =>
    Effect.gen(function*() {
      const tags = Array.from({ length: 1000 }, () => ({ name: 1 }))
      const base = { city: "c", days: 1, zone: "utc", at: { lat: 1 }, code: "c" }
      const error = yield* bad(JSON.stringify({ ...base, tags }))
      const lines = error.description.split("\n")
      assert.strictEqual(lines.length, 10)
      assert.strictEqual(lines.at(-1), "and 992 more")
      // Not all of them are looked for where there may be millions.
      const more = yield* bad(JSON.stringify({ ...base, tags: Array.from({ length: 50_000 }, () => ({ name: 1 })) }))
      assert.deepStrictEqual(more.description.split("\n").slice(1), ["tags.0.name: expected string"])
    }))

  it.effect("arguments: with a name of a megabyte, its beginning", () =>
    Effect.gen(function*() {
      const Names = Schema.Record({ key: Schema.String, value: Schema.String })
      const tool = ResponseTool.make({ name: "t", parameters: Names, handler: () => Effect.void })
      const error = yield* bad(JSON.stringify({ ["x".repeat(60_000)]: 1 }), tool)
      assert.isBelow(error.description.length, 300)
    }))

  it.effect("arguments: a message of the schema that is an effect is waited for, and one that dies hides nothing", () =>
    Effect.gen(function*() {
      const withMessage = (message: Effect.Effect<string>) =>
        ResponseTool.make({
          name: "t",
          parameters: Schema.Struct({ a: Schema.String.annotations({ message: () => message }) }),
          handler: () => Effect.void
        })
      const late = yield* bad("{\"a\":1}", withMessage(Effect.as(Effect.yieldNow(), "a text, please")))
      assert.include(late.description, "a: a text, please")
      const dead = yield* bad("{\"a\":1}", withMessage(Effect.dieMessage("no")))
      assert.deepInclude(dead, { reason: "BadArguments", description: "the arguments do not fit" })
    }))

  it.effect("the program gets the details", () =>
    Effect.gen(function*() {
      const error = new Refused({ password: "hunter2" })
      assert.deepInclude(yield* failure(toolOf(Effect.fail(error))), { reason: "HandlerFailed", cause: error })
      const defect = new Error("a bug")
      assert.deepInclude(yield* failure(toolOf(Effect.die(defect))), { reason: "HandlerDied", cause: defect })
      assert.deepInclude(yield* failure(toolOf(Effect.interrupt)), { reason: "HandlerInterrupted" })
      const own = new ResponseTool.ToolFailed({ name: "x", callId: "y", reason: "BadOutput", description: "mine" })
      assert.strictEqual(yield* failure(toolOf(Effect.fail(own))), own)
    }))

  it.effect("a tool that throws, and was not made by make, is no defect", () =>
    Effect.gen(function*() {
      const tool: ResponseTool.ResponseTool<never, never> = {
        name: "t",
        definition: { type: "custom", name: "t" },
        handle: () => {
          throw new Error("hunter2")
        }
      }
      assert.strictEqual((yield* failure(tool)).reason, "HandlerDied")
    }))
})

describe("onFailure", () => {
  const broken = <E>(error: E, onFailure?: ResponseTool.OnFailure) => toolOf(Effect.fail(error), { onFailure })

  it.effect("of the tool comes before that of the conversation", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* told(broken("no", "output"), "fail"), "Error: no")
      assert.strictEqual((yield* Effect.flip(answer(broken("no", "fail"), "output"))).reason, "HandlerFailed")
      assert.strictEqual(yield* told(broken("no", () => "Sorry"), "fail"), "Sorry")
      assert.strictEqual(yield* told(broken("no"), ({ callId, cause }) => `${callId}: ${String(cause)}`), "c: no")
      assert.strictEqual(yield* told(broken("no"), ({ description }) => Effect.succeed(`[${description}]`)), "[no]")
    }))

  it.effect("writes also what is told of an unknown tool", () =>
    Effect.gen(function*() {
      const { output } = yield* ResponseTool.answer([], call, ({ reason }) => reason)
      assert.strictEqual(output, "UnknownTool")
    }))

  it.effect("that throws, dies or writes no text does not hide the failure", () =>
    Effect.gen(function*() {
      const functions: ReadonlyArray<ResponseTool.OnFailure> = [
        () => {
          throw new Error("no")
        },
        () => Effect.dieMessage("no"),
        () => Effect.interrupt,
        () => undefined as unknown as string
      ]
      for (const onFailure of functions) assert.strictEqual(yield* told(broken("busy", onFailure)), "Error: busy")
    }))

  it.effect("writes what the API takes", () =>
    Effect.gen(function*() {
      const text = yield* told(broken("no", () => `\uD83D${"x".repeat(11_000_000)}`))
      assert(typeof text === "string")
      assert.strictEqual(text.length, 10_485_760)
      assert.strictEqual(text[0], "\uFFFD")
    }))

  it.effect("a defect that only the model is told of is a warning in the log", () =>
    Effect.gen(function*() {
      const logged: Array<readonly [string, string, unknown]> = []
      const logger = Logger.make(({ annotations, cause, logLevel }) =>
        logged.push([
          logLevel.label,
          Cause.pretty(cause, { renderErrorCause: true }),
          Option.getOrUndefined(HashMap.get(annotations, "tool"))
        ])
      )
      yield* Effect.all([
        told(toolOf(Effect.die(new Error("a bug")))),
        told(toolOf(Effect.fail("busy"))),
        Effect.flip(answer(toolOf(Effect.die("a bug")), "fail"))
      ]).pipe(Effect.provide(Logger.add(logger)), Logger.withMinimumLogLevel(LogLevel.Debug))
      assert.deepStrictEqual(logged.map(([level, , tool]) => [level, tool]), [["WARN", "t"], ["DEBUG", "t"]])
      assert.include(logged[0]?.[1] ?? "", "a bug")
    }))
})

describe("timeout", () => {
  it.effect("a tool that hangs is interrupted, and the model is told", () =>
    Effect.gen(function*() {
      let released = 0
      const hangs = Effect.onInterrupt(Effect.never, () => Effect.sync(() => released++))
      const fiber = yield* Effect.fork(told(toolOf(hangs, { timeout: "30 seconds" })))
      const text = yield* Clocks.endsAfter(fiber, "30 seconds")
      assert.strictEqual(
        text,
        "Error: the tool had no result within 30s, was stopped, and may have done its work or a part of it"
      )
      assert.strictEqual(released, 1)
    }))

  it.effect("is the failure TimedOut, whose outcome is unknown, and which is not tried again", () =>
    Effect.gen(function*() {
      let runs = 0
      const hangs = Effect.zipRight(Effect.sync(() => runs++), Effect.never)
      const tool = toolOf(hangs, { timeout: "30 seconds", retry: Schedule.forever })
      const error = yield* Clocks.endsAfter(yield* Effect.fork(failure(tool)), "30 seconds")
      assert.deepInclude(error, { reason: "TimedOut", isOutcomeUnknown: true })
      assert.strictEqual(runs, 1)
    }))

  it.effect("counts all attempts and the waits between them", () =>
    Effect.gen(function*() {
      const { handler, ran } = failing(Infinity)
      const tool = ResponseTool.custom({
        name: "t",
        timeout: "35 seconds",
        retry: Schedule.spaced("10 seconds"),
        handler
      })
      const error = yield* Clocks.endsAfter(yield* Effect.fork(failure(tool)), "35 seconds")
      assert.strictEqual(error.reason, "TimedOut")
      assert.strictEqual(ran.length, 4)
    }))

  it.effect("what ends in time is answered, and keeps its failures", () =>
    Effect.gen(function*() {
      const after = (effect: Effect.Effect<string, string>) =>
        toolOf(Effect.delay(effect, "29 seconds"), { timeout: "30 seconds" })
      const done = yield* Clocks.endsAfter(yield* Effect.fork(told(after(Effect.succeed("done")))), "29 seconds")
      assert.strictEqual(done, "done")
      const error = yield* Clocks.endsAfter(yield* Effect.fork(failure(after(Effect.fail("no")))), "29 seconds")
      assert.strictEqual(error.reason, "HandlerFailed")
      const own = yield* failure(toolOf(Effect.interrupt, { timeout: "30 seconds" }))
      assert.strictEqual(own.reason, "HandlerInterrupted")
    }))
})

describe("an interruption of the caller", () => {
  for (const timeout of [undefined, "1 hour"] as const) {
    it.effect(`is no failure of the tool, with the timeout ${timeout}`, () =>
      Effect.gen(function*() {
        const begun = yield* Deferred.make<void>()
        let released = 0
        const hangs = Deferred.succeed(begun, undefined).pipe(
          Effect.zipRight(Effect.never),
          Effect.onInterrupt(() => Effect.sync(() => released++))
        )
        let asked = 0
        const tool = toolOf(hangs, { timeout, retry: { times: 3 }, onFailure: () => `${asked++}` })
        const fiber = yield* Effect.fork(told(tool))
        yield* Deferred.await(begun)
        const exit = yield* Fiber.interrupt(fiber)
        assert.isTrue(Exit.isInterrupted(exit))
        assert.deepStrictEqual([released, asked], [1, 0])
      }))
  }

  it.effect("ends the wait between two attempts", () =>
    Effect.gen(function*() {
      const { handler, ran } = failing(Infinity)
      const tool = ResponseTool.custom({ name: "t", retry: Schedule.spaced("10 seconds"), handler })
      const fiber = yield* Effect.fork(told(tool))
      yield* Clocks.settle
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(ran.length, 1)
    }))
})

describe("retry", () => {
  it.effect("runs the handler again, which has the same attempt and key each time", () =>
    Effect.gen(function*() {
      const { handler, ran } = failing(2)
      const tool = ResponseTool.custom({ name: "t", retry: { times: 2 }, handler })
      const attempt = { attempt: 4, idempotencyKey: "key" }
      const { output } = yield* ResponseTool.answer([tool], call, "fail", attempt)
      assert.strictEqual(output, "done")
      assert.deepStrictEqual(ran, Array.from({ length: 3 }, () => ({ ...attempt, callId: "c", call })))
    }))

  it.effect("ends with the last failure", () =>
    Effect.gen(function*() {
      for (
        const [retry, runs] of [[{ times: 2 }, 3], [{ times: 0 }, 1], [Schedule.recurs(1), 2], [undefined, 1]] as const
      ) {
        const { handler, ran } = failing(Infinity)
        const error = yield* failure(ResponseTool.custom({ name: "t", retry, handler }))
        assert.deepInclude(error, { reason: "HandlerFailed", cause: "busy" })
        assert.strictEqual(ran.length, runs)
      }
    }))

  it.effect("waits as its schedule says, and only for the errors that may pass", () =>
    Effect.gen(function*() {
      const slow = failing(2)
      const schedule = Schedule.exponential("1 second")
      const tool = ResponseTool.custom({ name: "t", retry: { times: 5, schedule }, handler: slow.handler })
      assert.strictEqual(yield* Clocks.endsAfter(yield* Effect.fork(told(tool)), "3 seconds"), "done")
      const refused = failing(2, new Closed({ password: "hunter2" }))
      const retry = { times: 5, while: (error: unknown) => !(error instanceof Closed) }
      yield* failure(ResponseTool.custom({ name: "t", retry, handler: refused.handler }))
      assert.strictEqual(refused.ran.length, 1)
    }))

  it.effect("is not for arguments, results and defects", () =>
    Effect.gen(function*() {
      let runs = 0
      const counted = (effect: Effect.Effect<unknown>) =>
        ResponseTool.make({
          name: "t",
          parameters: Schema.Struct({ a: Schema.Number }),
          retry: Schedule.recurs(3),
          handler: () => Effect.zipRight(Effect.sync(() => runs++), effect)
        })
      const ask = (tool: ResponseTool.ResponseTool<unknown, never>, args: string) =>
        ResponseTool.answer([tool], { type: "function_call", call_id: "c", name: "t", arguments: args }, "fail")
      yield* Effect.flip(ask(counted(Effect.void), "{}"))
      assert.strictEqual(runs, 0)
      yield* Effect.flip(ask(counted(Effect.succeed(1n)), "{\"a\":1}"))
      yield* Effect.flip(ask(counted(Effect.dieMessage("a bug")), "{\"a\":1}"))
      assert.strictEqual(runs, 2)
    }))
})

describe("options that make no sense", () => {
  const bad: ReadonlyArray<readonly [string, ResponseTool.CallOptions<unknown>]> = [
    ["no time", { timeout: 0 }],
    ["less than no time", { timeout: -1 }],
    ["no number of milliseconds", { timeout: NaN }],
    ["a unit that nobody knows", { timeout: "5 sec" as "5 seconds" }],
    ["no duration", { timeout: "soon" as "5 seconds" }],
    ["half an attempt", { retry: { times: 0.5 } }],
    ["fewer than no attempts", { retry: { times: -1 } }]
  ]
  it.each(bad)("%s: refused where the tool is made", (_, options) => {
    const handler = () => Effect.void
    for (
      const make of [
        () => ResponseTool.custom({ name: "t", ...options, handler }),
        () => ResponseTool.make({ name: "t", parameters: Schema.Struct({}), ...options, handler })
      ]
    ) {
      assert.throws(make, ResponseTool.InvalidTool, /^The tool "t" .* its (timeout|retry\.times) must be/)
    }
  })
})

describe("10 MB", () => {
  const mega = (count: number) => "x".repeat(count * 1_000_000)
  const image = (count: number) => ({ type: "input_image", image_url: mega(count) })

  it.effect("of text, of JSON and of parts are sent", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* told(toolOf(Effect.succeed(mega(10))))).length, 10_000_000)
      assert.strictEqual((yield* told(toolOf(Effect.succeed({ a: mega(10) })))).length, 10_000_008)
      const parts = yield* told(toolOf(Effect.succeed([image(10), { type: "input_text", text: mega(10) }])))
      assert(typeof parts !== "string")
      assert.deepStrictEqual(parts.map((part) => JSON.stringify(part).length > 10_000_000), [true, true])
    }))

  it.effect("and more than the API takes are a BadOutput, of which the model is told in short", () =>
    Effect.gen(function*() {
      for (const result of [mega(11), { a: mega(11) }, Array.from({ length: 6 }, () => image(9))]) {
        const tool = toolOf(Effect.succeed(result))
        assert.deepInclude(yield* failure(tool), { reason: "BadOutput", isOutcomeUnknown: true })
        const text = yield* told(tool)
        assert(typeof text === "string" && text.length < 200)
        assert.match(text, /has|have/)
        assert.match(text, /the API takes at most/)
      }
    }))
})
