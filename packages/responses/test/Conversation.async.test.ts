/** Tools that run beside the conversation. */
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Conversation from "../src/Conversation.ts"
import * as ConversationEvent from "../src/ConversationEvent.ts"
import * as ConversationJournal from "../src/ConversationJournal.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import * as ResponseRequest from "../src/ResponseRequest.ts"
import type * as Responses from "../src/Responses.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as ResponseTool from "../src/ResponseTool.ts"

const { text, turn } = ResponsesTest

const run = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runDrain(stream)

const call = (name: string, callId = name) => ResponsesTest.toolCall({ name, arguments: {}, callId })

const parameters = Schema.Struct({})

/** An async tool that notes its runs, and takes so many minutes. */
const slow = (name: string, options: {
  readonly minutes?: number
  readonly onUnknownOutcome?: ResponseTool.OnUnknownOutcome
  readonly end?: (invocation: ResponseTool.Invocation) => Effect.Effect<string, string>
} = {}) => {
  const ran: Array<ResponseTool.Invocation> = []
  const stopped: Array<string> = []
  const { end = ({ callId }) => Effect.succeed(`${callId} is done`), minutes = 10 } = options
  const tool = ResponseTool.make({
    name,
    parameters,
    async: true,
    onUnknownOutcome: options.onUnknownOutcome,
    handler: (_, invocation) =>
      Effect.suspend(() => {
        ran.push(invocation)
        return Effect.zipRight(Effect.sleep(`${minutes} minutes`), end(invocation))
      }).pipe(Effect.onInterrupt(() => Effect.sync(() => stopped.push(invocation.callId))))
  })
  return { ran, stopped, tool }
}

const build = () => slow("build")

/** A tool that the round waits for. */
const look = (minutes = 0) =>
  ResponseTool.make({
    name: "look",
    parameters,
    handler: () => Effect.delay(Effect.succeed("seen"), `${minutes} minutes`)
  })

const sent = Effect.map(
  Effect.flatMap(ResponsesTest.ResponsesTest, (test) => test.requests),
  (requests) => requests.map((request) => words(ResponseRequest.items(request)))
)

/** `?a`: a call. `a=b`: its output. */
const words = (items: ReadonlyArray<ResponseItem.ResponseItem>): ReadonlyArray<string> =>
  items.map((item) =>
    item.type === "function_call"
      ? `?${item.call_id}`
      : item.type === "function_call_output"
      ? `${item.call_id}=${typeof item.output === "string" ? item.output : "parts"}`
      : ResponseItem.text({ output: [item] }) || ("content" in item ? String(item.content) : String(item.type))
  )

const pass = (minutes: number) => TestClock.adjust(`${minutes} minutes`)

const statuses = <R, E>(conversation: Conversation.Conversation<R, E>) =>
  Effect.map(conversation.background, (calls) => calls.map(({ callId, status }) => `${callId} ${status}`))

const mocked = <E>(
  name: string,
  script: ResponsesTest.Script,
  test: Effect.Effect<
    void,
    E,
    ResponsesTest.ResponsesTest | Responses.Responses | ConversationJournal.ConversationJournal | Scope.Scope
  >
) =>
  it.scoped(
    name,
    () => Effect.provide(test, Layer.merge(ResponsesTest.layer(script), ConversationJournal.layerMemory))
  )

const settings = { model: "m" } as const

describe("a call of an async tool", () => {
  mocked(
    "is not waited for, and its output joins the next question, once",
    [turn([call("build"), call("look")]), text("soon"), text("x"), text("y")],
    Effect.gen(function*() {
      const { ran, tool } = build()
      const conversation = yield* Conversation.make({ ...settings, tools: [tool, look()] })
      const answer = yield* conversation.ask("go")
      assert.strictEqual(answer.text, "soon")
      assert.deepStrictEqual(yield* statuses(conversation), ["build running"])
      yield* pass(9)
      assert.deepStrictEqual(yield* statuses(conversation), ["build running"])
      yield* pass(1)
      yield* conversation.settled
      assert.deepStrictEqual(yield* statuses(conversation), ["build ended"])
      assert.notInclude(words(yield* conversation.history), "build=build is done")
      yield* run(conversation.run("more"))
      assert.deepStrictEqual(yield* statuses(conversation), [])
      yield* run(conversation.run("again"))

      const first = ["go", "?build", "?look", "look=seen", "soon"]
      const second = [...first, "build=build is done", "more", "x"]
      assert.deepStrictEqual(yield* sent, [
        ["go"],
        first.slice(0, 4),
        second.slice(0, -1),
        [...second, "again"]
      ])
      assert.deepStrictEqual(words(yield* conversation.history), [...second, "again", "y"])
      assert.strictEqual(ran.length, 1)
      const [request] = yield* Effect.flatMap(ResponsesTest.ResponsesTest, (test) => test.requests)
      assert.deepStrictEqual(request?.tools?.map((one) => "async" in one && one.async), [true, false])
    })
  )

  mocked(
    "can be all that a response has: run ends there, and resume tells the output when it has come",
    [turn([call("build")]), text("built")],
    Effect.gen(function*() {
      const { tool } = build()
      const conversation = yield* Conversation.make({ ...settings, tools: [tool] })
      const { rounds, text: said } = yield* conversation.ask("go")
      assert.deepStrictEqual([rounds, said], [1, ""])
      assert.strictEqual(yield* Stream.runCount(conversation.resume), 0)
      yield* pass(10)
      yield* conversation.settled
      yield* run(conversation.resume)
      assert.deepStrictEqual(yield* sent, [["go"], ["go", "?build", "build=build is done"]])
      assert.strictEqual(yield* Stream.runCount(conversation.resume), 0)
      assert.deepStrictEqual(words(yield* conversation.history).at(-1), "built")
    })
  )

  mocked(
    "has its output in the next round of the same run, if it comes in time",
    [turn([call("build"), call("look")]), text("both")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, tools: [build().tool, look(20)] })
      const fiber = yield* Effect.fork(run(conversation.run("go")))
      yield* pass(20)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual((yield* sent)[1], ["go", "?build", "?look", "look=seen", "build=build is done"])
    })
  )

  mocked(
    "is told with others in the order in which they have ended, also by send",
    [turn([call("long"), call("short")]), text("x"), text("y")],
    Effect.gen(function*() {
      const tools = [slow("long", { minutes: 20 }).tool, slow("short", { minutes: 5 }).tool] as const
      const conversation = yield* Conversation.make({ ...settings, tools })
      yield* run(conversation.run("go"))
      yield* pass(30)
      assert.deepStrictEqual(yield* statuses(conversation), ["short ended", "long ended"])
      yield* run(conversation.send("more"))
      yield* run(conversation.send("again"))
      const whole = ["go", "?long", "?short", "short=short is done", "long=long is done", "more", "x", "again", "y"]
      assert.deepStrictEqual(yield* sent, [["go"], whole.slice(0, 6), whole.slice(0, 8)])
      assert.deepStrictEqual(words(yield* conversation.history), whole)
    })
  )

  mocked(
    "of which the output comes while a response is under way is told with the one after",
    [turn([call("build")]), turn([ResponsesTest.wait("90 seconds"), text("late")]), text("x")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, tools: [slow("build", { minutes: 1 }).tool] })
      yield* run(conversation.run("go"))
      const fiber = yield* Effect.fork(run(conversation.run("more")))
      yield* pass(2)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* statuses(conversation), ["build ended"])
      yield* run(conversation.resume)
      const whole = ["go", "?build", "more", "late", "build=build is done"]
      assert.deepStrictEqual(yield* sent, [["go"], whole.slice(0, 3), whole])
    })
  )

  mocked(
    "keeps its output for the next request where the one that told it failed",
    [
      turn([call("build")]),
      ResponsesTest.failed({ code: "server_error", message: "no" }),
      ResponsesTest.failed({ code: "server_error", message: "no" }),
      text("x")
    ],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, tools: [build().tool] })
      yield* run(conversation.run("go"))
      yield* pass(10)
      yield* Effect.flip(run(conversation.resume))
      // No round is pending: a new question needs no word on it.
      yield* Effect.flip(run(conversation.run("a")))
      yield* run(conversation.run("b"))
      assert.deepStrictEqual((yield* sent).slice(2), [
        ["go", "?build", "build=build is done", "a"],
        ["go", "?build", "build=build is done", "b"]
      ])
    })
  )

  mocked(
    "that ends a round is started where stopWhen says that it is the last one",
    [turn([call("build")])],
    Effect.gen(function*() {
      const { ran, tool } = build()
      const conversation = yield* Conversation.make({ ...settings, tools: [tool], stopWhen: () => true })
      yield* run(conversation.run("go"))
      yield* Effect.yieldNow()
      assert.strictEqual(ran.length, 1)
    })
  )

  mocked(
    "of a custom tool, and one that the server marks itself, is async; one that it says is not async is not",
    [
      turn([ResponsesTest.customToolCall({ name: "shell", input: "ls", callId: "shell" })]),
      turn([
        ResponsesTest.raw([
          { type: "response.created", response: { id: "r", status: "in_progress" } },
          {
            type: "response.completed",
            response: {
              id: "r",
              status: "completed",
              output: [
                { type: "function_call", call_id: "a", name: "build", arguments: "{}", async: false },
                { type: "function_call", call_id: "b", name: "look", arguments: "{}", async: true }
              ]
            }
          }
        ])
      ]),
      text("x")
    ],
    Effect.gen(function*() {
      const shell = ResponseTool.custom({ name: "shell", async: true, handler: () => Effect.never })
      const now = slow("build", { minutes: 0 })
      const conversation = yield* Conversation.make({ ...settings, tools: [shell, now.tool, look()] })
      yield* run(conversation.run("go"))
      yield* run(conversation.run("more"))
      assert.deepStrictEqual(yield* statuses(conversation), ["shell running"])
      assert.deepStrictEqual((yield* sent).at(-1), [
        "go",
        "custom_tool_call",
        "more",
        "?a",
        "?b",
        "a=a is done",
        "b=seen"
      ])
    })
  )
})

it("an async tool cannot be exclusive", () => {
  const options = { name: "build", async: true, exclusive: true, handler: () => Effect.void } as const
  assert.throws(() => ResponseTool.custom(options), /choose one/)
  assert.throws(() => ResponseTool.make({ ...options, parameters }), /choose one/)
})

it("an async tool cannot wait for an approval", () => {
  const options = { name: "build", async: true, needsApproval: true, handler: () => Effect.void } as const
  assert.throws(() => ResponseTool.custom(options), /cannot wait for an approval/)
  assert.throws(() => ResponseTool.make({ ...options, parameters }), /cannot wait for an approval/)
})

describe("the scope of the conversation", () => {
  const many = Array.from({ length: 20 }, (_, index) => call("build", `c${index}`))

  mocked(
    "ends the tools that run, and an interruption of the run does not",
    [turn(many), text("never")],
    Effect.gen(function*() {
      const { ran, stopped, tool } = build()
      const scope = yield* Scope.make()
      const conversation = yield* Scope.extend(Conversation.make({ ...settings, tools: [tool] }), scope)
      const reached = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        Stream.runForEach(conversation.run("go"), (event) =>
          event.type === "conversation.round.ended"
            ? Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never)
            : Effect.void)
      )
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(fiber)
      yield* pass(1)
      assert.deepStrictEqual([ran.length, stopped.length], [20, 0])
      const waiting = yield* Effect.fork(conversation.settled)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(stopped.length, 20)
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(
        new Set((yield* conversation.background).map(({ status }) => status)),
        new Set(["unknown"])
      )
    })
  )

  mocked(
    "keeps nothing of tools that have ended",
    [turn(many), text("x")],
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const before = finalizers(scope)
      const conversation = yield* Scope.extend(Conversation.make({ ...settings, tools: [build().tool] }), scope)
      const made = finalizers(scope)
      yield* run(conversation.run("go"))
      assert.strictEqual(finalizers(scope), made + 20)
      yield* pass(10)
      yield* conversation.settled
      assert.deepStrictEqual([before, made, finalizers(scope)], [0, 1, 1])
    })
  )

  mocked(
    "that is closed starts no tool any more, and the call stays open",
    [turn([call("build")]), text("x")],
    Effect.gen(function*() {
      const { ran, tool } = build()
      const conversation = yield* Effect.scoped(Conversation.make({ ...settings, tools: [tool] }))
      yield* run(conversation.run("go"))
      yield* run(conversation.run("more"))
      assert.deepStrictEqual(yield* statuses(conversation), ["build open"])
      assert.strictEqual(ran.length, 0)
    })
  )

  mocked(
    "has the services of async tools, and run has those of the others",
    [turn([call("build"), call("look")]), text("x"), text("y")],
    Effect.gen(function*() {
      class Name extends Context.Tag("Name")<Name, string>() {}
      class Eyes extends Context.Tag("Eyes")<Eyes, string>() {}
      const tools = [
        ResponseTool.make({ name: "build", parameters, async: true, handler: () => Effect.delay(Name, "1 minute") }),
        ResponseTool.make({ name: "look", parameters, handler: () => Eyes })
      ] as const
      const made: Effect.Effect<
        Conversation.Conversation<Eyes>,
        never,
        Responses.Responses | Scope.Scope | Name
      > = Conversation.make({ ...settings, tools })
      const plain: Effect.Effect<Conversation.Conversation<Eyes>, never, Responses.Responses> = Conversation.make({
        ...settings,
        tools: [tools[1]]
      })
      yield* plain
      // An async tool needs a scope to run in.
      expectTypeOf<Scope.Scope>().toExtend<Effect.Effect.Context<typeof made>>()
      // @ts-expect-error It is no tool that a run waits for.
      const waited: ResponseTool.ResponseTool<never, Name> = tools[0]
      assert.strictEqual(waited.name, "build")

      const conversation = yield* Effect.provideService(made, Name, "of the conversation")
      yield* Effect.provideService(run(conversation.run("go")), Eyes, "of the run")
      yield* pass(1)
      yield* Effect.provideService(run(conversation.resume), Eyes, "of the run")
      assert.includeMembers([...(yield* sent).at(-1) ?? []], ["look=of the run", "build=of the conversation"])
    })
  )
})

/** How many finalizers a scope has. Its type says nothing of them. */
const finalizers = (scope: Scope.Scope): number => {
  const { state } = scope as unknown as { readonly state: { readonly finalizers?: ReadonlyMap<object, unknown> } }
  return state.finalizers?.size ?? 0
}

describe("an async tool that fails", () => {
  const broken = () =>
    slow("build", { end: ({ attempt }) => attempt === 1 ? Effect.fail("no space") : Effect.succeed("built") })

  mocked(
    "is told to the model as others are",
    [turn([call("build")]), text("x")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, tools: [broken().tool] })
      yield* run(conversation.run("go"))
      yield* pass(10)
      yield* run(conversation.resume)
      assert.deepStrictEqual((yield* sent)[1], ["go", "?build", "build=Error: no space"])
    })
  )

  mocked(
    "fails the next run or resume once, before anything is asked, and runs again after that",
    [turn([call("build")]), text("x"), text("y")],
    Effect.gen(function*() {
      const { ran, tool } = broken()
      const conversation = yield* Conversation.make({ ...settings, tools: [tool], onToolFailure: "fail" })
      yield* run(conversation.run("go"))
      yield* pass(10)
      yield* conversation.settled
      const failed = yield* Effect.flip(run(conversation.run("more")))
      assert.deepInclude(failed, { _tag: "ToolFailed", callId: "build" })
      assert.strictEqual((yield* sent).length, 1)
      yield* run(conversation.run("more"))
      yield* pass(10)
      yield* run(conversation.resume)
      assert.deepStrictEqual(ran.map(({ attempt }) => attempt), [1, 2])
      assert.strictEqual(new Set(ran.map(({ idempotencyKey }) => idempotencyKey)).size, 1)
      assert.deepStrictEqual(yield* sent, [
        ["go"],
        ["go", "?build", "more"],
        ["go", "?build", "more", "x", "build=built"]
      ])
    })
  )

  mocked(
    "fails a run that is going on before its next request, and resume goes on",
    [turn([call("build"), call("look")]), text("x"), text("y")],
    Effect.gen(function*() {
      const { ran, tool } = broken()
      const tools = [tool, look(15)] as const
      const conversation = yield* Conversation.make({ ...settings, tools, onToolFailure: "fail" })
      const fiber = yield* Effect.fork(Effect.flip(run(conversation.run("go"))))
      yield* pass(15)
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "ToolFailed")
      assert.strictEqual(ran.length, 1)
      yield* run(conversation.resume)
      assert.deepStrictEqual((yield* sent)[1], ["go", "?build", "?look", "look=seen"])
      yield* pass(10)
      yield* run(conversation.resume)
      assert.deepStrictEqual((yield* sent)[2]?.at(-1), "build=built")
    })
  )

  mocked(
    "by dying says so in the log, and the model is told",
    [turn([call("build")]), text("x")],
    Effect.gen(function*() {
      const logged: Array<string> = []
      const logger = Logger.make(({ logLevel }) => logged.push(logLevel.label))
      const { tool } = slow("build", { end: () => Effect.die("broken") })
      const conversation = yield* Conversation.make({ ...settings, tools: [tool] })
      yield* Effect.provide(run(conversation.run("go")), Logger.replace(Logger.defaultLogger, logger))
      yield* pass(10)
      assert.deepStrictEqual(logged, ["WARN"])
      assert.deepStrictEqual(yield* statuses(conversation), ["build ended"])
      yield* run(conversation.resume)
      assert.match(String((yield* sent)[1]), /build=Error: /)
    })
  )
})

describe("what is asked while async tools run", () => {
  mocked(
    "has no output for a call that its tool answers",
    [turn([call("build")]), text("x")],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make({ ...settings, tools: [build().tool] })
      yield* run(conversation.run("go"))
      const input = ResponseItem.functionCallOutput("build", "mine")
      const refused = { _tag: "InvalidRequest", field: "input" } as const
      assert.deepInclude(yield* Effect.flip(run(conversation.run(input))), refused)
      assert.deepInclude(yield* Effect.flip(run(conversation.send(input))), refused)
      yield* pass(10)
      assert.deepInclude(yield* Effect.flip(run(conversation.run(input))), refused)
      yield* run(conversation.resume)
      assert.deepStrictEqual((yield* sent)[1], ["go", "?build", "build=build is done"])
    })
  )

  for (const how of ["run", "send"] as const) {
    mocked(
      `may have the output for a call of an async tool that is the program's own, whenever it comes: ${how}`,
      [turn([call("mine")]), text("x"), text("y"), text("z")],
      Effect.gen(function*() {
        const conversation = yield* Conversation.make({
          ...settings,
          tools: [look()],
          otherTools: [{ type: "function", name: "mine", async: true }]
        })
        yield* run(conversation[how]("go"))
        yield* run(conversation[how]("more"))
        assert.deepStrictEqual(yield* statuses(conversation), ["mine open"])
        const input = [ResponseItem.functionCallOutput("mine", "here"), ResponseItem.user("now")]
        yield* run(conversation[how](input))
        assert.deepStrictEqual(yield* statuses(conversation), [])
        const whole = ["go", "?mine", "more", "x", "mine=here", "now", "y"]
        assert.deepStrictEqual(words(yield* conversation.history), whole)
      })
    )
  }

  mocked(
    "by the tool itself waits for its turn like anything else",
    [turn([call("nest"), call("look")]), text("x"), text("nested")],
    Effect.gen(function*() {
      const self = yield* Deferred.make<Conversation.Conversation>()
      const nest = ResponseTool.make({
        name: "nest",
        parameters,
        async: true,
        handler: () =>
          Effect.map(
            Effect.flatMap(Deferred.await(self), (conversation) => conversation.ask("inner")),
            (one) => one.text
          )
      })
      const conversation = yield* Conversation.make({ ...settings, tools: [nest, look(1)] })
      yield* Deferred.succeed(self, conversation)
      const fiber = yield* Effect.fork(run(conversation.run("go")))
      yield* pass(1)
      yield* Fiber.join(fiber)
      yield* conversation.settled
      assert.deepStrictEqual((yield* sent).at(-1)?.at(-1), "inner")
      assert.deepStrictEqual(yield* statuses(conversation), ["nest ended"])
    })
  )

  mocked(
    "of a fork is asked without the calls that run, and with the outputs that have come",
    [turn([call("long"), call("short")]), text("in the fork"), text("x"), text("y")],
    Effect.gen(function*() {
      const long = slow("long", { minutes: 20 })
      const conversation = yield* Conversation.make({
        ...settings,
        tools: [long.tool, slow("short", { minutes: 5 }).tool]
      })
      yield* run(conversation.run("go"))
      yield* pass(5)
      const fork = yield* conversation.fork
      assert.deepStrictEqual(yield* statuses(fork), ["short ended"])
      yield* run(fork.run("a"))
      yield* pass(15)
      assert.strictEqual(yield* Stream.runCount(fork.resume), 0)
      yield* run(fork.send("b"))
      assert.deepStrictEqual(yield* statuses(fork), [])
      yield* run(conversation.resume)
      const past = ["go", "?long", "?short", "short=short is done"]
      assert.deepStrictEqual((yield* sent).slice(1), [
        [...past, "a"],
        [...past, "a", "in the fork", "b"],
        [...past, "long=long is done"]
      ])
      assert.strictEqual(long.ran.length, 1)
    })
  )
})

describe("the events of an async tool", () => {
  mocked(
    "come in the stream of the run that is going on, or of the next one",
    [turn([call("build"), call("look")]), turn([call("look", "l2")]), text("x"), text("y")],
    Effect.gen(function*() {
      const seen = (stream: Stream.Stream<{ readonly type: string }, unknown>) =>
        Effect.map(
          Stream.runCollect(stream),
          (events) =>
            [...events].filter(ConversationEvent.isConversationEvent).map((event) =>
              event.type === "conversation.round.ended"
                ? `round ${event.calls.map(({ callId }) => callId).join()}`
                : "callId" in event
                ? `${event.callId} ${event.type.slice(18)}`
                : event.type
            )
        )
      const conversation = yield* Conversation.make({ ...settings, tools: [build().tool, look(6)] })
      const fiber = yield* Effect.fork(seen(conversation.run("go")))
      yield* pass(12)
      assert.deepStrictEqual(yield* Fiber.join(fiber), [
        "build started",
        "look started",
        "look ended",
        "round look",
        "l2 started",
        "l2 ended",
        "round l2",
        "build ended",
        "round "
      ])
    })
  )
})

describe("async tools in a journal", () => {
  const opened = (tool: ResponseTool.Any, scope: Scope.Scope) =>
    Scope.extend(Conversation.open({ ...settings, id: "c", tools: [tool as ReturnType<typeof build>["tool"]] }), scope)

  const entries = Effect.flatMap(
    ConversationJournal.ConversationJournal,
    (journal) => Effect.map(journal.load("c"), (owned) => owned.entries)
  )

  const isDue = { report: /build=Error: the outcome is unknown/, rerun: /build=second/ } as const

  for (const onUnknownOutcome of ["report", "rerun"] as const) {
    mocked(
      `of which the end was not written: ${onUnknownOutcome}`,
      [turn([call("build")]), text("x"), text("y"), text("z")],
      Effect.gen(function*() {
        const { ran, tool } = slow("build", {
          onUnknownOutcome,
          end: ({ attempt }) => Effect.succeed(attempt === 2 ? "second" : "never")
        })
        const first = yield* Scope.make()
        yield* run((yield* opened(tool, first)).run("go"))
        yield* Effect.yieldNow()
        yield* Scope.close(first, Exit.void)

        const conversation = yield* opened(tool, yield* Effect.scope)
        assert.deepStrictEqual(yield* statuses(conversation), ["build unknown"])
        // It is no round that is pending.
        yield* run(conversation.run("more"))
        yield* pass(10)
        yield* run(conversation.run("again"))
        assert.match(String((yield* sent)[onUnknownOutcome === "report" ? 1 : 2]), isDue[onUnknownOutcome])
        assert.strictEqual(ran.length, onUnknownOutcome === "report" ? 1 : 2)
        assert.strictEqual(new Set(ran.map(({ idempotencyKey }) => idempotencyKey)).size, 1)
        const outputs = words(yield* conversation.history).filter((word) => word.startsWith("build="))
        assert.strictEqual(outputs.length, 1)
        assert.deepStrictEqual(yield* (yield* opened(tool, yield* Effect.scope)).history, yield* conversation.history)
      })
    )
  }

  mocked(
    "of which the output was written tell it once, whoever goes on",
    [turn([call("build")]), text("x"), text("y")],
    Effect.gen(function*() {
      const { ran, tool } = build()
      const first = yield* opened(tool, yield* Effect.scope)
      yield* run(first.run("go"))
      yield* pass(10)
      yield* first.settled
      assert.deepStrictEqual((yield* entries).map(({ _tag }) => _tag), ["Asked", "Answered", "Started", "Ended"])
      const second = yield* opened(tool, yield* Effect.scope)
      assert.deepStrictEqual(yield* statuses(second), ["build ended"])
      yield* run(second.resume)
      const third = yield* opened(tool, yield* Effect.scope)
      assert.deepStrictEqual(yield* statuses(third), [])
      assert.strictEqual(yield* Stream.runCount(third.resume), 0)
      assert.strictEqual(ran.length, 1)
      assert.deepStrictEqual(words(yield* third.history), ["go", "?build", "build=build is done", "x"])
    })
  )

  mocked(
    "which have lost their conversation write nothing, and the new owner does not know how they ended",
    [turn([call("build")]), text("x")],
    Effect.gen(function*() {
      const { tool } = build()
      const first = yield* opened(tool, yield* Effect.scope)
      yield* run(first.run("go"))
      const second = yield* opened(tool, yield* Effect.scope)
      yield* pass(10)
      yield* first.settled
      assert.strictEqual((yield* Effect.flip(run(first.resume)))._tag, "ConversationTaken")
      yield* run(second.resume)
      assert.match(String((yield* sent)[1]), /build=Error: the outcome is unknown/)
    })
  )

  mocked(
    "that were called by send are started by the next run",
    [turn([call("build")]), text("x")],
    Effect.gen(function*() {
      const { ran, tool } = build()
      const conversation = yield* opened(tool, yield* Effect.scope)
      yield* run(conversation.send("go"))
      assert.deepStrictEqual(yield* statuses(conversation), ["build open"])
      yield* run(conversation.run("more"))
      yield* Effect.yieldNow()
      assert.strictEqual(ran.length, 1)
      assert.deepStrictEqual(yield* statuses(conversation), ["build running"])
    })
  )

  mocked(
    "and those in a history that was loaded most probably ran",
    [text("x")],
    Effect.gen(function*() {
      const { ran, tool } = build()
      const open = { type: "function_call", call_id: "build", name: "build", arguments: "{}", async: true } as const
      const history: ReadonlyArray<ResponseItem.ResponseItem> = [ResponseItem.user("go"), open]
      const conversation = yield* Conversation.make({ ...settings, history, tools: [tool] })
      assert.deepStrictEqual(yield* statuses(conversation), ["build unknown"])
      yield* run(conversation.resume)
      assert.match(String((yield* sent)[0]), /build=Error: the outcome is unknown/)
      assert.strictEqual(ran.length, 0)
    })
  )

  mocked(
    "whose tool is async no longer are run by the next resume, which waits for them",
    [turn([call("build")]), text("x")],
    Effect.gen(function*() {
      const { tool } = slow("build", { onUnknownOutcome: "rerun" })
      const first = yield* Scope.make()
      yield* run((yield* opened(tool, first)).run("go"))
      yield* Scope.close(first, Exit.void)
      const now = ResponseTool.make({
        name: "build",
        parameters,
        onUnknownOutcome: "rerun",
        handler: () => Effect.succeed("at once")
      })
      const conversation = yield* Conversation.open({ ...settings, id: "c", tools: [now] })
      yield* run(conversation.resume)
      assert.deepStrictEqual((yield* sent)[1], ["go", "?build", "build=at once"])
    })
  )
})
