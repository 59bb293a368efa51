import { limit, median, rows } from "../report/result.ts"
import * as Rpc from "../rpc.ts"
import { type Benchmark, built, interleave, mapValues } from "../run.ts"
import type { Handlers, Way } from "../workers/recycle.ts"

const ways: ReadonlyArray<Way> = ["no recycle", "recycle, successor opened before", "close, then open"]

const roundTrip = 20
/** Twenty turns, of twenty deltas and what stands round them. */
const eventsOfARound = 20 * 28

/** How much longer than an ordinary turn's longest gap one run may show by chance. */
const tolerance = 1.1

export const recycle: Benchmark = {
  name: "recycle",
  what: "The longest time without an event, turn after turn with a server 20 ms away, while the connection is replaced",
  run: async (run) => {
    const url = await run.server.call("delayed", roundTrip)
    const worker = Rpc.start<Handlers>(built("workers/recycle.js"), ["recycle"])
    try {
      const once = async (way: Way) => {
        const found = await worker.call("run", { url, way })
        if (found.events !== eventsOfARound) throw new Error(`${way}: ${found.events} of ${eventsOfARound} events`)
        if (found.connections > 1 !== (way !== "no recycle")) {
          throw new Error(`${way}: ${found.connections} connections`)
        }
        return found.longest
      }
      await interleave(run, ways, once, 1)
      const found = mapValues(await interleave(run, ways, once), (millis) => millis)
      const of = (way: Way) => median(found.get(way) ?? [])
      return {
        rows: rows("longest gap", "ms", found, "no recycle"),
        goals: [
          limit(
            `no gap above an ordinary turn's (<= ${tolerance}x)`,
            of("recycle, successor opened before") / of("no recycle"),
            tolerance,
            "x"
          )
        ]
      }
    } finally {
      await worker.stop()
    }
  }
}
