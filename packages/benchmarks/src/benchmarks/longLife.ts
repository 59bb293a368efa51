import { limit, median, type Row, row } from "../report/result.ts"
import { type Benchmark, expectAll, withWorkers } from "../run.ts"
import { argumentDeltas } from "../server/events.ts"

const names = ["ws + JSON.parse", "Responses.forEach", "Stream.runForEach"] as const

const turns = 40
const loopsOfATenth = 50
const tenths = 10
const warmUps = 50

interface Tenth {
  readonly cpu: ReadonlyArray<number>
  readonly heap: number
  readonly rss: number
}

/** Not a matter of rounds: a value is a loop of forty turns, or the memory at the end of a tenth. */
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
      const tenth = async (name: typeof names[number]): Promise<Tenth> => {
        const cpu: Array<number> = []
        for (let time = 0; time < loops; time++) cpu.push(await loop(name))
        const { heapUsed, rss } = await worker(name).call("memory")
        return { cpu, heap: heapUsed / 1e6, rss: rss / 1e6 }
      }
      for (const name of names) for (let time = 0; time < warmUps; time++) await loop(name)
      const found = new Map<string, Array<Tenth>>(names.map((name) => [name, []]))
      for (let part = 1; part <= tenths; part++) {
        for (const name of names) {
          run.progress(`turns ${(part * loops * turns).toLocaleString("en-US")}  ${name}`)
          found.get(name)?.push(await tenth(name))
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
        goals: ["CPU per turn", "heap", "memory (RSS)"].flatMap((measure) =>
          ["Responses.forEach", "Stream.runForEach"].map((way) =>
            limit(
              `${measure}: ${way}, last tenth <= 1.1x the first`,
              all.find((row) => row.measure === measure && row.way === `${way}, last tenth`)?.ratio ?? Number.NaN,
              1.1,
              "x"
            )
          )
        )
      }
    })
}
