import { type Goal, notAbove, type Row, rows } from "../report/result.ts"
import { type Benchmark, expectAll, interleave, mapValues, type Run, warmUp, withWorkers } from "../run.ts"
import { argumentDeltas } from "../server/events.ts"

const names = [
  "node:http, new connection",
  "node:http + JSON.parse",
  "Responses.forEach, HTTP",
  "Responses.forEach, full",
  "Responses.forEach",
  "openai SSE",
  "openai ResponsesWS"
] as const

/** Milliseconds between the beginning of a response and the rest of it, as a model takes its time. They are not counted. */
const thinking = 5

/** Of so many milliseconds, what one run can tell apart. */
const tolerance = 1.02

const far = async (
  run: Run,
  roundTrip: number,
  turns: number
): Promise<readonly [rows: ReadonlyArray<Row>, goals: ReadonlyArray<Goal>]> => {
  const measure = `wall per turn, ${roundTrip} ms away`
  const url = await run.server.call("delayed", roundTrip)
  return withWorkers(run, names, {}, async (worker) => {
    const once = async (name: typeof names[number]) => {
      const cost = await worker(name).call("loop", { model: `loop:${turns}:${thinking}`, turns })
      expectAll(name, cost, (turns - 1) * argumentDeltas)
      return cost.wallMillis / turns - thinking
    }
    // With the server nearby, where a turn takes no time to speak of.
    await warmUp(run, names, (name) => worker(name).call("loop", { model: "loop:40", turns: 40 }), 1.5)
    for (const name of names) {
      await worker(name).call("close")
      await worker(name).call("open", { url, count: 1 })
      await worker(name).call("loop", { model: "loop:2", turns: 2 })
    }
    const found = await interleave(run, names, once)
    const all = rows(measure, "ms", mapValues(found, (millis) => millis), "node:http + JSON.parse")
    const others = names.filter((name) => name !== "Responses.forEach")
    return [all, [
      notAbove(all, measure, "Responses.forEach", others, tolerance),
      notAbove(all, measure, "Responses.forEach", ["Responses.forEach, full"], tolerance)
    ]]
  })
}

/**
 * A proxy delays what passes, and a new connection by one round trip; TLS would add another. It does not limit the rate and
 * has no slow start, which would be against those who send much on new connections.
 */
export const roundTrip: Benchmark = {
  name: "round-trip",
  what: "Turns of the tool loop with a server far away",
  run: async (run) => {
    const near = await far(run, 20, 8)
    const remote = await far(run, 100, 3)
    return { rows: [...near[0], ...remote[0]], goals: [...near[1], ...remote[1]] }
  }
}
