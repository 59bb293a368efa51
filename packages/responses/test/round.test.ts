/** The state of a conversation: every state with everything that may be written down. */
import { assert, describe, it } from "@effect/vitest"
import type { Entry } from "../src/ConversationJournal.ts"
import * as Round from "../src/internal/conversation/round.ts"
import * as ResponseItem from "../src/ResponseItem.ts"

const call = (call_id: string): ResponseItem.FunctionCall => ({
  type: "function_call",
  call_id,
  name: "pay",
  arguments: "{}"
})
const output = (callId: string) => ResponseItem.functionCallOutput(callId, "done")
const question = ResponseItem.user("a")
const answer = ResponseItem.message("assistant", "b")

const request: ResponseItem.McpApprovalRequest = {
  type: "mcp_approval_request",
  id: "r",
  server_label: "bank",
  name: "pay",
  arguments: "{}"
}
const allowed = ResponseItem.mcpApprovalResponse("r", true)

const from = (...entries: ReadonlyArray<Entry>): Round.State =>
  entries.reduce<Round.State>((state, entry) => {
    const next = Round.step(state, entry)
    if (next === undefined) throw new Error(`${entry._tag} in ${state._tag}`)
    return next
  }, Round.fromHistory([]))

const asked: Entry = { _tag: "Asked", input: [question] }
const calls: Entry = { _tag: "Answered", output: [call("1"), call("2")] }
const started: Entry = { _tag: "Started", callId: "1", attempt: 1 }
const ended: Entry = { _tag: "Ended", output: output("1") }
const endedLast: Entry = { _tag: "Ended", output: output("2") }
const held: Entry = { _tag: "Held", callId: "1" }
const approved: Entry = { _tag: "Approved", callId: "1" }
const requested: Entry = { _tag: "Answered", output: [request] }
const decided: Entry = { _tag: "Decided", response: allowed }

const states = {
  new: from(),
  idle: from(asked, { _tag: "Answered", output: [answer] }),
  asking: from(asked),
  askingAgain: from(asked, calls, ended, endedLast),
  answering: from(asked, calls),
  begun: from(asked, calls, started),
  halfAnswered: from(asked, calls, started, ended),
  held: from(asked, calls, held),
  approved: from(asked, calls, held, approved),
  approvedBegun: from(asked, calls, held, approved, started),
  requested: from(asked, requested),
  requestedBeside: from(asked, { _tag: "Answered", output: [call("1"), request] })
} satisfies Record<string, Round.State>

const entries = {
  Loaded: { _tag: "Loaded", history: [question, call("1")] },
  LoadedWhole: { _tag: "Loaded", history: [question, answer] },
  Asked: { _tag: "Asked", input: [ResponseItem.user("c")] },
  Withdrawn: { _tag: "Withdrawn" },
  Answered: { _tag: "Answered", output: [answer] },
  AnsweredWithCalls: { _tag: "Answered", output: [call("1"), call("2")] },
  Sent: { _tag: "Sent", input: [ResponseItem.user("c")], output: [answer] },
  SentOutputs: { _tag: "Sent", input: [output("1"), output("2")], output: [answer] },
  Compacted: { _tag: "Compacted", history: [answer] },
  Started: started,
  StartedAgain: { _tag: "Started", callId: "1", attempt: 2 },
  Failed: { _tag: "Failed", callId: "1" },
  Ended: ended,
  EndedLast: endedLast,
  EndedOther: { _tag: "Ended", output: output("3") },
  Held: held,
  Approved: approved,
  Decided: decided,
  DecidedOther: { _tag: "Decided", response: ResponseItem.mcpApprovalResponse("s", true) },
  AnsweredWithRequest: requested
} satisfies Record<string, Entry>

type Row = Readonly<Record<keyof typeof entries, string>>

const no = "-"

/** The tag that follows and how many calls and requests are open then; `-` where it cannot happen. */
const table: Readonly<Record<keyof typeof states, Row>> = {
  new: {
    Loaded: "Answering 1",
    LoadedWhole: "Idle 0",
    Asked: "Asking 0",
    Withdrawn: no,
    Answered: no,
    AnsweredWithCalls: no,
    Sent: "Idle 0",
    SentOutputs: "Idle 0",
    Compacted: "Idle 0",
    Started: no,
    StartedAgain: no,
    Failed: no,
    Ended: no,
    EndedLast: no,
    EndedOther: no,
    Held: no,
    Approved: no,
    Decided: no,
    DecidedOther: no,
    AnsweredWithRequest: no
  },
  idle: {
    Loaded: no,
    LoadedWhole: no,
    Asked: "Asking 0",
    Withdrawn: no,
    Answered: no,
    AnsweredWithCalls: no,
    Sent: "Idle 0",
    SentOutputs: "Idle 0",
    Compacted: "Idle 0",
    Started: no,
    StartedAgain: no,
    Failed: no,
    Ended: no,
    EndedLast: no,
    EndedOther: no,
    Held: no,
    Approved: no,
    Decided: no,
    DecidedOther: no,
    AnsweredWithRequest: no
  },
  asking: {
    Loaded: no,
    LoadedWhole: no,
    Asked: "Asking 0",
    Withdrawn: "Idle 0",
    Answered: "Idle 0",
    AnsweredWithCalls: "Answering 2",
    Sent: "Idle 0",
    SentOutputs: "Idle 0",
    Compacted: "Asking 0",
    Started: no,
    StartedAgain: no,
    Failed: no,
    Ended: no,
    EndedLast: no,
    EndedOther: no,
    Held: no,
    Approved: no,
    Decided: no,
    DecidedOther: no,
    AnsweredWithRequest: "Answering 1"
  },
  askingAgain: {
    Loaded: no,
    LoadedWhole: no,
    Asked: "Asking 0",
    Withdrawn: "Asking 0",
    Answered: "Idle 0",
    AnsweredWithCalls: "Answering 2",
    Sent: "Idle 0",
    SentOutputs: "Idle 0",
    Compacted: "Asking 0",
    Started: no,
    StartedAgain: no,
    Failed: no,
    Ended: no,
    EndedLast: no,
    EndedOther: no,
    Held: no,
    Approved: no,
    Decided: no,
    DecidedOther: no,
    AnsweredWithRequest: "Answering 1"
  },
  answering: {
    Loaded: no,
    LoadedWhole: no,
    Asked: no,
    Withdrawn: no,
    Answered: no,
    AnsweredWithCalls: no,
    Sent: "Answering 2",
    SentOutputs: "Idle 0",
    Compacted: no,
    Started: "Answering 2",
    StartedAgain: no,
    Failed: no,
    Ended: "Answering 1",
    EndedLast: "Answering 1",
    EndedOther: no,
    Held: "Answering 2",
    Approved: no,
    Decided: no,
    DecidedOther: no,
    AnsweredWithRequest: no
  },
  begun: {
    Loaded: no,
    LoadedWhole: no,
    Asked: no,
    Withdrawn: no,
    Answered: no,
    AnsweredWithCalls: no,
    Sent: "Answering 2",
    SentOutputs: "Idle 0",
    Compacted: no,
    Started: no,
    StartedAgain: "Answering 2",
    Failed: "Answering 2",
    Ended: "Answering 1",
    EndedLast: "Answering 1",
    EndedOther: no,
    Held: no,
    Approved: no,
    Decided: no,
    DecidedOther: no,
    AnsweredWithRequest: no
  },
  halfAnswered: {
    Loaded: no,
    LoadedWhole: no,
    Asked: no,
    Withdrawn: no,
    Answered: no,
    AnsweredWithCalls: no,
    Sent: "Answering 1",
    SentOutputs: "Idle 0",
    Compacted: no,
    Started: no,
    StartedAgain: no,
    Failed: no,
    Ended: no,
    EndedLast: "Asking 0",
    EndedOther: no,
    Held: no,
    Approved: no,
    Decided: no,
    DecidedOther: no,
    AnsweredWithRequest: no
  },
  held: {
    Loaded: no,
    LoadedWhole: no,
    Asked: no,
    Withdrawn: no,
    Answered: no,
    AnsweredWithCalls: no,
    Sent: "Answering 2",
    SentOutputs: "Idle 0",
    Compacted: no,
    Started: no,
    StartedAgain: no,
    Failed: no,
    Ended: "Answering 1",
    EndedLast: "Answering 1",
    EndedOther: no,
    Held: no,
    Approved: "Answering 2",
    Decided: no,
    DecidedOther: no,
    AnsweredWithRequest: no
  },
  approved: {
    Loaded: no,
    LoadedWhole: no,
    Asked: no,
    Withdrawn: no,
    Answered: no,
    AnsweredWithCalls: no,
    Sent: "Answering 2",
    SentOutputs: "Idle 0",
    Compacted: no,
    Started: "Answering 2",
    StartedAgain: no,
    Failed: no,
    Ended: "Answering 1",
    EndedLast: "Answering 1",
    EndedOther: no,
    Held: no,
    Approved: no,
    Decided: no,
    DecidedOther: no,
    AnsweredWithRequest: no
  },
  approvedBegun: {
    Loaded: no,
    LoadedWhole: no,
    Asked: no,
    Withdrawn: no,
    Answered: no,
    AnsweredWithCalls: no,
    Sent: "Answering 2",
    SentOutputs: "Idle 0",
    Compacted: no,
    Started: no,
    StartedAgain: "Answering 2",
    Failed: "Answering 2",
    Ended: "Answering 1",
    EndedLast: "Answering 1",
    EndedOther: no,
    Held: no,
    Approved: no,
    Decided: no,
    DecidedOther: no,
    AnsweredWithRequest: no
  },
  requested: {
    Loaded: no,
    LoadedWhole: no,
    Asked: "Asking 0",
    Withdrawn: "Answering 1",
    Answered: "Idle 0",
    AnsweredWithCalls: "Answering 2",
    Sent: "Idle 0",
    SentOutputs: "Idle 0",
    Compacted: no,
    Started: no,
    StartedAgain: no,
    Failed: no,
    Ended: no,
    EndedLast: no,
    EndedOther: no,
    Held: no,
    Approved: no,
    Decided: "Asking 0",
    DecidedOther: no,
    AnsweredWithRequest: "Answering 1"
  },
  requestedBeside: {
    Loaded: no,
    LoadedWhole: no,
    Asked: no,
    Withdrawn: no,
    Answered: no,
    AnsweredWithCalls: no,
    Sent: "Answering 1",
    SentOutputs: "Idle 0",
    Compacted: no,
    Started: "Answering 2",
    StartedAgain: no,
    Failed: no,
    Ended: "Answering 1",
    EndedLast: no,
    EndedOther: no,
    Held: "Answering 2",
    Approved: no,
    Decided: "Answering 1",
    DecidedOther: no,
    AnsweredWithRequest: no
  }
}

const openIn = (state: Round.State) => Round.open(state).length + Round.openRequests(state).length

describe("step", () => {
  const rows = Object.entries(table).flatMap(([state, row]) =>
    Object.entries(row).map(([entry, expected]) => ({ state, entry, expected }))
  )

  it.each(rows)("$entry in the state $state: $expected", ({ entry, expected, state }) => {
    const next = Round.step(states[state as keyof typeof states], entries[entry as keyof typeof entries])
    assert.strictEqual(next === undefined ? no : `${next._tag} ${openIn(next)}`, expected)
  })
})

const idsOf = (items: ReadonlyArray<ResponseItem.ResponseItem>) =>
  items.map((item) =>
    item.type === "function_call"
      ? `call ${item.call_id}`
      : item.type === "function_call_output"
      ? `output ${item.call_id}`
      : item.type
  )

describe("the history", () => {
  it("grows by a whole round, with the outputs in the order of the calls", () => {
    const before = from(asked, calls, endedLast)
    assert.deepStrictEqual(before.history, [])
    assert.deepStrictEqual(idsOf(Round.items(before)), ["message", "call 1", "call 2", "output 2"])
    assert.deepStrictEqual(idsOf(from(asked, calls, endedLast, ended).history), [
      "message",
      "call 1",
      "call 2",
      "output 1",
      "output 2"
    ])
  })

  it("has what is sent in the middle of a round behind what is known of the round", () => {
    const state = from(asked, calls, ended, { _tag: "Sent", input: [output("2")], output: [answer] })
    assert.deepStrictEqual(idsOf(state.history), ["message", "call 1", "call 2", "output 1", "output 2", "message"])
  })

  it("says by itself what is left to do", () => {
    const open = Round.fromHistory([question, call("1"), call("2"), output("2")])
    assert.deepStrictEqual(Round.open(open).map((pending) => pending.call.call_id), ["1"])
    assert.strictEqual(Round.fromHistory([question, call("1"), output("1")])._tag, "Asking")
    assert.strictEqual(Round.fromHistory([question, answer])._tag, "Idle")
    // A server that numbers the calls of each response anew.
    assert.strictEqual(Round.fromHistory([question, call("1"), output("1"), call("1")])._tag, "Answering")
  })
})

describe("a request of an MCP server's", () => {
  const both: Entry = { _tag: "Answered", output: [call("1"), request] }

  it("joins the history with its answer, behind the outputs of the calls", () => {
    assert.deepStrictEqual(from(asked, requested, decided).history, [question, request, allowed])
    assert.deepStrictEqual(from(asked, both, decided, ended).history, [
      question,
      call("1"),
      request,
      output("1"),
      allowed
    ])
  })

  it("has been passed over in older journals", () => {
    const answered: Entry = { _tag: "Answered", output: [answer] }
    assert.deepStrictEqual(from(asked, requested, asked, answered).history, [question, request, question, answer])
    assert.deepStrictEqual(from(asked, both, ended, answered).history, [
      question,
      call("1"),
      request,
      output("1"),
      answer
    ])
    const allowing: Entry = { _tag: "Asked", input: [allowed] }
    assert.deepStrictEqual(from(asked, requested, allowing, answered).history, [question, request, allowed, answer])
  })

  it("is open in a history unless it is answered or passed over", () => {
    const requestsIn = (...items: ReadonlyArray<ResponseItem.ResponseItem>) =>
      Round.openRequests(Round.fromHistory([question, ...items])).length
    assert.strictEqual(requestsIn(request), 1)
    assert.strictEqual(requestsIn(request, answer), 1)
    assert.strictEqual(requestsIn(call("1"), request, output("1")), 1)
    assert.strictEqual(requestsIn(call("1"), request, output("1"), answer), 0)
    assert.strictEqual(requestsIn(request, question), 0)
    assert.strictEqual(requestsIn(request, allowed), 0)
    assert.strictEqual(requestsIn(request, { ...request, id: "s" }, allowed), 1)
    assert.strictEqual(Round.fromHistory([question, request, allowed])._tag, "Asking")
  })

  it("cannot be answered without an id", () => {
    const nameless = ResponseItem.unknown({ type: "mcp_approval_request", id: 7 })
    assert.strictEqual(from(asked, { _tag: "Answered", output: [nameless] })._tag, "Idle")
  })
})

describe("a history that is made smaller", () => {
  const compaction: ResponseItem.Compaction = { type: "compaction", encrypted_content: "e" }
  const update = (effort: string) => ResponseItem.configurationUpdate({ reasoning: { effort } })
  const stored = { id: "resp_1", settings: "s" }
  const pastOf = (...entries: ReadonlyArray<Entry>) => from(...entries).past

  it("begins with the server's compaction, behind what that does not stand for", () => {
    const question: Entry = { _tag: "Asked", input: [update("low"), update("high"), ResponseItem.user("a")] }
    const state = from(question, { _tag: "Answered", output: [compaction, answer] })
    assert.deepStrictEqual(state.history, [update("high"), compaction, answer])
    const sent = from(question, {
      _tag: "Sent",
      input: [question.input[0]!, ResponseItem.compactionTrigger],
      output: [compaction]
    })
    assert.deepStrictEqual(sent.history, [update("low"), compaction])
    const low = update("low")
    const again = from({ ...question, input: [low, update("high"), low] }, { _tag: "Answered", output: [compaction] })
    assert.deepStrictEqual(again.history, [low, compaction])
  })

  it("keeps the calls of a response that was compacted in its middle", () => {
    const thought: ResponseItem.Reasoning = { type: "reasoning", summary: [] }
    const state = from(asked, { _tag: "Answered", output: [thought, call("1"), compaction, call("2")] })
    assert.deepStrictEqual(Round.items(state), [thought, call("1"), compaction, call("2")])
    assert.strictEqual(Round.open(state).length, 2)
    const whole = Round.step(Round.step(state, ended)!, endedLast)!
    assert.strictEqual(whole._tag, "Asking")
    const next = Round.step(whole, { _tag: "Answered", output: [compaction] })
    assert.deepStrictEqual(next?.history, [compaction], "answered by now")
  })

  it("has no trigger in it, as no request can have one there", () => {
    const state = from({ _tag: "Sent", input: [question, ResponseItem.compactionTrigger], output: [answer] })
    assert.deepStrictEqual(state.history, [question, answer])
  })

  it("knows of which stored response it is the context, until it is another one", () => {
    const answered: Entry = { _tag: "Answered", output: [call("1")], response: stored }
    assert.deepStrictEqual(pastOf(asked, answered).stored, { ...stored, items: 2 })
    assert.deepStrictEqual(pastOf(asked, answered, ended).stored, { ...stored, items: 2 })
    assert.deepStrictEqual(pastOf(asked, answered, ended, asked, { _tag: "Withdrawn" }).stored, { ...stored, items: 2 })
    assert.isUndefined(pastOf(asked, answered, ended, { _tag: "Answered", output: [answer] }).stored)
    assert.isUndefined(pastOf(asked, answered, ended, { _tag: "Compacted", history: [answer] }).stored)
    const compacted: Entry = { _tag: "Compacted", history: [compaction], response: stored }
    assert.deepStrictEqual(pastOf(asked, answered, ended, compacted).stored, { ...stored, items: 1 })
  })

  it("still gives each call a key of its own", () => {
    const before = [asked, calls, ended, endedLast]
    const smaller = [[], [answer], [question, answer, answer]].map((history): Entry => ({ _tag: "Compacted", history }))
    const states = [
      from(asked, calls),
      ...smaller.map((entry) => from(...before, entry, calls)),
      from(...before, { _tag: "Answered", output: [compaction] }, asked, calls)
    ]
    const keys = states.map((state) =>
      state._tag === "Answering" ? Round.keyOf(state, state.calls[0]!.call) : assert.fail(state._tag)
    )
    assert.strictEqual(keys[0], "1:1")
    assert.deepStrictEqual(keys.slice(1), ["5:1", "5:1", "5:1", "7:1"])
  })
})

describe("a call", () => {
  const pending = (...more: ReadonlyArray<Entry>) => Round.open(from(asked, calls, ...more))[0]

  it("is begun until it ends or fails, and each attempt is counted", () => {
    assert.deepInclude(pending(), { attempt: 0, isBegun: false })
    assert.deepInclude(pending(started), { attempt: 1, isBegun: true })
    assert.deepInclude(pending(started, entries.Failed), { attempt: 1, isBegun: false })
    assert.deepInclude(pending(started, entries.StartedAgain), { attempt: 2, isBegun: true })
  })

  it("is held until it is approved or ends, and is not held again", () => {
    assert.deepInclude(pending(), { approval: "notAsked" })
    assert.deepInclude(pending(held), { approval: "held", attempt: 0 })
    assert.deepInclude(pending(held, approved), { approval: "approved", attempt: 0 })
    assert.deepInclude(pending(held, approved, started), { approval: "approved", attempt: 1, isBegun: true })
    const failed = [held, approved, started, entries.Failed]
    assert.deepInclude(pending(...failed), { approval: "approved", attempt: 1, isBegun: false })
    assert.strictEqual(Round.step(from(asked, calls, ...failed), held), undefined)
    assert.strictEqual(Round.step(from(asked, calls, started, entries.Failed), held), undefined)
  })

  it("has a key of its own, also where a server numbers the calls of each response anew", () => {
    const keys = [from(asked, calls), from(asked, calls, ended, endedLast, calls)].flatMap((state) =>
      state._tag === "Answering" ? state.calls.map(({ call }) => Round.keyOf(state, call)) : []
    )
    assert.strictEqual(new Set(keys).size, 4)
  })
})
