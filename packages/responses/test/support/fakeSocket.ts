/** A connection on a socket in memory: tests say what the network and the server do, in the same step. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Socket } from "../../src/Connector.ts"
import * as Timers from "../../src/internal/effect/timers.ts"
import type { Exchange } from "../../src/internal/exchange/exchange.ts"
import * as Endpoint from "../../src/internal/options/endpoint.ts"
import * as Timeouts from "../../src/internal/options/timeouts.ts"
import * as Connection from "../../src/internal/socket/connection.ts"
import type { Lane } from "../../src/internal/socket/lane.ts"

export interface Options {
  readonly profile?: Endpoint.Endpoint["profile"] | undefined
  readonly maxOutputSize?: number | undefined
  readonly keepsOutput?: boolean | undefined
  /** The size that the socket gives to each text. Default: its length */
  readonly bytes?: number | undefined
}

export interface FakeSocket {
  readonly connection: Connection.Connection
  readonly socket: Socket
  /** What was done to the socket: `ping`, `pause`, `resume`, and each text that was sent. */
  readonly seen: Array<string>
  readonly timers: Timers.Timers
  /** The server sends an event. */
  readonly receive: (event: object) => void
  /** The socket says of the oldest request that it has said nothing of whether it went out. */
  readonly written: (error?: Error) => void
  /** A turn takes the lane, and sends its request there. */
  readonly ask: (
    lane?: Lane,
    onEnd?: (exchange: Exchange, hasBegun: boolean) => void
  ) => { readonly exchange: Exchange; readonly lane: Lane }
  /** How often a ping was not answered. */
  readonly dead: () => number
}

const apiKey = Redacted.make("sk-very-secret")

/** Opens nothing by itself: the connection waits for `onUpgraded`. */
export const make = Effect.fnUntraced(function*(
  { bytes, keepsOutput = true, maxOutputSize = Infinity, profile }: Options = {}
): Effect.fn.Return<FakeSocket, never, Scope.Scope> {
  const endpoint = yield* Effect.orDie(Endpoint.make({ apiKey, profile, baseUrl: "http://localhost" }))
  const timers = yield* Timers.make
  const seen: Array<string> = []
  const writing: Array<(error?: Error) => void> = []
  let dead = 0
  const connection = new Connection.Connection({
    endpoint,
    timers,
    maxOutputSize,
    keepsOutput,
    ping: Duration.infinity,
    pingTimeout: Duration.seconds(10),
    timeouts: Timeouts.defaults,
    onDead: () => dead++
  }, yield* Effect.orDie(endpoint.credentials))
  const ask: FakeSocket["ask"] = (lane = connection.lanes.use(""), onEnd = () => {}) => {
    if (lane.tag === "Free") lane.hold()
    const granted = timers.time.now()
    return { lane, ...connection.request({ frame: "request", lane, previousResponseId: undefined, granted, onEnd }) }
  }
  return {
    ask,
    connection,
    seen,
    timers,
    dead: () => dead,
    receive: (event) => connection.inbound.onMessage(JSON.stringify(event)),
    written: (error) => writing.shift()?.(error),
    socket: {
      send: (text, done) => {
        seen.push(text)
        writing.push(done)
        return bytes ?? text.length
      },
      ping: () => void seen.push("ping"),
      pause: () => void seen.push("pause"),
      resume: () => void seen.push("resume")
    }
  }
})
