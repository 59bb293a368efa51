/** What a Conversation writes down, and how it goes on from there. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Conversation from "../src/Conversation.ts"
import { JournalFailed } from "../src/ConversationError.ts"
import * as ConversationJournal from "../src/ConversationJournal.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import type * as Responses from "../src/Responses.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as ResponseTool from "../src/ResponseTool.ts"

const { text, turn } = ResponsesTest

const run = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runDrain(stream)

const call = (name: string, callId = `call_${name}`) => ResponsesTest.toolCall({ name, arguments: {}, callId })

const settings = { id: "c", model: "m" } as const

const count = Effect.map(
  Effect.flatMap(ResponsesTest.ResponsesTest, (test) => test.requests),
  (requests) => requests.length
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
  it.effect(
    name,
    () => Effect.provide(test, Layer.merge(ResponsesTest.layer(script), ConversationJournal.layerMemory))
  )

/** Takes the conversation from its owner, as another process would. */
const entries = Effect.flatMap(
  ConversationJournal.ConversationJournal,
  (journal) => Effect.map(journal.load(settings.id), (owned) => owned.entries)
)

/** Notes its runs. `first` is what the first run of each call does. */
const noting = (
  name: string,
  first: Effect.Effect<string, unknown>,
  onUnknownOutcome?: ResponseTool.OnUnknownOutcome
) => {
  const ran: Array<ResponseTool.Invocation> = []
  const tool = ResponseTool.make({
    name,
    parameters: Schema.Struct({}),
    onUnknownOutcome,
    handler: (_, invocation) =>
      Effect.suspend(() => {
        ran.push(invocation)
        return invocation.attempt === 1 ? first : Effect.succeed(`${name} ${invocation.attempt}`)
      })
  })
  return { ran, tool }
}

const outputs = (items: ReadonlyArray<ResponseItem.ResponseItem>): ReadonlyArray<string> =>
  items.flatMap((item) => item.type === "function_call_output" && typeof item.output === "string" ? [item.output] : [])

/** Of a history that was written down, with the fields that say what it is. */
const kinds = (items: ReadonlyArray<ResponseItem.ResponseItem>) => items.map(({ type }) => type)

describe("what is written down", () => {
  const pay = noting("pay", Effect.succeed("paid"))

  mocked(
    "is the input, the output, each start and each output of a tool, in this order",
    [turn([call("pay")]), text("ok"), text("sent")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.open({ ...settings, tools: [pay.tool] })
      yield* run(conversation.run("a"))
      yield* run(conversation.send("b"))
      const history = yield* conversation.history
      const written = yield* entries
      assert.deepStrictEqual(written.map(({ _tag }) => _tag), [
        "Asked",
        "Answered",
        "Started",
        "Ended",
        "Answered",
        "Sent"
      ])
      const again = yield* Conversation.open({ ...settings, history: [ResponseItem.user("other")] })
      assert.deepStrictEqual(yield* again.history, history)
      assert.strictEqual(yield* Stream.runCount(again.resume), 0)
    })
  )

  mocked(
    "begins with a history that was given",
    [text("ok")],
    Effect.gen(function*() {
      const past = [ResponseItem.user("before"), ResponseItem.message("assistant", "then")]
      yield* Conversation.open({ ...settings, history: past })
      const conversation = yield* Conversation.open(settings)
      assert.deepStrictEqual(yield* conversation.history, past)
    })
  )

  mocked(
    "is no history that could not be read again",
    [],
    Effect.gen(function*() {
      const history = [{ ...ResponseItem.user("a"), extra: 1n }]
      const refused = yield* Effect.flip(Conversation.open({ ...settings, history }))
      assert.deepInclude(refused, { _tag: "InvalidRequest", field: "history" })
      assert.deepStrictEqual(yield* entries, [])
    })
  )

  mocked(
    "is nothing of what is refused before it is sent, and what is refused then is withdrawn",
    [text("ok")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.open(settings)
      const input = [{ ...ResponseItem.user("a"), extra: 1n }]
      const refused = yield* Effect.flip(run(conversation.run(input)))
      assert.strictEqual(refused._tag, "InvalidRequest")
      const options = { timeout: "-1 minute" } as const
      assert.strictEqual((yield* Effect.flip(run(conversation.run("b", options))))._tag, "InvalidRequest")
      assert.strictEqual(yield* Stream.runCount(conversation.resume), 0)
      assert.deepStrictEqual((yield* entries).map(({ _tag }) => _tag), ["Asked", "Withdrawn"])
    })
  )

  mocked(
    "is written before the step that follows: where it cannot be, nothing is asked and no tool runs",
    [turn([call("pay")]), text("ok")],
    Effect.gen(function*() {
      const { ran, tool } = noting("pay", Effect.succeed("paid"))
      const journal = yield* ConversationJournal.ConversationJournal
      let broken: ConversationJournal.Entry["_tag"] | undefined = "Asked"
      const breaking: ConversationJournal.Service = {
        load: (id) =>
          Effect.map(journal.load(id), (owned) => ({
            ...owned,
            append: (seq, entry) =>
              Effect.suspend((): ReturnType<typeof owned.append> =>
                entry._tag === broken
                  ? Effect.fail(
                    new JournalFailed({ id, reason: "Unreachable", description: "no disk" })
                  )
                  : owned.append(seq, entry)
              )
          }))
      }
      const conversation = yield* Conversation.open({ ...settings, tools: [tool] }).pipe(
        Effect.provideService(ConversationJournal.ConversationJournal, breaking)
      )
      assert.strictEqual((yield* Effect.flip(run(conversation.run("a"))))._tag, "JournalFailed")
      assert.strictEqual(yield* count, 0)
      broken = "Started"
      assert.strictEqual((yield* Effect.flip(run(conversation.resume)))._tag, "JournalFailed")
      assert.strictEqual(yield* count, 1)
      assert.deepStrictEqual(ran, [])
      broken = undefined
      yield* run(conversation.resume)
      // The tool was never begun: that is no unknown outcome.
      assert.deepStrictEqual(outputs(yield* conversation.history), ["pay 2"])
    })
  )

  it.effect("is no journal, if its entries do not follow each other", () =>
    Effect.gen(function*() {
      const journal = yield* ConversationJournal.makeMemory
      const owned = yield* journal.load("c")
      yield* owned.append(0, { _tag: "Started", callId: "1", attempt: 1 })
      const error = yield* Effect.flip(
        Effect.provideService(Conversation.open(settings), ConversationJournal.ConversationJournal, journal)
      )
      assert.deepInclude(error, { _tag: "JournalFailed", reason: "Malformed", id: "c" })
    }).pipe(Effect.provide(ResponsesTest.layer([]))))
})

describe("a tool whose neighbour fails", () => {
  for (const order of [["broken", "pay"], ["pay", "broken"]] as const) {
    mocked(
      `ends, and is not run again: ${order.join(", ")}`,
      [turn(order.map((name) => call(name))), text("ok")],
      Effect.gen(function*() {
        const pay = noting("pay", Effect.as(Effect.yieldNow(), "paid"))
        const broken = noting("broken", Effect.fail("no"))
        const conversation = yield* Conversation.make({
          model: "m",
          tools: [pay.tool, broken.tool],
          onToolFailure: "fail"
        })
        const error = yield* Effect.flip(run(conversation.run("a")))
        assert(error._tag === "ToolFailed")
        assert.strictEqual(error.name, "broken")
        yield* run(conversation.resume)
        assert.strictEqual(pay.ran.length, 1)
        assert.deepStrictEqual(broken.ran.map(({ attempt }) => attempt), [1, 2])
        assert.strictEqual(yield* count, 2)
        assert.deepStrictEqual(outputs(yield* conversation.history).toSorted(), ["broken 2", "paid"])
      })
    )
  }
})

describe("a tool that dies", () => {
  mocked(
    "fails the run, though not its neighbours, and its outcome is unknown",
    [turn([call("dies"), call("pay")]), text("ok")],
    Effect.gen(function*() {
      const dies = noting("dies", Effect.dieMessage("a bug"))
      const pay = noting("pay", Effect.as(Effect.yieldNow(), "paid"))
      const conversation = yield* Conversation.make({
        model: "m",
        tools: [dies.tool, pay.tool],
        onToolFailure: "fail"
      })
      const error = yield* Effect.flip(run(conversation.run("a")))
      assert.deepInclude(error, { _tag: "ToolFailed", reason: "HandlerDied" })
      yield* run(conversation.resume)
      const [first, second] = outputs(yield* conversation.history)
      assert.match(first ?? "", /unknown/)
      assert.strictEqual(second, "paid")
      assert.strictEqual(pay.ran.length, 1)
    })
  )
})

describe("a tool that was interrupted", () => {
  for (const where of ["in the same conversation", "in another process"] as const) {
    for (const policy of [undefined, "report", "rerun"] as const) {
      mocked(
        `${where}, with ${policy ?? "the default"}`,
        [turn([call("slow"), call("quick")]), text("ok")],
        Effect.gen(function*() {
          const begun = yield* Deferred.make<void>()
          const slow = noting("slow", Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never), policy)
          const quick = noting("quick", Effect.succeed("done"))
          const open = Conversation.open({ ...settings, tools: [slow.tool, quick.tool] })
          const conversation = yield* open
          const fiber = yield* Effect.fork(run(conversation.run("a")))
          yield* Deferred.await(begun)
          yield* Effect.yieldNow()
          yield* Fiber.interrupt(fiber)
          const next = where === "in another process" ? yield* open : conversation
          yield* run(next.resume)
          assert.strictEqual(quick.ran.length, 1)
          assert.strictEqual(yield* count, 2)
          const [told, done] = outputs(yield* next.history)
          assert.strictEqual(done, "done")
          if (policy === "rerun") {
            assert.strictEqual(told, "slow 2")
            assert.deepStrictEqual(slow.ran.map(({ attempt }) => attempt), [1, 2])
            assert.strictEqual(slow.ran[1]?.idempotencyKey, slow.ran[0]?.idempotencyKey)
            assert.match(slow.ran[0]?.idempotencyKey ?? "", /^c:.*call_slow$/)
          } else {
            assert.match(told ?? "", /outcome is unknown/)
            assert.strictEqual(slow.ran.length, 1)
          }
        })
      )
    }
  }
})

describe("a run while a round is not complete", () => {
  /** Ends with a call that was begun, one that was not, and one that has its output. */
  const prepare = Effect.gen(function*() {
    const begun = yield* Deferred.make<void>()
    const done = noting("done", Effect.succeed("done"))
    const slow = noting("slow", Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never), "rerun")
    const late = noting("late", Effect.succeed("late"))
    const conversation = yield* Conversation.open({
      ...settings,
      tools: [done.tool, slow.tool, late.tool],
      concurrency: 1
    })
    const fiber = yield* Effect.fork(run(conversation.run("a")))
    yield* Deferred.await(begun)
    yield* Fiber.interrupt(fiber)
    return { conversation, done, late, slow }
  })
  const script = [turn([call("done"), call("slow"), call("late")]), text("One"), text("Two")]

  mocked(
    "fails, asks nothing, and leaves everything as it was",
    script,
    Effect.gen(function*() {
      const { conversation } = yield* prepare
      const error = yield* Effect.flip(run(conversation.run("b")))
      assert(error._tag === "PendingRound")
      assert.deepStrictEqual(Option.getOrThrow(yield* conversation.pending).calls, error.calls)
      assert.deepStrictEqual(error.calls, [
        { callId: "call_slow", name: "slow", isBegun: true, isHeld: false },
        { callId: "call_late", name: "late", isBegun: false, isHeld: false }
      ])
      assert.include(error.message, "call_slow")
      assert.strictEqual(yield* count, 1)
      yield* run(conversation.resume)
      assert.isTrue(Option.isNone(yield* conversation.pending))
      assert.deepStrictEqual(outputs(yield* conversation.history), ["done", "slow 2", "late"])
    })
  )

  mocked(
    "resumes it first, if it is told to",
    script,
    Effect.gen(function*() {
      const { conversation, done } = yield* prepare
      yield* run(conversation.run("b", { pending: "resume" }))
      const history = yield* conversation.history
      assert.deepStrictEqual(outputs(history), ["done", "slow 2", "late"])
      assert.deepStrictEqual(history.map(ResponseItem.text).filter((words) => words !== ""), ["a", "One", "b", "Two"])
      assert.strictEqual(done.ran.length, 1)
      const options = yield* Effect.flatMap(ResponsesTest.ResponsesTest, (test) => test.requestOptions)
      assert.deepStrictEqual(options, [{}, {}, {}])
    })
  )

  mocked(
    "discards the open calls, if it is told to, and keeps what was done",
    script,
    Effect.gen(function*() {
      const { conversation, late, slow } = yield* prepare
      yield* run(conversation.run("b", { pending: "discard" }))
      const history = yield* conversation.history
      const [first, second, third] = outputs(history)
      assert.strictEqual(first, "done")
      assert.match(second ?? "", /unknown/)
      assert.match(third ?? "", /not run/)
      assert.deepStrictEqual(history.map(ResponseItem.text).filter((words) => words !== ""), ["a", "b", "One"])
      assert.strictEqual(late.ran.length, 0)
      assert.strictEqual(slow.ran.length, 1)
    })
  )

  mocked(
    "is refused as well while the model has not seen the outputs, so that nothing is asked or done twice",
    [call("done"), ResponsesTest.drop(), text("One")],
    Effect.gen(function*() {
      const done = noting("done", Effect.succeed("done"))
      const conversation = yield* Conversation.open({ ...settings, tools: [done.tool] })
      yield* Effect.flip(run(conversation.run("a")))
      const error = yield* Effect.flip(run(conversation.run("a")))
      assert(error._tag === "PendingRound")
      assert.deepStrictEqual(error.calls, [])
      yield* run(conversation.resume)
      assert.deepStrictEqual(kinds(yield* conversation.history), [
        "message",
        "function_call",
        "function_call_output",
        "message"
      ])
      assert.strictEqual(done.ran.length, 1)
    })
  )

  mocked(
    "takes the place of a question that was never answered",
    [ResponsesTest.drop(), text("One")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.open(settings)
      yield* Effect.flip(run(conversation.run("a")))
      yield* run(conversation.run("a"))
      assert.deepStrictEqual((yield* conversation.history).map(ResponseItem.text), ["a", "One"])
    })
  )
})

describe("a history that ends in open calls", () => {
  const history: ReadonlyArray<ResponseItem.ResponseItem> = JSON.parse(JSON.stringify([
    ResponseItem.user("a"),
    { type: "function_call", call_id: "1", name: "pay", arguments: "{}" },
    { type: "function_call", call_id: "2", name: "pay", arguments: "{}" },
    ResponseItem.functionCallOutput("1", "paid before")
  ]))

  mocked(
    "is resumed: only these are run",
    [text("ok")],
    Effect.gen(function*() {
      const pay = noting("pay", Effect.succeed("paid"))
      const conversation = yield* Conversation.make({ model: "m", history, tools: [pay.tool] })
      assert.strictEqual((yield* Effect.flip(run(conversation.run("b"))))._tag, "PendingRound")
      yield* run(conversation.resume)
      assert.deepStrictEqual(pay.ran.map(({ callId }) => callId), ["2"])
      assert.deepStrictEqual(outputs(yield* conversation.history), ["paid before", "paid"])
      assert.strictEqual((yield* conversation.history).length, 6)
    })
  )

  mocked(
    "may be answered by the caller, and so may the open calls of a run",
    [text("ok"), turn([call("pay")]), text("ok")],
    Effect.gen(function*() {
      const pay = noting("pay", Effect.fail("no"))
      const conversation = yield* Conversation.make({
        model: "m",
        history,
        tools: [pay.tool],
        onToolFailure: "fail"
      })
      yield* run(conversation.send(ResponseItem.functionCallOutput("2", "mine")))
      yield* Effect.flip(run(conversation.run("b")))
      assert.strictEqual((yield* Effect.flip(run(conversation.send("c"))))._tag, "InvalidRequest")
      yield* run(conversation.send(ResponseItem.functionCallOutput("call_pay", "mine too")))
      assert.deepStrictEqual(outputs(yield* conversation.history), ["paid before", "mine", "mine too"])
      assert.strictEqual(yield* Stream.runCount(conversation.resume), 0)
    })
  )

  mocked(
    "may be answered with the input of a run, together with another question",
    [text("ok"), turn([call("pay"), call("other")]), text("ok")],
    Effect.gen(function*() {
      const pay = noting("pay", Effect.fail("no"))
      const conversation = yield* Conversation.make({
        model: "m",
        history,
        tools: [pay.tool],
        onToolFailure: "fail"
      })
      yield* run(conversation.run([ResponseItem.functionCallOutput("2", "mine"), ResponseItem.user("and now?")]))
      yield* Effect.flip(run(conversation.run("b")))
      const one = ResponseItem.functionCallOutput("call_pay", "mine too")
      assert.strictEqual((yield* Effect.flip(run(conversation.run(one))))._tag, "PendingRound")
      yield* run(conversation.run([one, ResponseItem.functionCallOutput("call_other", "and this")]))
      assert.deepStrictEqual(outputs(yield* conversation.history), ["paid before", "mine", "mine too", "and this"])
      const said = (yield* conversation.history).map(ResponseItem.text).filter((words) => words !== "")
      assert.deepStrictEqual(said, ["a", "and now?", "ok", "b", "ok"])
    })
  )

  mocked(
    "stays pending if the input that should discard them is wrong",
    [],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ model: "m", history })
      const input = [{ ...ResponseItem.user("a"), extra: 1n }]
      const refused = yield* Effect.flip(run(conversation.run(input, { pending: "discard" })))
      assert.strictEqual(refused._tag, "InvalidRequest")
      assert.strictEqual((yield* Effect.flip(run(conversation.run("b"))))._tag, "PendingRound")
    })
  )

  mocked(
    "that a send has left is resumed",
    [turn([call("pay")]), text("ok")],
    Effect.gen(function*() {
      const pay = noting("pay", Effect.succeed("paid"))
      const conversation = yield* Conversation.open({ ...settings, tools: [pay.tool] })
      yield* run(conversation.send("a"))
      const next = yield* Conversation.open({ ...settings, tools: [pay.tool] })
      yield* run(next.resume)
      assert.deepStrictEqual(outputs(yield* next.history), ["paid"])
    })
  )
})

describe("two owners", () => {
  mocked(
    "the older one fails at its next step, and does nothing any more",
    [turn([call("slow")]), text("ok"), text("more")],
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const slow = noting(
        "slow",
        Deferred.succeed(begun, undefined).pipe(Effect.zipRight(Deferred.await(goOn)), Effect.as("slow 1"))
      )
      const open = Conversation.open({ ...settings, tools: [slow.tool] })
      const older = yield* open
      const fiber = yield* Effect.fork(Effect.flip(run(older.run("a"))))
      yield* Deferred.await(begun)
      const newer = yield* open
      yield* Deferred.succeed(goOn, undefined)
      const error = yield* Fiber.join(fiber)
      assert.deepInclude(error, { _tag: "ConversationTaken", id: "c", epoch: 1 })
      yield* run(newer.resume)
      for (const stream of [older.resume, older.run("b"), older.send("b")]) {
        assert.strictEqual((yield* Effect.flip(run(stream)))._tag, "ConversationTaken")
      }
      assert.strictEqual(yield* count, 2)
      assert.match(outputs(yield* newer.history)[0] ?? "", /unknown/)
    })
  )
})

describe("a fork", () => {
  mocked(
    "has another id and writes nothing into the journal",
    [text("One"), text("Two")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.open(settings)
      yield* run(conversation.run("a"))
      const fork = yield* conversation.fork
      yield* run(fork.run("b"))
      assert.notStrictEqual(fork.id, conversation.id)
      assert.strictEqual((yield* entries).length, 2)
    })
  )
})

describe("outputs that the caller gives again when all of them were written", () => {
  const history = [
    ResponseItem.user("a"),
    { type: "function_call", call_id: "call_x", name: "x", arguments: "{}" } as const,
    ResponseItem.functionCallOutput("call_x", "done")
  ]

  for (const options of [{}, { pending: "resume" }, { pending: "discard" }] as const) {
    for (const more of [[], [ResponseItem.user("more")]]) {
      mocked(
        `are sent once: ${JSON.stringify(options)}, ${more.length} more`,
        [text("One"), text("Two")],
        Effect.gen(function*() {
          const conversation = yield* Conversation.make({ model: "m", history })
          yield* run(conversation.run([...history.slice(2), ...more], options))
          assert.deepStrictEqual(outputs(yield* conversation.history), ["done"])
          assert.strictEqual(yield* count, 1)
          assert.isTrue(Option.isNone(yield* conversation.pending))
        })
      )
    }
  }
})
