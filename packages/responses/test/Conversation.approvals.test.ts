/** Calls that are not run before somebody has approved them. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Conversation from "../src/Conversation.ts"
import { JournalFailed } from "../src/ConversationError.ts"
import type { ConversationEvent } from "../src/ConversationEvent.ts"
import * as ConversationJournal from "../src/ConversationJournal.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import type * as Responses from "../src/Responses.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as ResponseTool from "../src/ResponseTool.ts"

const { text, turn } = ResponsesTest

const settings = { id: "c", model: "m" } as const

const call = (name: string, args: object = {}, callId = `call_${name}`) =>
  ResponsesTest.toolCall({ name, arguments: args, callId })

type Services = ResponsesTest.ResponsesTest | Responses.Responses | ConversationJournal.ConversationJournal

const mocked = (name: string, script: ResponsesTest.Script, test: Effect.Effect<void, unknown, Services>) =>
  it.effect(
    name,
    () => Effect.provide(test, Layer.merge(ResponsesTest.layer(script), ConversationJournal.layerMemory))
  )

const requests = Effect.flatMap(ResponsesTest.ResponsesTest, (test) => test.requests)

const run = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runDrain(stream)

/** What the events say, in short. */
const told = <E, R>(stream: Stream.Stream<{ readonly type: string }, E, R>) =>
  Effect.map(
    Stream.runCollect(stream),
    (events) =>
      ([...events] as ReadonlyArray<ConversationEvent | { readonly type: "response.completed" }>).flatMap(short)
  )

const short = (event: ConversationEvent | { readonly type: "response.completed" }): ReadonlyArray<string> => {
  switch (event.type) {
    case "conversation.tool.started":
      return [`${event.callId} started ${event.attempt}`]
    case "conversation.tool.ended":
      return [`${event.callId} ${event.result._tag} ${event.attempt}`]
    case "conversation.tool.held":
      return [`${event.approval.callId} held`]
    case "conversation.approvals.pending":
      return [`pending ${event.approvals.map(({ callId }) => callId).join(" ")}`]
    case "conversation.round.ended":
      return ["round"]
    case "response.completed":
      return ["response"]
    default:
      return []
  }
}

/** Notes its runs. */
const noting = <R = never>(
  name: string,
  needsApproval?: ResponseTool.NeedsApproval<{ readonly sum?: number | undefined }, string, R>,
  does: Effect.Effect<string, string> = Effect.succeed("done")
) => {
  const ran: Array<ResponseTool.Attempt & { readonly sum: number | undefined }> = []
  const tool = ResponseTool.make({
    name,
    parameters: Schema.Struct({ sum: Schema.optional(Schema.Number) }),
    needsApproval,
    handler: ({ sum }, { attempt, idempotencyKey }) =>
      Effect.suspend(() => {
        ran.push({ sum, attempt, idempotencyKey })
        return does
      })
  })
  return { ran, tool }
}

const outputs = (items: ReadonlyArray<ResponseItem.ResponseItem>): ReadonlyArray<string> =>
  items.flatMap((item) =>
    (item.type === "function_call_output" || item.type === "custom_tool_call_output") && typeof item.output === "string"
      ? [item.output]
      : []
  )

const entries = Effect.flatMap(
  ConversationJournal.ConversationJournal,
  (journal) => Effect.map(journal.load(settings.id), (owned) => owned.entries)
)

const rejected = "Error: the user has rejected this call, and the tool was not run"

describe("a call that needs an approval", () => {
  const approvals = [{ _tag: "Tool", callId: "call_pay", name: "pay", arguments: { sum: 5 } }] as const

  const held = () => {
    const pay = noting("pay", true)
    const look = noting("look")
    return { pay, look, tools: [pay.tool, look.tool] as const }
  }
  const script = [turn([call("pay", { sum: 5 }), call("look")]), text("paid")]

  mocked(
    "is held while the others run, and runs when it was approved",
    script,
    Effect.gen(function*() {
      const { look, pay, tools } = held()
      const conversation = yield* Conversation.open({ ...settings, tools })
      const events = yield* told(conversation.run("go"))
      assert.sameMembers(events.slice(0, 2), ["response", "call_pay held"])
      assert.deepStrictEqual(events.slice(2), ["call_look started 1", "call_look Output 1", "pending call_pay"])
      assert.strictEqual(look.ran.length, 1)
      assert.deepStrictEqual(yield* conversation.approvals, approvals)
      assert.deepStrictEqual((yield* Stream.runCollect(conversation.resume)).length, 1)

      yield* conversation.approve("call_pay")
      assert.deepStrictEqual(yield* conversation.approvals, [])
      assert.deepStrictEqual(pay.ran, [])
      assert.deepStrictEqual(yield* told(conversation.resume), [
        "call_pay started 1",
        "call_pay Output 1",
        "round",
        "response",
        "round"
      ])
      assert.deepStrictEqual(pay.ran, [{ sum: 5, attempt: 1, idempotencyKey: "c:1:call_pay" }])
      assert.strictEqual(look.ran.length, 1)
      assert.deepStrictEqual((yield* entries).map(({ _tag }) => _tag), [
        "Asked",
        "Answered",
        "Held",
        "Started",
        "Ended",
        "Approved",
        "Started",
        "Ended",
        "Answered"
      ])
    })
  )

  mocked(
    "that is rejected does not run, and the model is told why",
    script,
    Effect.gen(function*() {
      const { pay, tools } = held()
      const conversation = yield* Conversation.open({ ...settings, tools })
      yield* run(conversation.run("go"))
      yield* conversation.reject("call_pay", "too much")
      assert.deepStrictEqual(yield* told(conversation.resume), ["response", "round"])
      assert.deepStrictEqual(pay.ran, [])
      assert.deepStrictEqual(outputs(yield* conversation.history), [`${rejected}: too much`, "done"])
      assert.strictEqual((yield* requests).length, 2)
    })
  )

  mocked(
    "fails `ask` with what is to be approved",
    script,
    Effect.gen(function*() {
      const { tools } = held()
      const conversation = yield* Conversation.make({ ...settings, tools, events: "api" })
      const error = yield* Effect.flip(conversation.ask("go"))
      assert.deepInclude(error, { _tag: "ApprovalRequired", approvals })
      assert.include(error.message, "pay call_pay")
      assert.strictEqual(yield* Stream.runCount(conversation.resume), 0)
    })
  )

  mocked(
    "goes on in another process, also when that one was approved in a third one",
    script,
    Effect.gen(function*() {
      const { pay, tools } = held()
      yield* run((yield* Conversation.open({ ...settings, tools })).run("go"))
      const second = yield* Conversation.open({ ...settings, tools })
      assert.deepStrictEqual(yield* second.approvals, approvals)
      yield* second.approve("call_pay")
      const third = yield* Conversation.open({ ...settings, tools })
      assert.deepStrictEqual(yield* third.approvals, [])
      assert.strictEqual((yield* Effect.flip(third.approve("call_pay"))).message.includes("approved already"), true)
      yield* run(third.resume)
      assert.deepStrictEqual(pay.ran, [{ sum: 5, attempt: 1, idempotencyKey: "c:1:call_pay" }])
      const taken = yield* Effect.flip(second.run("more").pipe(run))
      assert.strictEqual(taken._tag, "PendingRound")
    })
  )

  mocked(
    "is decided by the owner of the conversation only",
    script,
    Effect.gen(function*() {
      const { pay, tools } = held()
      const first = yield* Conversation.open({ ...settings, tools })
      yield* run(first.run("go"))
      const second = yield* Conversation.open({ ...settings, tools })
      assert.strictEqual((yield* Effect.flip(first.approve("call_pay")))._tag, "ConversationTaken")
      yield* second.reject("call_pay")
      yield* run(second.resume)
      assert.deepStrictEqual(pay.ran, [])
    })
  )

  mocked(
    "runs when its approval is written down, though it could not be written at first",
    script,
    Effect.gen(function*() {
      const { pay, tools } = held()
      const journal = yield* ConversationJournal.ConversationJournal
      let isDown = false
      const failing: ConversationJournal.Service = {
        load: (id) =>
          Effect.map(journal.load(id), (owned) => ({
            ...owned,
            append: (seq, entry) =>
              Effect.suspend(() =>
                isDown
                  ? Effect.fail(new JournalFailed({ id, reason: "Unreachable", description: "down" }))
                  : owned.append(seq, entry)
              )
          }))
      }
      const conversation = yield* Conversation.open({ ...settings, tools }).pipe(
        Effect.provideService(ConversationJournal.ConversationJournal, failing)
      )
      yield* run(conversation.run("go"))
      isDown = true
      assert.strictEqual((yield* Effect.flip(conversation.approve("call_pay")))._tag, "JournalFailed")
      assert.strictEqual((yield* Effect.flip(run(conversation.resume)))._tag, "JournalFailed")
      assert.deepStrictEqual(pay.ran, [])
      isDown = false
      yield* run(conversation.resume)
      assert.strictEqual(pay.ran.length, 1)
      assert.deepStrictEqual((yield* entries).slice(5, 7).map(({ _tag }) => _tag), ["Approved", "Started"])
    })
  )

  mocked(
    "is decided once, and by its own id",
    script,
    Effect.gen(function*() {
      const { tools } = held()
      const conversation = yield* Conversation.make({ ...settings, tools })
      const reason = (effect: Effect.Effect<void, { readonly _tag: string; readonly reason: string }>) =>
        Effect.map(Effect.flip(effect), (error) => `${error._tag} ${error.reason}`)
      assert.strictEqual(yield* reason(conversation.approve("call_pay")), "ApprovalNotPending Unknown")
      yield* run(conversation.run("go"))
      const other = yield* Effect.flip(conversation.approve("call_other"))
      assert.deepInclude(other, { reason: "Unknown", approvals })
      assert.strictEqual(yield* reason(conversation.approve("call_look")), "ApprovalNotPending Answered")
      yield* conversation.approve("call_pay")
      assert.strictEqual(yield* reason(conversation.approve("call_pay")), "ApprovalNotPending Approved")
      assert.strictEqual(yield* reason(conversation.reject("call_pay")), "ApprovalNotPending Approved")
      yield* run(conversation.resume)
      assert.strictEqual(yield* reason(conversation.reject("call_pay")), "ApprovalNotPending Answered")
    })
  )

  mocked(
    "is asked about by what its arguments say, once",
    [turn([call("pay", { sum: 5 }, "a"), call("pay", { sum: 50 }, "b"), call("pay", { sum: 500 }, "c")]), text("ok")],
    Effect.gen(function*() {
      const asked: Array<unknown> = []
      const pay = noting("pay", ({ sum = 0 }) => {
        asked.push(sum)
        return sum > 100 ? Effect.succeed(true) : sum > 10
      })
      const conversation = yield* Conversation.make({ ...settings, tools: [pay.tool] })
      yield* run(conversation.run("go"))
      assert.deepStrictEqual(pay.ran.map(({ sum }) => sum), [5])
      yield* conversation.approve("b")
      assert.strictEqual((yield* told(conversation.resume)).at(-1), "pending c")
      yield* conversation.approve("c")
      yield* run(conversation.resume)
      assert.deepStrictEqual(pay.ran.map(({ sum }) => sum), [5, 50, 500])
      assert.deepStrictEqual(asked, [5, 50, 500])
    })
  )

  mocked(
    "is answered with the failure where this cannot be told",
    [turn([call("pay", { sum: "all" }, "a"), call("odd", {}, "b")]), text("ok")],
    Effect.gen(function*() {
      const pay = noting("pay", true)
      const odd = noting("odd", () => Effect.fail("no rules"))
      const conversation = yield* Conversation.make({ ...settings, tools: [pay.tool, odd.tool] })
      const events = yield* told(conversation.run("go"))
      assert.sameMembers(events.slice(1, 3), ["a Failed 0", "b Failed 0"])
      assert.deepStrictEqual([...pay.ran, ...odd.ran], [])
      const [first = "", second] = outputs(yield* conversation.history)
      assert.match(first, /^Error: .*number/s)
      assert.strictEqual(second, "Error: whether it needs an approval is unknown: no rules")
    })
  )

  mocked(
    "is asked about again after such a failure has failed the run",
    [turn([call("odd")]), text("ok")],
    Effect.gen(function*() {
      let times = 0
      const odd = noting("odd", () => times++ === 0 ? Effect.fail("no rules") : false)
      const conversation = yield* Conversation.open({ ...settings, tools: [odd.tool], onToolFailure: "fail" })
      assert.strictEqual((yield* Effect.flip(run(conversation.run("go"))))._tag, "ToolFailed")
      yield* run(conversation.resume)
      assert.deepInclude(odd.ran[0], { attempt: 1 })
      assert.strictEqual(times, 2)
    })
  )

  mocked(
    "may be one of a tool with free-form input",
    [ResponsesTest.turn([ResponsesTest.customToolCall({ name: "shell", input: "rm -rf", callId: "s" })]), text("ok")],
    Effect.gen(function*() {
      const ran: Array<string> = []
      const shell = ResponseTool.custom({
        name: "shell",
        needsApproval: (input) => input.startsWith("rm"),
        handler: (input) => Effect.sync(() => ran.push(input))
      })
      const conversation = yield* Conversation.make({ ...settings, tools: [shell] })
      yield* run(conversation.run("go"))
      assert.deepStrictEqual(yield* conversation.approvals, [
        { _tag: "Tool", callId: "s", name: "shell", arguments: "rm -rf" }
      ])
      yield* conversation.reject("s")
      yield* run(conversation.resume)
      assert.deepStrictEqual(outputs(yield* conversation.history), [rejected])
      assert.deepStrictEqual(ran, [])
    })
  )
})

describe("a call that is decided while the others run", () => {
  /** Runs `decide` when `look` runs, and `look` ends with it. */
  const during = (
    decide: (conversation: Conversation.Conversation) => Effect.Effect<void, unknown>,
    concurrency?: number
  ) =>
    Effect.gen(function*() {
      const isHeld = yield* Deferred.make<void>()
      const isDone = yield* Deferred.make<void>()
      const pay = noting("pay", true, Effect.as(Deferred.succeed(isDone, undefined), "done"))
      const look = noting("look", false, Effect.as(Deferred.await(isDone), "seen"))
      const conversation = yield* Conversation.make({ ...settings, tools: [pay.tool, look.tool], concurrency })
      const fiber = yield* conversation.run("go").pipe(
        Stream.tap((event) =>
          event.type === "conversation.tool.held" ? Deferred.succeed(isHeld, undefined) : Effect.void
        ),
        told,
        Effect.fork
      )
      yield* Deferred.await(isHeld)
      yield* decide(conversation)
      return { pay, conversation, isDone, events: yield* Fiber.join(fiber) }
    })

  mocked(
    "runs beside them",
    [turn([call("look"), call("pay")]), text("ok")],
    Effect.gen(function*() {
      const { events, pay } = yield* during((conversation) => conversation.approve("call_pay"))
      assert.strictEqual(pay.ran.length, 1)
      assert.notInclude(events, "pending call_pay")
      assert.strictEqual(events.at(-1), "round")
    })
  )

  mocked(
    "is told as rejected",
    [turn([call("pay"), call("look")]), text("ok")],
    Effect.gen(function*() {
      const isDone = yield* Deferred.make<void>()
      const pay = noting("pay", true)
      const look = noting("look", false, Effect.as(Deferred.await(isDone), "seen"))
      const conversation = yield* Conversation.make({ ...settings, tools: [pay.tool, look.tool], concurrency: 1 })
      const events = yield* conversation.run("go").pipe(
        Stream.tap((event) => {
          if (event.type === "conversation.tool.held") return conversation.reject(event.approval.callId)
          return event.type === "conversation.tool.ended" ? Deferred.succeed(isDone, undefined) : Effect.void
        }),
        told
      )
      assert.include(events, "call_pay Rejected 0")
      assert.deepStrictEqual(outputs(yield* conversation.history), [rejected, "seen"])
      assert.deepStrictEqual(pay.ran, [])
    })
  )

  mocked(
    "does not run beside more of them than may run at once",
    [turn([call("pay", {}, "p"), call("a"), call("b")]), text("ok")],
    Effect.gen(function*() {
      let running = 0
      let most = 0
      const counted = Effect.acquireUseRelease(
        Effect.sync(() => most = Math.max(most, ++running)),
        () => Effect.as(Effect.repeatN(Effect.yieldNow(), 20), "done"),
        () => Effect.sync(() => running--)
      )
      const tools = [noting("pay", true, counted), noting("a", false, counted), noting("b", false, counted)]
      const conversation = yield* Conversation.make({
        ...settings,
        tools: tools.map(({ tool }) => tool),
        concurrency: 1
      })
      const events = yield* conversation.run("go").pipe(
        Stream.tap((event) =>
          event.type === "conversation.tool.held" ? conversation.approve(event.approval.callId) : Effect.void
        ),
        told
      )
      assert.strictEqual(events.at(-1), "round")
      assert.strictEqual(most, 1)
      assert.deepStrictEqual(tools.map(({ ran }) => ran.length), [1, 1, 1])
    })
  )

  mocked(
    "by a tool of the same round, too",
    [turn([call("pay"), call("boss")]), text("ok")],
    Effect.gen(function*() {
      const pay = noting("pay", true)
      let conversation: Conversation.Conversation | undefined
      const boss = noting(
        "boss",
        false,
        Effect.suspend(() => conversation === undefined ? Effect.void : Effect.orDie(conversation.approve("call_pay")))
          .pipe(Effect.as("approved"))
      )
      const made = yield* Conversation.make({ ...settings, tools: [pay.tool, boss.tool] })
      conversation = made
      yield* run(made.run("go"))
      assert.strictEqual(pay.ran.length, 1)
    })
  )

  mocked(
    "waits no longer when the run is interrupted, and is still held",
    [turn([call("pay"), call("look")]), text("ok")],
    Effect.gen(function*() {
      const isHeld = yield* Deferred.make<void>()
      const pay = noting("pay", true)
      const look = noting("look", false, Effect.never)
      const conversation = yield* Conversation.open({ ...settings, tools: [pay.tool, look.tool] })
      const fiber = yield* conversation.run("go").pipe(
        Stream.tap((event) =>
          event.type === "conversation.tool.held" ? Deferred.succeed(isHeld, undefined) : Effect.void
        ),
        run,
        Effect.fork
      )
      yield* Deferred.await(isHeld)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual((yield* conversation.approvals).map(({ callId }) => callId), ["call_pay"])
      assert.deepStrictEqual(yield* told(conversation.resume), ["call_look Unknown 1", "pending call_pay"])
      yield* conversation.approve("call_pay")
      yield* run(conversation.resume)
      assert.strictEqual(pay.ran.length, 1)
    })
  )
})

describe("what is asked while calls are held", () => {
  const script = [turn([call("pay")]), text("one"), text("two")]

  const held = Effect.gen(function*() {
    const pay = noting("pay", true)
    const conversation = yield* Conversation.open({ ...settings, tools: [pay.tool] })
    yield* run(conversation.run("go"))
    return { pay, conversation }
  })

  mocked(
    "is refused",
    script,
    Effect.gen(function*() {
      const { conversation } = yield* held
      const refused = yield* Effect.flip(run(conversation.run("more")))
      assert(refused._tag === "PendingRound")
      assert.deepStrictEqual(refused.calls, [{ callId: "call_pay", name: "pay", isBegun: false, isHeld: true }])
      assert.include(refused.message, "approve or reject pay call_pay, then resume")
      assert.strictEqual((yield* Effect.flip(run(conversation.send("more"))))._tag, "InvalidRequest")
      assert.strictEqual((yield* conversation.approvals).length, 1)
    })
  )

  mocked(
    "is refused with `pending: resume` as well, after what can be gone on with",
    script,
    Effect.gen(function*() {
      const { conversation, pay } = yield* held
      const refused = yield* Effect.flip(conversation.ask("more", { pending: "resume" }))
      assert.strictEqual(refused._tag, "PendingRound")
      yield* conversation.approve("call_pay")
      assert.strictEqual((yield* conversation.ask("more", { pending: "resume" })).text, "two")
      assert.strictEqual(pay.ran.length, 1)
    })
  )

  mocked(
    "takes the place of the calls with `pending: discard`",
    script,
    Effect.gen(function*() {
      const { conversation, pay } = yield* held
      assert.strictEqual((yield* conversation.ask("more", { pending: "discard" })).text, "one")
      assert.deepStrictEqual(outputs(yield* conversation.history), [
        "Error: the user has discarded this call: the tool was not run"
      ])
      assert.deepStrictEqual(pay.ran, [])
    })
  )

  mocked(
    "may answer the calls itself",
    script,
    Effect.gen(function*() {
      const { conversation, pay } = yield* held
      const answer = ResponseItem.functionCallOutput("call_pay", "by hand")
      yield* run(conversation.run(answer))
      assert.deepStrictEqual(outputs(yield* conversation.history), ["by hand"])
      assert.deepStrictEqual(pay.ran, [])
    })
  )

  mocked(
    "with `send` answers them, and they cannot be decided meanwhile",
    script,
    Effect.gen(function*() {
      const { conversation } = yield* held
      const refusals: Array<unknown> = []
      yield* conversation.send(ResponseItem.functionCallOutput("call_pay", "by hand")).pipe(
        Stream.tap(() => Effect.map(Effect.either(conversation.reject("call_pay")), (result) => refusals.push(result))),
        run
      )
      assert.isTrue(refusals.every((result) => Either.isEither(result) && Either.isLeft(result)))
      assert.deepStrictEqual(outputs(yield* conversation.history), ["by hand"])
      assert.deepStrictEqual(yield* conversation.approvals, [])
    })
  )
})

describe("a request of an MCP server's", () => {
  const request: ResponseItem.McpApprovalRequest = {
    type: "mcp_approval_request",
    id: "mcpr_1",
    server_label: "bank",
    name: "transfer",
    arguments: "{\"sum\":5}"
  }
  const approvals = [
    { _tag: "Mcp", callId: "mcpr_1", name: "transfer", arguments: { sum: 5 }, serverLabel: "bank" }
  ] as const
  const script = [turn([ResponsesTest.item(request)]), text("ok"), text("more")]
  const types = (items: ReadonlyArray<ResponseItem.ResponseItem>) => items.map(({ type }) => type)

  for (const approve of [true, false]) {
    mocked(
      `is ${approve ? "approved" : "rejected"}, in another process, and the model is asked with the answer`,
      script,
      Effect.gen(function*() {
        const first = yield* Conversation.open(settings)
        assert.deepInclude(yield* Effect.flip(first.ask("go")), { _tag: "ApprovalRequired", approvals })
        const conversation = yield* Conversation.open(settings)
        assert.deepStrictEqual(yield* conversation.approvals, approvals)
        assert.deepStrictEqual(yield* told(conversation.resume), ["pending mcpr_1"])
        yield* approve ? conversation.approve("mcpr_1") : conversation.reject("mcpr_1", "too much")
        const again = yield* Effect.flip(conversation.approve("mcpr_1"))
        assert.deepInclude(again, { _tag: "ApprovalNotPending", reason: "Answered" })
        assert.deepStrictEqual(yield* told(conversation.resume), ["response", "round"])
        const input = (yield* requests)[1]?.input
        const answer = ResponseItem.mcpApprovalResponse("mcpr_1", approve, approve ? undefined : "too much")
        assert.deepStrictEqual(Array.isArray(input) && input.at(-1), answer)
        assert.deepStrictEqual(types(yield* conversation.history), [
          "message",
          "mcp_approval_request",
          "mcp_approval_response",
          "message"
        ])
      })
    )
  }

  mocked(
    "is answered beside calls",
    [turn([call("look"), ResponsesTest.item(request), call("pay")]), text("ok")],
    Effect.gen(function*() {
      const pay = noting("pay", true)
      const look = noting("look")
      const conversation = yield* Conversation.make({ ...settings, tools: [pay.tool, look.tool] })
      assert.strictEqual((yield* told(conversation.run("go"))).at(-1), "pending call_pay mcpr_1")
      yield* conversation.approve("mcpr_1")
      assert.strictEqual((yield* told(conversation.resume)).at(-1), "pending call_pay")
      yield* conversation.approve("call_pay")
      assert.strictEqual((yield* told(conversation.resume)).at(-1), "round")
      assert.deepStrictEqual([look.ran.length, pay.ran.length], [1, 1])
    })
  )

  mocked(
    "is refused with `pending: discard`, and a question fails without it",
    script,
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      yield* run(conversation.run("go"))
      const pending = yield* Effect.flip(conversation.ask("more"))
      assert.deepInclude(pending, { _tag: "PendingRound" })
      assert.include(pending.message, "transfer mcpr_1")
      yield* conversation.ask("more", { pending: "discard" })
      const answer = (yield* conversation.history).find(({ type }) => type === "mcp_approval_response")
      assert.deepInclude(answer, { approve: false })
    })
  )

  mocked(
    "is answered by the input of a run",
    script,
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      yield* run(conversation.run("go"))
      const answer = ResponseItem.mcpApprovalResponse("mcpr_1", true)
      assert.strictEqual((yield* conversation.ask([answer, ResponseItem.user("and more")])).text, "ok")
      assert.deepStrictEqual(types(yield* conversation.history).slice(1, 3), [
        "mcp_approval_request",
        "mcp_approval_response"
      ])
    })
  )

  mocked(
    "is passed over by `send`, as the API allows",
    script,
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      yield* run(conversation.send("go"))
      assert.strictEqual((yield* conversation.approvals).length, 1)
      yield* run(conversation.send("more"))
      assert.deepStrictEqual(yield* conversation.approvals, [])
      assert.strictEqual(yield* Stream.runCount(conversation.resume), 0)
    })
  )

  mocked(
    "that was broken off is not asked about",
    [ResponsesTest.turn([
      ResponsesTest.item({ ...request, arguments: "{\"sum\":" }),
      ResponsesTest.incomplete()
    ])],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      yield* run(conversation.run("go"))
      assert.deepStrictEqual(yield* conversation.approvals, [])
      assert.deepStrictEqual(types(yield* conversation.history), ["message"])
    })
  )

  mocked(
    "whose fields are not what they should be is shown as it is",
    [
      ResponsesTest.item(
        ResponseItem.unknown({ type: "mcp_approval_request", id: "r", name: null, arguments: "no JSON" })
      )
    ],
    Effect.gen(function*() {
      const conversation = yield* Conversation.make(settings)
      yield* run(conversation.run("go"))
      assert.deepStrictEqual(yield* conversation.approvals, [
        { _tag: "Mcp", callId: "r", name: "", arguments: "no JSON", serverLabel: "" }
      ])
    })
  )
})
