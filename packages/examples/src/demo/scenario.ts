/** What goes wrong on the way, by the number of the turn and never by the clock, so that every run is the same. */
import type { ResponsesSocket } from "effect-responses"
import type { ResponsesServer } from "effect-responses-server"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Turn } from "./agent.ts"

export interface Sides {
  readonly server: ResponsesServer.Service
  readonly socket: ResponsesSocket.Service
}

export interface Event {
  /** Happens before this turn. */
  readonly turn: number
  readonly says: string
  readonly happen: (sides: Sides) => Effect.Effect<void>
}

export interface Fault {
  readonly name: string
  readonly events: ReadonlyArray<Event>
  /** Whether it really happened, and the conversation went on regardless. */
  readonly isRepaired: (turns: ReadonlyArray<Turn>) => boolean
}

/**
 * Between two turns, the client learns of it before it sends again. A request that is on its way while the connection
 * ends may have run, and is not repeated without being asked for.
 */
const connectionEnds = (socket: ResponsesSocket.Service): Effect.Effect<void> =>
  Effect.repeat(socket.stats, {
    until: ({ open }) => !open,
    schedule: Schedule.spaced("2 millis")
  }).pipe(Effect.timeoutOption("5 seconds"))

const recovered = (turn: Turn | undefined, tag: Turn["recoveries"][number]["_tag"]): boolean =>
  turn?.recoveries.some(({ _tag }) => _tag === tag) ?? false

const onNewConnection = (turn: Turn | undefined): boolean =>
  turn?.transport === "websocket" && turn.reason?._tag === "NewConnection"

export const faults: ReadonlyArray<Fault> = [
  {
    name: "forgotten response",
    events: [{
      turn: 3,
      says: "the server forgets its last response",
      happen: ({ server }) => server.forget("latest")
    }],
    isRepaired: (turns) => recovered(turns[2], "ResentInFull")
  },
  {
    name: "connection too old",
    events: [{
      turn: 6,
      says: "the connection reaches its age limit: the server closes it",
      happen: ({ server, socket }) => Effect.zipRight(server.expire, connectionEnds(socket))
    }],
    isRepaired: (turns) => onNewConnection(turns[5])
  },
  {
    name: "refused upgrades",
    events: [{
      turn: 9,
      says: "the connection is cut, and the server refuses new ones (503)",
      happen: ({ server, socket }) =>
        server.refuseUpgrades({ status: 503, body: { error: { message: "No sockets at the moment" } } }).pipe(
          Effect.zipRight(server.disconnect("cut")),
          Effect.zipRight(connectionEnds(socket))
        )
    }, {
      turn: 10,
      says: "the server takes connections again",
      happen: ({ server }) => server.acceptUpgrades
    }],
    // The socket is looked for in the background, while turn 10 is served: it need not be there for turn 11.
    isRepaired: (turns) =>
      [turns[8], turns[9]].every((turn) => turn?.transport === "http" && recovered(turn, "FellBack")) &&
      onNewConnection(turns.slice(10).find((turn) => turn.transport === "websocket"))
  }
]

export const eventsBefore = (turn: number): ReadonlyArray<Event> =>
  faults.flatMap(({ events }) => events.filter((event) => event.turn === turn))
