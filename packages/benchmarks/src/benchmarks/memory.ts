import { atMost, parts, type Row, rows } from "../report/result.ts"
import * as Rpc from "../rpc.ts"
import { type Benchmark, built, interleave, mapValues, memoryRounds } from "../run.ts"
import type { Handlers, Way } from "../workers/memory.ts"

const ways: ReadonlyArray<Way> = [
  "the same JSON, parsed",
  "what the Layer knows of it",
  "that, and the caller's history",
  "that, and a Conversation"
]

/** Each has a lane of its own. */
const count = 200

export const memory: Benchmark = {
  name: "memory",
  what: "200 conversations of 40 items and 20 KB that have nothing to do",
  run: async (run) => {
    const once = async (way: Way, looksInside = false) => {
      const worker = Rpc.start<Handlers>(built("workers/memory.js"), [way])
      try {
        return await worker.call("keep", { url: run.url, way, count, looksInside })
      } finally {
        await worker.stop()
      }
    }
    const found = await interleave(run, ways, (way) => once(way), memoryRounds(run))
    const measure = "heap per conversation"
    const all = rows(measure, "KB", mapValues(found, (one) => one.bytes / 1024), "the same JSON, parsed")
    const insides: Array<Row> = []
    for (const way of ways) {
      insides.push(...parts(`in the heap for each: ${way}`, "B", (await once(way, true)).parts))
    }
    return {
      rows: [...all, ...insides, ...rows("its JSON", "KB", mapValues(found, (one) => one.json / 1024))],
      goals: [
        atMost(all, measure, "what the Layer knows of it", 1.5),
        atMost(all, measure, "that, and the caller's history", 1.5),
        atMost(all, measure, "that, and a Conversation", 1.5)
      ]
    }
  }
}
