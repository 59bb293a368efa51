/** `pnpm bench [NAME...] [--rounds N] [--size PART]` */
import { join } from "node:path"
import { parseArgs } from "node:util"
import { events } from "./benchmarks/events.ts"
import { idle } from "./benchmarks/idle.ts"
import { inTurn } from "./benchmarks/inTurn.ts"
import { longLife } from "./benchmarks/longLife.ts"
import { many } from "./benchmarks/many.ts"
import { memory } from "./benchmarks/memory.ts"
import { paced } from "./benchmarks/paced.ts"
import { placement } from "./benchmarks/placement.ts"
import { planning } from "./benchmarks/planning.ts"
import { profile } from "./benchmarks/profile.ts"
import { queue } from "./benchmarks/queue.ts"
import { recycle } from "./benchmarks/recycle.ts"
import { roundTrip } from "./benchmarks/roundTrip.ts"
import { slowReader } from "./benchmarks/slowReader.ts"
import { start } from "./benchmarks/start.ts"
import { toolLoop } from "./benchmarks/toolLoop.ts"
import * as Json from "./report/json.ts"
import type { Result } from "./report/result.ts"
import * as Svg from "./report/svg.ts"
import * as Table from "./report/table.ts"
import * as Rpc from "./rpc.ts"
import { type Benchmark, built } from "./run.ts"
import type { Handlers as Server } from "./server/main.ts"
import { results as directory, stage } from "./stage.ts"

const all: ReadonlyArray<Benchmark> = [
  events,
  paced,
  toolLoop,
  roundTrip,
  planning,
  placement,
  start,
  idle,
  queue,
  recycle,
  longLife,
  many,
  inTurn,
  slowReader,
  memory,
  profile
]

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "15" }, size: { type: "string", default: "1" } }
})
const rounds = Number(values.rounds)
/** What part of the conversations there are to be, where there are many. */
const size = Number(values.size)
const chosen = positionals.length === 0 ? all : all.filter(({ name }) => positionals.includes(name))
if (!(rounds >= 1) || !(size > 0 && size <= 1) || chosen.length < positionals.length) {
  console.error(`pnpm bench [NAME...] [--rounds N] [--size PART]\nnames: ${all.map(({ name }) => name).join(", ")}`)
  process.exit(1)
}

/** What a few rounds say is not kept, nor what is said of less. */
const isWritten = rounds >= 15 && size === 1

const began = performance.now()
const seconds = (since: number) => (performance.now() - since) / 1000

/** One line that changes, where there is a terminal; otherwise a line for each benchmark only. */
const show = (text: string) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text.slice(0, process.stderr.columns - 1)}`)
}

show("building")
stage()
const server = Rpc.start<Server>(built("server/main.js"), ["server"])
const url = await server.call("listen")
const results: Array<Result> = []
for (const [index, { name, run, what }] of chosen.entries()) {
  const start = performance.now()
  const place = `[${index + 1}/${chosen.length}] ${name}`
  if (!process.stderr.isTTY) console.error(`${place}, after ${seconds(began).toFixed(0)} s`)
  const progress = (text: string) => show(`${place}  ${text}  (${seconds(began).toFixed(0)} s)`)
  const found = await run({ rounds, size, server, url, progress })
  const result = { name, what, date: new Date().toISOString(), seconds: seconds(start), ...found }
  results.push(result)
  show("")
  console.log(Table.print(result))
  if (isWritten && result.goals.length > 0) Svg.write(directory, result)
}
await server.stop()

const goals = results.flatMap((result) => result.goals)
if (isWritten) Json.write(join(directory, "results.json"), all.map(({ name }) => name), results)
console.log(
  `\n${goals.filter(({ met }) => met).length} of ${goals.length} goals met, in ${seconds(began).toFixed(0)} s; ${
    isWritten ? directory : "fewer than 15 rounds, or not the whole size: nothing written"
  }`
)
process.exit(0)
