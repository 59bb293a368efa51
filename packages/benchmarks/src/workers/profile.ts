/** Where the time of a piece of work goes, by the profiler of V8. */
import type { Profiler } from "node:inspector"
import { Session } from "node:inspector/promises"

/** JSON is read and written by V8 itself: its time is that of the function that asks for it. */
const places: ReadonlyArray<readonly [place: string, url: RegExp]> = [
  ["Effect", /\/node_modules\/effect\//],
  [
    "events: read, route, give",
    /effect-responses\/dist\/(?:ResponseEvent\.|internal\/(?:exchange\/(?!deadlines)|socket\/(?:connection|router|liveness)\.))/
  ],
  [
    "plan: compare, remember",
    /effect-responses\/dist\/internal\/(?:compare\/|socket\/heads\.)/
  ],
  ["frame: write the JSON", /effect-responses\/dist\/ResponseRequest\.js/],
  ["turn: queue, pool, telemetry, clocks", /effect-responses\/dist\//],
  ["ws, and what joins us to it", /\/ws\/|effect-responses-node\/dist\//],
  ["Node, without the writing", /^node:/],
  ["the program, with raw's JSON", /\/dist\/(?:ways|workers)\//]
]

const placeOf = ({ callFrame: { functionName, url } }: Profiler.ProfileNode): string | undefined => {
  const [place] = places.find(([, pattern]) => pattern.test(url)) ?? []
  if (place !== undefined) return place
  if (functionName === "(garbage collector)") return "garbage collection"
  return functionName.startsWith("write") ? "writing to the socket" : undefined
}

/** In microseconds of the main thread. What cannot be told, what the profiler does itself and idle time are left out. */
export const profile = async (work: () => Promise<unknown>): Promise<Readonly<Record<string, number>>> => {
  const session = new Session()
  session.connect()
  await session.post("Profiler.enable")
  await session.post("Profiler.setSamplingInterval", { interval: 100 })
  await session.post("Profiler.start")
  await work()
  const { profile: { nodes, samples = [], timeDeltas = [] } } = await session.post("Profiler.stop")
  session.disconnect()
  const placeOfNode = new Map(nodes.map((node) => [node.id, placeOf(node)]))
  const found: Record<string, number> = {}
  for (const [index, id] of samples.entries()) {
    const place = placeOfNode.get(id)
    if (place !== undefined) found[place] = (found[place] ?? 0) + (timeDeltas[index] ?? 0)
  }
  return found
}
