/** What a Conversation does with tools that die, hang, run alone, are tried again, or give too much. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Conversation from "../src/Conversation.ts"
import * as ConversationJournal from "../src/ConversationJournal.ts"
import type * as ResponseItem from "../src/ResponseItem.ts"
import type * as Responses from "../src/Responses.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as ResponseTool from "../src/ResponseTool.ts"
import * as Clocks from "./support/clocks.ts"

const { text, turn } = ResponsesTest

const run = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runDrain(stream)

const call = (name: string, callId = `call_${name}`) => ResponsesTest.customToolCall({ name, input: "", callId })

const outputs = (items: ReadonlyArray<ResponseItem.ResponseItem>) =>
  items.flatMap((item) =>
    item.type === "custom_tool_call_output" && typeof item.output === "string" ? [item.output] : []
  )

/** What the model was told in the last request. */
const told = Effect.map(
  Effect.flatMap(ResponsesTest.ResponsesTest, (test) => test.requests),
  (requests) => {
    const input = requests.at(-1)?.input
    return typeof input === "string" || input === undefined ? [] : outputs(input)
  }
)

const mocked = (
  name: string,
  script: ResponsesTest.Script,
  test: Effect.Effect<
    void,
    unknown,
    ResponsesTest.ResponsesTest | Responses.Responses | ConversationJournal.ConversationJournal
  >
) =>
  it.effect(name, () => Effect.provide(test, Layer.merge(ResponsesTest.layer(script), ConversationJournal.layerMemory)))

const settings = { id: "c", model: "m" } as const

const entries = Effect.map(
  Effect.flatMap(ConversationJournal.ConversationJournal, (journal) => journal.load(settings.id)),
  (owned) => owned.entries
)

const started = Effect.map(entries, (all) => all.filter(({ _tag }) => _tag === "Started"))

/** Counts its runs. `first` is what the first run does. */
const noting = (
  name: string,
  first: Effect.Effect<unknown, unknown>,
  options: ResponseTool.CallOptions<unknown> = {}
) => {
  const ran: Array<number> = []
  const tool = ResponseTool.custom({
    name,
    ...options,
    handler: (_, { attempt }) =>
      Effect.suspend(() => ran.push(attempt) === 1 ? first : Effect.succeed(`${name} ${attempt}`))
  })
  return { ran, tool }
}

const circular: { self?: unknown } = {}
circular.self = circular

const broken: ReadonlyArray<
  readonly [string, Effect.Effect<unknown, unknown>, ResponseTool.ToolFailed["reason"], RegExp]
> = [
  ["dies", Effect.dieMessage("hunter2"), "HandlerDied", /^Error: the tool failed, and may have/],
  ["throws", Effect.sync(() => JSON.parse("hunter2")), "HandlerDied", /^Error: the tool failed, and may have/],
  ["interrupts itself", Effect.interrupt, "HandlerInterrupted", /^Error: the tool was interrupted, and may have/],
  [
    "waits for a fiber that was interrupted",
    Effect.flatMap(Effect.fork(Effect.never), (fiber) => Effect.zipRight(Fiber.interrupt(fiber), Fiber.join(fiber))),
    "HandlerInterrupted",
    /^Error: the tool was interrupted, and may have/
  ],
  ["gives a bigint", Effect.succeed({ n: 1n }), "BadOutput", /^Error: its result cannot be written as JSON$/],
  ["gives a circle", Effect.succeed(circular), "BadOutput", /^Error: its result cannot be written as JSON$/],
  ["gives a function", Effect.succeed(() => 1), "BadOutput", /^Error: its result is a function/],
  ["gives a symbol", Effect.succeed(Symbol("hunter2")), "BadOutput", /^Error: its result is a symbol/],
  ["gives 11 MB", Effect.succeed("x".repeat(11_000_000)), "BadOutput", /^Error: its result has 11000000 characters/]
]

describe("a tool that is broken", () => {
  for (const [what, first, reason, expected] of broken) {
    mocked(
      `${what}: the model is told, and the run goes on`,
      [turn([call("broken"), call("pay")]), text("ok")],
      Effect.gen(function*() {
        const pay = noting("pay", Effect.as(Effect.yieldNow(), "paid"))
        const conversation = yield* Conversation.make({ model: "m", tools: [noting("broken", first).tool, pay.tool] })
        const answer = yield* conversation.ask("a")
        assert.strictEqual(answer.text, "ok")
        const [output, paid] = yield* told
        assert.match(output ?? "", expected)
        assert.notInclude(output, "hunter2")
        assert.strictEqual(paid, "paid")
      })
    )

    mocked(
      `${what}: or the run fails, and resume does not run it again, as it may have done its work`,
      [turn([call("broken"), call("pay")]), text("ok")],
      Effect.gen(function*() {
        const one = noting("broken", first)
        const pay = noting("pay", Effect.as(Effect.yieldNow(), "paid"))
        const tools = [one.tool, pay.tool]
        const conversation = yield* Conversation.open({ ...settings, tools, onToolFailure: "fail" })
        assert.deepInclude(yield* Effect.flip(run(conversation.run("a"))), { _tag: "ToolFailed", reason })
        yield* run((yield* Conversation.open({ ...settings, tools })).resume)
        const [output, paid] = yield* told
        assert.match(output ?? "", /outcome is unknown/)
        assert.strictEqual(paid, "paid")
        assert.deepStrictEqual([one.ran, pay.ran], [[1], [1]])
      })
    )
  }

  mocked(
    "gives nothing: that is null",
    [call("broken"), text("ok")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ model: "m", tools: [noting("broken", Effect.void).tool] })
      yield* run(conversation.run("a"))
      assert.deepStrictEqual(yield* told, ["null"])
    })
  )

  mocked(
    "gives 10 MB: they are sent",
    [call("broken"), text("ok")],
    Effect.gen(function*() {
      const tool = noting("broken", Effect.succeed("x".repeat(10_000_000))).tool
      const conversation = yield* Conversation.make({ model: "m", tools: [tool] })
      yield* run(conversation.run("a"))
      assert.deepStrictEqual((yield* told).map((output) => output.length), [10_000_000])
    })
  )
})

describe("a tool that hangs", () => {
  const hangs = (onUnknownOutcome?: ResponseTool.OnUnknownOutcome) =>
    noting("hangs", Effect.never, { timeout: "30 seconds", onUnknownOutcome })

  mocked(
    "is stopped by its timeout, and its neighbours run",
    [turn([call("hangs"), call("pay")]), text("ok")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({
        model: "m",
        tools: [hangs().tool, noting("pay", Effect.succeed("paid")).tool]
      })
      yield* Clocks.endsAfter(yield* Effect.fork(run(conversation.run("a"))), "30 seconds")
      const [output, paid] = yield* told
      assert.match(output ?? "", /^Error: the tool had no result within 30s/)
      assert.strictEqual(paid, "paid")
    })
  )

  for (
    const [policy, runs, expected] of [["report", [1], /outcome is unknown/], ["rerun", [1, 2], /^hangs 2$/]] as const
  ) {
    mocked(
      `fails the run if that is asked for, and resume does as onUnknownOutcome says: ${policy}`,
      [call("hangs"), text("ok")],
      Effect.gen(function*() {
        const { ran, tool } = hangs(policy)
        const conversation = yield* Conversation.open({ ...settings, tools: [tool], onToolFailure: "fail" })
        const fiber = yield* Effect.fork(Effect.flip(run(conversation.run("a"))))
        const error = yield* Clocks.endsAfter(fiber, "30 seconds")
        assert.deepInclude(error, { _tag: "ToolFailed", reason: "TimedOut" })
        yield* run(conversation.resume)
        assert.match((yield* told)[0] ?? "", expected)
        assert.deepStrictEqual(ran, [...runs])
      })
    )
  }
})

describe("a tool that is tried again", () => {
  mocked(
    "is started once",
    [call("busy"), text("ok")],
    Effect.gen(function*() {
      const { ran, tool } = noting("busy", Effect.fail("busy"), { retry: Schedule.recurs(2) })
      const conversation = yield* Conversation.open({ ...settings, tools: [tool] })
      yield* run(conversation.run("a"))
      assert.deepStrictEqual(ran, [1, 1])
      assert.deepStrictEqual(yield* told, ["busy 1"])
      assert.strictEqual((yield* started).length, 1)
    })
  )
})

describe("onToolFailure", () => {
  mocked(
    "may be a function, and a tool's own one comes first",
    [turn([call("a"), call("b"), call("none")]), text("ok")],
    Effect.gen(function*() {
      const a = noting("a", Effect.fail("no"))
      const b = noting("b", Effect.fail("no"), { onFailure: () => "Sorry" })
      const conversation = yield* Conversation.make({
        model: "m",
        tools: [a.tool, b.tool],
        onToolFailure: ({ description, name, reason }) => Effect.succeed(`${name} ${reason}: ${description}`)
      })
      yield* run(conversation.run("a"))
      assert.deepStrictEqual(yield* told, [
        "a HandlerFailed: no",
        "Sorry",
        "none UnknownTool: there is no such tool, only a, b"
      ])
    })
  )
})

describe("an exclusive tool", () => {
  /** Runs until it is told to end. */
  const waiting = (name: string, exclusive: boolean, running: Set<string>) =>
    Effect.map(Deferred.make<void>(), (end) => ({
      end: Effect.zipRight(Deferred.succeed(end, undefined), Clocks.settle),
      tool: ResponseTool.custom({
        name,
        exclusive,
        handler: () =>
          Effect.sync(() => running.add(name)).pipe(
            Effect.zipRight(Deferred.await(end)),
            Effect.ensuring(Effect.sync(() => running.delete(name))),
            Effect.as(name)
          )
      })
    }))

  mocked(
    "runs alone, in the order of the calls; the others run beside each other",
    [turn([call("a"), call("b"), call("alone"), call("c")]), text("ok")],
    Effect.gen(function*() {
      const running = new Set<string>()
      const [a, b, alone, c] = yield* Effect.all([
        waiting("a", false, running),
        waiting("b", false, running),
        waiting("alone", true, running),
        waiting("c", false, running)
      ])
      const conversation = yield* Conversation.open({ ...settings, tools: [a.tool, b.tool, alone.tool, c.tool] })
      const fiber = yield* Effect.fork(run(conversation.run("a")))
      yield* Clocks.settle
      assert.deepStrictEqual([...running], ["a", "b"])
      yield* a.end
      assert.deepStrictEqual([...running], ["b"])
      yield* b.end
      assert.deepStrictEqual([...running], ["alone"])
      yield* alone.end
      assert.deepStrictEqual([...running], ["c"])
      yield* c.end
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* told, ["a", "b", "alone", "c"])
    })
  )

  mocked(
    "that waits has not been started: after an interruption it runs, and is not reported as unknown",
    [turn([call("slow"), call("alone")]), text("ok")],
    Effect.gen(function*() {
      const slow = noting("slow", Effect.never)
      const alone = noting("alone", Effect.succeed("done"), { exclusive: true })
      const tools = [slow.tool, alone.tool]
      const conversation = yield* Conversation.open({ ...settings, tools })
      const fiber = yield* Effect.fork(run(conversation.run("a")))
      yield* Clocks.settle
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      assert.deepStrictEqual([slow.ran, alone.ran], [[1], []])
      assert.deepStrictEqual(yield* started, [{ _tag: "Started", callId: "call_slow", attempt: 1 }])
      yield* run((yield* Conversation.open({ ...settings, tools })).resume)
      const [output, done] = yield* told
      assert.match(output ?? "", /unknown/)
      assert.strictEqual(done, "done")
    })
  )

  mocked(
    "ends its turn when it fails, dies or times out",
    [turn([call("fails"), call("dies"), call("hangs"), call("last")]), text("ok")],
    Effect.gen(function*() {
      const exclusive = true
      const tools = [
        noting("fails", Effect.fail("no"), { exclusive }).tool,
        noting("dies", Effect.dieMessage("a bug"), { exclusive }).tool,
        noting("hangs", Effect.never, { exclusive, timeout: "30 seconds" }).tool,
        noting("last", Effect.succeed("done"), { exclusive }).tool
      ]
      const conversation = yield* Conversation.make({ model: "m", tools })
      yield* Clocks.endsAfter(yield* Effect.fork(run(conversation.run("a"))), "30 seconds")
      assert.strictEqual((yield* told).at(-1), "done")
    })
  )
})
