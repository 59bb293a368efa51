import { atMost, limit, median, notAbove, quantile, rows } from "../report/result.ts"
import { type Benchmark, expectAll, interleave, mapValues, warmUp, withWorkers } from "../run.ts"

const names = [
  "ws + JSON.parse",
  "Responses.forEach",
  "Stream.runForEach",
  "openai ResponsesWS",
  "@openai/agents WebSocket"
] as const

const streams = 10
const eventsEach = 60
const interval = 12.5

/** Of one round: delays are judged by rounds too, so that one hiccup of the machine is one value among many. */
interface Found {
  readonly cpu: number
  readonly p50: number
  readonly p99: number
}

/**
 * The delay is from the time that the server writes into the event, of the clock that all processes of a machine share, to
 * the consumer: for raw `ws` it is all of the way there, for the others that and what they add.
 */
export const paced: Benchmark = {
  name: "paced",
  what: "Events as a model sends them: 10 streams at once, 80 events a second each",
  run: (run) =>
    withWorkers(run, names, { sessions: streams }, async (worker) => {
      const once = async (name: typeof names[number]): Promise<Found> => {
        // While the others had their turn this process slept, and V8 threw away code that it has to compile anew.
        await worker(name).call("ask", `paced:${eventsEach}:2:1`)
        const cost = await worker(name).call("paced", {
          model: `paced:${eventsEach}:${interval}:${streams}`,
          events: eventsEach
        })
        expectAll(name, cost, streams * eventsEach)
        const { delays } = cost
        return { cpu: cost.micros, p50: quantile(delays, 0.5), p99: quantile(delays, 0.99) }
      }
      // Faster than what is measured, but one event at a time like that: it is other code that is run often then.
      await warmUp(run, names, (name) => worker(name).call("ask", `paced:${eventsEach}:1:1`), 5)
      await interleave(run, names, once, Math.min(3, run.rounds))
      const found = await interleave(run, names, once)
      const base = "ws + JSON.parse"
      const p99 = mapValues(found, (one) => one.p99)
      const all = [
        ...rows("CPU per event", "µs", mapValues(found, (one) => one.cpu), base),
        ...rows("delay, half of the events", "ms", mapValues(found, (one) => one.p50), base),
        ...rows("delay, 99 of 100 events", "ms", p99, base)
      ]
      const late = (way: typeof names[number]) =>
        limit(
          `delay, 99 of 100 events: ${way} within 1 ms of ${base}`,
          median(p99.get(way) ?? []) - median(p99.get(base) ?? []),
          1,
          " ms"
        )
      return {
        rows: all,
        goals: [
          atMost(all, "CPU per event", "Stream.runForEach", 2.2),
          atMost(all, "CPU per event", "Responses.forEach", 1.1),
          notAbove(all, "CPU per event", "Responses.forEach", ["openai ResponsesWS"]),
          late("Responses.forEach"),
          late("Stream.runForEach")
        ]
      }
    })
}
