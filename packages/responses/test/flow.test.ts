import { assert, describe, it } from "@effect/vitest"
import type { Exchange } from "../src/internal/exchange/exchange.ts"
import * as Flow from "../src/internal/socket/flow.ts"

/** Each of two who read is, or is not, behind. */
const make = (behind: readonly [boolean, boolean], by: "callers" | "layer" = "layer", isWaitedFor = false) => {
  const seen: Array<string> = []
  const readers = behind.map((isBehind) => ({ isBehind: () => isBehind }) as Exchange)
  const [reader] = readers
  assert(reader !== undefined)
  const flow = Flow.make({
    naming: { by },
    isWaitedFor: () => isWaitedFor,
    backlog: {
      add: (_, __, isPaused) => void seen.push(isPaused ? "behind, paused" : "behind"),
      remove: () => void seen.push("caught up")
    }
  }, {
    lanes: [...readers.map((exchange) => ({ exchange })), { exchange: undefined }],
    socket: { pause: () => void seen.push("pause"), resume: () => void seen.push("resume") },
    onResumed: () => void seen.push("resumed")
  })
  return { flow, reader, seen }
}

describe("the socket", () => {
  const rows: ReadonlyArray<readonly [string, ReturnType<typeof make>, ReadonlyArray<string>]> = [
    ["is paused when all are behind", make([true, true]), ["pause", "behind, paused"]],
    ["is not paused when one reads", make([true, false]), ["behind"]],
    ["is not paused when somebody waits", make([true, true], "layer", true), ["behind"]],
    // Where one response runs at a time, who waits has to wait for its reader in any case.
    ["is paused all the same where callers name the lanes", make([true, true], "callers", true), [
      "pause",
      "behind, paused"
    ]]
  ]
  for (const [what, { flow, reader, seen }, expected] of rows) {
    it(`${what}: ${expected.join(", ")}`, () => {
      flow.onBehind(reader)
      assert.deepStrictEqual(seen, [...expected])
      assert.strictEqual(flow.isPaused(), seen.includes("pause"))
    })
  }

  it("is paused once, and resumed once", () => {
    const { flow, reader, seen } = make([true, true])
    flow.resume()
    flow.onBehind(reader)
    flow.onBehind(reader)
    flow.onCaughtUp(reader)
    flow.resume()
    assert.deepStrictEqual(seen, ["pause", "behind, paused", "behind, paused", "caught up", "resume", "resumed"])
    assert.isFalse(flow.isPaused())
  })
})
