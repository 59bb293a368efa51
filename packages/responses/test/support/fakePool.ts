/** A pool in memory: tests say how each of its dials ends, and what a request that it serves does. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Timers from "../../src/internal/effect/timers.ts"
import type { Connection } from "../../src/internal/socket/connection.ts"
import * as Pool from "../../src/internal/socket/pool.ts"
import { ConnectionError } from "../../src/ResponsesError.ts"
import { settle } from "./clocks.ts"
import * as FakeSocket from "./fakeSocket.ts"

const unreachable = new ConnectionError({ reason: "Unreachable", delivery: "unsent", description: "no" })

interface Dialled extends FakeSocket.FakeSocket {
  readonly answer: Deferred.Deferred<void, ConnectionError>
}

export interface FakePool {
  readonly pool: Pool.Pool
  /** What has happened, in order. Connections have the numbers of their dials. */
  readonly seen: Array<string>
  /** A request waits for its turn, and for a connection, and goes on until it leaves. */
  readonly ask: (name: string, suits?: (connection: Connection) => boolean) => Effect.Effect<void>
  readonly leave: (name: string) => Effect.Effect<void>
  /** The latest dial ends. */
  readonly accept: Effect.Effect<void>
  readonly fail: Effect.Effect<void>
  readonly connection: (number: number) => Connection | undefined
  readonly numberOf: (connection: Connection) => number
  readonly close: Effect.Effect<void>
}

export const make = Effect.fnUntraced(function*(
  { prepare, schedule = Schedule.spaced("50 minutes") }: Partial<Pick<Pool.Options, "prepare" | "schedule">> = {}
): Effect.fn.Return<FakePool, never, Scope.Scope> {
  const seen: Array<string> = []
  const dialled: Array<Dialled> = []
  const fibers = new Map<string, Fiber.RuntimeFiber<never, ConnectionError>>()
  const scope = yield* Scope.make()

  const dial = Effect.gen(function*() {
    const fake = yield* FakeSocket.make()
    const answer = yield* Deferred.make<void, ConnectionError>()
    const number = dialled.push({ ...fake, answer })
    seen.push(`dial ${number}`)
    yield* Effect.onInterrupt(Deferred.await(answer), () => Effect.sync(() => seen.push(`dial ${number} is given up`)))
    fake.connection.onUpgraded(fake.socket)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        fake.connection.end()
        seen.push(`${number} is closed`)
      })
    )
    return fake.connection
  })

  const numberOf = (found: Connection) => dialled.findIndex(({ connection }) => connection === found) + 1

  const pool = yield* Scope.extend(
    Pool.make({
      dial,
      schedule,
      timers: yield* Timers.make,
      prepare: prepare ?? (() => Effect.succeed(true)),
      onRecycled: () => seen.push("recycled")
    }),
    scope
  )

  const end = (exit: Exit.Exit<void, ConnectionError>) =>
    Effect.suspend(() => {
      const latest = dialled.at(-1)
      return latest === undefined ? Effect.void : Effect.zipRight(Deferred.done(latest.answer, exit), settle)
    })

  const told = (name: string, exit: Exit.Exit<never, ConnectionError>) => {
    const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
    if (error !== undefined) seen.push(`${name} fails: ${error.reason} ${error.delivery}`)
  }

  return {
    pool,
    seen,
    numberOf,
    ask: (name, suits = () => true) =>
      Effect.suspend(() => {
        const ticket = pool.enter()
        return Effect.zipRight(ticket.granted, ticket.get(suits)).pipe(
          Effect.tap((connection) => Effect.sync(() => seen.push(`${name} on ${numberOf(connection)}`))),
          Effect.zipRight(Effect.never),
          Effect.onExit((exit) =>
            Effect.sync(() => {
              ticket.release()
              told(name, exit)
            })
          ),
          Effect.fork,
          Effect.map((fiber) => fibers.set(name, fiber)),
          Effect.zipRight(settle)
        )
      }),
    leave: (name) =>
      Effect.suspend(() => {
        const fiber = fibers.get(name)
        return Effect.zipRight(fiber === undefined ? Effect.void : Fiber.interruptFork(fiber), settle)
      }),
    accept: end(Exit.void),
    fail: end(Exit.fail(unreachable)),
    connection: (number) => dialled[number - 1]?.connection,
    close: Effect.suspend(() => Effect.zipRight(Scope.close(scope, Exit.void), settle))
  }
})
