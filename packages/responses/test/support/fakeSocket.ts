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
import { Backlog, type Limits } from "../../src/internal/socket/backlog.ts"
import * as Connection from "../../src/internal/socket/connection.ts"
import type { Lane } from "../../src/internal/socket/lane.ts"
import { Naming } from "../../src/internal/socket/naming.ts"

export interface Options {
  readonly profile?: Endpoint.Endpoint["profile"] | undefined
  readonly maxOutputSize?: number | undefined
  readonly keepsOutput?: boolean | undefined
  /** Default: the callers, one response at a time */
  readonly naming?: Naming | undefined
  /** Default: none */
  readonly maxUnread?: Limits | undefined
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
  /** A frame of so many bytes is sent from here on. */
  readonly frames: (bytes: number) => void
  /** From here on somebody waits for a turn, or nobody does. */
  readonly waits: (isWaitedFor: boolean) => void
  /** How often a ping was not answered. */
  readonly dead: () => number
}

const strict = new Naming({ maxConnections: 1, maxLanes: 1, profile: { lanes: true } })

/** Up to four at once, on lanes that the Layer names. It is of one Layer: what a connection has shown holds for all. */
export const lanes = (maxLanes = 4): Naming => new Naming({ maxConnections: 2, maxLanes, profile: { lanes: true } })

const noLimits: Limits = { response: Infinity, connection: Infinity, layer: Infinity }

const apiKey = Redacted.make("sk-very-secret")

/** Opens nothing by itself: the connection waits for `onUpgraded`. */
export const make = Effect.fnUntraced(function*(
  { bytes, keepsOutput = true, maxOutputSize = Infinity, maxUnread = noLimits, naming = strict, profile }: Options = {}
): Effect.fn.Return<FakeSocket, never, Scope.Scope> {
  const endpoint = yield* Effect.orDie(Endpoint.make({ apiKey, profile, baseUrl: "http://localhost" }))
  const timers = yield* Timers.make
  const seen: Array<string> = []
  const writing: Array<(error?: Error) => void> = []
  let dead = 0
  let size = bytes
  let isWaitedFor = false
  const connection = new Connection.Connection({
    endpoint,
    timers,
    maxOutputSize,
    keepsOutput,
    naming,
    backlog: new Backlog(maxUnread, () => {}),
    nextNumber: () => 1,
    isWaitedFor: () => isWaitedFor,
    ping: Duration.infinity,
    pingTimeout: Duration.seconds(10),
    timeouts: Timeouts.defaults,
    onDead: () => dead++,
    onNews: () => {}
  }, yield* Effect.orDie(endpoint.credentials))
  const ask: FakeSocket["ask"] = (lane = connection.lanes.use(""), onEnd = () => {}) => {
    if (lane.tag === "Free") connection.hold(lane)
    const granted = timers.time.now()
    return {
      lane,
      ...connection.request({
        frame: "request",
        lane,
        previousResponseId: undefined,
        renamed: undefined,
        granted,
        onEnd
      })
    }
  }
  return {
    ask,
    connection,
    seen,
    timers,
    dead: () => dead,
    frames: (bytes) => {
      size = bytes
    },
    waits: (waits) => {
      isWaitedFor = waits
    },
    receive: (event) => connection.inbound.onMessage(JSON.stringify(event)),
    written: (error) => writing.shift()?.(error),
    socket: {
      send: (text, done) => {
        seen.push(text)
        writing.push(done)
        return size ?? text.length
      },
      ping: () => void seen.push("ping"),
      pause: () => void seen.push("pause"),
      resume: () => void seen.push("resume")
    }
  }
})
