import { limit, median, parts, type Row, rows } from "../report/result.ts"
import * as Rpc from "../rpc.ts"
import { type Benchmark, built, interleave, mapValues, memoryRounds, type Run } from "../run.ts"
import type { Handlers, Way } from "../workers/queue.ts"

const ways: ReadonlyArray<Way> = ["fibers at a semaphore", "callers of one Layer", "callers, one at a time"]

const count = 10_000

/** A snapshot of the heap takes some times what it shows. */
const countInside = 2000

/** Serving all of them takes longer than letting them wait, and their order is as certain as a counter: two rounds do. */
const servedRounds = 2

type Wait = Parameters<Handlers["wait"]>[0]

const inAProcess = async (work: Wait) => {
  const worker = Rpc.start<Handlers>(built("workers/queue.js"), [work.way])
  try {
    return await worker.call("wait", work)
  } finally {
    await worker.stop()
  }
}

const once = (run: Run, rounds: Map<Way, number>) => (way: Way) => {
  const round = (rounds.get(way) ?? 0) + 1
  rounds.set(way, round)
  return inAProcess({ url: run.url, count, way, serve: round <= servedRounds, looksInside: false })
}

/** What it is made of, the largest first: the parts of a fiber are in all of them. */
const inside = async (run: Run, way: Way): Promise<ReadonlyArray<Row>> => {
  run.progress(`heap  ${way}`)
  const found = await inAProcess({ url: run.url, count: countInside, way, serve: false, looksInside: true })
  return parts(`in the heap for each of: ${way}`, "B", found.parts)
}

/** What any fiber that waits costs is Effect's; what a caller costs beyond it is ours. */
export const queue: Benchmark = {
  name: "queue",
  what: "10,000 callers wait for the places of one Layer",
  run: async (run) => {
    const found = await interleave(run, ways, once(run, new Map()), memoryRounds(run))
    const all = rows(
      "heap per waiting caller",
      "KB",
      mapValues(found, (one) => one.bytes / 1024),
      "fibers at a semaphore"
    )
    const of = (way: Way) => median((found.get(way) ?? []).map((one) => one.bytes)) / 1024
    const strict = found.get("callers, one at a time") ?? []
    const insides: Array<Row> = []
    for (const way of ways) insides.push(...await inside(run, way))
    return {
      rows: [...all, ...insides],
      goals: [
        limit("heap per waiting caller of one Layer <= 6 KB", of("callers of one Layer"), 6, " KB"),
        limit("heap per waiting caller, one at a time <= 6 KB", of("callers, one at a time"), 6, " KB"),
        limit("one at a time: rounds out of order", strict.filter((one) => one.inOrder === false).length, 0)
      ]
    }
  }
}
