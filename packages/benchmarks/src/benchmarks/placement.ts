import { atMost, rows } from "../report/result.ts"
import * as Rpc from "../rpc.ts"
import { type Benchmark, built, interleave, warmUp } from "../run.ts"
import type { Handlers, Work } from "../workers/placement.ts"

/** A history that grows by ten turns while it is measured has 200 items in the middle of them. */
const one = { heads: 1, items: 190, next: "same", given: "same objects" } as const
const thousand = { heads: 1000, items: 200, next: "another", given: "same objects" } as const

const ways = {
  "no history": { ...one, items: 1 },
  "one head": one,
  "two heads": { ...one, heads: 2, items: 195, next: "another" },
  "1,000 heads, the one used last": { ...thousand, next: "same" },
  "1,000 heads": thousand,
  "1,000 heads, fresh copies": { ...thousand, given: "fresh copies" }
} satisfies Readonly<Record<string, Work>>

type Way = keyof typeof ways

const names = Object.keys(ways) as ReadonlyArray<Way>

/**
 * From the call to the request: the fiber, placement, plan and frame. Of two heads it is hardly ever the one that was used last,
 * so what they cost beyond one is the index, and what a thousand cost beyond two is their number.
 */
export const placement: Benchmark = {
  name: "placement",
  what: "A turn that continues one of 1,000 heads of 200 items, over a socket without a network",
  run: async (run) => {
    const workers = new Map(names.map((way) => [way, Rpc.start<Handlers>(built("workers/placement.js"), [way])]))
    try {
      const once = async (way: Way) => await workers.get(way)?.call("turns", ways[way]) ?? Number.NaN
      await warmUp(run, names, once, 3)
      const found = await interleave(run, names, once)
      const measure = "from the call to the request"
      const all = rows(measure, "µs", found, "one head")
      return {
        rows: all,
        goals: [
          atMost(all, measure, "1,000 heads, the one used last", 2),
          atMost(all, measure, "1,000 heads", 2),
          atMost(all, measure, "1,000 heads, fresh copies", 2)
        ]
      }
    } finally {
      await Promise.all([...workers.values()].map((worker) => worker.stop()))
    }
  }
}
