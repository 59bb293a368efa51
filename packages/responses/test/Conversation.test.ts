import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Conversation from "../src/Conversation.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import type * as Responses from "../src/Responses.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as ResponseTool from "../src/ResponseTool.ts"

const settings = { model: "gpt-5.5", instructions: "Be brief." }

const { text, toolCall, turn } = ResponsesTest

const kinds = (items: ReadonlyArray<ResponseItem.ResponseItem>) => items.map((item) => item.type)

const history = (conversation: Conversation.Conversation<unknown>) => Effect.map(conversation.history, kinds)

const requests = Effect.flatMap(ResponsesTest.ResponsesTest, (test) => test.requests)

const inputs = Effect.map(
  requests,
  (all) => all.map(({ input }) => typeof input === "string" ? input : kinds(input ?? []))
)

const add = ResponseTool.make({
  name: "add",
  description: "Adds two numbers",
  parameters: Schema.Struct({ a: Schema.Number, b: Schema.Number }),
  handler: ({ a, b }) => Effect.succeed({ sum: a + b })
})

const fail = ResponseTool.make({
  name: "fail",
  parameters: Schema.Struct({}),
  handler: () => Effect.fail("no such file")
})

const call = (name: string, args: unknown = {}, callId = `call_${name}`) => toolCall({ name, arguments: args, callId })

const run = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runDrain(stream)

const mocked = (
  name: string,
  script: ResponsesTest.Script,
  test: Effect.Effect<void, unknown, ResponsesTest.ResponsesTest | Responses.Responses>
) => it.effect(name, () => Effect.provide(test, ResponsesTest.layer(script)))

describe("send", () => {
  mocked(
    "hands over the whole history each time, with the settings",
    [text("One"), text("Two")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      yield* run(conversation.send("first"))
      yield* run(conversation.send(ResponseItem.user("second")))
      assert.deepStrictEqual(yield* inputs, [["message"], ["message", "message", "message"]])
      assert.deepInclude((yield* requests)[1], settings)
      assert.deepStrictEqual((yield* conversation.history).map(ResponseItem.text), ["first", "One", "second", "Two"])
    })
  )

  mocked(
    "begins with the history it was given",
    [text("One")],
    Effect.gen(function*() {
      const past = [ResponseItem.user("before"), ResponseItem.message("assistant", "then")]
      const conversation = yield* Conversation.make({ ...settings, history: past })
      yield* run(conversation.send("now"))
      assert.deepStrictEqual((yield* conversation.history).map(ResponseItem.text), ["before", "then", "now", "One"])
    })
  )

  for (
    const [what, broken] of [
      ["a failed", turn([text("Hm"), ResponsesTest.failed({ code: "server_error", message: "no" })])],
      ["a malformed", turn([text("Hm"), ResponsesTest.raw(["{"], { after: 4 })])],
      ["a lost", turn([text("Hm"), ResponsesTest.drop({ after: 5 })])],
      ["a refused", ResponsesTest.error({ code: "bad", message: "no", status: 400 })]
    ] as const
  ) {
    mocked(
      `${what} turn leaves the history as it was`,
      [text("One"), broken, text("Two")],
      Effect.gen(function*() {
        const conversation = yield* Conversation.make(settings)
        yield* run(conversation.send("first"))
        yield* Effect.flip(run(conversation.send("second")))
        assert.deepStrictEqual((yield* conversation.history).map(ResponseItem.text), ["first", "One"])
        yield* run(conversation.send("third"))
        assert.deepStrictEqual((yield* conversation.history).map(ResponseItem.text), ["first", "One", "third", "Two"])
      })
    )
  }

  mocked(
    "an interrupted turn leaves the history as it was, and the next one goes on",
    [
      turn([text("Hm"), ResponsesTest.silence({ after: 4 })]),
      text("Two")
    ],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      const begun = yield* Deferred.make<void>()
      const fiber = yield* conversation.send("first").pipe(
        Stream.tap(() => Deferred.succeed(begun, undefined)),
        Stream.runDrain,
        Effect.fork
      )
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* conversation.history, [])
      yield* run(conversation.send("second"))
      assert.deepStrictEqual((yield* conversation.history).map(ResponseItem.text), ["second", "Two"])
    })
  )

  mocked(
    "an incomplete response is kept, without the call and the reasoning it broke off",
    [
      turn([
        text("So far"),
        ResponsesTest.item({
          type: "function_call",
          call_id: "c",
          name: "add",
          arguments: "{\"a\":",
          status: "incomplete"
        }),
        ResponsesTest.reasoning("And then"),
        ResponsesTest.incomplete()
      ])
    ],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      yield* run(conversation.send("first"))
      assert.deepStrictEqual(yield* history(conversation), ["message", "message"])
    })
  )

  mocked(
    "calls are the caller's to answer, and cannot be passed over",
    [call("add"), text("3")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, tools: [add] })
      yield* run(conversation.send("1 + 2?"))
      const error = yield* Effect.flip(run(conversation.send("well?")))
      assert(error._tag === "InvalidRequest")
      assert.include(error.message, "call_add")
      yield* run(conversation.send(ResponseItem.functionCallOutput("call_add", "3")))
      assert.deepStrictEqual(yield* history(conversation), [
        "message",
        "function_call",
        "function_call_output",
        "message"
      ])
    })
  )

  mocked(
    "two at once are served one after the other, each with the whole past",
    [text("One"), text("Two")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      yield* Effect.all([run(conversation.send("a")), run(conversation.send("b"))], { concurrency: "unbounded" })
      assert.deepStrictEqual((yield* conversation.history).map(ResponseItem.text), ["a", "One", "b", "Two"])
    })
  )
})

describe("run", () => {
  mocked(
    "runs the tools until the model calls none",
    [
      turn([
        ResponsesTest.reasoning("Let me add"),
        call("add", { a: 1, b: 2 }, "c1"),
        call("add", { a: 3, b: 4 }, "c2")
      ]),
      call("add", { a: 3, b: 7 }, "c3"),
      text("10")
    ],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, tools: [add] })
      yield* run(conversation.run("1 + 2 + 3 + 4?"))
      assert.deepStrictEqual(yield* history(conversation), [
        "message",
        "reasoning",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
        "function_call",
        "function_call_output",
        "message"
      ])
      const outputs = (yield* conversation.history).flatMap((item) =>
        item.type === "function_call_output" ? [[item.call_id, item.output]] : []
      )
      assert.deepStrictEqual(outputs, [["c1", "{\"sum\":3}"], ["c2", "{\"sum\":7}"], ["c3", "{\"sum\":10}"]])
      const [first] = yield* requests
      assert.deepInclude(first?.tools?.[0], { type: "function", name: "add", description: "Adds two numbers" })
    })
  )

  it.effect("calls of one response run at once, or as few as allowed", () =>
    Effect.gen(function*() {
      for (const [concurrency, expected] of [[undefined, 3], [1, 1]] as const) {
        let running = 0
        let most = 0
        const slow = ResponseTool.make({
          name: "slow",
          parameters: Schema.Struct({}),
          handler: () =>
            Effect.sync(() => {
              most = Math.max(most, ++running)
            }).pipe(Effect.zipRight(Effect.yieldNow()), Effect.ensuring(Effect.sync(() => running--)))
        })
        yield* Effect.gen(function*() {
          const conversation = yield* Conversation.make({ ...settings, tools: [slow], concurrency })
          yield* run(conversation.run("go"))
        }).pipe(
          Effect.provide(
            ResponsesTest.layer([
              turn([call("slow", {}, "1"), call("slow", {}, "2"), call("slow", {}, "3")]),
              text("ok")
            ])
          )
        )
        assert.strictEqual(most, expected)
      }
    }))

  for (
    const [what, tool, reason, told] of [
      ["a handler that fails", call("fail"), "HandlerFailed", "Error: no such file"],
      ["an unknown tool", call("nope"), "UnknownTool", "Error: there is no such tool, only add, fail"],
      ["arguments that do not fit", call("add", { a: "x" }), "BadArguments", "Error: "],
      ["arguments that are not JSON", call("add", "{"), "BadArguments", "Error: "]
    ] as const
  ) {
    mocked(
      `${what}: the model is told`,
      [tool, text("Sorry")],
      Effect.gen(function*() {
        const conversation = yield* Conversation.make({ ...settings, tools: [add, fail] })
        yield* run(conversation.run("go"))
        const output = (yield* conversation.history)[2]
        assert(output?.type === "function_call_output" && typeof output.output === "string")
        assert.isTrue(output.output.startsWith(told), output.output)
        assert.deepStrictEqual(yield* history(conversation), [
          "message",
          "function_call",
          "function_call_output",
          "message"
        ])
      })
    )

    mocked(
      `${what}: or the run fails with a typed error, and no call is left without its output`,
      [tool, text("Sorry")],
      Effect.gen(function*() {
        const conversation = yield* Conversation.make({ ...settings, tools: [add, fail], onToolFailure: "fail" })
        const error = yield* Effect.flip(run(conversation.run("go")))
        assert(error._tag === "ToolFailed")
        assert.strictEqual(error.reason, reason)
        assert.deepStrictEqual(yield* history(conversation), [])
      })
    )
  }

  mocked(
    "a model that never stops is stopped",
    () => toolCall({ name: "add", arguments: { a: 1, b: 1 } }),
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, tools: [add], maxRounds: 3 })
      const error = yield* Effect.flip(run(conversation.run("go")))
      assert(error._tag === "TooManyRounds")
      assert.strictEqual((yield* requests).length, 3)
      assert.strictEqual((yield* conversation.history).length, 7)
    })
  )

  mocked(
    "after a failure in a later round what was done is kept, and resume goes on",
    [
      call("add", { a: 1, b: 2 }),
      ResponsesTest.drop(),
      text("3")
    ],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, tools: [add] })
      yield* Effect.flip(run(conversation.run("1 + 2?")))
      assert.deepStrictEqual(yield* history(conversation), ["message", "function_call", "function_call_output"])
      yield* run(conversation.resume)
      assert.deepStrictEqual(yield* history(conversation), [
        "message",
        "function_call",
        "function_call_output",
        "message"
      ])
    })
  )

  mocked(
    "after a failure in the first round resume asks again, and nothing is said twice",
    [
      ResponsesTest.drop(),
      text("Hi")
    ],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, tools: [add] })
      yield* Effect.flip(run(conversation.run("Hello")))
      yield* run(conversation.resume)
      assert.deepStrictEqual((yield* conversation.history).map(ResponseItem.text), ["Hello", "Hi"])
    })
  )

  it.effect("tools that fail and need different things go together, and may answer with parts", () =>
    Effect.gen(function*() {
      class Shop extends Context.Tag("Shop")<Shop, string>() {}
      class Camera extends Context.Tag("Camera")<Camera, string>() {}
      const buy = ResponseTool.make({
        name: "buy",
        parameters: Schema.Struct({}),
        handler: () =>
          Effect.flatMap(Shop, (shop) => shop === "" ? Effect.fail("closed" as const) : Effect.succeed(shop))
      })
      const look = ResponseTool.make({
        name: "look",
        parameters: Schema.Struct({}),
        handler: () =>
          Effect.flatMap(
            Camera,
            (image_url) =>
              image_url === "" ? Effect.fail(404 as const) : Effect.succeed([{ type: "input_image", image_url }])
          )
      })
      const conversation = yield* Conversation.make({ ...settings, tools: [buy, look] })
      yield* run(conversation.run("go")).pipe(
        Effect.provideService(Shop, "shoes"),
        Effect.provideService(Camera, "data:x")
      )
      const outputs = (yield* conversation.history).flatMap((item) =>
        item.type === "function_call_output" ? [item.output] : []
      )
      assert.deepStrictEqual<unknown>(outputs, ["shoes", [{ type: "input_image", image_url: "data:x" }]])
    }).pipe(Effect.provide(ResponsesTest.layer([turn([call("buy"), call("look")]), text("done")]))))

  it.effect("interrupting while a tool runs stops the tool and leaves whole groups", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const stopped = yield* Deferred.make<void>()
      const hang = ResponseTool.make({
        name: "hang",
        parameters: Schema.Struct({}),
        handler: () =>
          Deferred.succeed(started, undefined).pipe(
            Effect.zipRight(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(stopped, undefined))
          )
      })
      const conversation = yield* Conversation.make({ ...settings, tools: [hang] })
      const fiber = yield* Effect.fork(run(conversation.run("go")))
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(stopped)
      assert.deepStrictEqual(yield* conversation.history, [])
    }).pipe(Effect.provide(ResponsesTest.layer([call("hang")]))))
})

describe("options of a turn", () => {
  const given = Effect.flatMap(ResponsesTest.ResponsesTest, ({ requestOptions }) => requestOptions)
  const timeout = "1 minute"
  const headers = { "x-tag": "a" }

  mocked(
    "are those of its one request, or of each request of a run, and of what resumes it",
    [text("One"), call("add", { a: 1, b: 2 }), ResponsesTest.error({ status: 503 }), text("Three"), text("Last")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, tools: [add], retry: false })
      yield* run(conversation.send("first", { headers }))
      yield* Effect.flip(run(conversation.run("second", { timeout })))
      yield* run(conversation.resume)
      yield* run(conversation.run("third"))
      assert.deepStrictEqual(yield* given, [{ headers }, { timeout }, { timeout }, { timeout }, {}])
    })
  )
})

describe("fork and warmUp", () => {
  mocked(
    "a fork shares the past and nothing else",
    [text("One"), text("A"), text("B")],
    Effect.gen(function*() {
      const trunk = yield* Conversation.make(settings)
      yield* run(trunk.send("first"))
      const branch = yield* trunk.fork
      yield* run(trunk.send("a"))
      yield* run(branch.send("b"))
      assert.deepStrictEqual((yield* trunk.history).map(ResponseItem.text), ["first", "One", "a", "A"])
      assert.deepStrictEqual((yield* branch.history).map(ResponseItem.text), ["first", "One", "b", "B"])
    })
  )

  mocked(
    "a warm-up prepares the history and leaves it as it is",
    [text("One")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, history: [ResponseItem.user("before")] })
      yield* conversation.warmUp
      yield* run(conversation.send("now"))
      const [warmUp, real] = yield* requests
      assert.strictEqual(warmUp?.generate, false)
      assert.isUndefined(real?.generate)
      assert.strictEqual((yield* conversation.history).length, 3)
    })
  )
})

describe("ask", () => {
  mocked(
    "gives the text of the last response, and what all of them used",
    [turn([text("Let me see. "), call("add", { a: 1, b: 2 })]), turn([text("It is "), text("3")])],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, tools: [add] })
      const answer = yield* conversation.ask("1 + 2?")
      assert.strictEqual(answer.text, "It is 3")
      assert.strictEqual(answer.rounds, 2)
      assert.deepStrictEqual(kinds(answer.output), ["message", "message"])
      assert.deepStrictEqual(answer.responses.map(ResponseItem.text), ["Let me see. ", "It is 3"])
      const [first, second] = answer.responses.map(({ usage }) => usage)
      assert(first && second && answer.usage)
      assert.isAbove(first.total_tokens, 0)
      assert.strictEqual(answer.usage.total_tokens, first.total_tokens + second.total_tokens)
      assert.strictEqual(answer.usage.output_tokens, first.output_tokens + second.output_tokens)
    })
  )

  mocked(
    "fails as run does, and may resume first",
    [call("add", { a: 1, b: 2 }), ResponsesTest.drop(), text("3"), text("4")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, tools: [add] })
      assert.strictEqual((yield* Effect.flip(conversation.ask("1 + 2?")))._tag, "ConnectionError")
      assert.strictEqual((yield* Effect.flip(conversation.ask("1 + 3?")))._tag, "PendingRound")
      const answer = yield* conversation.ask("1 + 3?", { pending: "resume" })
      assert.deepStrictEqual(answer.responses.map(ResponseItem.text), ["3", "4"])
      assert.strictEqual(answer.text, "4")
    })
  )
})
