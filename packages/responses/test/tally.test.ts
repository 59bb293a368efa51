import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Tally from "../src/internal/socket/tally.ts"
import { ConnectionError, PreviousResponseNotFound } from "../src/ResponsesError.ts"
import type * as ResponsesTelemetry from "../src/ResponsesTelemetry.ts"

const lost = new ConnectionError({ reason: "Lost", delivery: "unsent", description: "lost" })
const notFound = new PreviousResponseNotFound({ description: "unknown" })

const response = (more: Partial<ResponsesTelemetry.Sending> = {}): Tally.Happening => ({
  _tag: "Began",
  response: {
    transport: "websocket",
    input: "full",
    bytesSent: 0,
    bytesSaved: 0,
    queued: Duration.zero,
    firstEvent: Duration.zero,
    recoveries: [],
    ...more
  }
})

const none = Tally.make().totals()

const totals = (...happenings: ReadonlyArray<Tally.Happening>): Tally.Totals => {
  const tally = Tally.make()
  for (const happening of happenings) tally.hear(happening)
  return tally.totals()
}

/** What each happening adds, and all that it adds. */
const table: ReadonlyArray<readonly [title: string, happening: Tally.Happening, adds: Partial<Tally.Totals>]> = [
  ["a connection was opened", { _tag: "Connected" }, { connections: 1 }],
  ["a connection was replaced", { _tag: "Recycled" }, { recycled: 1 }],
  ["a successor was warmed up", { _tag: "Rewarmed" }, { rewarmed: 1 }],
  ["more waited for a caller than there is room for", { _tag: "Overrun" }, { overruns: 1 }],
  ["a connection did not answer a ping", { _tag: "Unresponsive" }, { unresponsive: 1 }],
  ["a response began, in full", response({ bytesSent: 100 }), { responses: 1, bytesSent: 100 }],
  ["a response began, with a delta", response({ input: "delta", bytesSent: 10, bytesSaved: 90 }), {
    responses: 1,
    deltas: 1,
    bytesSent: 10,
    bytesSaved: 90
  }],
  ["a response began on another connection", response({ recoveries: [{ _tag: "Reconnected", error: lost }] }), {
    responses: 1,
    reconnected: 1
  }],
  ["a response began when everything was sent", response({ recoveries: [{ _tag: "ResentInFull", error: notFound }] }), {
    responses: 1,
    resentInFull: 1
  }],
  [
    "a response began after both, and one of them twice",
    response({
      recoveries: [
        { _tag: "ResentInFull", error: notFound },
        { _tag: "Reconnected", error: lost },
        { _tag: "ResentInFull", error: notFound }
      ]
    }),
    { responses: 1, reconnected: 1, resentInFull: 2 }
  ]
]

describe("the totals of a Layer", () => {
  it("begin with nothing", () => {
    assert.deepStrictEqual(Object.values(none), Object.values(none).map(() => 0))
  })

  for (const [title, happening, adds] of table) {
    it(`${title}: what it adds`, () => {
      assert.deepStrictEqual(totals(happening), { ...none, ...adds })
    })
  }

  it("add up", () => {
    const all = totals(...table.map(([, happening]) => happening), ...table.map(([, happening]) => happening))
    const sum = (name: keyof Tally.Totals) => 2 * table.reduce((total, [, , adds]) => total + (adds[name] ?? 0), 0)
    for (const name of Object.keys(none) as ReadonlyArray<keyof Tally.Totals>) {
      assert.strictEqual(all[name], sum(name), name)
    }
  })

  it("that were given stay as they were, and are of one Layer", () => {
    const [tally, another] = [Tally.make(), Tally.make()]
    const before = tally.totals()
    tally.hear({ _tag: "Connected" })
    assert.strictEqual(before.connections, 0)
    assert.strictEqual(another.totals().connections, 0)
  })
})
