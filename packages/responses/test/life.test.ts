import { assert, describe, it } from "@effect/vitest"
import * as Life from "../src/internal/exchange/life.ts"
import type * as ResponseEvent from "../src/ResponseEvent.ts"
import { ConnectionError } from "../src/ResponsesError.ts"

const event = (type: string, more: object = {}) => ({ type, ...more }) as unknown as ResponseEvent.ResponseEvent

const created = event("response.created", { response: { id: "resp_1" } })
const answer: Life.Answer = { response: { id: "resp_1", output: [] }, output: [], alternatives: [] }
const error = new ConnectionError({ reason: "Lost", delivery: "unacknowledged", description: "lost" })

const states: Readonly<Record<Life.Running["_tag"], Life.Running>> = {
  Writing: Life.writing,
  Sent: { _tag: "Sent", since: 5 },
  Begun: { _tag: "Begun" },
  Speaking: { _tag: "Speaking" }
}

const happenings: Readonly<Record<string, (state: Life.Running) => Life.State>> = {
  "the socket has taken it": (state) => Life.accepted(state, 7),
  created: (state) => Life.event(state, created),
  progress: (state) => Life.event(state, event("response.in_progress", { response: { id: "resp_1" } })),
  output: (state) => Life.event(state, event("response.output_text.delta", { delta: "x" })),
  "a sign of life": (state) => Life.event(state, event("keepalive")),
  "a vendor's news": (state) => Life.event(state, event("vendor.news")),
  "a vendor's news that names the response": (state) =>
    Life.event(state, event("vendor.news", { response_id: "resp_1" })),
  "the last event": (state) => Life.finished(state, { error: undefined, answer }),
  "a failure that the server sent": (state) => Life.finished(state, { error, answer: undefined }),
  "a failure from this side": (state) => Life.failed(state, error)
}

const look = (state: Life.State): string => {
  switch (state._tag) {
    case "Ended":
      return [
        `ended by ${state.by}`,
        state.hadBegun ? "begun" : "not begun",
        ...state.answer === undefined ? [] : ["answer"],
        ...state.error === undefined ? [] : ["error"]
      ].join(", ")
    case "Sent":
      return `Sent at ${state.since}`
    default:
      return state._tag
  }
}

/** `same`: whatever happens in a state and is not named. */
const row = (same: string, hadBegun: boolean, more: Readonly<Record<string, string>>) => ({
  ...Object.fromEntries(Object.keys(happenings).map((name) => [name, same])),
  "the last event": `ended by server, ${hadBegun ? "begun" : "not begun"}, answer`,
  "a failure that the server sent": `ended by server, ${hadBegun ? "begun" : "not begun"}, error`,
  "a failure from this side": `ended by us, ${hadBegun ? "begun" : "not begun"}, error`,
  ...more
})

/** An event that begins the response. Signs and unnamed news of a vendor do not. */
const beginnings = {
  created: "Begun",
  progress: "Begun",
  output: "Speaking",
  "a vendor's news that names the response": "Speaking"
}

const expected: Readonly<Record<Life.Running["_tag"], Readonly<Record<string, string>>>> = {
  // Some servers are faster than the socket's callback.
  Writing: row("Writing", false, { "the socket has taken it": "Sent at 7", ...beginnings }),
  Sent: row("Sent at 5", false, beginnings),
  Begun: row("Begun", true, {
    output: "Speaking",
    "a vendor's news": "Speaking",
    "a vendor's news that names the response": "Speaking"
  }),
  Speaking: row("Speaking", true, {})
}

describe("the life of an exchange", () => {
  for (const state of Object.values(states)) {
    it(`${state._tag}: whatever happens next`, () => {
      const found = Object.fromEntries(
        Object.entries(happenings).map(([name, happen]) => [name, look(happen(state))])
      )
      assert.deepStrictEqual(found, { ...expected[state._tag] })
    })
  }

  it("what has ended stays as it is when the socket says that it has taken the request", () => {
    const ended = Life.failed(Life.writing, error)
    assert.strictEqual(Life.accepted(ended, 7), ended)
  })

  it("what was ended from this side is the server's end once the rest has come, and nothing else about it changes", () => {
    for (const state of Object.values(states)) {
      const left = Life.failed(state, error)
      assert.deepStrictEqual(Life.drained(left), { ...left, by: "server" })
    }
    const done = Life.finished(states.Begun, { error: undefined, answer })
    assert.strictEqual(Life.drained(done), done)
  })

  it("a response has begun from its first event on, and that is known at its end", () => {
    const all = [...Object.values(states), ...Object.values(states).map((state) => Life.failed(state, error))]
    assert.deepStrictEqual(all.map(Life.hasBegun), [false, false, true, true, false, false, true, true])
  })

  it("a request is partial once there was something to take, and unacknowledged before", () => {
    assert.deepStrictEqual(Object.values(states).map(Life.delivery), [
      "unacknowledged",
      "unacknowledged",
      "unacknowledged",
      "partial"
    ])
  })

  it("an end keeps the failure and the answer that it was given", () => {
    const done = Life.finished(states.Begun, { error: undefined, answer })
    assert.strictEqual(done.answer, answer)
    assert.isUndefined(done.error)
    assert.strictEqual(Life.finished(states.Begun, { error, answer: undefined }).error, error)
    assert.strictEqual(Life.failed(states.Begun, error).error, error)
  })
})
