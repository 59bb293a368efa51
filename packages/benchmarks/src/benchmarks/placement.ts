import { limit, median, rows } from "../report/result.ts"
import * as Rpc from "../rpc.ts"
import { type Benchmark, built, interleave, warmUp } from "../run.ts"
import type { Handlers, Work } from "../workers/placement.ts"

/** A history that grows by ten turns while it is measured has 200 items in the middle of them. */
const one = { heads: 1, items: 190, next: "same", given: "same objects" } as const
const thousand = { heads: 1000, items: 200, next: "another", given: "same objects" } as const

const ways = {
  "no history": { ...one, items: 1 },
  "one head": one,
  "1,000 heads, the one used last": { ...thousand, next: "same" },
  "1,000 heads": thousand,
  "1,000 heads, fresh copies": { ...thousand, given: "fresh copies" }
} satisfies Readonly<Record<string, Work>>

type Way = keyof typeof ways

const names = Object.keys(ways) as ReadonlyArray<Way>

/** What a turn costs besides, its request, its answer and its clocks, is that of one without a history. */
export const placement: Benchmark = {
  name: "placement",
  what: "A turn that continues one of 1,000 heads of 200 items, over a socket without a network",
  run: async (run) => {
    const workers = new Map(names.map((way) => [way, Rpc.start<Handlers>(built("workers/placement.js"), [way])]))
    try {
      const once = async (way: Way) => await workers.get(way)?.call("turns", ways[way]) ?? Number.NaN
      await warmUp(run, names, once, 3)
      const found = await interleave(run, names, once)
      const none = median(found.get("no history") ?? [])
      const planned = new Map(
        [...found].filter(([way]) => way !== "no history")
          .map(([way, values]) => [way, values.map((value) => value - none)] as const)
      )
      const of = (way: Way) => median(planned.get(way) ?? [])
      const goal = (way: Way) => limit(`placement and plan: ${way} <= 2x one head`, of(way) / of("one head"), 2, "x")
      return {
        rows: [
          ...rows("CPU per turn", "ms", found, "one head"),
          ...rows("placement and plan: CPU above a turn without a history", "ms", planned, "one head")
        ],
        goals: [goal("1,000 heads, the one used last"), goal("1,000 heads"), goal("1,000 heads, fresh copies")]
      }
    } finally {
      await Promise.all([...workers.values()].map((worker) => worker.stop()))
    }
  }
}
