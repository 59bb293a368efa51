import { limit, median, rows } from "../report/result.ts"
import * as Rpc from "../rpc.ts"
import { type Benchmark, built, interleave, mapValues, memoryRounds, type Run } from "../run.ts"
import type { Handlers, Way } from "../workers/queue.ts"

const ways: ReadonlyArray<Way> = ["fibers at a semaphore", "callers of one Layer"]

const count = 10_000

/** Serving all of them takes longer than letting them wait, and their order is as certain as a counter: two rounds do. */
const servedRounds = 2

const once = (run: Run, rounds: Map<Way, number>) => async (way: Way) => {
  const round = (rounds.get(way) ?? 0) + 1
  rounds.set(way, round)
  const worker = Rpc.start<Handlers>(built("workers/queue.js"), [way])
  try {
    return await worker.call("wait", { url: run.url, count, way, serve: round <= servedRounds })
  } finally {
    await worker.stop()
  }
}

/** What any fiber that waits costs is Effect's; what a caller costs beyond it is ours. */
export const queue: Benchmark = {
  name: "queue",
  what: "10,000 callers wait for one connection",
  run: async (run) => {
    const found = await interleave(run, ways, once(run, new Map()), memoryRounds(run))
    const all = rows(
      "heap per waiting caller",
      "KB",
      mapValues(found, (one) => one.bytes / 1024),
      "fibers at a semaphore"
    )
    const own = found.get("callers of one Layer") ?? []
    return {
      rows: all,
      goals: [
        limit("heap per waiting caller <= 4 KB", median(own.map((one) => one.bytes)) / 1024, 4, " KB"),
        limit("rounds out of order", own.filter((one) => one.inOrder === false).length, 0)
      ]
    }
  }
}
