/**
 * One open WebSocket, and the lanes on it. Its parts are:
 *
 * - `phase.ts`: whether it takes turns, and why it has ended.
 * - `capacity.ts`: how many responses may run on it.
 * - `send.ts`: what goes out, and `inbound.ts`: what the other side sends.
 * - `drains.ts`: responses that nobody here waits for any more.
 * - `flow.ts`: when the socket is paused.
 * - `liveness.ts` and `signs.ts`: whether the other side lives, and whether it works on one of the responses.
 */
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Socket } from "../../Connector.ts"
import type { UnknownEvent } from "../../ResponseEvent.ts"
import type { ConnectionError } from "../../ResponsesError.ts"
import type { Credentials, Key } from "../options/credentials.ts"
import type { Endpoint } from "../options/endpoint.ts"
import { Capacity } from "./capacity.ts"
import * as Causes from "./causes.ts"
import { Drains } from "./drains.ts"
import * as Flow from "./flow.ts"
import * as Inbound from "./inbound.ts"
import { type Holder, Lane, Lanes } from "./lane.ts"
import * as Liveness from "./liveness.ts"
import type { Naming } from "./naming.ts"
import { Phase } from "./phase.ts"
import * as Send from "./send.ts"
import * as Signs from "./signs.ts"

export interface Options extends Flow.Options, Send.Options {
  readonly endpoint: Endpoint
  readonly naming: Naming
  /** How long nothing may come before the other side is asked for a sign of life; infinite: only before a request. */
  readonly ping: Duration.Duration
  readonly pingTimeout: Duration.Duration
  /** Of the connections of the Layer, from 1 on. */
  readonly nextNumber: () => number
  readonly onDead: () => void
  readonly onNews: (event: UnknownEvent) => void
}

/** In bytes: what may stand in the way of a ping on a slow line for longer than its answer may take. */
const largeUpload = 256 * 1024

/** What a network may have given up without telling anybody. */
const longSilence = Duration.seconds(30)

/** Until the connection is open nothing can be sent. */
const noSocket: Socket = { send: () => 0, ping: () => {}, pause: () => {}, resume: () => {} }

export class Connection implements Inbound.Host, Flow.Host, Send.Host {
  socket = noSocket
  /** Places that are granted to turns which have not taken a lane yet. */
  reserved = 0
  /** When a turn last took, or gave up, a lane, or when it was opened. */
  usedAt = 0
  private wasUsed = false
  /** When there was no room last. */
  fullAt = -Infinity
  private readonly options: Options
  readonly number: number
  readonly redact: Credentials["redact"]
  /** Equal for connections on which the server sees the same caller. */
  readonly identity: string
  /** The key it was opened with. */
  readonly key: Key
  readonly lanes = new Lanes()
  readonly phase: Phase
  readonly capacity: Capacity
  readonly drains: Drains
  readonly flow: Flow.Flow
  readonly liveness: Liveness.Liveness
  readonly signs: Signs.Signs
  readonly inbound: Inbound.Inbound
  readonly request: Send.Send

  constructor(options: Options, { headers, key, redact }: Credentials) {
    const { endpoint, naming, timers } = options
    this.options = options
    this.number = options.nextNumber()
    this.redact = redact
    this.identity = JSON.stringify(headers)
    this.key = key
    this.phase = new Phase(this.lanes, () => {
      this.inbound.ended()
      this.liveness.end()
      this.drains.clear()
    })
    this.capacity = new Capacity(this, naming, timers.time)
    this.drains = new Drains(this, naming, timers)
    this.flow = Flow.make(options, this)
    this.liveness = Liveness.make({
      time: timers.time,
      timeout: options.pingTimeout,
      ping: () => this.socket.ping(),
      isDeaf: () => this.hasEnded() || this.flow.isPaused() || this.lanes.isWriting() || this.uploading() > largeUpload,
      onDead: () => {
        options.onDead()
        this.end(Causes.lost(`The server did not answer a ping within ${Duration.format(options.pingTimeout)}`))
      }
    })
    this.signs = Signs.make(this.lanes, this.liveness, timers.time)
    this.inbound = new Inbound.Inbound(this, endpoint.profile, timers)
    this.request = Send.make(options, this)
  }

  onUpgraded(socket: Socket): void {
    this.socket = socket
    this.usedAt = this.options.timers.time.now()
    this.phase.upgraded()
  }

  isOpen(): boolean {
    return this.phase.isOpen()
  }

  /** Takes new turns. */
  admits(): boolean {
    return this.phase.admits()
  }

  hasEnded(): boolean {
    return this.phase.cause() !== undefined
  }

  /** Why it ended before any turn took it, as a server does that refuses after the upgrade. */
  failedUnused(): ConnectionError | undefined {
    const cause = this.phase.cause()
    if (cause === undefined || cause === Causes.closed || this.wasUsed) return undefined
    const error = cause("unsent")
    return error._tag === "ConnectionError" ? error : undefined
  }

  /** The connection takes no new turn. What runs on it runs to its end. */
  retire(): void {
    this.phase.retire()
  }

  /** Ends the connection. The socket itself is closed with the connection's scope. */
  end(cause?: Causes.Cause, whatIsWritten?: "fail" | "wait"): void {
    this.phase.end(cause, whatIsWritten)
  }

  /** Has a function called when the connection has ended; at once if it has. */
  onEnd(ended: () => void): void {
    this.phase.onEnd(ended)
  }

  /** Has a function called whenever there may be room for another turn. */
  onRoom(told: () => void): void {
    this.phase.onRoom(told)
  }

  /** How many responses more could run now. */
  room(): number {
    return this.capacity.room()
  }

  /** How many responses could run at once, if the server has the lanes that it is hoped to have. */
  places(): number {
    return this.capacity.places()
  }

  /** The lane that the caller has named. */
  laneNamed(name: string): Lane {
    return this.lanes.find(name) ?? new Lane(name)
  }

  /** A lane without a head, for a request that has none. */
  unusedLane(): Lane | undefined {
    return this.capacity.unusedLane()
  }

  uploading(): number {
    return this.inbound.unheardBytes()
  }

  hold(lane: Lane, holder?: Holder): void {
    this.usedAt = this.options.timers.time.now()
    this.wasUsed = true
    lane.hold(holder)
    this.lanes.put(lane)
    if (this.room() === 0) this.fullAt = this.usedAt
  }

  release(lane: Lane, holder?: Holder): void {
    this.usedAt = this.options.timers.time.now()
    lane.release(holder)
    this.phase.released()
  }

  /** Somebody waits for a lane: what drains may take so long, and no longer. */
  hurry(): void {
    this.drains.hurry()
  }

  /** Whether the connection was not silent for long. */
  isReady(): boolean {
    return this.liveness.isFresh(this.silence())
  }

  /** Asks for a sign of life, if it was. */
  get ready(): Effect.Effect<void> {
    return this.liveness.check(this.silence())
  }

  /** No response is to blame for the time in which nobody listened. */
  onResumed(): void {
    this.liveness.hear()
    this.signs.add()
  }

  /** The server serves nothing more here: what runs may still end. Callers who name the lanes are told at once. */
  onUnusable(cause: Causes.Cause): void {
    if (this.options.naming.by === "callers" || this.lanes.running().length === 0) this.end(cause, "wait")
    else this.retire()
  }

  onNews(event: UnknownEvent): void {
    this.options.onNews(event)
  }

  /** What it was forked from need not be kept for it any longer. */
  onForkBegun(lane: Lane): void {
    lane.unpin()
    this.phase.released()
  }

  private silence(): Duration.Duration {
    return Duration.min(longSilence, this.options.ping)
  }
}
