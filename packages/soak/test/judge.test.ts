/** Each thing that can be wrong with a turn, planted in a record that is right without it. */
import { assert, describe, it } from "@effect/vitest"
import { dice } from "../src/dice.ts"
import { faults, kinds } from "../src/faults.ts"
import { judge } from "../src/judge.ts"
import * as Plan from "../src/plan.ts"
import type { Execution, Outcome, Turn } from "../src/records.ts"

const ran = (more: Partial<Execution> = {}): Execution => ({
  responseId: "resp_1",
  fault: "none",
  after: 3,
  hash: "h",
  items: 1,
  transport: "websocket",
  outcome: "completed",
  ...more
})

const event = (type: string, sequence: number, delta?: string) => ({
  type,
  sequence,
  delta,
  responseId: undefined,
  isOutput: delta !== undefined
})

const events: Turn["events"] = [
  { ...event("response.created", 0), responseId: "resp_1" },
  event("response.in_progress", 1),
  event("response.output_text.delta", 2, "Hel"),
  event("response.output_text.delta", 3, "lo"),
  { ...event("response.completed", 4), responseId: "resp_1" }
]

const good: Turn = {
  key: "1.0.1",
  layer: "socket",
  traits: { kind: "socket" },
  outcome: { _tag: "Ended", end: "completed", text: "Hello" },
  gaveUp: undefined,
  wentSilent: false,
  isExplicit: false,
  hash: "h",
  text: "Hello",
  responseId: "resp_1",
  events,
  sent: { input: "full", reason: "First", transport: "websocket" },
  recoveries: [],
  executions: [ran()],
  strikes: new Set(),
  upgrades: new Set(),
  closedLater: false,
  besideDrained: false
}

const failed = (end: string): Outcome => ({
  _tag: "Failed",
  end,
  message: "It failed",
  status: undefined,
  code: undefined
})

const lostOnTheWay = { _tag: "Failed", message: "It failed", status: undefined, code: "ECONNRESET" } as const

const cut = (count: number) => events.slice(0, count)

const lost: Turn = {
  ...good,
  outcome: failed("Lost/partial"),
  events: cut(3),
  executions: [ran({ fault: "drop", outcome: "closed" })]
}

const repeated: Turn = {
  ...good,
  traits: { kind: "socket", repeats: true },
  recoveries: [{ _tag: "Reconnected", end: "Lost/unacknowledged" }],
  executions: [ran({ responseId: "resp_0", fault: "drop", after: 0, outcome: "closed" }), ran()]
}

const overHttp: Turn = {
  ...good,
  traits: { kind: "both" },
  sent: { input: "full", reason: "Http", transport: "http" },
  recoveries: [{ _tag: "FellBack", end: "Refused/unsent" }],
  executions: [ran({ transport: "http" })]
}

const right: Readonly<Record<string, Turn>> = {
  "a turn without a fault": good,
  "a connection that was dropped in the middle": lost,
  "a connection that was cut from outside": { ...lost, executions: [ran()], strikes: new Set(["cut"]) },
  "a second execution after the 60 minutes": {
    ...good,
    executions: [ran({ responseId: "resp_0", fault: "expire", after: 0 }), ran()]
  },
  "a request that is repeated where that is allowed": repeated,
  "HTTP in the place of a socket": overHttp,
  "a connection of HTTP's that was given up as it was used": {
    ...overHttp,
    outcome: { ...lostOnTheWay, end: "Lost/unacknowledged" },
    events: [],
    executions: [],
    recoveries: [],
    sent: undefined
  },
  "a silent server and a clock of the library's": {
    ...good,
    traits: { kind: "socket", watch: "clocks" },
    outcome: failed("Stalled/partial"),
    events: cut(3),
    executions: [ran({ fault: "silence", outcome: "abandoned" })]
  },
  "a refused upgrade": {
    ...good,
    outcome: failed("Refused/unsent"),
    events: [],
    executions: [],
    responseId: undefined,
    upgrades: new Set(["refuse404"])
  },
  "a caller that left": { ...good, outcome: { _tag: "GaveUp" }, gaveUp: "left", events: cut(2) },
  "a silent server and a caller that looked at the clock": {
    ...good,
    outcome: { _tag: "GaveUp" },
    gaveUp: "limit",
    wentSilent: true,
    events: cut(3),
    executions: [ran({ fault: "silence", outcome: "abandoned" })]
  },
  "a caller that looked at the clock when the request before went silent": {
    ...good,
    outcome: { _tag: "GaveUp" },
    gaveUp: "limit",
    wentSilent: true,
    events: cut(2)
  }
}

const wrong: Readonly<Record<string, readonly [turn: Turn, says: string]>> = {
  "a fault that left no trace": [{ ...good, executions: [ran({ fault: "drop" })] }, "ended with completed"],
  "an error out of the blue": [{ ...lost, executions: [ran()] }, "ended with Lost/partial"],
  "an error that does not fit its fault": [
    { ...lost, outcome: failed("MalformedEvent/partial") },
    "ended with MalformedEvent/partial"
  ],
  "output that is told as none": [{ ...lost, outcome: failed("Lost/unacknowledged") }, "Lost/partial would fit"],
  "an interruption that nobody made": [{ ...good, outcome: { _tag: "GaveUp" }, events: cut(2) }, "ended with gave up"],
  "a limit without a silence": [
    { ...good, outcome: { _tag: "GaveUp" }, gaveUp: "limit", events: cut(2) },
    "ended with limit"
  ],
  "a defect": [{ ...good, outcome: { _tag: "Defect", message: "Boom" } }, "a defect: Boom"],
  "a turn that hangs": [{ ...good, outcome: { _tag: "Hung" }, events: cut(2) }, "ended with Hung"],
  "an event lost": [{ ...good, events: events.toSpliced(1, 1) }, "response.output_text.delta has number 2 and not 1"],
  "an event twice": [
    { ...good, events: events.toSpliced(2, 0, event("response.in_progress", 1)) },
    "has number 1 and not 2"
  ],
  "deltas out of order": [
    {
      ...good,
      events: events.with(2, event("response.output_text.delta", 2, "lo")).with(
        3,
        event("response.output_text.delta", 3, "Hel")
      )
    },
    "the deltas say \"loHel\""
  ],
  "a delta of another turn's before a failure": [
    { ...lost, events: [...cut(2), event("response.output_text.delta", 2, "Bye")] },
    "the deltas say \"Bye\""
  ],
  "an event after the end": [{ ...good, events: [...events, event("keepalive", 5)] }, "keepalive after the end"],
  "an end that is missing": [{ ...good, events: cut(4) }, "0 ends"],
  "the response of another turn": [
    { ...good, events: events.with(0, { ...event("response.created", 0), responseId: "resp_9" }) },
    "response.created is of resp_9"
  ],
  "output of another turn's": [
    { ...good, outcome: { _tag: "Ended", end: "completed", text: "Bye" } },
    "the output says \"Bye\""
  ],
  "two executions": [
    { ...good, executions: [ran({ responseId: "resp_0", fault: "drop", after: 0 }), ran()] },
    "executed 2 times"
  ],
  "an execution behind the one that answered": [
    { ...good, executions: [ran(), ran({ responseId: "resp_2", fault: "expire", after: 0 })] },
    "ended with completed"
  ],
  "an answer that no execution gave": [{ ...good, executions: [] }, "the server ran nothing"],
  "an execution that is told as none": [
    { ...lost, outcome: failed("Lost/unsent"), events: [], strikes: new Set(["cut"]) },
    "Lost/unsent, but the server ran"
  ],
  "a repeat that nobody allowed": [{ ...repeated, traits: { kind: "socket" } }, "executed 2 times"],
  "a repair that nobody allowed": [
    { ...repeated, traits: { kind: "socket" } },
    "Reconnected for Lost/unacknowledged"
  ],
  "a repeat of what was answered": [
    { ...repeated, recoveries: [] },
    "executed 2 times"
  ],
  "a third execution": [
    { ...repeated, executions: [...repeated.executions.slice(0, 1), ...repeated.executions] },
    "executed 3 times"
  ],
  "a request that was reset on the way back": [
    {
      ...overHttp,
      outcome: { ...lostOnTheWay, end: "Lost/unacknowledged" },
      events: [],
      recoveries: [],
      sent: undefined
    },
    "ended with Lost/unacknowledged"
  ],
  "a fallback that was due": [
    {
      ...good,
      traits: { kind: "both" },
      outcome: failed("Unreachable/unsent"),
      events: [],
      upgrades: new Set(["cut"])
    },
    "ended with Unreachable/unsent"
  ],
  "HTTP without a reason": [{ ...overHttp, recoveries: [] }, "served over http"],
  "a delta where there can be none": [
    {
      ...good,
      traits: { kind: "socket", full: true },
      sent: { input: "delta", reason: undefined, transport: "websocket" }
    },
    "a delta over websocket"
  ],
  "events before what is told as unsent": [
    { ...lost, outcome: failed("Lost/unsent"), executions: [], strikes: new Set(["cut"]) },
    "Lost/unsent after 3 events"
  ],
  "no output where some is told": [{ ...lost, events: cut(2) }, "the caller got no output"],
  "a clock where the caller has its own": [
    { ...lost, outcome: failed("Stalled/partial"), executions: [ran({ fault: "silence" })] },
    "ended with Stalled/partial"
  ],
  "another history": [{ ...good, executions: [ran({ hash: "g" })] }, "the model saw another history"]
}

describe("the judge", () => {
  for (const [name, turn] of Object.entries(right)) {
    it(`has nothing against ${name}`, () => assert.deepStrictEqual(judge(turn), []))
  }
  for (const [name, [turn, says]] of Object.entries(wrong)) {
    it(`finds ${name}`, () => assert.include(judge(turn).join("\n"), says))
  }
})

describe("the plan", () => {
  it("is the same for the same seed and turn, and another for another", () => {
    const of = (seed: number) =>
      Array.from({ length: 50 }, (_, index) => Plan.plan(seed, `0.0.${index}`, {}).fault).join()
    assert.strictEqual(of(1), of(1))
    assert.notStrictEqual(of(1), of(2))
  })

  it("comes to every fault", () => {
    const seen = new Set(Array.from({ length: 5000 }, (_, index) => Plan.plan(1, `0.0.${index}`, {}).fault))
    assert.deepStrictEqual(kinds.filter((kind) => !seen.has(kind)), [])
  })

  it("has an end for each fault, wherever it is and whatever the transport", () => {
    const at = dice(1)
    for (const kind of kinds) {
      for (const after of [0, 1, 4]) {
        for (const transport of ["websocket", "http"] as const) {
          for (const watch of [undefined, "clocks", "pings"] as const) {
            assert.isNotEmpty(faults[kind].ends({ after, transport, watch }), `${kind} ${at.next()}`)
          }
        }
      }
    }
  })
})
