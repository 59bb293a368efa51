import { type Row, row } from "../report/result.ts"
import { type Benchmark, interleave, type Run, warmUp, withWorkers } from "../run.ts"

const names = [
  "ws + JSON.parse",
  "Responses.forEach",
  "Responses.forEach, not tenured",
  "Stream.runForEach",
  "Stream.runForEach, not tenured"
] as const

const turns = 40
const loops = 50
const events = 100_000

/** One row for each place: there is nothing to compare with, as what one way does in a place another does elsewhere. */
const rowsOf = (
  what: string,
  found: ReadonlyMap<string, ReadonlyArray<Readonly<Record<string, number>>>>,
  count: number
): ReadonlyArray<Row> =>
  [...found].flatMap(([name, profiles]) => {
    const places = [...new Set(profiles.flatMap((profile) => Object.keys(profile)))]
    return places
      .map((place) => row(`${what} by ${name}`, "µs", place, profiles.map((profile) => (profile[place] ?? 0) / count)))
      .toSorted((a, b) => b.median - a.median)
  })

const of = (run: Run, what: string, model: string, count: number, times: number) =>
  withWorkers(run, names, {}, async (worker) => {
    const once = (name: typeof names[number]) => worker(name).call("profile", { model, turns, times })
    await warmUp(run, names, once, 4)
    return rowsOf(what, await interleave(run, names, once, Math.min(3, run.rounds)), count * times)
  })

/** Nobody's goal: why the others find what they find. */
export const profile: Benchmark = {
  name: "profile",
  what: "Where the time of the main thread goes, by the profiler, which adds some to all of them",
  run: async (run) => ({
    rows: [
      ...await of(run, "a turn", `loop:${turns}`, turns, loops),
      ...await of(run, "an event of a burst", `burst:${events}`, events, 1)
    ],
    goals: []
  })
}
