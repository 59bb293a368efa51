/** The state of a conversation with calls of async tools: every state with everything that may be written down. */
import { assert, describe, it } from "@effect/vitest"
import type { Entry } from "../src/ConversationJournal.ts"
import * as Background from "../src/internal/conversation/background.ts"
import * as Round from "../src/internal/conversation/round.ts"
import * as ResponseItem from "../src/ResponseItem.ts"

const call = (call_id: string, more: { readonly async?: boolean } = {}): ResponseItem.FunctionCall => ({
  type: "function_call",
  call_id,
  name: "pay",
  arguments: "{}",
  ...more
})
const beside = (callId: string) => call(callId, { async: true })
const output = (callId: string) => ResponseItem.functionCallOutput(callId, "done")
const question = ResponseItem.user("a")
const answer = ResponseItem.message("assistant", "b")

const from = (...entries: ReadonlyArray<Entry>): Round.State =>
  entries.reduce<Round.State>((state, entry) => {
    const next = Round.step(state, entry)
    if (next === undefined) throw new Error(`${entry._tag} in ${state._tag}`)
    return next
  }, Round.fromHistory([]))

const asked: Entry = { _tag: "Asked", input: [question] }
const answered = (...output: ReadonlyArray<ResponseItem.ResponseItem>): Entry => ({ _tag: "Answered", output })
const started: Entry = { _tag: "Started", callId: "b", attempt: 1 }
const ended = (callId: string): Entry => ({ _tag: "Ended", output: output(callId) })

const states = {
  new: from(),
  idle: from(asked, answered(answer)),
  asking: from(asked),
  answering: from(asked, answered(call("1"), call("2"))),
  idleOpen: from(asked, answered(beside("b"))),
  idleBegun: from(asked, answered(beside("b")), started),
  idleUntold: from(asked, answered(beside("b")), started, ended("b")),
  askingOpen: from(asked, answered(beside("b")), asked),
  askingBegun: from(asked, answered(beside("b")), asked, started),
  askingUntold: from(asked, answered(beside("b")), asked, started, ended("b")),
  answeringBegun: from(asked, answered(call("1"), beside("b"), call("2")), started),
  answeringUntold: from(asked, answered(call("1"), beside("b")), started, ended("b"))
} satisfies Record<string, Round.State>

const entries = {
  Loaded: { _tag: "Loaded", history: [question, beside("b")] },
  Asked: asked,
  Withdrawn: { _tag: "Withdrawn" },
  Answered: answered(answer),
  AnsweredWithCalls: answered(call("1"), call("2")),
  AnsweredWithAsync: answered(call("1"), beside("a")),
  AnsweredTold: { _tag: "Answered", output: [answer], told: 1 },
  Sent: { _tag: "Sent", input: [question], output: [answer] },
  SentOutputs: { _tag: "Sent", input: [output("1"), output("2")], output: [answer] },
  SentOutput: { _tag: "Sent", input: [output("b")], output: [answer] },
  SentTold: { _tag: "Sent", input: [question], output: [beside("a")], told: 1 },
  Started: started,
  StartedAgain: { _tag: "Started", callId: "b", attempt: 2 },
  Failed: { _tag: "Failed", callId: "b" },
  Ended: ended("b"),
  EndedOfRound: ended("1"),
  EndedOther: ended("3")
} satisfies Record<string, Entry>

type Row = Readonly<Partial<Record<keyof typeof entries, string>>>

/**
 * The tag that follows, and how many calls are open then; behind them the calls in the background, open ones and outputs that
 * were not told. What is not listed cannot happen.
 */
const table: Readonly<Record<keyof typeof states, Row>> = {
  new: {
    Loaded: "Idle 0, 1 0",
    Asked: "Asking 0",
    Sent: "Idle 0",
    SentOutputs: "Idle 0",
    SentOutput: "Idle 0"
  },
  idle: {
    Asked: "Asking 0",
    Sent: "Idle 0",
    SentOutputs: "Idle 0",
    SentOutput: "Idle 0"
  },
  asking: {
    Asked: "Asking 0",
    Withdrawn: "Idle 0",
    Answered: "Idle 0",
    AnsweredWithCalls: "Answering 2",
    AnsweredWithAsync: "Answering 1, 1 0",
    Sent: "Idle 0",
    SentOutputs: "Idle 0",
    SentOutput: "Idle 0"
  },
  answering: {
    Sent: "Answering 2",
    SentOutputs: "Idle 0",
    SentOutput: "Answering 2",
    EndedOfRound: "Answering 1"
  },
  idleOpen: {
    Asked: "Asking 0, 1 0",
    Sent: "Idle 0, 1 0",
    SentOutputs: "Idle 0, 1 0",
    SentOutput: "Idle 0",
    Started: "Idle 0, 1 0",
    Ended: "Idle 0, 0 1"
  },
  idleBegun: {
    Asked: "Asking 0, 1 0",
    Sent: "Idle 0, 1 0",
    SentOutputs: "Idle 0, 1 0",
    SentOutput: "Idle 0",
    StartedAgain: "Idle 0, 1 0",
    Failed: "Idle 0, 1 0",
    Ended: "Idle 0, 0 1"
  },
  idleUntold: {
    Asked: "Asking 0, 0 1",
    Sent: "Idle 0, 0 1",
    SentOutputs: "Idle 0, 0 1",
    SentOutput: "Idle 0, 0 1",
    SentTold: "Idle 0, 1 0"
  },
  askingOpen: {
    Asked: "Asking 0, 1 0",
    Withdrawn: "Idle 0, 1 0",
    Answered: "Idle 0, 1 0",
    AnsweredWithCalls: "Answering 2, 1 0",
    AnsweredWithAsync: "Answering 1, 2 0",
    Sent: "Idle 0, 1 0",
    SentOutputs: "Idle 0, 1 0",
    SentOutput: "Idle 0",
    Started: "Asking 0, 1 0",
    Ended: "Asking 0, 0 1"
  },
  askingBegun: {
    Asked: "Asking 0, 1 0",
    Withdrawn: "Idle 0, 1 0",
    Answered: "Idle 0, 1 0",
    AnsweredWithCalls: "Answering 2, 1 0",
    AnsweredWithAsync: "Answering 1, 2 0",
    Sent: "Idle 0, 1 0",
    SentOutputs: "Idle 0, 1 0",
    SentOutput: "Idle 0",
    StartedAgain: "Asking 0, 1 0",
    Failed: "Asking 0, 1 0",
    Ended: "Asking 0, 0 1"
  },
  askingUntold: {
    Asked: "Asking 0, 0 1",
    Withdrawn: "Idle 0, 0 1",
    Answered: "Idle 0, 0 1",
    AnsweredWithCalls: "Answering 2, 0 1",
    AnsweredWithAsync: "Answering 1, 1 1",
    AnsweredTold: "Idle 0",
    Sent: "Idle 0, 0 1",
    SentOutputs: "Idle 0, 0 1",
    SentOutput: "Idle 0, 0 1",
    SentTold: "Idle 0, 1 0"
  },
  answeringBegun: {
    Sent: "Answering 2, 1 0",
    SentOutputs: "Idle 0, 1 0",
    SentOutput: "Answering 2",
    StartedAgain: "Answering 2, 1 0",
    Failed: "Answering 2, 1 0",
    Ended: "Answering 2, 0 1",
    EndedOfRound: "Answering 1, 1 0"
  },
  answeringUntold: {
    Sent: "Answering 1, 0 1",
    SentOutputs: "Idle 0, 0 1",
    SentOutput: "Answering 1, 0 1",
    SentTold: "Answering 1, 1 0",
    EndedOfRound: "Asking 0, 0 1"
  }
}

const said = (state: Round.State | undefined): string => {
  if (state === undefined) return "-"
  const open = Background.open(state.background).length
  const rest = state.background.length === 0 ? "" : `, ${open} ${Background.untold(state.background).length}`
  return `${state._tag} ${Round.open(state).length}${rest}`
}

const names = <K extends string>(record: Readonly<Record<K, unknown>>) =>
  Object.keys(record).filter((name): name is K => Object.hasOwn(record, name))

describe("step", () => {
  const rows = names(states).flatMap((state) =>
    names(entries).map((entry) => ({ state, entry, expected: table[state][entry] ?? "-" }))
  )

  it.each(rows)("$entry in the state $state: $expected", ({ entry, expected, state }) => {
    assert.strictEqual(said(Round.step(states[state], entries[entry])), expected)
  })
})

const idsOf = (items: ReadonlyArray<ResponseItem.ResponseItem>) =>
  items.map((item) =>
    item.type === "function_call"
      ? `call ${item.call_id}`
      : item.type === "function_call_output"
      ? `output ${item.call_id}`
      : item === question
      ? "question"
      : ResponseItem.text({ output: [item] })
  )

describe("an output that was told", () => {
  it("stands in front of the input of its request, behind the outputs of the round", () => {
    const told = { _tag: "Answered", output: [answer], told: 1 } as const
    assert.deepStrictEqual(idsOf(from(asked, answered(beside("b")), asked, ended("b"), told).history), [
      "question",
      "call b",
      "output b",
      "question",
      "b"
    ])
    const round = from(asked, answered(beside("b"), call("1")), ended("b"), ended("1"), told)
    assert.deepStrictEqual(idsOf(round.history), ["question", "call b", "call 1", "output 1", "output b", "b"])
    const sent = from(asked, answered(beside("b")), ended("b"), entries.SentTold)
    assert.deepStrictEqual(idsOf(sent.history), ["question", "call b", "output b", "question", "call a"])
  })

  it("is one of those that had ended first", () => {
    const both = from(asked, answered(beside("a"), beside("b")), asked, ended("b"), ended("a"))
    const next = Round.step(both, { _tag: "Answered", output: [answer], told: 1 })
    assert.deepStrictEqual(idsOf(Background.untold(next?.background ?? [])), ["output a"])
    assert.strictEqual(Round.step(both, { _tag: "Answered", output: [answer], told: 3 }), undefined)
  })
})

describe("a call in the background", () => {
  it("has a key of its own, which stays the same", () => {
    const state = from(asked, answered(call("1"), beside("b"), beside("c")))
    const keys = state.background.map(({ key }) => key)
    assert.deepStrictEqual(keys, ["2:b", "3:c"])
    const later = from(asked, answered(call("1"), beside("b"), beside("c")), ended("1"), answered(answer), asked)
    assert.deepStrictEqual(later.background.map(({ key }) => key), keys)
    assert.deepStrictEqual(Round.fromHistory(later.history).background.map(({ key }) => key), keys)
  })

  it("of a history was begun, as far as anybody knows", () => {
    assert.deepInclude(Round.fromHistory([question, beside("b")]).background[0], { attempt: 1, isBegun: true })
    assert.deepInclude(states.idleOpen.background[0], { attempt: 0, isBegun: false })
  })

  it("leaves nothing unfinished", () => {
    const unfinished = names(states).filter((name) => Round.isUnfinished(states[name]))
    assert.deepStrictEqual(unfinished, ["answering", "answeringBegun", "answeringUntold"])
    assert.isFalse(Round.isUnfinished(from(asked, answered(beside("b")), ended("b"), { _tag: "Asked", input: [] })))
  })

  it("stays behind when the conversation is forked, but for its output", () => {
    assert.deepStrictEqual(Round.fork(states.idleBegun).background, [])
    assert.deepStrictEqual(Round.fork(states.idleUntold).background, states.idleUntold.background)
    // The round is not part of the history yet.
    assert.deepStrictEqual(Round.fork(states.answeringUntold).background, [])
  })
})
