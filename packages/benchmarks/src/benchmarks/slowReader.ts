import { limit, median, rows } from "../report/result.ts"
import * as Rpc from "../rpc.ts"
import { type Benchmark, built, interleave, mapValues, memoryRounds } from "../run.ts"
import type { Handlers, Way } from "../workers/slow.ts"

const ways: ReadonlyArray<Way> = ["nobody", "one that reads", "one that sleeps", "one that sleeps too long"]

const mebi = 2 ** 20

/** `maxUnread.response` as it comes. */
const budget = 32

/** It is sent 30 MB in 1.5 s. That takes CPU, also where nobody reads it. */
export const slowReader: Benchmark = {
  name: "slow-reader",
  what: "Fifteen readers of one connection, alone, beside one that reads 30 MB, and beside one that does not",
  run: async (run) => {
    const worker = Rpc.start<Handlers>(built("workers/slow.js"), ["slow"])
    try {
      const once = async (way: Way) => {
        const found = await worker.call("run", { url: run.url, way })
        const failed = way === "one that sleeps too long"
        if (found.connections !== 1 || (found.error !== undefined) !== failed || found.overruns !== Number(failed)) {
          throw new Error(`${way}: ${JSON.stringify(found)}`)
        }
        return found
      }
      await interleave(run, ways, once, 1)
      const found = await interleave(run, ways, once, memoryRounds(run))
      const wall = rows("wall of the fifteen", "s", mapValues(found, (one) => one.wall / 1000), "nobody")
      const sleeping = found.get("one that sleeps") ?? []
      const wallOf = (way: Way) => wall.find((row) => row.way === way)?.ratio ?? Number.NaN
      const unread = median(sleeping.map(({ characters }) => characters ?? Number.NaN)) / mebi
      const held = median(sleeping.map((one) => one.held)) / mebi
      return {
        rows: [
          ...wall,
          ...rows(
            "heap above that before, when the fifteen are done",
            "MiB",
            mapValues(found, (one) => one.held / mebi)
          ),
          ...rows("most memory (RSS) meanwhile, above that before", "MiB", mapValues(found, (one) => one.peak / mebi))
        ],
        goals: [
          limit("wall beside one that sleeps <= 1.1x that without", wallOf("one that sleeps"), 1.1, "x"),
          limit("wall beside one that sleeps too long <= 1.1x", wallOf("one that sleeps too long"), 1.1, "x"),
          limit("Mi characters unread <= the budget of 32", unread, budget, " Mi"),
          limit("heap of what is unread <= a byte a character of the budget", held, budget, " MiB")
        ]
      }
    } finally {
      await worker.stop()
    }
  }
}
