import { limit, median, rows } from "../report/result.ts"
import * as Rpc from "../rpc.ts"
import { type Benchmark, built, interleave, type Run, warmUp } from "../run.ts"
import type { Handlers, Way } from "../workers/planning.ts"

const ways: ReadonlyArray<Way> = ["JSON.stringify of all", "same objects", "fresh copies", "no head"]

const long = async (run: Run, size: number, bytes: number) => {
  const worker = Rpc.start<Handlers>(built("workers/planning.js"), ["planning"])
  const measure = `CPU per turn, ${size.toLocaleString("en-US")} items, ${Math.round(size * bytes / 1e6)} MB`
  try {
    await worker.call("prepare", { size, bytes })
    const once = (way: Way) => worker.call("plan", way)
    // The compiler has threads of its own, and their CPU counts like any other: they must have done their work by then.
    await warmUp(run, ways, once, 1)
    const found = await interleave(run, ways, once)
    const of = (way: Way) => median(found.get(way) ?? [])
    const share = (way: Way, most: number) =>
      limit(`${measure}: ${way} <= 1/${most} of JSON.stringify`, of(way) / of("JSON.stringify of all"), 1 / most)
    return {
      rows: rows(measure, "ms", found, "JSON.stringify of all"),
      goals: [share("same objects", 50), share("fresh copies", 4)]
    }
  } finally {
    await worker.stop()
  }
}

export const planning: Benchmark = {
  name: "planning",
  what: "Plan and frame of one turn with two new items after a long history, against writing all of it as JSON",
  run: async (run) => {
    const found = [await long(run, 1000, 2000), await long(run, 5000, 2000)]
    return { rows: found.flatMap(({ rows }) => rows), goals: found.flatMap(({ goals }) => goals) }
  }
}
