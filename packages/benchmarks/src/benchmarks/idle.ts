import { atMost, notAbove, rows } from "../report/result.ts"
import * as Rpc from "../rpc.ts"
import { type Benchmark, built, interleave, mapValues, memoryRounds, type Run } from "../run.ts"
import type { Handlers } from "../workers/way.ts"

const names = ["ws + JSON.parse", "Responses.forEach", "openai ResponsesWS"] as const

const connections = 1000

/** Opened before anything counts: what is loaded and compiled belongs to no connection. */
const first = 50
const idleMillis = 500

const once = (run: Run) => async (name: typeof names[number]) => {
  const worker = Rpc.start<Handlers>(built("workers/way.js"), [name])
  try {
    const open = async (count: number) => {
      await worker.call("open", { url: run.url, count })
      await worker.call("askAll", "burst:1")
      return worker.call("memory")
    }
    const before = await open(first)
    const after = await open(connections)
    const { cpuMicros } = await worker.call("wait", idleMillis)
    if (await run.server.call("connections") < connections + first) throw new Error(`${name}: not all are open`)
    return {
      rss: (after.rss - before.rss) / connections / 1024,
      heap: (after.heapUsed - before.heapUsed) / connections / 1024,
      cpu: cpuMicros / idleMillis
    }
  } finally {
    await worker.stop()
  }
}

/** Each connection belongs to a Layer of its own, and has served one response. */
export const idle: Benchmark = {
  name: "idle",
  what: "1,000 open connections in one process that do nothing",
  run: async (run) => {
    const found = await interleave(run, names, once(run), memoryRounds(run))
    const base = "ws + JSON.parse"
    const all = [
      ...rows("memory (RSS) per connection", "KB", mapValues(found, (one) => one.rss), base),
      ...rows("heap per connection", "KB", mapValues(found, (one) => one.heap), base),
      ...rows("CPU of all, per second", "ms", mapValues(found, (one) => one.cpu))
    ]
    return {
      rows: all,
      goals: [
        atMost(all, "memory (RSS) per connection", "Responses.forEach", 1.45),
        notAbove(all, "memory (RSS) per connection", "Responses.forEach", ["openai ResponsesWS"]),
        notAbove(all, "CPU of all, per second", "Responses.forEach", ["openai ResponsesWS"], 1.2)
      ]
    }
  }
}
