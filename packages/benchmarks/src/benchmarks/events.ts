import { atMost, notAbove, rows } from "../report/result.ts"
import { type Benchmark, expectAll, interleave, mapValues, warmUp, withWorkers } from "../run.ts"
import { textDelta } from "../server/events.ts"
import type { Name } from "../ways/all.ts"

/** How many events of a burst. What is slow per event gets fewer, so that a run ends. */
const counts = {
  "ws + JSON.parse": 100_000,
  "Responses.forEach": 100_000,
  "Stream.runFold": 100_000,
  "Stream.runForEach": 100_000,
  "Stream.runForEach, not tenured": 100_000,
  "openai ResponsesWS": 100_000,
  "@openai/agents WebSocket": 100_000,
  "openai SSE": 20_000,
  "@ai-sdk/openai HTTP": 20_000,
  "@effect/ai-openai HTTP": 500
} satisfies Partial<Readonly<Record<Name, number>>>

const names = Object.keys(counts) as ReadonlyArray<keyof typeof counts>
const peers = names.slice(5)
const measure = "CPU per event"

const lengthOf = (count: number) => {
  let length = 0
  for (let index = 0; index < count; index++) {
    const { delta }: { readonly delta: string } = JSON.parse(textDelta(index + 4, `${index} `))
    length += delta.length
  }
  return length
}

export const events: Benchmark = {
  name: "events",
  what: "A burst of events of 250 bytes, as fast as the client takes them",
  run: (run) =>
    withWorkers(run, names, {}, async (worker) => {
      const lengths = new Map([...new Set(Object.values(counts))].map((count) => [count, lengthOf(count)]))
      const once = async (name: keyof typeof counts) => {
        const cost = await worker(name).call("ask", `burst:${counts[name]}`)
        expectAll(name, cost, counts[name], lengths.get(counts[name]))
        return cost
      }
      await warmUp(run, names, once, 1)
      const found = await interleave(run, names, once)
      const all = rows(measure, "µs", mapValues(found, (cost) => cost.cpuMicros / cost.deltas), "ws + JSON.parse")
      return {
        rows: all,
        goals: [
          atMost(all, measure, "Stream.runForEach", 1.7),
          atMost(all, measure, "Stream.runFold", 1.4),
          atMost(all, measure, "Responses.forEach", 1.1),
          ...(["Stream.runForEach", "Stream.runFold", "Responses.forEach"] as const).map((way) =>
            notAbove(all, measure, way, peers)
          )
        ]
      }
    })
}
