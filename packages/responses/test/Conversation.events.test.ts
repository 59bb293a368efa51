/** What a Conversation tells of its own work, beside the events of the API. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Conversation from "../src/Conversation.ts"
import * as ConversationEvent from "../src/ConversationEvent.ts"
import * as ConversationJournal from "../src/ConversationJournal.ts"
import * as ResponseEvent from "../src/ResponseEvent.ts"
import type * as Responses from "../src/Responses.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as ResponseTool from "../src/ResponseTool.ts"

const { text, turn } = ResponsesTest

const usage = { input_tokens: 7, output_tokens: 3, total_tokens: 10 }

const call = (name: string) => ResponsesTest.toolCall({ name, arguments: {}, callId: `call_${name}` })

const calls = (...names: ReadonlyArray<string>) => turn(names.map(call), { usage })

const tool = <E, R>(
  name: string,
  run: Effect.Effect<unknown, E, R>,
  onUnknownOutcome?: ResponseTool.OnUnknownOutcome
) => ResponseTool.make({ name, parameters: Schema.Struct({}), onUnknownOutcome, handler: () => run })

type Event = ResponseEvent.ResponseEvent | ConversationEvent.ConversationEvent

/** In short. Several events of a response are one line. */
const lineOf = (event: Event): string => {
  switch (event.type) {
    case "conversation.tool.started":
      return `started ${event.name} ${event.attempt}`
    case "conversation.tool.ended":
      return `ended ${event.name} ${event.attempt} ${event.result._tag} ${Duration.toMillis(event.duration)}`
    case "conversation.round.ended":
      return `round ${event.round} ${event.usage?.total_tokens} ${event.calls.map(({ name }) => name).join(",")}`
    case "response.completed":
      return "completed"
    default:
      return ""
  }
}

const linesOf = (events: Iterable<Event>): ReadonlyArray<string> =>
  Array.from(events, lineOf).filter((line) => line !== "")

const collect = <E, R>(stream: Stream.Stream<Event, E, R>) => Effect.map(Stream.runCollect(stream), linesOf)

const mocked = (
  name: string,
  script: ResponsesTest.Script,
  test: Effect.Effect<
    void,
    unknown,
    ResponsesTest.ResponsesTest | Responses.Responses | ConversationJournal.ConversationJournal
  >
) =>
  it.effect(
    name,
    () => Effect.provide(test, Layer.merge(ResponsesTest.layer(script), ConversationJournal.layerMemory))
  )

const settings = { id: "c", model: "m" } as const

describe("the events of a run", () => {
  mocked(
    "come in the order in which things happen, with the time that each tool took",
    [calls("long", "short"), text("ok", { usage })],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({
        model: "m",
        tools: [tool("long", Effect.sleep("2 seconds")), tool("short", Effect.sleep("1 second"))]
      })
      const fiber = yield* Effect.fork(collect(conversation.run("a")))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), [
        "completed",
        "started long 1",
        "started short 1",
        "ended short 1 Output 1000",
        "ended long 1 Output 2000",
        "round 1 10 long,short",
        "completed",
        "round 2 10 "
      ])
    })
  )

  mocked(
    "have what the calls and the round came to",
    [calls("pay"), text("ok", { usage })],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ model: "m", tools: [tool("pay", Effect.succeed("paid"))] })
      const events = Array.from(yield* Stream.runCollect(conversation.run("a")))
      const end = events.find(ResponseEvent.isEnd)
      const output = { type: "function_call_output", call_id: "call_pay", output: "paid" } as const
      const [, ended, round] = events.filter(ConversationEvent.isConversationEvent)
      assert(ended?.type === "conversation.tool.ended")
      assert.deepStrictEqual(ended.result, { _tag: "Output", output })
      assert.deepStrictEqual<unknown>(round, {
        type: "conversation.round.ended",
        round: 1,
        responseId: end?.response.id,
        usage,
        calls: [{ callId: "call_pay", name: "pay", output }]
      })
    })
  )

  mocked(
    "come when they have been written down, and a start before the tool runs",
    [calls("pay"), text("ok")],
    Effect.gen(function*() {
      const log: Array<string> = []
      const gates = { Started: yield* Deferred.make<void>(), Ended: yield* Deferred.make<void>() }
      const journal = yield* ConversationJournal.ConversationJournal
      const slow: ConversationJournal.Service = {
        load: (id) =>
          Effect.map(journal.load(id), (owned) => ({
            ...owned,
            append: (seq, entry) =>
              Effect.zipRight(
                entry._tag === "Started" || entry._tag === "Ended" ? Deferred.await(gates[entry._tag]) : Effect.void,
                owned.append(seq, entry)
              )
          }))
      }
      const pay = tool("pay", Effect.sync(() => log.push("runs")))
      const conversation = yield* Conversation.open({ ...settings, tools: [pay] }).pipe(
        Effect.provideService(ConversationJournal.ConversationJournal, slow)
      )
      const fiber = yield* Effect.fork(
        Stream.runForEach(
          conversation.run("a"),
          (event) => Effect.sync(() => log.push(lineOf(event).split(" ")[0] ?? ""))
        )
      )
      const seen = Effect.map(
        TestClock.adjust("1 second"),
        () => log.filter((line) => ["started", "runs", "ended", "round"].includes(line))
      )
      assert.deepStrictEqual(yield* seen, [])
      yield* Deferred.succeed(gates.Started, undefined)
      assert.deepStrictEqual((yield* seen).toSorted(), ["runs", "started"])
      yield* Deferred.succeed(gates.Ended, undefined)
      assert.deepStrictEqual((yield* seen).slice(2), ["ended", "round", "round"])
      yield* Fiber.join(fiber)
    })
  )

  for (const onToolFailure of ["output", "fail"] as const) {
    mocked(
      `tell of a tool that fails, with onToolFailure: ${onToolFailure}`,
      [calls("broken", "pay"), text("ok")],
      Effect.gen(function*() {
        const events: Array<Event> = []
        const conversation = yield* Conversation.make({
          model: "m",
          onToolFailure,
          tools: [tool("broken", Effect.fail("no")), tool("pay", Effect.yieldNow())]
        })
        const exit = yield* Effect.exit(
          Stream.runForEach(conversation.run("a"), (event) => Effect.sync(() => events.push(event)))
        )
        const failed = events.find((event) => event.type === "conversation.tool.ended")
        assert(failed?.type === "conversation.tool.ended" && failed.result._tag === "Failed")
        assert.deepInclude(failed.result.error, { _tag: "ToolFailed", name: "broken", reason: "HandlerFailed" })
        assert.strictEqual(failed.result.output?.output, onToolFailure === "output" ? "Error: no" : undefined)
        assert.strictEqual(Exit.isSuccess(exit), onToolFailure === "output")
        assert.deepStrictEqual(linesOf(events).slice(1, 5), [
          "started broken 1",
          "ended broken 1 Failed 0",
          "started pay 1",
          "ended pay 1 Output 0"
        ])
      })
    )
  }

  mocked(
    "tell of a tool that died as of one that failed",
    [calls("dies", "pay"), text("ok")],
    Effect.gen(function*() {
      const events: Array<Event> = []
      const conversation = yield* Conversation.make({
        model: "m",
        tools: [tool("dies", Effect.dieMessage("a bug")), tool("pay", Effect.yieldNow())]
      })
      yield* Stream.runForEach(conversation.run("a"), (event) => Effect.sync(() => events.push(event)))
      assert.deepStrictEqual(linesOf(events).slice(1, 5), [
        "started dies 1",
        "ended dies 1 Failed 0",
        "started pay 1",
        "ended pay 1 Output 0"
      ])
    })
  )

  mocked(
    "of a resume say which attempt it is, and which outcome is unknown",
    [calls("done", "look", "pay"), text("ok", { usage })],
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      let isFirst = true
      const hang = Effect.suspend(() => isFirst ? Effect.never : Effect.void)
      const conversation = yield* Conversation.make({
        model: "m",
        tools: [
          tool("done", Effect.succeed("done")),
          tool("look", hang, "rerun"),
          tool("pay", Effect.zipRight(Deferred.succeed(begun, undefined), hang))
        ]
      })
      const fiber = yield* Effect.fork(collect(conversation.run("a")))
      yield* Deferred.await(begun)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      isFirst = false
      const lines = yield* collect(conversation.resume)
      assert.deepStrictEqual(lines.slice(0, 3).toSorted(), [
        "ended look 2 Output 0",
        "ended pay 1 Unknown 0",
        "started look 2"
      ])
      assert.deepStrictEqual(lines.slice(3), ["round 1 undefined done,look,pay", "completed", "round 2 10 "])
    })
  )

  mocked(
    "are left out where nobody wants them, and the tools run all the same",
    [calls("pay"), text("ok"), calls("pay"), text("ok")],
    Effect.gen(function*() {
      let paid = 0
      const conversation = yield* Conversation.make({
        model: "m",
        events: "api",
        tools: [tool("pay", Effect.sync(() => ++paid))]
      })
      const run: Stream.Stream<ResponseEvent.ResponseEvent, unknown> = conversation.run("a")
      const resume: Stream.Stream<ResponseEvent.ResponseEvent, unknown> = conversation.resume
      const fork: Stream.Stream<ResponseEvent.ResponseEvent, unknown> = (yield* conversation.fork).run("b")
      for (const stream of [run, resume, fork]) {
        const events = yield* Stream.runCollect(stream)
        assert.isFalse(Array.from(events).some(ConversationEvent.isConversationEvent))
      }
      assert.strictEqual(paid, 2)
    })
  )
})

describe("a reader of these events", () => {
  mocked(
    "who leaves stops the tools, waits for them, and lets nobody in before that",
    [calls("slow"), text("ok")],
    Effect.gen(function*() {
      const log: Array<string> = []
      const note = (line: string) => Effect.sync(() => log.push(line))
      const cleanUp = Effect.zipRight(Effect.sleep("1 second"), note("cleaned up"))
      const slow = tool("slow", Effect.onInterrupt(Effect.never, () => cleanUp), "rerun")
      const conversation = yield* Conversation.make({ model: "m", tools: [slow] })
      const reading = yield* conversation.run("a").pipe(
        Stream.takeUntil((event) => event.type === "conversation.tool.started"),
        Stream.runDrain,
        Effect.zipRight(note("left")),
        Effect.fork
      )
      yield* TestClock.adjust("500 millis")
      const next = yield* Effect.fork(
        Effect.zipRight(Effect.flip(Stream.runDrain(conversation.run("b"))), note("next"))
      )
      yield* TestClock.adjust("400 millis")
      assert.deepStrictEqual(log, [])
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(reading)
      yield* Fiber.join(next)
      assert.strictEqual(log[0], "cleaned up")
      assert.deepStrictEqual(log.toSorted(), ["cleaned up", "left", "next"])
    })
  )

  mocked(
    "may wait for a tool, and hold up no tool by that",
    [calls("first", "second"), text("ok")],
    Effect.gen(function*() {
      const ended = yield* Deferred.make<void>()
      const conversation = yield* Conversation.make({
        model: "m",
        tools: [
          tool("first", Effect.void),
          tool("second", Effect.ensuring(Effect.sleep("1 second"), Deferred.succeed(ended, undefined)))
        ]
      })
      const fiber = yield* Effect.fork(
        Stream.runForEach(
          conversation.run("a"),
          (event) => event.type === "conversation.tool.started" ? Deferred.await(ended) : Effect.void
        )
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
    })
  )

  mocked(
    "cannot ask the same conversation, and neither can stopWhen: they would wait for themselves",
    [calls("pay"), text("ok")],
    Effect.gen(function*() {
      const refused: Array<string> = []
      const self: { conversation?: Conversation.Conversation } = {}
      const ask = (who: string) =>
        Effect.suspend(() => Stream.runDrain((self.conversation as Conversation.Conversation).send("b"))).pipe(
          Effect.flip,
          Effect.map((error) => refused.push(`${who} ${error._tag}`))
        )
      const conversation = yield* Conversation.make({
        model: "m",
        tools: [tool("pay", Effect.sleep("1 second"))],
        stopWhen: () => Effect.match(ask("stopWhen"), { onFailure: () => true, onSuccess: () => false })
      })
      self.conversation = conversation
      const fiber = yield* Effect.fork(
        Stream.runForEach(
          conversation.run("a"),
          (event) => ConversationEvent.isConversationEvent(event) ? ask(event.type) : Effect.void
        )
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(refused, [
        "conversation.tool.started InvalidRequest",
        "conversation.tool.ended InvalidRequest",
        "conversation.round.ended InvalidRequest",
        "stopWhen InvalidRequest",
        "conversation.round.ended InvalidRequest",
        "stopWhen InvalidRequest"
      ])
    })
  )
})
