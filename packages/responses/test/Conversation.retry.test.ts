/** A conversation asks again what cannot have run, and only what succeeded becomes a part of it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Conversation from "../src/Conversation.ts"
import type { ConversationEvent, Retrying } from "../src/ConversationEvent.ts"
import * as ConversationJournal from "../src/ConversationJournal.ts"
import type { ResponseEvent } from "../src/ResponseEvent.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as ResponseTool from "../src/ResponseTool.ts"
import { answer } from "./support/conversation.ts"
import * as FakeServer from "./support/fakeServer.ts"

const settings = { model: "m", store: false } as const

const { drop, error, raw, text, toolCall, turn } = ResponsesTest

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

const settle = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.exit(self))
    yield* TestClock.adjust("10 minutes")
    return yield* yield* Fiber.join(fiber)
  })

const add = ResponseTool.make({
  name: "add",
  parameters: Schema.Struct({ a: Schema.Number }),
  handler: ({ a }) => Effect.succeed(String(a + 1))
})

/** What a reader shows that knows what is void. */
const shown = (events: Iterable<ResponseEvent | ConversationEvent>) => {
  let all = ""
  let current = ""
  for (const event of events) {
    if (event.type === "response.created") {
      all += current
      current = ""
    }
    if (event.type === "response.output_text.delta") current += event.delta
    if (event.type === "conversation.retrying") current = ""
  }
  return all + current
}

const retries = (events: Iterable<ResponseEvent | ConversationEvent>) =>
  Array.from(events).filter((event): event is Retrying => event.type === "conversation.retrying")

const texts = (history: ReadonlyArray<ResponseItem.ResponseItem>) => history.map(ResponseItem.text)

const mocked = (
  name: string,
  script: ResponsesTest.Script,
  test: Effect.Effect<void, unknown, Layer.Layer.Success<ReturnType<typeof ResponsesTest.layer>>>
) => it.effect(name, () => Effect.provide(test, ResponsesTest.layer(script)))

describe("by default", () => {
  mocked(
    "send, run, ask and resume ask again what cannot have run, and say so",
    [
      limited,
      text("One"),
      limited,
      limited,
      toolCall({ name: "add", arguments: { a: 1 } }),
      limited,
      text("Two"),
      limited,
      text("Three")
    ],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, tools: [add] })
      const sent = yield* settle(Stream.runCollect(conversation.send("first")))
      assert.deepStrictEqual(retries(sent).map(({ attempt }) => attempt), [1])
      const run = yield* settle(Stream.runCollect(conversation.run("second")))
      assert.deepStrictEqual(retries(run).map(({ attempt }) => attempt), [1, 2, 1])
      assert.strictEqual((yield* settle(conversation.ask("third"))).text, "Three")
      assert.deepStrictEqual(
        texts(yield* conversation.history),
        ["first", "One", "second", "", "", "Two", "third", "Three"]
      )
    })
  )

  mocked(
    "nothing is asked more than four times, and resume goes on after that",
    [limited, limited, limited, limited, limited, text("One")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      const failure = yield* Effect.flip(settle(Stream.runDrain(conversation.run("first"))))
      assert.strictEqual(failure._tag, "ResponseFailed")
      assert.strictEqual(yield* asked, 4)
      assert.deepStrictEqual(yield* conversation.history, [])
      yield* settle(Stream.runDrain(conversation.resume))
      assert.deepStrictEqual(texts(yield* conversation.history), ["first", "One"])
    })
  )

  mocked(
    "what has shown output is not asked again",
    [spoken],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      const failure = yield* Effect.flip(settle(Stream.runDrain(conversation.run("first"))))
      assert.deepInclude(failure, { _tag: "ConnectionError", delivery: "partial" })
      assert.strictEqual(yield* asked, 1)
    })
  )
})

describe("the option", () => {
  const script = () => limited

  mocked(
    "false asks once, and that of a request wins",
    script,
    Effect.gen(function*() {
      const never = yield* Conversation.make({ ...settings, retry: false })
      yield* Effect.flip(settle(Stream.runDrain(never.run("a"))))
      assert.strictEqual(yield* asked, 1)
      yield* Effect.flip(settle(Stream.runDrain(never.run("a", { retry: { times: 1 } }))))
      assert.strictEqual(yield* asked, 3)
      const often = yield* Conversation.make({ ...settings, retry: { times: 5 } })
      yield* Effect.flip(settle(Stream.runDrain(often.send("a"))))
      assert.strictEqual(yield* asked, 9)
      yield* Effect.flip(settle(Stream.runDrain(often.send("a", { retry: false }))))
      assert.strictEqual(yield* asked, 10)
    })
  )

  mocked(
    "is not sent to the server",
    [text("One")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, retry: { times: 1 } })
      yield* Stream.runDrain(conversation.run("a", { retry: { times: 2 } }))
      const { requestOptions, requests } = yield* ResponsesTest.ResponsesTest
      assert.notProperty((yield* requests)[0], "retry")
      assert.deepStrictEqual(yield* requestOptions, [{}])
    })
  )

  mocked(
    "that is wrong is told, and nothing is asked",
    [],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, retry: { times: -1 } })
      const failure = yield* Effect.flip(Stream.runDrain(conversation.run("a")))
      assert.deepInclude(failure, { _tag: "InvalidRequest", field: "retry.times" })
    })
  )
})

describe("a response that broke off", () => {
  mocked(
    "is void, which is said before it is asked for again; the history has the new one alone",
    [spoken, limited, text("Hello")],
    Effect.gen(function*() {
      const entries: Array<unknown> = []
      const journal = Layer.succeed(ConversationJournal.ConversationJournal, {
        load: () =>
          Effect.succeed({
            epoch: 1,
            entries: [],
            append: (_, entry) => Effect.sync(() => entries.push(entry))
          })
      })
      const conversation = yield* Effect.provide(
        Conversation.open({ ...settings, id: "c", retry: { delivery: "partial" } }),
        journal
      )
      const events = yield* settle(Stream.runCollect(conversation.run("first")))
      assert.deepStrictEqual(retries(events).map(({ responseId }) => responseId), ["resp_void", undefined])
      const types = Array.from(events, ({ type }) => type)
      assert.isBelow(types.indexOf("response.output_text.delta"), types.indexOf("conversation.retrying"))
      assert.strictEqual(shown(events), "Hello")
      assert.deepStrictEqual(texts(yield* conversation.history), ["first", "Hello"])
      assert.deepStrictEqual(entries.map((entry) => (entry as { readonly _tag: string })._tag), ["Asked", "Answered"])
      assert.notInclude(JSON.stringify(entries), "Void")
    })
  )

  mocked(
    "is not in what ask answers",
    [spoken, text("Hello")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, retry: { delivery: "partial" } })
      const { responses, text } = yield* settle(conversation.ask("first"))
      assert.deepStrictEqual([text, responses.length], ["Hello", 1])
    })
  )
})

describe("the delay", () => {
  mocked(
    "can be interrupted, and resume goes on",
    [limited, text("One")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      const fiber = yield* Effect.fork(Stream.runDrain(conversation.run("first")))
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* asked, 1)
      yield* Stream.runDrain(conversation.resume)
      assert.deepStrictEqual(texts(yield* conversation.history), ["first", "One"])
    })
  )

  mocked(
    "holds the turn: who comes meanwhile waits",
    [limited, text("One"), text("Two")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      const first = yield* Effect.fork(Stream.runDrain(conversation.run("first")))
      yield* TestClock.adjust("100 millis")
      const second = yield* Effect.fork(Stream.runDrain(conversation.run("second")))
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* asked, 1)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.joinAll([first, second])
      assert.deepStrictEqual(texts(yield* conversation.history), ["first", "One", "second", "Two"])
    })
  )

  mocked(
    "the reader of a retry cannot ask its own conversation",
    [limited, text("One")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      const run = Stream.runForEach(
        conversation.run("first"),
        (event) => event.type === "conversation.retrying" ? Stream.runDrain(conversation.send("more")) : Effect.void
      )
      const failure = yield* Effect.flip(settle(run))
      assert.deepInclude(failure, { _tag: "InvalidRequest", field: "conversation" })
    })
  )
})

describe("on a socket", () => {
  it.scoped("a retry travels as a delta where the first try did", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make
      yield* Effect.gen(function*() {
        const conversation = yield* Conversation.make(settings)
        const say = (text: string) =>
          ResponseItem.message("assistant", [{ type: "output_text", text, annotations: [] }])
        const first = yield* Effect.fork(Stream.runDrain(conversation.run("first")))
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.send(...answer("resp_1", [say("One")]))
        yield* Fiber.join(first)

        const second = yield* Effect.fork(Stream.runDrain(conversation.run("second")))
        const tried = yield* connection.request
        assert.strictEqual(tried["previous_response_id"], "resp_1")
        yield* connection.close(1006)
        const failure = yield* Effect.flip(Fiber.join(second))
        assert.deepInclude(failure, { _tag: "ConnectionError", delivery: "unacknowledged" })

        const third = yield* Effect.fork(Stream.runDrain(conversation.resume))
        const renewed = yield* server.connection
        assert.notProperty(yield* renewed.request, "previous_response_id")
        yield* renewed.send(...answer("resp_2", [say("Two")]))
        yield* Fiber.join(third)

        const fourth = yield* Effect.fork(Stream.runDrain(conversation.run("fourth", { retry: { times: 1 } })))
        assert.strictEqual((yield* renewed.request)["previous_response_id"], "resp_2")
        yield* renewed.send({ type: "error", status: 429, error: { code: "rate_limit_exceeded", message: "Busy" } })
        yield* TestClock.adjust("10 seconds")
        const again = yield* renewed.request
        const texts = (again["input"] as ReadonlyArray<ResponseItem.ResponseItem>).map(ResponseItem.text)
        // What the refusal has cost the server's memory is for the chain to know, not for the retry.
        assert.strictEqual(texts.at(-1), "fourth")
        assert.deepStrictEqual(
          texts,
          again["previous_response_id"] === undefined
            ? ["first", "One", "second", "Two", "fourth"]
            : ["fourth"]
        )
        yield* renewed.send(...answer("resp_3", [say("Four")]))
        yield* Fiber.join(fourth)
        assert.strictEqual(server.dials(), 2)
      }).pipe(Effect.provide(server.layer()))
    }))
})
