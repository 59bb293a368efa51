/** The tools of a toolkit in a Conversation: what the model is told of them, and what it is answered. */
import * as OpenAiTool from "@effect/ai-openai/OpenAiTool"
import * as Tool from "@effect/ai/Tool"
import * as Toolkit from "@effect/ai/Toolkit"
import { assert, describe, it } from "@effect/vitest"
import * as Conversation from "effect-responses/Conversation"
import type * as ResponseItem from "effect-responses/ResponseItem"
import type * as Responses from "effect-responses/Responses"
import * as ResponsesTest from "effect-responses/ResponsesTest"
import * as ResponseTool from "effect-responses/ResponseTool"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { expectTypeOf } from "vitest"
import * as ResponsesToolkit from "../src/ResponsesToolkit.ts"

class Db extends Context.Tag("test/Db")<Db, { readonly find: (key: string) => string }>() {}

class User extends Context.Tag("test/User")<User, string>() {}

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { key: Schema.String }) {}

interface Tree {
  readonly value: number
  readonly children: ReadonlyArray<Tree>
}
const Tree: Schema.Schema<Tree> = Schema.Struct({
  value: Schema.Number,
  children: Schema.Array(Schema.suspend((): Schema.Schema<Tree> => Tree))
}).annotations({ identifier: "Tree" })

const tools = Toolkit.make(
  Tool.make("now", { description: "The time", success: Schema.Date }),
  Tool.make("find", {
    parameters: { key: Schema.String, count: Schema.NumberFromString, zone: Schema.optional(Schema.String) },
    success: Schema.Struct({ key: Schema.String, at: Schema.Date }),
    failure: NotFound
  }),
  Tool.make("lookup", {
    parameters: { key: Schema.String },
    success: Schema.String,
    failure: NotFound,
    failureMode: "return",
    dependencies: [User]
  }),
  Tool.make("sum", { parameters: { tree: Tree } }),
  Tool.make("wrong", { success: Schema.Int })
)

const epoch = new Date(0)

const seen: Array<unknown> = []

/** The service of one handler is there when the toolkit's Layer is made, that of another when the model calls. */
const handlers = tools.toLayer(
  Effect.map(Db, (db) =>
    tools.of({
      now: () => Effect.succeed(epoch),
      find: (params) => {
        seen.push(params)
        return params.key === "none"
          ? Effect.fail(new NotFound({ key: "hunter2" }))
          : Effect.succeed({ key: db.find(params.key), at: epoch })
      },
      lookup: ({ key }) =>
        key === "none"
          ? Effect.fail(new NotFound({ key }))
          : Effect.map(User, (user) => `${db.find(key)} of ${user}`),
      sum: () => Effect.void,
      wrong: () => Effect.succeed(1.5)
    }))
)

const services = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  self.pipe(
    Effect.provide(handlers),
    Effect.provideService(Db, { find: (key) => `<${key}>` }),
    Effect.provideService(User, "Ada")
  )

type Call = readonly [name: string, args: unknown]

const calls = (given: ReadonlyArray<Call>) =>
  ResponsesTest.turn(
    given.map(([name, args], index) =>
      ResponsesTest.item({
        type: "function_call",
        id: `fc_${index}`,
        call_id: `call_${index}`,
        name,
        arguments: typeof args === "string" ? args : JSON.stringify(args),
        status: "completed"
      })
    )
  )

const outputs = (items: ReadonlyArray<ResponseItem.ResponseItem>) =>
  items.flatMap((item) => item.type === "function_call_output" && typeof item.output === "string" ? [item.output] : [])

/** What the model is told when it calls so. */
const told = (given: ReadonlyArray<Call>, options: ResponsesToolkit.Options<typeof tools.tools> = {}) =>
  Effect.gen(function*() {
    const conversation = yield* Conversation.make({ model: "m", ...ResponsesToolkit.make(tools, options) })
    yield* conversation.ask("a")
    return outputs(yield* conversation.history)
  }).pipe(services, Effect.provide(ResponsesTest.layer([calls(given), ResponsesTest.text("ok")])))

const parametersOf = (name: string) => {
  const definition = ResponsesToolkit.make(tools).tools.find((tool) => tool.name === name)?.definition
  return definition?.type === "function" ? definition.parameters : undefined
}

describe("a toolkit in a conversation", () => {
  it("is told to the model with its descriptions and schemas", () => {
    const { otherTools, tools: made } = ResponsesToolkit.make(tools)
    assert.deepStrictEqual(made.map(({ name }) => name), ["now", "find", "lookup", "sum", "wrong"])
    assert.deepStrictEqual(otherTools, [])
    assert.deepInclude(made[0]?.definition, { type: "function", description: "The time", strict: false })
    assert.deepInclude(parametersOf("now"), { type: "object", properties: {} })
    assert.deepInclude(parametersOf("find"), {
      type: "object",
      required: ["key", "count"],
      additionalProperties: false
    })
    const tree = JSON.stringify(parametersOf("sum"))
    assert.include(tree, "\"$ref\":\"#/$defs/Tree\"")
    assert.include(tree, "\"$defs\":{\"Tree\":{\"type\":\"object\"")
  })

  it.effect("answers with the encoded results, and its handlers get decoded parameters", () =>
    Effect.gen(function*() {
      seen.length = 0
      const answers = yield* told([
        ["now", ""],
        ["find", { key: "a", count: "7" }],
        ["lookup", { key: "b" }],
        ["sum", { tree: { value: 1, children: [{ value: 2, children: [] }] } }]
      ])
      assert.deepStrictEqual(answers, [
        "1970-01-01T00:00:00.000Z",
        "{\"key\":\"<a>\",\"at\":\"1970-01-01T00:00:00.000Z\"}",
        "<b> of Ada",
        "null"
      ])
      assert.deepStrictEqual(seen, [{ key: "a", count: 7 }])
    }))

  it.effect("tells the model of failures in short, and of those that are results as their schema says", () =>
    Effect.gen(function*() {
      const [failure, result, wrong] = yield* told([
        ["find", { key: "none", count: "7" }],
        ["lookup", { key: "none" }],
        ["wrong", {}]
      ])
      assert.strictEqual(failure, "Error: the tool failed")
      assert.strictEqual(result, "{\"key\":\"none\",\"_tag\":\"NotFound\"}")
      assert.strictEqual(wrong, "Error: the tool failed, and may have done its work or a part of it")
    }))

  it.effect("tells the model what does not fit, and the toolkit does not see it", () =>
    Effect.gen(function*() {
      seen.length = 0
      const [one, two] = yield* told([["find", { key: 1, count: "hunter2" }], ["sum", { tree: { value: "x" } }]])
      assert.match(one ?? "", /^Error: the arguments do not fit\nkey: expected string\ncount: expected a number$/)
      assert.deepStrictEqual(two?.split("\n").slice(1).toSorted(), [
        "tree.children: is missing",
        "tree.value: expected number"
      ])
      assert.deepStrictEqual(seen, [])
    }))

  it.effect("fails the run with the toolkit's failure as the cause", () =>
    Effect.gen(function*() {
      const fail = (name: string, args: unknown) =>
        Effect.gen(function*() {
          const made = ResponsesToolkit.make(tools)
          const conversation = yield* Conversation.make({ model: "m", ...made, onToolFailure: "fail" })
          return yield* Effect.flip(conversation.ask("a"))
        }).pipe(services, Effect.provide(ResponsesTest.layer([calls([[name, args]])])))
      const error = yield* fail("find", { key: "none", count: "7" })
      assert.deepInclude(error, { _tag: "ToolFailed", reason: "HandlerFailed" })
      assert(error._tag === "ToolFailed" && error.cause instanceof NotFound)
      assert.strictEqual(error.cause.key, "hunter2")
      const wrong = yield* fail("wrong", {})
      assert(wrong._tag === "ToolFailed" && wrong.reason === "HandlerDied")
      assert(Predicate.isTagged(wrong.cause, "MalformedInput"))
    }))

  it.effect("takes the options of each tool by its name", () =>
    Effect.gen(function*() {
      const answers = yield* told([["find", { key: "none", count: "7", zone: null }], ["lookup", { key: "none" }]], {
        find: { strict: true, exclusive: true, onFailure: ({ cause }) => `Sorry: ${String(cause instanceof NotFound)}` }
      })
      assert.deepStrictEqual(answers, ["Sorry: true", "{\"key\":\"none\",\"_tag\":\"NotFound\"}"])
    }))

  it.effect("runs a handler again, and stops it in time", () =>
    Effect.gen(function*() {
      const kit = Toolkit.make(
        Tool.make("busy", { success: Schema.Number, failure: Schema.String }),
        Tool.make("hangs", { success: Schema.Number })
      )
      let runs = 0
      const program = Effect.gen(function*() {
        const options = { busy: { retry: Schedule.recurs(2) }, hangs: { timeout: "30 seconds" } } as const
        const conversation = yield* Conversation.make({ model: "m", ...ResponsesToolkit.make(kit, options) })
        yield* conversation.ask("a")
        return outputs(yield* conversation.history)
      }).pipe(
        Effect.provide(kit.toLayer({
          busy: () => Effect.suspend(() => ++runs < 3 ? Effect.fail("busy") : Effect.succeed(runs)),
          hangs: () => Effect.never
        })),
        Effect.provide(ResponsesTest.layer([calls([["busy", {}], ["hangs", {}]]), ResponsesTest.text("ok")]))
      )
      const fiber = yield* Effect.fork(program)
      yield* TestClock.adjust("30 seconds")
      const [busy, hangs] = yield* Fiber.join(fiber)
      assert.strictEqual(busy, "3")
      assert.match(hangs ?? "", /no result within 30s/)
    }))

  it.effect("may have its handlers already", () =>
    Effect.gen(function*() {
      const kit = Toolkit.make(Tool.make("now", { success: Schema.Date }))
      const withHandlers = yield* Effect.provide(kit, kit.toLayer({ now: () => Effect.succeed(epoch) }))
      const conversation: Conversation.Conversation = yield* Conversation.make({
        model: "m",
        ...ResponsesToolkit.make(withHandlers)
      })
      yield* conversation.ask("a")
      assert.deepStrictEqual(outputs(yield* conversation.history), ["1970-01-01T00:00:00.000Z"])
    }).pipe(Effect.provide(ResponsesTest.layer([calls([["now", {}]]), ResponsesTest.text("ok")]))))

  it("asks for the handlers, and for what they need when they run, by type", () => {
    type Names = "now" | "find" | "lookup" | "sum" | "wrong"
    const made: ResponsesToolkit.ConversationTools<
      ResponseTool.ResponseTool<NotFound, Tool.HandlersFor<typeof tools.tools> | User>
    > = ResponsesToolkit.make(tools)
    const conversation = Conversation.make({ model: "m", ...ResponsesToolkit.make(tools) })
    const typed: Effect.Effect<
      Conversation.Conversation<Tool.Handler<Names> | User>,
      never,
      Responses.Responses
    > = conversation
    // @ts-expect-error: a conversation without the handlers cannot run
    const untyped: Effect.Effect<Conversation.Conversation<User>, never, Responses.Responses> = conversation
    assert.strictEqual(made.tools.length, 5)
    assert.strictEqual(typed, untyped)
  })
})

describe("what runs a tool of a toolkit", () => {
  const kit = Toolkit.make(
    Tool.make("pay", {
      parameters: { cents: Schema.NumberFromString, to: Schema.optional(Schema.String) },
      success: Schema.String
    }),
    Tool.make("build", { parameters: { branch: Schema.String }, success: Schema.String, dependencies: [User] })
  )
  const layer = kit.toLayer({
    pay: ({ cents }) => Effect.succeed(`${cents + 1} paid`),
    build: ({ branch }) => Effect.map(User, (user) => `${branch} of ${user}`)
  })
  type Handlers = Tool.HandlersFor<typeof kit.tools>

  it.effect("a call is held for what its decoded parameters are", () =>
    Effect.gen(function*() {
      const { otherTools, tools } = ResponsesToolkit.make(kit, {
        pay: {
          strict: true,
          retry: { times: 1, while: (error) => (expectTypeOf(error).toEqualTypeOf<never>(), true) },
          needsApproval: (params) => {
            expectTypeOf(params).toEqualTypeOf<{ readonly cents: number; readonly to?: string | undefined }>()
            return Effect.map(
              Db,
              (db) => db.find("limit") === "<limit>" && params.cents + 1 > 1000 && !("to" in params)
            )
          }
        }
      })
      const conversation = yield* Conversation.make({ model: "m", tools, otherTools })
      expectTypeOf(conversation).toEqualTypeOf<Conversation.Conversation<Handlers | Db | User>>()
      yield* Stream.runDrain(conversation.run("a"))
      const held = yield* conversation.approvals
      assert.deepStrictEqual(held.map(({ callId }) => callId), ["call_0"])
      yield* conversation.approve("call_0")
      yield* Stream.runDrain(conversation.resume)
      assert.deepStrictEqual(outputs(yield* conversation.history).toSorted(), [
        "1000 paid",
        "1001 paid",
        "Error: the arguments do not fit\ncents: expected a number"
      ])
    }).pipe(
      Effect.provide(layer),
      Effect.provideService(Db, { find: (key) => `<${key}>` }),
      Effect.provideService(User, "Ada"),
      Effect.provide(ResponsesTest.layer([
        calls([
          ["pay", { cents: "1000", to: null }],
          ["pay", { cents: "999", to: null }],
          ["pay", { cents: "a lot", to: null }]
        ]),
        ResponsesTest.text("ok")
      ]))
    ))

  it.effect("a call is held whatever its parameters are", () =>
    Effect.gen(function*() {
      const options = { pay: { needsApproval: true }, build: { needsApproval: false } } as const
      const conversation = yield* Conversation.make({ model: "m", ...ResponsesToolkit.make(kit, options) })
      const error = yield* Effect.flip(conversation.ask("a"))
      assert(error._tag === "ApprovalRequired")
      assert.deepStrictEqual(error.approvals.map(({ callId }) => callId), ["call_0"])
    }).pipe(
      Effect.provide(layer),
      Effect.provideService(User, "Ada"),
      Effect.provide(ResponsesTest.layer([calls([["pay", { cents: "1" }], ["build", { branch: "main" }]])]))
    ))

  it.scoped("an async one runs beside the conversation, which is made with what it needs", () =>
    Effect.gen(function*() {
      const made = Conversation.make({ model: "m", ...ResponsesToolkit.make(kit, { build: { async: true } }) })
      expectTypeOf(made).toEqualTypeOf<
        Effect.Effect<
          Conversation.Conversation<Handlers>,
          never,
          Responses.Responses | Scope.Scope | Handlers | User
        >
      >()
      const conversation = yield* made.pipe(Effect.provideService(User, "Ada"))
      yield* conversation.ask("a")
      yield* conversation.settled
      yield* Stream.runDrain(conversation.resume)
      assert.deepStrictEqual(outputs(yield* conversation.history), ["main of Ada"])
      const test = yield* ResponsesTest.ResponsesTest
      const [request] = yield* test.requests
      assert.deepStrictEqual(request?.tools?.map((tool) => tool.async), [undefined, true])
    }).pipe(
      Effect.provide(layer),
      Effect.provide(ResponsesTest.layer([
        calls([["build", { branch: "main" }]]),
        ResponsesTest.text("ok")
      ]))
    ))

  it("is refused where the options contradict each other, or are not known", () => {
    const make = (approval: boolean) =>
      ResponsesToolkit.make(kit, { build: { async: true, exclusive: !approval, needsApproval: approval } })
    assert.throws(() => make(true), ResponseTool.InvalidTool, /cannot wait for an approval/)
    assert.throws(() => make(false), ResponseTool.InvalidTool, /alone if it is exclusive/)
    // @ts-expect-error: there is no such tool
    ResponsesToolkit.make(kit, { build: { async: true }, bild: { async: true } })
    // @ts-expect-error: there is no such option
    ResponsesToolkit.make(kit, { build: { async: true, asink: true } })
    // @ts-expect-error: what is declared so is not async
    const declared: ResponsesToolkit.Options<typeof kit.tools> = { build: { async: true } }
    // @ts-expect-error: no parameter is called so
    ResponsesToolkit.make(kit, { pay: { needsApproval: ({ euros }) => euros > 1 } })
    assert.isDefined(declared)
  })
})

describe("tools of a provider", () => {
  const search = OpenAiTool.WebSearch({ search_context_size: "low" })

  it.effect("that the server runs are offered as they are", () =>
    Effect.gen(function*() {
      const kit = Toolkit.make(Tool.make("now", { success: Schema.String }), search)
      const conversation = yield* Conversation.make({ model: "m", ...ResponsesToolkit.make(kit) })
      yield* Effect.provide(conversation.ask("a"), kit.toLayer({ now: () => Effect.succeed("12:00") }))
      const test = yield* ResponsesTest.ResponsesTest
      const [request] = yield* test.requests
      assert.deepStrictEqual(request?.tools?.map(({ type }) => type), ["function", "web_search"])
      assert.deepInclude(request?.tools?.[1], { search_context_size: "low" })
    }).pipe(Effect.provide(ResponsesTest.layer([ResponsesTest.text("ok")]))))

  it("that this API does not have are refused", () => {
    const bash = Tool.providerDefined({
      id: "anthropic.bash",
      toolkitName: "AnthropicBash",
      providerName: "bash",
      args: {},
      requiresHandler: true,
      parameters: { command: Schema.String },
      success: Schema.String
    })({})
    assert.throws(() => ResponsesToolkit.make(Toolkit.make(bash)), ResponseTool.InvalidTool, /anthropic\.bash/)
    const shell = Tool.providerDefined({
      id: "openai.shell",
      toolkitName: "Shell",
      providerName: "shell",
      args: {},
      requiresHandler: true,
      success: Schema.String
    })({})
    assert.throws(() => ResponsesToolkit.make(Toolkit.make(shell)), ResponseTool.InvalidTool, /openai\.shell/)
  })

  it("with a name that the API would refuse is refused", () => {
    const kit = Toolkit.make(Tool.make("get weather", { success: Schema.String }))
    assert.throws(() => ResponsesToolkit.make(kit), ResponseTool.InvalidTool, /1 to 64 characters/)
  })
})
