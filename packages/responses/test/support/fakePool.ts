/** A pool in memory: tests say how each of its dials ends, and what a request that it serves does. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Timers from "../../src/internal/effect/timers.ts"
import type { Connection } from "../../src/internal/socket/connection.ts"
import { Naming } from "../../src/internal/socket/naming.ts"
import type { Wish } from "../../src/internal/socket/placement.ts"
import * as Pool from "../../src/internal/socket/pool.ts"
import { Seat } from "../../src/internal/socket/seat.ts"
import type { Ticket } from "../../src/internal/socket/ticket.ts"
import { ConnectionError } from "../../src/ResponsesError.ts"
import { settle } from "./clocks.ts"
import * as FakeSocket from "./fakeSocket.ts"

const unreachable = new ConnectionError({ reason: "Unreachable", delivery: "unsent", description: "no" })

interface Dialled extends FakeSocket.FakeSocket {
  readonly answer: Deferred.Deferred<void, ConnectionError>
}

export interface Options extends Partial<Pick<Pool.Options, "prepare" | "schedule">> {
  /** Default: 1 */
  readonly maxConnections?: number | undefined
  /** Default: 1 */
  readonly maxLanes?: number | undefined
  readonly limits?: Partial<Pool.Limits> | undefined
}

/** What a request is like, and wishes for. */
export interface Ask {
  /** Which connections may take new requests. `undefined`: nobody asks. */
  readonly suits?: Pool.Suits | undefined
  readonly wish?: Partial<Wish<Connection>> | undefined
  /** The fiber that asks. Default: another one each time */
  readonly asker?: unknown
  /** Who takes turns with others. Default: the name */
  readonly key?: unknown
  /** The connection that has its conversation, by its number. */
  readonly home?: number | undefined
}

export interface FakePool {
  readonly pool: Pool.Pool
  /** What has happened, in order. Connections have the numbers of their dials. */
  readonly seen: Array<string>
  /** A request waits for its turn, and for a connection, and goes on until it leaves. */
  readonly ask: (name: string, options?: Ask) => Effect.Effect<void>
  readonly leave: (name: string) => Effect.Effect<void>
  /** The latest dial, or the one with a number, ends. */
  readonly accept: Effect.Effect<void>
  readonly acceptOf: (number: number) => Effect.Effect<void>
  readonly fail: Effect.Effect<void>
  readonly failOf: (number: number) => Effect.Effect<void>
  /** An event comes back with the name of the lane on which it was asked first. */
  readonly prove: (number: number) => Effect.Effect<void>
  readonly connection: (number: number) => Connection | undefined
  readonly numberOf: (connection: Connection) => number
  readonly ticketOf: (name: string) => Ticket | undefined
  readonly close: Effect.Effect<void>
}

const noWish: Wish<Connection> = {
  heads: [],
  name: undefined,
  lane: undefined,
  named: undefined,
  onlyAsDelta: () => false,
  mayFork: true,
  excluded: undefined,
  idleFor: undefined
}

const noLimits = {
  maxWaiting: Infinity,
  queueTimeout: Infinity,
  shutdownTimeout: Duration.zero,
  idleTimeToLive: Infinity
}

export const make = Effect.fnUntraced(function*({
  limits,
  maxConnections = 1,
  maxLanes = 1,
  prepare = () => Effect.succeed(true),
  schedule = Schedule.spaced("50 minutes")
}: Options = {}): Effect.fn.Return<FakePool, never, Scope.Scope> {
  const seen: Array<string> = []
  const dialled: Array<Dialled> = []
  const fibers = new Map<string, Fiber.RuntimeFiber<never, ConnectionError>>()
  const tickets = new Map<string, Ticket>()
  const scope = yield* Scope.make()
  const naming = new Naming({ maxConnections, maxLanes, profile: { lanes: true } })

  const dial = Effect.gen(function*() {
    const fake = yield* FakeSocket.make({ naming })
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

  const connection = (number: number) => dialled[number - 1]?.connection

  const pool = yield* Scope.extend(
    Pool.make({
      dial,
      schedule,
      prepare,
      timers: yield* Timers.make,
      limits: { ...noLimits, maxConnections, ...limits },
      sharesDials: naming.by === "layer",
      hopedFor: () => naming.hopedFor,
      onEnded: () => {},
      onRecycled: () => seen.push("recycled")
    }),
    scope
  )

  const end = (number: () => number, exit: Exit.Exit<void, ConnectionError>) =>
    Effect.suspend(() => {
      const found = dialled[number() - 1]
      return found === undefined ? Effect.void : Effect.zipRight(Deferred.done(found.answer, exit), settle)
    })

  const latest = () => dialled.length

  const told = (name: string, exit: Exit.Exit<never, ConnectionError>) => {
    const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
    if (error !== undefined) seen.push(`${name} fails: ${error.reason} ${error.delivery}`)
  }

  /** As `turn.ts` does it. */
  const placed = (ticket: Ticket, seat: Seat, wish: Wish<Connection>): Effect.Effect<Connection, ConnectionError> =>
    Effect.suspend(() => {
      ticket.take()
      const placement = pool.placement(wish)
      if (placement._tag === "Use") return Effect.succeed(seat.hold(placement.connection, placement.lane).connection)
      ticket.again(placement._tag)
      return Effect.zipRight(ticket.granted, placed(ticket, seat, wish))
    })

  return {
    pool,
    seen,
    numberOf,
    connection,
    ticketOf: (name) => tickets.get(name),
    ask: (name, { asker = {}, home, key = name, suits, wish } = {}) =>
      Effect.suspend(() => {
        const ticket = pool.enter(asker, () => key, () => home === undefined ? undefined : connection(home))
        const seat = new Seat(ticket, "drain")
        let isKeyKnown = !pool.isOpen()
        tickets.set(name, ticket)
        return ticket.granted.pipe(
          Effect.tap(() => {
            if (suits !== undefined && !isKeyKnown) pool.keepOnly(suits)
            isKeyKnown = true
          }),
          Effect.zipRight(placed(ticket, seat, { ...noWish, lane: naming.by === "callers" ? "" : undefined, ...wish })),
          Effect.tap((connection) => Effect.sync(() => seen.push(`${name} on ${numberOf(connection)}`))),
          Effect.zipRight(Effect.never),
          Effect.onExit((exit) =>
            Effect.sync(() => {
              seat.leave()
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
    accept: end(latest, Exit.void),
    acceptOf: (number) => end(() => number, Exit.void),
    fail: end(latest, Exit.fail(unreachable)),
    failOf: (number) => end(() => number, Exit.fail(unreachable)),
    prove: (number) =>
      Effect.suspend(() => {
        const found = connection(number)
        const [lane] = found?.lanes ?? []
        if (lane !== undefined) found?.capacity.onNamed(lane, true)
        return settle
      }),
    close: Effect.suspend(() => Effect.zipRight(Scope.close(scope, Exit.void), settle))
  }
})
