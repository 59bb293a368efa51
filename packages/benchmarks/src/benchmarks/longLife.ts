import { limit, median, type Row, row } from "../report/result.ts"
import { type Benchmark, expectAll, warmUp, withWorkers } from "../run.ts"
import { argumentDeltas } from "../server/events.ts"

const names = ["ws + JSON.parse", "Responses.forEach"] as const

const turns = 40
const loopsOfATenth = 50
const tenths = 10
interface Part {
  readonly cpu: Array<number>
  heap: number
  rss: number
}

/**
 * Not a matter of rounds: a value is a loop of forty turns, or the memory at the end of a part. Memory is looked at only
 * twice, and after the loops of the part: collecting all garbage by force throws away compiled code as well.
 */
export const longLife: Benchmark = {
  name: "long-life",
  what: "20,000 turns on one Layer: does it get slower, or grow?",
  run: (run) =>
    withWorkers(run, names, {}, async (worker) => {
      const loops = run.rounds < 15 ? 5 : loopsOfATenth
      const loop = async (name: typeof names[number]) => {
        const cost = await worker(name).call("loop", { model: `loop:${turns}`, turns })
        expectAll(name, cost, (turns - 1) * argumentDeltas)
        return cost.cpuMicros / turns
      }
      await warmUp(run, names, loop, 5)
      const found = new Map<string, ReadonlyArray<Part>>(
        names.map((name) => [name, Array.from({ length: tenths }, () => ({ cpu: [], heap: 0, rss: 0 }))])
      )
      const firstAndLast = new Set([0, tenths - 1])
      for (let tenth = 0; tenth < tenths; tenth++) {
        for (let time = 1; time <= loops; time++) {
          run.progress(`turn ${((tenth * loops + time) * turns).toLocaleString("en-US")}`)
          for (const name of names) found.get(name)?.[tenth]?.cpu.push(await loop(name))
        }
        for (const name of firstAndLast.has(tenth) ? names : []) {
          const { heapUsed, rss } = await worker(name).call("memory")
          Object.assign(found.get(name)?.[tenth] ?? {}, { heap: heapUsed / 1e6, rss: rss / 1e6 })
        }
      }
      const all: ReadonlyArray<Row> = [...found].flatMap(([name, parts]) =>
        [parts.at(0), parts.at(-1)].flatMap((tenth, index) => {
          if (tenth === undefined) return []
          const which = `${name}, ${index === 0 ? "first" : "last"} tenth`
          return [
            row("CPU per turn", "µs", which, tenth.cpu, median(parts[0]?.cpu ?? [])),
            row("heap", "MB", which, [tenth.heap], parts[0]?.heap),
            row("memory (RSS)", "MB", which, [tenth.rss], parts[0]?.rss)
          ]
        })
      ).toSorted((a, b) => a.measure.localeCompare(b.measure))
      return {
        rows: all,
        goals: ["CPU per turn", "heap", "memory (RSS)"].map((measure) =>
          limit(
            `${measure}: last tenth <= 1.1x the first`,
            all.find((row) => row.measure === measure && row.way === "Responses.forEach, last tenth")?.ratio ??
              Number.NaN,
            1.1,
            "x"
          )
        )
      }
    })
}
