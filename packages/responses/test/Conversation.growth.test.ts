/** A history that grows: what makes it smaller, and when. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Conversation from "../src/Conversation.ts"
import * as ConversationJournal from "../src/ConversationJournal.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import * as Responses from "../src/Responses.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as ResponseTool from "../src/ResponseTool.ts"

const { item, text, toolCall } = ResponsesTest

const settings = { model: "gpt-5.5" }

const compaction: ResponseItem.Compaction = { type: "compaction", id: "cmp_1", encrypted_content: "e" }

const wordOf = (item: ResponseItem.ResponseItem) => item.type === "message" ? ResponseItem.text(item) : item.type ?? ""

const inputs = Effect.flatMap(
  ResponsesTest.ResponsesTest,
  (test) => Effect.map(test.requests, (all) => all.map(({ input }) => Array.isArray(input) ? input.map(wordOf) : []))
)

const words = (conversation: Conversation.Conversation<unknown, unknown>) =>
  Effect.map(conversation.history, (items) => items.map(wordOf))

const look = ResponseTool.make({ name: "look", parameters: Schema.Struct({}), handler: () => Effect.succeed("seen") })

const run = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runDrain(stream)

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
    () => Effect.provide(Effect.provide(test, ResponsesTest.layer(script)), ConversationJournal.layerMemory)
  )

const entries = Effect.flatMap(
  ConversationJournal.ConversationJournal,
  (journal) => Effect.map(journal.load("c"), ({ entries }) => entries)
)

const tags = Effect.map(entries, (all) => all.map(({ _tag }) => _tag))

describe("configuration_update", () => {
  mocked(
    "goes with the input, and stays in the history",
    [text("One"), text("Two"), text("Three")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      const update = ResponseItem.configurationUpdate({
        reasoning: { effort: "high" },
        text: { format: { type: "json_object" } }
      })
      assert.deepStrictEqual<unknown>(update, {
        type: "configuration_update",
        reasoning: { effort: "high" },
        text: { format: { type: "json_object" } }
      })
      yield* conversation.ask("a")
      yield* conversation.ask([update, ResponseItem.user("b")])
      yield* run(conversation.send("c"))
      assert.deepStrictEqual((yield* inputs)[2], ["a", "One", "configuration_update", "b", "Two", "c"])
      assert.include(yield* conversation.history, update)
    })
  )
})

describe("trim", () => {
  mocked(
    "is called before each request, with the history without the new input, and what it gives takes its place",
    [text("One"), toolCall({ name: "look", arguments: {}, callId: "1" }), text("Two"), text("Three")],
    Effect.gen(function*() {
      const given: Array<ReadonlyArray<string>> = []
      const conversation = yield* Conversation.make({
        ...settings,
        tools: [look],
        trim: (history) => {
          given.push(history.map(wordOf))
          return history.slice(-1)
        }
      })
      yield* conversation.ask("a")
      yield* conversation.ask("b")
      yield* run(conversation.send("c"))
      // Nothing is shown of what is only the call that the model is to be answered.
      assert.deepStrictEqual(given, [["a", "One"], ["One", "b"], ["b", "function_call", "function_call_output", "Two"]])
      assert.deepStrictEqual(yield* inputs, [
        ["a"],
        ["One", "b"],
        ["b", "function_call", "function_call_output"],
        ["Two", "c"]
      ])
      assert.deepStrictEqual(yield* words(conversation), ["Two", "c", "Three"])
    })
  )

  mocked(
    "is written down, so that another process goes on with it",
    [text("One"), text("Two"), text("Three")],
    Effect.gen(function*() {
      const options = { ...settings, id: "c", trim: Conversation.lastTurns(1, { whenOver: 1 }) }
      const first = yield* Conversation.open(options)
      yield* first.ask("a")
      yield* first.ask("b")
      yield* first.ask("c")
      assert.deepStrictEqual(yield* tags, "Asked Answered Asked Answered Asked Compacted Answered".split(" "))
      const second = yield* Conversation.open(options)
      assert.deepStrictEqual(yield* words(second), ["b", "Two", "c", "Three"])
    })
  )

  mocked(
    "keeps a compaction under lastTurns, and with it what it stands for",
    [text("One"), item(compaction), text("Two"), text("Three"), text("Four"), text("Five"), text("Six")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, trim: Conversation.lastTurns(2, { whenOver: 2 }) })
      yield* conversation.ask("a")
      yield* conversation.compact
      for (const question of ["b", "c", "d", "e", "f"]) yield* conversation.ask(question)
      assert.deepStrictEqual((yield* words(conversation))[0], "compaction")
      assert.deepStrictEqual((yield* inputs).at(-1)?.slice(-5), ["d", "Four", "e", "Five", "f"])
    })
  )

  mocked(
    "is not called while calls are open",
    [toolCall({ name: "look", arguments: {}, callId: "1" }), text("One")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, otherTools: [look.definition], trim: () => [] })
      yield* run(conversation.send("a"))
      yield* run(conversation.send(ResponseItem.functionCallOutput("1", "seen")))
      assert.deepStrictEqual((yield* inputs)[1], ["a", "function_call", "function_call_output"])
    })
  )

  mocked(
    "may be an effect that asks a model, but not its own conversation",
    [text("One"), text("Summary"), text("Two")],
    Effect.gen(function*() {
      const errors: Array<string> = []
      const own: { conversation?: Conversation.Conversation } = {}
      own.conversation = yield* Conversation.make({
        ...settings,
        trim: (history) =>
          history.length === 0 ? history : Effect.gen(function*() {
            yield* Effect.catchAll(
              Effect.asVoid(own.conversation!.ask("Sum it up.")),
              (error) => Effect.sync(() => errors.push(error._tag))
            )
            const { output } = yield* Responses.create({ model: "small", input: history })
            return [ResponseItem.user(ResponseItem.text({ output }))]
          })
      })
      yield* own.conversation.ask("a")
      yield* own.conversation.ask("b")
      assert.deepStrictEqual(errors, ["InvalidRequest"])
      assert.deepStrictEqual(yield* inputs, [["a"], ["a", "One"], ["Summary", "b"]])
    })
  )

  mocked(
    "fails the request with what the function made up, before anything is sent, and the question stays",
    [text("One"), text("Two")],
    Effect.gen(function*() {
      let isBroken = true
      const orphan: ResponseItem.FunctionCall = { type: "function_call", call_id: "x", name: "look", arguments: "{}" }
      const conversation = yield* Conversation.make({
        ...settings,
        trim: (history) => isBroken ? [orphan] : history
      })
      yield* conversation.ask("a").pipe(
        Effect.zipRight(conversation.ask("b")),
        Effect.flip,
        Effect.tap((error) => {
          assert.strictEqual("field" in error ? error.field : error._tag, "trim")
          assert.include(error.message, "the call x")
        })
      )
      const sent = yield* Effect.flip(run(conversation.send("c")))
      assert.strictEqual(sent._tag, "InvalidRequest")
      assert.deepStrictEqual(yield* inputs, [["a"]])
      isBroken = false
      yield* run(conversation.resume)
      assert.deepStrictEqual(yield* words(conversation), ["a", "One", "b", "Two"])
    })
  )
})

describe("compact", () => {
  mocked(
    "asks the server for a compaction, which is what is left, and is written down",
    [text("One"), item(compaction), text("Two")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.open({ ...settings, id: "c" })
      const update = ResponseItem.configurationUpdate({ reasoning: { effort: "low" } })
      yield* conversation.ask([update, ResponseItem.user("a")])
      yield* conversation.compact
      assert.deepStrictEqual((yield* inputs)[1], ["configuration_update", "a", "One", "compaction_trigger"])
      assert.deepStrictEqual(yield* words(conversation), ["configuration_update", "compaction"])
      yield* conversation.ask("b")
      assert.deepStrictEqual((yield* inputs)[2], ["configuration_update", "compaction", "b"])
      const again = yield* Conversation.open({ ...settings, id: "c" })
      assert.deepStrictEqual(yield* words(again), ["configuration_update", "compaction", "b", "Two"])
    })
  )

  mocked(
    "does nothing where nothing was said",
    [],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      yield* conversation.compact
      assert.deepStrictEqual(yield* inputs, [])
    })
  )

  mocked(
    "fails with what is pending, and asks nothing",
    [toolCall({ name: "look", arguments: {}, callId: "1" })],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, otherTools: [look.definition] })
      yield* run(conversation.send("a"))
      const error = yield* Effect.flip(conversation.compact)
      assert.strictEqual(error._tag, "PendingRound")
      assert.strictEqual((yield* inputs).length, 1)
    })
  )

  mocked(
    "fails where the answer has none, or where there is no answer, and leaves the history",
    [text("One"), text("No."), ResponsesTest.error({ status: 400, code: "bad", message: "no such type" }), text("Two")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.open({ ...settings, id: "c" })
      yield* conversation.ask("a")
      assert.strictEqual((yield* Effect.flip(conversation.compact))._tag, "MalformedEvent")
      assert.strictEqual((yield* Effect.flip(conversation.compact))._tag, "ResponseFailed")
      yield* conversation.ask("b")
      assert.deepStrictEqual((yield* inputs)[3], ["a", "One", "b"])
    })
  )
})

describe("a compaction by the server", () => {
  mocked(
    "leaves what it does not stand for, in a run with tools too",
    [
      text("One"),
      ResponsesTest.turn([item(compaction), toolCall({ name: "look", arguments: {}, callId: "1" })]),
      text("Two")
    ],
    Effect.gen(function*() {
      const context_management = [{ type: "compaction", compact_threshold: 1000 }]
      const conversation = yield* Conversation.make({ ...settings, context_management, tools: [look] })
      yield* conversation.ask("a")
      yield* conversation.ask("b")
      assert.deepStrictEqual((yield* inputs)[2], ["compaction", "function_call", "function_call_output"])
      assert.deepStrictEqual(yield* words(conversation), [
        "compaction",
        "function_call",
        "function_call_output",
        "Two"
      ])
    })
  )
})

describe("a journal", () => {
  mocked(
    "says which stored response the history goes on from",
    [text("One"), text("Two")],
    Effect.gen(function*() {
      const stored = yield* Conversation.open({ ...settings, id: "c" })
      yield* stored.ask("a")
      yield* run(stored.send("b"))
      const responses = (yield* entries).flatMap((entry) =>
        entry._tag === "Answered" || entry._tag === "Sent" ? [entry.response] : []
      )
      assert.deepStrictEqual(responses.map((response) => response?.id), ["resp_1", "resp_2"])
      assert.strictEqual(responses[0]?.settings, responses[1]?.settings)
    })
  )

  mocked(
    "says nothing of a response that is not stored, or that the history has not all of",
    [
      text("One"),
      ResponsesTest.turn([
        text("So far"),
        item({ type: "function_call", call_id: "c", name: "look", arguments: "{", status: "incomplete" }),
        ResponsesTest.incomplete()
      ])
    ],
    Effect.gen(function*() {
      const other = yield* Conversation.open({ ...settings, id: "c", store: false })
      yield* other.ask("a")
      const stored = yield* Conversation.open({ ...settings, id: "c" })
      yield* stored.ask("b")
      assert.deepStrictEqual((yield* entries).filter((entry) => "response" in entry), [])
    })
  )

  it.effect("of before, without responses, is read as it was", () =>
    Effect.gen(function*() {
      const before = [
        { _tag: "Asked", input: [ResponseItem.user("a")] },
        { _tag: "Answered", output: [ResponseItem.message("assistant", "b")] },
        { _tag: "Sent", input: [], output: [] }
      ]
      const decoded = yield* Schema.decodeUnknown(Schema.Array(ConversationJournal.Entry))(before)
      assert.deepStrictEqual<unknown>(decoded, before)
      const now = [
        { _tag: "Answered", output: [], response: { id: "resp_1", settings: "x" } },
        { _tag: "Compacted", history: [compaction], response: { id: "resp_2", settings: "x" } }
      ]
      assert.deepStrictEqual<unknown>(yield* Schema.decodeUnknown(Schema.Array(ConversationJournal.Entry))(now), now)
    }))
})
