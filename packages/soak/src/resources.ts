/** What this process holds, and what it has complained of. */
import * as Effect from "effect/Effect"
import * as V8 from "node:v8"
import * as Vm from "node:vm"
import { eventLoopTurn } from "./eventLoop.ts"

type Counts = Readonly<Record<string, number>>

const events = [
  "uncaughtException",
  "unhandledRejection",
  "warning",
  "exit",
  "beforeExit",
  "SIGINT",
  "SIGTERM"
] as const

const count = (names: Iterable<string>): Counts => {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

/** What keeps the process alive, and who listens to it, by kind. */
export const held = (): Counts => ({
  ...count(process.getActiveResourcesInfo()),
  ...Object.fromEntries(events.map((event) => [`listeners for ${event}`, process.listenerCount(event)]))
})

/** An immediate is what looks, and a test runner has timers of its own. */
const passing = new Set(["Immediate"])

const leftOver = (before: Counts): ReadonlyArray<string> =>
  Object.entries(held()).flatMap(([kind, number]) =>
    !passing.has(kind) && number > (before[kind] ?? 0) ? [`${number - (before[kind] ?? 0)} ${kind}`] : []
  )

/** What is there that was not there before, once everything has had its time to go. */
export const leaks = (before: Counts): Effect.Effect<ReadonlyArray<string>> =>
  Effect.iterate({ left: 2000, found: leftOver(before) }, {
    while: ({ found, left }) => left > 0 && found.length > 0,
    body: ({ left }) => Effect.map(eventLoopTurn, () => ({ left: left - 1, found: leftOver(before) }))
  }).pipe(Effect.map(({ found }) => found))

/** What the process says about itself while it runs, which nobody else hears. */
export const complaints = Effect.acquireRelease(
  Effect.sync(() => {
    const heard: Array<string> = []
    const listen = (event: string) => (what: unknown) => void heard.push(`${event}: ${String(what)}`)
    const listeners = events.slice(0, 3).map((event) => [event, listen(event)] as const)
    for (const [event, listener] of listeners) process.on(event, listener)
    return { heard, listeners }
  }),
  ({ listeners }) =>
    Effect.sync(() => {
      for (const [event, listener] of listeners) process.off(event, listener)
    })
)

const collectGarbage = (): void => {
  V8.setFlagsFromString("--expose-gc")
  const gc: unknown = Vm.runInNewContext("gc")
  if (typeof gc === "function") gc()
}

/** In bytes, without what nobody holds. */
export const heap = (): number => {
  collectGarbage()
  return process.memoryUsage().heapUsed
}
