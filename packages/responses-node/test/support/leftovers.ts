/** What a program that has ended may have left behind: sockets, fibers, timers. */
import type * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Effect from "effect/Effect"
import * as Supervisor from "effect/Supervisor"

/** What keeps this process alive, by kind. */
const resources = Effect.sync((): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
})

const eventLoopTurn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

const limit = 5000

/**
 * Gives what the program gives, or what it has left behind. The server learns of closed sockets when the network says so, so
 * it is asked again, for a limited number of turns of the event loop.
 */
export const check = <E, R>(
  server: ResponsesServer.Service,
  program: Effect.Effect<string | undefined, E, R>
): Effect.Effect<string | undefined, E, R> =>
  Effect.gen(function*() {
    const before = yield* resources
    const supervisor = yield* Supervisor.track
    const wrong = yield* Effect.supervised(program, supervisor)
    if (wrong !== undefined) return wrong
    const left = Effect.gen(function*() {
      const fibers = yield* supervisor.value
      const { open } = yield* server.connections
      const more = Object.entries(yield* resources).filter(([kind, count]) => count > (before[kind] ?? 0))
      return [
        ...fibers.map((fiber) => `fiber ${String(fiber.id())}`),
        ...open === 0 ? [] : [`${open} connections`],
        ...more.map(([kind, count]) => `${kind}: ${count}, before it ${before[kind] ?? 0}`)
      ]
    })
    for (let turns = 0; turns < limit; turns++) {
      if ((yield* left).length === 0) return undefined
      yield* eventLoopTurn
    }
    return `left behind: ${(yield* left).join(", ")}`
  })
