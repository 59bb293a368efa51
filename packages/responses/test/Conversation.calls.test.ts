/** Which calls of tools a Conversation runs, what its history keeps of a response, and who may ask it. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Conversation from "../src/Conversation.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as ResponseTool from "../src/ResponseTool.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { socket } from "./support/socket.ts"

type Json = Readonly<Record<string, unknown>>

const run = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runDrain(stream)

const { text } = ResponsesTest

/** A turn whose items come as they are given, and whose last event lists what it is told to. */
const raw = (items: ReadonlyArray<unknown>, status = "completed", list: unknown = items) =>
  ResponsesTest.turn([
    ResponsesTest.raw([
      { type: "response.created", response: { id: "resp_raw", status: "in_progress" } },
      ...items.map((item, index) => ({ type: "response.output_item.done", output_index: index, item })),
      { type: `response.${status}`, response: { id: "resp_raw", status, output: list } }
    ]),
    { parts: [{ _tag: "Silence" }] }
  ])

const message = (content: unknown = [{ type: "output_text", text: "Hi", annotations: [] }], more: Json = {}): Json => ({
  type: "message",
  id: "msg",
  role: "assistant",
  status: "completed",
  content,
  ...more
})

const pay = (callId = "call_1", more: Json = {}): Json => ({
  type: "function_call",
  id: `fc_${callId}`,
  call_id: callId,
  name: "pay",
  arguments: "{\"sum\":5}",
  status: "completed",
  ...more
})

const shell = (more: Json = {}): Json => ({
  type: "custom_tool_call",
  id: "ct",
  call_id: "call_1",
  name: "shell",
  input: "rm -rf work",
  ...more
})

const kinds = (items: ReadonlyArray<ResponseItem.ResponseItem>) => items.map((item) => item.type)

/** Runs a conversation with two tools on a script, and gives what came of it. */
const played = (script: ResponsesTest.Script, more: Partial<Conversation.Options> = {}, asks = ["go"]) =>
  Effect.gen(function*() {
    const ran: Array<unknown> = []
    const log = (args: unknown) =>
      Effect.sync(() => {
        ran.push(args)
        return "done"
      })
    const conversation = yield* Conversation.make({
      model: "m",
      ...more,
      tools: [
        ResponseTool.make({ name: "pay", parameters: Schema.Struct({ sum: Schema.Number }), handler: log }),
        ResponseTool.custom({ name: "shell", handler: log })
      ]
    })
    const exits = yield* Effect.forEach(asks, (input) => Effect.either(run(conversation.run(input))))
    const requests = yield* Effect.flatMap(ResponsesTest.ResponsesTest, (test) => test.requests)
    return { ran, exits, requests, conversation, history: yield* conversation.history }
  }).pipe(Effect.provide(ResponsesTest.layer(script)))

describe("calls of a response that was broken off", () => {
  for (
    const [what, item] of [
      ["a custom call without status", shell()],
      ["a custom call in progress", shell({ status: "in_progress" })],
      ["an incomplete custom call", shell({ status: "incomplete" })],
      ["a call without status whose JSON is whole", pay("c", { status: null })],
      ["a call in progress", pay("c", { status: "in_progress" })],
      ["a call with broken JSON", pay("c", { status: undefined, arguments: "{\"sum\":" })],
      ["a call with broken JSON that says it is complete", pay("c", { arguments: "{\"sum\":" })],
      ["a call with a status that nobody knows", shell({ status: "maybe" })],
      ["another client's call", { type: "local_shell_call", call_id: "c", status: "in_progress" }]
    ] as const
  ) {
    it.effect(`${what} is not run and not kept`, () =>
      Effect.gen(function*() {
        const { history, ran, requests } = yield* played([raw([message(), item], "incomplete"), text("never")])
        assert.deepStrictEqual(ran, [])
        assert.strictEqual(requests.length, 1)
        assert.deepStrictEqual(kinds(history), ["message", "message"])
      }))
  }

  it.effect("one that is complete is run, and what was broken off beside it is left out", () =>
    Effect.gen(function*() {
      const { history, ran, requests } = yield* played([
        raw([pay(), shell({ call_id: "c2", status: "incomplete" })], "incomplete"),
        text("ok")
      ])
      assert.deepStrictEqual(ran, [{ sum: 5 }])
      assert.deepStrictEqual(kinds(history), ["message", "function_call", "function_call_output", "message"])
      assert.strictEqual(requests.length, 2)
    }))

  it.effect("an end that is complete by its type and not by its status was broken off", () =>
    Effect.gen(function*() {
      const broken = ResponsesTest.turn([
        ResponsesTest.raw([
          { type: "response.created", response: { id: "r" } },
          { type: "response.completed", response: { id: "r", status: "incomplete", output: [shell()] } }
        ]),
        { parts: [{ _tag: "Silence" }] }
      ])
      assert.deepStrictEqual((yield* played([broken])).ran, [])
    }))
})

describe("calls of a response that ended well", () => {
  for (
    const [status, runs] of [["completed", 1], [undefined, 1], ["in_progress", 1], ["incomplete", 0]] as const
  ) {
    it.effect(`one with the status ${status} is run ${runs} times`, () =>
      Effect.gen(function*() {
        const { history, ran } = yield* played([raw([shell({ status })]), text("ok")])
        assert.strictEqual(ran.length, runs)
        assert.strictEqual(kinds(history).includes("custom_tool_call"), runs === 1)
      }))
  }

  for (const list of [[], [pay(), pay("call_1", { id: "fc_2" })]]) {
    it.effect(`one call_id under two ids is run and answered once, with ${list.length} items in the list`, () =>
      Effect.gen(function*() {
        const { history, ran } = yield* played([
          raw([pay(), pay("call_1", { id: "fc_2" })], "completed", list),
          text("ok")
        ])
        assert.strictEqual(ran.length, 1)
        assert.deepStrictEqual(kinds(history), ["message", "function_call", "function_call_output", "message"])
      }))
  }

  it.effect("one call_id for calls of two kinds is one call", () =>
    Effect.gen(function*() {
      const { history, ran } = yield* played([raw([pay(), shell()]), text("ok")])
      assert.deepStrictEqual(ran, [{ sum: 5 }])
      assert.deepStrictEqual(kinds(history), ["message", "function_call", "function_call_output", "message"])
    }))

  it.effect("a call that was answered before is not run again", () =>
    Effect.gen(function*() {
      const { history, ran } = yield* played([raw([pay()]), raw([pay(), message()]), text("ok")], {}, ["a", "b"])
      assert.strictEqual(ran.length, 1)
      assert.deepStrictEqual(kinds(history).filter((kind) => kind !== "message"), [
        "function_call",
        "function_call_output"
      ])
    }))

  it.effect("a server that numbers its calls anew in each response calls again", () =>
    Effect.gen(function*() {
      const { ran } = yield* played([raw([pay()]), raw([pay("call_1", { arguments: "{\"sum\":6}" })]), text("ok")])
      assert.deepStrictEqual(ran, [{ sum: 5 }, { sum: 6 }])
    }))

  for (const store of [true, false]) {
    for (const [what, more] of [["the same", {}], ["no", { id: undefined }], ["another", { id: "fc_2" }]] as const) {
      it.effect(`and so does one whose calls have the same words and ${what} item id, with store: ${store}`, () =>
        Effect.gen(function*() {
          const { exits, history, ran, requests } = yield* played(
            [raw([pay()]), raw([pay("call_1", more)]), raw([message(), pay("call_1", more)]), text("ok")],
            { store }
          )
          assert.isTrue(exits.every(({ _tag }) => _tag === "Right"))
          assert.strictEqual(ran.length, 3)
          const round = ["function_call", "function_call_output"] as const
          const expected: ReturnType<typeof kinds> = ["message", ...round, ...round, "message", ...round, "message"]
          assert.deepStrictEqual(kinds(history), expected)
          assert.deepStrictEqual(kinds(requests.at(-1)?.input as typeof history), expected.slice(0, -1))
        }))
    }

    it.effect(`a call under another item id is a new one, whatever comes behind it, with store: ${store}`, () =>
      Effect.gen(function*() {
        const { ran } = yield* played(
          [raw([pay()]), raw([pay("call_1", { id: "fc_2" }), pay("call_2", { id: "fc_3" })]), text("ok")],
          { store }
        )
        assert.strictEqual(ran.length, 3)
      }))

    it.effect(`what is said again in front of a new call is not run again, with store: ${store}`, () =>
      Effect.gen(function*() {
        const { history, ran } = yield* played(
          [raw([pay()]), raw([pay(), pay("call_2", { arguments: "{\"sum\":6}" })]), text("ok")],
          { store }
        )
        assert.deepStrictEqual(ran, [{ sum: 5 }, { sum: 6 }])
        const round = ["function_call", "function_call_output"] as const
        assert.deepStrictEqual(kinds(history), ["message", ...round, ...round, "message"])
      }))

    it.effect(`a response that says nothing but what was said before asks for it again, with store: ${store}`, () =>
      Effect.gen(function*() {
        const both = [pay(), pay("call_1", { id: "fc_again" }), message(undefined, { id: "msg_1" })]
        const { ran } = yield* played(
          [raw(both), raw(both), text("ok")],
          { store }
        )
        assert.strictEqual(ran.length, 2)
        assert.strictEqual((yield* played([raw([pay()]), raw(both.slice(0, 2)), text("ok")], { store })).ran.length, 2)
      }))
  }

  it.effect("a tool that is asked again and again under one call_id runs each time", () =>
    Effect.gen(function*() {
      let polls = 0
      const status = ResponseTool.make({
        name: "status",
        parameters: Schema.Struct({}),
        handler: () => Effect.sync(() => `still running ${++polls}`)
      })
      const conversation = yield* Conversation.make({ model: "m", tools: [status] })
      assert.strictEqual((yield* conversation.ask("poll")).text, "done")
      const outputs = (yield* conversation.history).flatMap((item) =>
        item.type === "function_call_output" ? [item.output] : []
      )
      assert.deepStrictEqual(outputs, ["still running 1", "still running 2"])
    }).pipe(Effect.provide(ResponsesTest.layer([
      ResponsesTest.toolCall({ name: "status", callId: "call_0" }),
      ResponsesTest.toolCall({ name: "status", callId: "call_0" }),
      text("done")
    ]))))

  it.effect("a call that the server has answered is nobody's to run", () =>
    Effect.gen(function*() {
      const answered = { type: "function_call_output", call_id: "call_1", output: "paid" }
      const { history, ran } = yield* played([raw([pay(), answered, message()])])
      assert.deepStrictEqual(ran, [])
      assert.deepStrictEqual(kinds(history), ["message", "function_call", "function_call_output", "message"])
    }))

  it.effect("a call that only output_item.done brought is run", () =>
    Effect.gen(function*() {
      const { history, ran } = yield* played([raw([message(), pay()], "completed", [message()]), text("ok")])
      assert.strictEqual(ran.length, 1)
      assert.deepStrictEqual(kinds(history), ["message", "message", "function_call", "function_call_output", "message"])
    }))
})

describe("what cannot be sent again", () => {
  const hi = message()
  const table: ReadonlyArray<readonly [string, ReadonlyArray<unknown>, ReadonlyArray<Json>]> = [
    ["a message without content", [message(null), hi], [hi]],
    ["a message with no parts", [message([]), hi], [hi]],
    ["parts that are none", [
      message([null, 3, { type: "output_text", text: null }, { type: "output_text", text: "Hi" }])
    ], [
      message([{ type: "output_text", text: "Hi" }])
    ]],
    ["annotations that are null", [message([{ type: "output_text", text: "Hi", annotations: null }])], [
      message([{ type: "output_text", text: "Hi" }])
    ]],
    ["a message without a role", [message(undefined, { role: null })], [hi]],
    ["a call without a name", [pay("c", { name: null }), hi], [hi]],
    ["a call without a call_id", [pay("c", { call_id: undefined }), hi], [hi]],
    ["a call with an empty call_id", [pay("", {}), hi], [hi]],
    ["an output without its call", [{ type: "function_call_output", call_id: "c", output: "x" }, hi], [hi]],
    ["an output that is null, with its call", [
      pay("c"),
      { type: "function_call_output", call_id: "c", output: null },
      hi
    ], [pay("c"), hi, { type: "function_call_output", call_id: "c", output: "done" }]],
    ["things that are no items", [null, 3, "x", [], {}, { type: 4 }, hi], [hi]],
    ["reasoning without a summary", [{ type: "reasoning", id: "rs", summary: null, encrypted_content: "x" }, hi], [
      { type: "reasoning", id: "rs", encrypted_content: "x", summary: [] },
      hi
    ]],
    ["items of an unknown kind stay as they came", [{ type: "web_search_call", id: "ws", action: null }, hi], [
      { type: "web_search_call", id: "ws", action: null },
      hi
    ]],
    ["what was right stays", [hi], [hi]]
  ]
  for (const [what, items, expected] of table) {
    it.effect(what, () =>
      Effect.gen(function*() {
        const records = items.filter((item) => typeof item === "object" && item !== null && !Array.isArray(item))
        const { exits, history } = yield* played([raw(records, "completed", items), raw([])], {}, ["go"])
        assert.isTrue(exits.every(({ _tag }) => _tag === "Right"))
        assert.deepStrictEqual<unknown>(history.slice(1), expected)
      }))
  }

  it.effect("arguments that are no text are written as text", () =>
    Effect.gen(function*() {
      const { history, ran } = yield* played([
        raw([pay("c", { arguments: { sum: 7 } }), pay("d", { arguments: null }), shell({ input: null })]),
        text("ok")
      ])
      assert.deepStrictEqual(ran, [{ sum: 7 }, ""])
      assert.deepStrictEqual<unknown>(history[1], pay("c", { arguments: "{\"sum\":7}" }))
    }))

  const deep = (depth: number) => JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`)

  it.effect("output nested 20,000 deep fails, and the history stays as it was", () =>
    Effect.gen(function*() {
      const nested = `${"[".repeat(20_000)}${"]".repeat(20_000)}`
      const item =
        `{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi","extra":${nested}}]}`
      const frame = `{"type":"response.completed","response":{"id":"r","status":"completed","output":[${item}]}}`
      const broken = ResponsesTest.turn([
        ResponsesTest.raw([{ type: "response.created", response: { id: "r" } }, frame]),
        { parts: [{ _tag: "Silence" }] }
      ])
      const { conversation, exits, history } = yield* played([text("One"), broken, broken], {}, ["a", "b"])
      const failed = exits[1]
      assert(failed?._tag === "Left" && failed.left._tag === "MalformedEvent", String(failed))
      assert.include(failed.left.message, "nested")
      assert.deepStrictEqual(history.map(ResponseItem.text), ["a", "One"])
      assert.strictEqual((yield* conversation.history).length, 2)
    }))

  for (
    const [what, bad] of [
      ["a BigInt", 1n],
      ["nesting that may be too deep to be compared", deep(1000)]
    ] as const
  ) {
    it.effect(`input with ${what} fails at once and leaves no trace`, () =>
      Effect.gen(function*() {
        const conversation = yield* Conversation.make({ model: "m" })
        const input = [{ ...ResponseItem.user("a"), extra: bad }]
        for (const stream of [conversation.send(input), conversation.run(input)]) {
          const error = yield* Effect.flip(run(stream))
          assert(error._tag === "InvalidRequest")
          assert.include(error.message, "cannot be written as JSON")
        }
        yield* run(conversation.resume)
        assert.deepStrictEqual(yield* conversation.history, [])
        yield* run(conversation.send("b"))
        assert.deepStrictEqual((yield* conversation.history).map(ResponseItem.text), ["b", "Hi"])
      }).pipe(Effect.provide(ResponsesTest.layer([text("Hi")]))))
  }

  it.effect("input that refers to itself, or is no item, fails at once", () =>
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ model: "m" })
      const circular: { self?: unknown } & ResponseItem.Message = { ...ResponseItem.user("a") }
      circular.self = circular
      const none = [null] as unknown as ReadonlyArray<ResponseItem.ResponseItem>
      for (const input of [circular, none]) {
        const error = yield* Effect.flip(run(conversation.run(input)))
        assert.strictEqual(error._tag, "InvalidRequest")
      }
      assert.deepStrictEqual(yield* conversation.history, [])
    }).pipe(Effect.provide(ResponsesTest.layer([]))))
})

describe("outputs of tools that the API would refuse for ever", () => {
  const circular: Array<unknown> = [{ type: "input_text", text: "x" }]
  circular.push({ type: "input_text", text: "x", more: circular })
  for (
    const [what, value, reason] of [
      ["a BigInt", [{ type: "input_text", text: "x", more: 1n }], "cannot be written as JSON"],
      ["what refers to itself", circular, "cannot be written as JSON"],
      ["a part without content", [{ type: "input_text" }], "part 0"],
      ["a thing that is no part", [{ type: "input_text", text: "x" }, null], "part 1"],
      ["a text that is too large", "x".repeat(10 * 1024 * 1024 + 1), "characters"]
    ] as const
  ) {
    const tool = {
      name: "pay",
      definition: { type: "function", name: "pay" },
      handle: () => Effect.succeed(value as unknown as string)
    } satisfies ResponseTool.Any
    const script = [raw([pay()]), text("ok")]

    it.effect(`${what}: the model is told`, () =>
      Effect.gen(function*() {
        const conversation = yield* Conversation.make({ model: "m", tools: [tool] })
        yield* run(conversation.run("go"))
        const output = (yield* conversation.history)[2]
        assert(output?.type === "function_call_output" && typeof output.output === "string")
        assert.include(output.output, reason)
      }).pipe(Effect.provide(ResponsesTest.layer(script))))

    it.effect(`${what}: or the run fails, and nothing of it is kept`, () =>
      Effect.gen(function*() {
        const conversation = yield* Conversation.make({ model: "m", tools: [tool], onToolFailure: "fail" })
        const error = yield* Effect.flip(run(conversation.run("go")))
        assert(error._tag === "ToolFailed")
        assert.strictEqual(error.reason, "BadOutput")
        assert.deepStrictEqual(yield* conversation.history, [])
      }).pipe(Effect.provide(ResponsesTest.layer(script))))
  }

  it.effect("half of a character is replaced, and whole ones stay", () =>
    Effect.gen(function*() {
      const cut = ResponseTool.make({
        name: "pay",
        parameters: Schema.Struct({ sum: Schema.Number }),
        handler: () => Effect.succeed("\u{1F600} and \uD83D")
      })
      const conversation = yield* Conversation.make({ model: "m", tools: [cut] })
      yield* run(conversation.run("go"))
      assert.deepInclude((yield* conversation.history)[2], { output: "\u{1F600} and \uFFFD" })
    }).pipe(Effect.provide(ResponsesTest.layer([raw([pay()]), text("ok")]))))
})

describe("resume", () => {
  const counted = Effect.map(
    Effect.flatMap(ResponsesTest.ResponsesTest, (test) => test.requests),
    (requests) => requests.length
  )

  for (
    const [what, prepare] of [
      ["of a conversation that has not begun", () => Effect.void],
      ["after a run that ended well", (c: Conversation.Conversation) => run(c.run("a"))],
      ["after a send", (c: Conversation.Conversation) => run(c.send("a"))],
      [
        "after a run that resume has ended",
        (c: Conversation.Conversation) => Effect.zipRight(Effect.ignore(run(c.run("drop"))), run(c.resume))
      ]
    ] as const
  ) {
    it.effect(`${what} asks nothing`, () =>
      Effect.gen(function*() {
        const conversation = yield* Conversation.make({ model: "m" })
        yield* prepare(conversation)
        const before = yield* counted
        assert.strictEqual(yield* Stream.runCount(conversation.resume), 0)
        assert.strictEqual(yield* counted, before)
      }).pipe(Effect.provide(ResponsesTest.layer((request, { index }) =>
        index === 0 && JSON.stringify(request.input).includes("drop") ? ResponsesTest.drop() : text("ok")
      ))))
  }

  it.effect("goes on with a history that ends with the outputs of a round", () =>
    Effect.gen(function*() {
      const history = [
        ResponseItem.user("a"),
        pay() as unknown as ResponseItem.ResponseItem,
        ResponseItem.functionCallOutput("call_1", "done")
      ]
      const conversation = yield* Conversation.make({ model: "m", history })
      yield* run(conversation.resume)
      assert.strictEqual(yield* counted, 1)
      assert.strictEqual((yield* conversation.history).length, 4)
    }).pipe(Effect.provide(ResponsesTest.layer([text("ok")]))))

  it.effect("an answer to a later message leaves nothing to resume", () =>
    Effect.gen(function*() {
      const tool = ResponseTool.custom({ name: "shell", handler: () => Effect.succeed("done") })
      const conversation = yield* Conversation.make({ model: "m", tools: [tool] })
      yield* Effect.flip(run(conversation.run("a")))
      yield* run(conversation.send("b"))
      yield* run(conversation.resume)
      assert.strictEqual(yield* counted, 3)
    }).pipe(Effect.provide(ResponsesTest.layer([raw([shell()]), ResponsesTest.drop(), text("ok")]))))
})

describe("who may ask", () => {
  const asks = (conversation: Conversation.Conversation) =>
    [
      ["send", run(conversation.send("b"))],
      ["run", run(conversation.run("b"))],
      ["resume", run(conversation.resume)],
      ["warmUp", conversation.warmUp]
    ] as const
  const names = ["send", "run", "resume", "warmUp"] as const
  const find = (conversation: Conversation.Conversation, name: string) =>
    Effect.suspend(() => asks(conversation).find(([known]) => known === name)?.[1] ?? Effect.void)

  const isRefused = (error: unknown) => {
    assert.propertyVal(error, "_tag", "InvalidRequest")
    assert.include((error as Error).message, "fork")
  }

  for (const name of names) {
    it.effect(`${name} by the fiber that reads its stream is refused`, () =>
      Effect.gen(function*() {
        const conversation = yield* Conversation.make({ model: "m" })
        const errors: Array<unknown> = []
        yield* Stream.runForEach(conversation.run("a"), () =>
          Effect.map(Effect.flip(find(conversation, name)), (error) => errors.push(error)))
        assert.isAbove(errors.length, 3)
        errors.forEach(isRefused)
        yield* run(conversation.send("c"))
        assert.deepStrictEqual((yield* conversation.history).map(ResponseItem.text), ["a", "One", "c", "Two"])
      }).pipe(Effect.provide(ResponsesTest.layer([text("One"), text("Two")]))))

    it.effect(`${name} with a time-out, within its stream, is refused at once`, () =>
      Effect.gen(function*() {
        const conversation = yield* Conversation.make({ model: "m" })
        yield* Stream.runForEach(conversation.send("a"), () =>
          Effect.map(Effect.flip(Effect.timeout(find(conversation, name), "1 hour")), isRefused))
      }).pipe(Effect.provide(ResponsesTest.layer([text("One")]))))

    for (const concurrency of [1, undefined]) {
      it.effect(`${name} by a tool is refused, with ${concurrency ?? "all"} calls at once`, () =>
        Effect.gen(function*() {
          const errors: Array<unknown> = []
          const self: { conversation?: Conversation.Conversation } = {}
          const tool = ResponseTool.custom({
            name: "shell",
            handler: () =>
              Effect.suspend(() => {
                const ask = find(self.conversation as Conversation.Conversation, name)
                return Effect.all([Effect.flip(ask), Effect.flip(Effect.timeout(ask, "1 hour"))], {
                  concurrency: "unbounded"
                })
              }).pipe(Effect.map((all) => {
                errors.push(...all)
                return "refused"
              }))
          })
          const conversation = yield* Conversation.make({ model: "m", tools: [tool], concurrency })
          self.conversation = conversation
          yield* run(conversation.run("a"))
          assert.strictEqual(errors.length, 4)
          errors.forEach(isRefused)
        }).pipe(
          Effect.provide(ResponsesTest.layer([raw([shell(), shell({ id: "ct2", call_id: "call_2" })]), text("ok")]))
        ))
    }
  }

  it.effect("asking in onOpen is refused", () =>
    Effect.gen(function*() {
      const errors: Array<unknown> = []
      const self: { conversation?: Conversation.Conversation } = {}
      const conversation = yield* Conversation.make({
        model: "m",
        onOpen: () =>
          Effect.suspend(() => run((self.conversation as Conversation.Conversation).send("b"))).pipe(
            Effect.catchAll((error) => Effect.sync(() => errors.push(error)))
          )
      })
      self.conversation = conversation
      yield* run(conversation.send("a"))
      assert.strictEqual(errors.length, 1)
      errors.forEach(isRefused)
    }).pipe(Effect.provide(ResponsesTest.layer([text("One")]))))

  it.effect("a tool of another conversation's, asked by a tool, is refused as well", () =>
    Effect.gen(function*() {
      const self: { conversation?: Conversation.Conversation } = {}
      const inner = ResponseTool.custom({
        name: "shell",
        handler: () => Effect.suspend(() => run((self.conversation as Conversation.Conversation).send("again")))
      })
      const helper = yield* Conversation.make({ model: "helper", tools: [inner] })
      const outer = ResponseTool.custom({ name: "shell", handler: () => run(helper.run("help")) })
      const conversation = yield* Conversation.make({ model: "m", tools: [outer] })
      self.conversation = conversation
      yield* run(conversation.run("a"))
      const output = (yield* helper.history).find((item) => item.type === "custom_tool_call_output")
      assert.include(JSON.stringify(output), "wait for itself")
    }).pipe(Effect.provide(ResponsesTest.layer([raw([shell()]), raw([shell()]), text("helped"), text("ok")]))))

  it.effect("a fork may be asked by a tool and by the reader", () =>
    Effect.gen(function*() {
      const self: { conversation?: Conversation.Conversation } = {}
      const tool = ResponseTool.custom({
        name: "shell",
        handler: () =>
          Effect.suspend(() => (self.conversation as Conversation.Conversation).fork).pipe(
            Effect.flatMap((fork) => run(fork.send("inner"))),
            Effect.as("done")
          )
      })
      const conversation = yield* Conversation.make({ model: "m", tools: [tool], onToolFailure: "fail" })
      self.conversation = conversation
      yield* run(conversation.run("a"))
      assert.strictEqual((yield* conversation.history).length, 4)
    }).pipe(Effect.provide(ResponsesTest.layer([raw([shell()]), text("inner"), text("ok")]))))

  it.effect("a fiber of its own waits, also one that the reader or a tool has begun", () =>
    Effect.gen(function*() {
      const self: { conversation?: Conversation.Conversation } = {}
      const late = yield* Deferred.make<Fiber.Fiber<void, unknown>>()
      const begun = yield* Deferred.make<void>()
      const tool = ResponseTool.custom({
        name: "shell",
        handler: () =>
          Deferred.await(begun).pipe(
            Effect.zipRight(run((self.conversation as Conversation.Conversation).send("late"))),
            Effect.forkDaemon,
            Effect.flatMap((fiber) => Deferred.succeed(late, fiber)),
            Effect.as("done")
          )
      })
      const conversation = yield* Conversation.make({ model: "m", tools: [tool] })
      self.conversation = conversation
      const fibers: Array<Fiber.Fiber<void, unknown>> = []
      yield* Stream.runForEach(conversation.run("a"), (event) =>
        event.type !== "response.created" || fibers.length > 0 ? Effect.void : Effect.map(
          Effect.forkDaemon(run(conversation.send("b"))),
          (fiber) => {
            fibers.push(fiber)
          }
        ))
      yield* Effect.forEach(fibers, Fiber.join)
      // The turn that the tool belonged to is over.
      yield* Deferred.succeed(begun, undefined)
      yield* Effect.flatMap(Deferred.await(late), Fiber.join)
      const said = (yield* conversation.history).map(ResponseItem.text).filter((words) =>
        words !== ""
      )
      assert.deepStrictEqual(said, ["a", "A", "b", "B", "late", "L"])
    }).pipe(Effect.provide(ResponsesTest.layer([raw([shell()]), text("A"), text("B"), text("L")]))))

  it.effect("whoever leaves the stream early may ask at once", () =>
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ model: "m" })
      yield* run(Stream.take(conversation.send("a"), 1))
      yield* run(conversation.send("b"))
      assert.deepStrictEqual((yield* conversation.history).map(ResponseItem.text), ["b", "Two"])
    }).pipe(Effect.provide(ResponsesTest.layer([text("One"), text("Two")]))))
})

describe("over a socket", () => {
  const served = (
    connection: FakeServer.FakeConnection,
    id: string,
    output: ReadonlyArray<unknown>,
    status = "completed"
  ) =>
    Effect.zipRight(
      connection.request,
      connection.send(FakeServer.created(id), { type: `response.${status}`, response: { id, status, output } })
    )

  for (const store of [true, false]) {
    socket(
      `a call that is not answered is not continued from, with store: ${store}`,
      (server) =>
        Effect.gen(function*() {
          const conversation = yield* Conversation.make({ model: "m", store })
          const first = yield* Effect.fork(run(conversation.run("a")))
          const connection = yield* server.connection
          yield* served(connection, "r1", [message(), shell()], "incomplete")
          yield* Fiber.join(first)
          const second = yield* Effect.fork(run(conversation.run("b")))
          const sent = yield* connection.request
          assert.notProperty(sent, "previous_response_id")
          assert.deepStrictEqual(kinds(sent["input"] as ReadonlyArray<ResponseItem.ResponseItem>), [
            "message",
            "message",
            "message"
          ])
          yield* connection.send(FakeServer.created("r2"), {
            type: "response.completed",
            response: { id: "r2", status: "completed", output: [message()] }
          })
          yield* Fiber.join(second)
          const third = yield* Effect.fork(run(conversation.run("c")))
          assert.propertyVal(yield* connection.request, "previous_response_id", "r2")
          yield* connection.send(...FakeServer.answer("r3"))
          yield* Fiber.join(third)
        })
    )
  }

  socket("a call that only output_item.done brought is answered in a delta", (server) =>
    Effect.gen(function*() {
      const tool = ResponseTool.custom({ name: "shell", handler: () => Effect.succeed("done") })
      const conversation = yield* Conversation.make({ model: "m", tools: [tool] })
      const fiber = yield* Effect.fork(run(conversation.run("a")))
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(
        FakeServer.created("r1"),
        { type: "response.output_item.done", output_index: 1, item: shell() },
        { type: "response.completed", response: { id: "r1", status: "completed", output: [message()] } }
      )
      const sent = yield* connection.request
      assert.deepInclude(sent, {
        previous_response_id: "r1",
        input: [{ type: "custom_tool_call_output", call_id: "call_1", output: "done" }]
      })
      yield* connection.send(...FakeServer.answer("r2"))
      yield* Fiber.join(fiber)
    }))
})
