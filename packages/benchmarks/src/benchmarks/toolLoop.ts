import { atMost, notAbove, rows } from "../report/result.ts"
import { type Benchmark, expectAll, interleave, mapValues, warmUp, withWorkers } from "../run.ts"
import { argumentDeltas } from "../server/events.ts"
import type { Cost } from "../workers/way.ts"

const names = [
  "ws + JSON.parse",
  "Responses.forEach",
  "Stream.runForEach",
  "Responses.forEach, not tenured",
  "Stream.runForEach, not tenured",
  "openai ResponsesWS",
  "@openai/agents WebSocket",
  "ws + JSON.parse, full",
  "node:http + JSON.parse",
  "openai SSE",
  "@ai-sdk/openai HTTP",
  "@effect/ai-openai HTTP"
] as const

const turns = 40

/** Loops that are measured together. */
const inARow = 4

const ours = ["Responses.forEach", "Stream.runForEach"]
const otherPeers = ["@openai/agents WebSocket", "openai SSE", "@ai-sdk/openai HTTP", "@effect/ai-openai HTTP"]

/** The events of a turn come at once: what an event costs that comes alone is `paced`. */
export const toolLoop: Benchmark = {
  name: "tool-loop",
  what:
    "40 turns of a tool loop, store: false, from 30 KB on and 2 KB more each turn; by hand where a client has no deltas",
  run: (run) =>
    withWorkers(run, names, {}, async (worker) => {
      const loop = async (name: typeof names[number]) => {
        const cost = await worker(name).call("loop", { model: `loop:${turns}`, turns })
        expectAll(name, cost, (turns - 1) * argumentDeltas)
        return cost
      }
      const once = async (name: typeof names[number]) => {
        // While the others had their turn this process slept, and V8 threw away code that it has to compile anew.
        await loop(name)
        await run.server.call("received")
        const costs: Array<Cost> = []
        for (let time = 0; time < inARow; time++) costs.push(await loop(name))
        const mean = (of: (cost: Cost) => number) => costs.reduce((sum, cost) => sum + of(cost), 0) / inARow
        return {
          cpuMicros: mean((cost) => cost.cpuMicros),
          wallMillis: mean((cost) => cost.wallMillis),
          bytes: await run.server.call("received") / inARow
        }
      }
      await warmUp(run, names, loop, 3)
      const found = await interleave(run, names, once)
      const base = "ws + JSON.parse"
      const all = [
        ...rows("bytes per turn", "B", mapValues(found, (one) => one.bytes / turns), base),
        ...rows("CPU per turn", "ms", mapValues(found, (one) => one.cpuMicros / 1000 / turns), base),
        ...rows("wall per turn", "ms", mapValues(found, (one) => one.wallMillis / turns), base)
      ]
      return {
        rows: all,
        goals: [
          // By hand, raw `ws` sends the repeated fields and what is new, and nothing else.
          ...ours.map((way) => atMost(all, "bytes per turn", way, 1.02)),
          atMost(all, "CPU per turn", "Responses.forEach", 1.4),
          notAbove(all, "CPU per turn", "Responses.forEach", ["openai ResponsesWS"]),
          atMost(all, "CPU per turn", "Stream.runForEach", 2.5),
          notAbove(all, "CPU per turn", "Stream.runForEach", otherPeers)
        ]
      }
    })
}
