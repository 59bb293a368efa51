/**
 * One open WebSocket, and the lanes on it. `inbound.ts` has what the other side sends.
 *
 * ```
 * Opening ──upgraded──▶ Open ──retire──▶ Retiring ──the last lane is released──▶ Closed
 * Opening, Open, Retiring ──close, error, clock, owner──▶ Closed(cause)
 *                         ──the same, while a request is being written──▶ Ending(cause) ──written, or not──▶ Closed(cause)
 * ```
 *
 * An end travels one way: the connection has a cause, each exchange fails with it, then the pool is told (`onEnd`).
 */
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Socket } from "../../Connector.ts"
import type { ConnectionError } from "../../ResponsesError.ts"
import * as Timers from "../effect/timers.ts"
import * as Deadlines from "../exchange/deadlines.ts"
import * as Exchange from "../exchange/exchange.ts"
import type { Credentials, Key } from "../options/credentials.ts"
import type { Endpoint } from "../options/endpoint.ts"
import type { Timeouts } from "../options/timeouts.ts"
import * as ForeignError from "../wire/foreignError.ts"
import type { Backlog } from "./backlog.ts"
import * as Causes from "./causes.ts"
import * as Inbound from "./inbound.ts"
import { type Holder, Lane, Lanes } from "./lane.ts"
import * as Liveness from "./liveness.ts"
import * as Naming from "./naming.ts"

export interface Options {
  readonly endpoint: Endpoint
  /** How long nothing may come before the other side is asked for a sign of life; infinite: only before a request. */
  readonly ping: Duration.Duration
  readonly pingTimeout: Duration.Duration
  readonly timeouts: Timeouts
  readonly maxOutputSize: number
  /** Whether the output of a response is of use when its caller has left. */
  readonly keepsOutput: boolean
  readonly timers: Timers.Timers
  readonly naming: Naming.Naming
  readonly backlog: Pick<Backlog, "add" | "remove">
  /** Of the connections of the Layer, from 1 on. */
  readonly nextNumber: () => number
  /** Whether anybody waits for a turn. */
  readonly isWaitedFor: () => boolean
  readonly onDead: () => void
}

export interface Request {
  readonly frame: string
  /** The turn holds it. */
  readonly lane: Lane
  /** The lane whose head it forks, which nothing is sent on until the server works on the fork. */
  readonly source?: Lane | undefined
  readonly previousResponseId: string | undefined
  /** The name that the events of the response carry, where it is not that of the lane. */
  readonly renamed: { readonly streamId: string | undefined } | undefined
  /** When the request got its turn, as a time of `Time.now`. */
  readonly granted: number
  /** For the whole of the response, in place of the Layer's. */
  readonly timeout?: Duration.Duration | undefined
  /** The exchange has ended, and its lane is rid of it; told before anybody can take the end. */
  readonly onEnd: (exchange: Exchange.Exchange, hasBegun: boolean) => void
}

type State =
  | { readonly _tag: "Opening" | "Open" | "Retiring" }
  /** The socket has not said yet whether what is being written went out. */
  | { readonly _tag: "Ending"; readonly cause: Causes.Cause }
  | { readonly _tag: "Closed"; readonly cause: Causes.Cause }

/** In bytes: what may stand in the way of a ping on a slow line for longer than its answer may take. */
const largeUpload = 256 * 1024

/** In milliseconds: how long others wait for the first event of a connection, which says whether there are lanes. */
export const hopeTimeout = 1000

const drainTimeout = Duration.seconds(30)

/** What a network may have given up without telling anybody. */
const longSilence = Duration.seconds(30)

/** Until the connection is open nothing can be sent. */
const noSocket: Socket = { send: () => 0, ping: () => {}, pause: () => {}, resume: () => {} }

export class Connection implements Inbound.Host {
  private state: State = { _tag: "Opening" }
  private socket = noSocket
  private isPaused = false
  /** Places that are granted to turns which have not taken a lane yet. */
  reserved = 0
  /** When a turn last took, or gave up, a lane, or when it was opened. */
  usedAt = 0
  private wasUsed = false
  /** When there was no room last. */
  fullAt = -Infinity
  /** An event has come back with the name of its lane. */
  private isProven = false
  /** The server has said that it runs one response at a time. */
  private isServingOne = false
  private names = Naming.maxNames
  private tellEnd: (() => void) | undefined
  private tellRoom: (() => void) | undefined
  private readonly drains = new Map<Lane, Timers.Timer>()
  private readonly lives = new WeakMap<Exchange.Exchange, { readonly beats: number; readonly at: number }>()
  private readonly deadlines: Deadlines.Host
  private readonly options: Options
  readonly number: number
  readonly inbound: Inbound.Inbound
  readonly lanes = new Lanes()
  readonly liveness: Liveness.Liveness
  readonly redact: Credentials["redact"]
  /** Equal for connections on which the server sees the same caller. */
  readonly identity: string
  /** The key it was opened with. */
  readonly key: Key

  constructor(options: Options, { headers, key, redact }: Credentials) {
    this.options = options
    this.number = options.nextNumber()
    this.redact = redact
    this.identity = JSON.stringify(headers)
    this.key = key
    this.inbound = new Inbound.Inbound(this, options.endpoint.profile, options.timers)
    this.liveness = Liveness.make({
      time: options.timers.time,
      timeout: options.pingTimeout,
      ping: () => this.socket.ping(),
      isDeaf: () => this.hasEnded() || this.isPaused || this.isWriting() || this.inbound.unheardBytes() > largeUpload,
      onDead: () => {
        options.onDead()
        this.end(Causes.lost(`The server did not answer a ping within ${Duration.format(options.pingTimeout)}`))
      }
    })
    this.deadlines = {
      timers: options.timers,
      timeouts: options.timeouts,
      heardAt: (exchange) => this.isPaused ? undefined : this.heardAt(exchange),
      onOverdue: (exchange, failure) => this.giveUp(exchange, failure)
    }
  }

  onUpgraded(socket: Socket): void {
    this.socket = socket
    this.usedAt = this.options.timers.time.now()
    if (this.state._tag === "Opening") this.state = { _tag: "Open" }
  }

  isOpen(): boolean {
    return this.state._tag === "Open" || this.state._tag === "Retiring"
  }

  /** Why it ended before any turn took it, as a server does that refuses after the upgrade. */
  failedUnused(): ConnectionError | undefined {
    const cause = this.cause()
    if (cause === undefined || cause === Causes.closed || this.wasUsed) return undefined
    const error = cause("unsent")
    return error._tag === "ConnectionError" ? error : undefined
  }

  /** Takes new turns. */
  admits(): boolean {
    return this.state._tag === "Open"
  }

  /** The connection takes no new turn. What runs on it runs to its end. */
  retire(): void {
    if (this.state._tag !== "Open") return
    this.state = { _tag: "Retiring" }
    this.onReleased()
  }

  /** How many responses more could run now. */
  room(): number {
    if (this.state._tag !== "Open") return 0
    // Callers who name the lanes wait for what drains on their own.
    const busy = this.options.naming.by === "callers" ? this.lanes.withTurns() : this.lanes.busy()
    return Math.max(0, this.slots() - busy - this.reserved)
  }

  /** How many responses could run at once, if the server has the lanes that it is hoped to have. */
  capacity(): number {
    const { naming } = this.options
    return naming.by === "callers" || this.isServingOne ? 1 : naming.hopedFor
  }

  /** How many more there would be, once an event has shown that the server has lanes. */
  hopedFor(): number {
    if (this.state._tag !== "Open" || this.isProven || this.isServingOne) return 0
    if (this.lanes.busy() > 0 && this.options.timers.time.now() - this.usedAt > hopeTimeout) return 0
    return Math.max(0, this.options.naming.hopedFor - Math.max(1, this.lanes.busy()))
  }

  /** The lane that the caller has named. */
  laneNamed(name: string): Lane {
    return this.lanes.find(name) ?? new Lane(name)
  }

  /** A lane without a head, for a request that has none. */
  unusedLane(): Lane | undefined {
    const lanes = [...this.lanes]
    const unused = lanes.find((lane) => lane.tag === "Free" && lane.memory._tag !== "Head" && lane.pins === 0)
    if (unused !== undefined) return unused
    if (!this.options.naming.sendsNames) return lanes.length === 0 ? new Lane("") : undefined
    return lanes.length < this.names ? new Lane(String(lanes.length + 1)) : undefined
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
    this.onReleased()
  }

  /** The server takes no more names than it has seen. The one of this lane it has not taken. */
  noMoreNames(lane: Lane): void {
    this.lanes.remove(lane)
    this.names = Math.max(1, [...this.lanes].filter(({ isNameKnown }) => isNameKnown).length)
  }

  /** The server runs one response at a time here. */
  runOne(): void {
    this.isServingOne = true
  }

  /** Whether anybody but this lane would lose something if the connection ended. */
  isShared(lane: Lane): boolean {
    if (this.options.naming.by === "callers") return false
    for (const other of this.lanes) {
      // Nobody waits for what drains.
      const hasTurn = other.tag === "Held" || other.tag === "Running"
      if (other !== lane && (hasTurn || other.memory._tag === "Head")) return true
    }
    return false
  }

  /** Has a function called when the connection has ended; at once if it has. */
  onEnd(ended: () => void): void {
    if (this.cause() === undefined) this.tellEnd = ended
    else ended()
  }

  /** Whether the connection was not silent for long. */
  isReady(): boolean {
    return this.liveness.isFresh(this.silence())
  }

  /** Asks for a sign of life, if it was. */
  get ready(): Effect.Effect<void> {
    return this.liveness.check(this.silence())
  }

  /** Sends a `response.create` frame, and gives its size. What keeps it from being sent is the failure of its exchange. */
  request({ frame, granted, lane, onEnd, previousResponseId, renamed, source, timeout }: Request): {
    readonly exchange: Exchange.Exchange
    readonly bytes: number
  } {
    let deadline: Deadlines.Deadline | undefined
    const exchange = Exchange.make({
      previousResponseId,
      maxOutputSize: this.options.maxOutputSize,
      keepsOutput: this.options.keepsOutput,
      redact: this.redact,
      renamed,
      onBehind: this.onBehind,
      onCaughtUp: this.onCaughtUp,
      onEnd: (hasBegun) => {
        deadline?.stop()
        // What was ended from this side goes on at the server.
        const goesOn = !exchange.isFinished() && !this.hasEnded()
        const hasTurn = lane.tag === "Running"
        if (goesOn) lane.drain(exchange)
        else this.laneEnded(lane, exchange)
        onEnd(exchange, hasBegun)
        if (!goesOn && !hasTurn) this.onReleased()
      }
    })
    // May find that the turn's time is over already.
    deadline = Deadlines.watch({ exchange, granted, timeout, host: this.deadlines })
    const cause = this.cause()
    if (cause !== undefined) exchange.fail(() => cause("unsent"))
    if (exchange.hasEnded()) return { exchange, bytes: 0 }
    lane.run(exchange, source)
    this.resume()
    const bytes = this.socket.send(frame, (error) => this.onWritten(exchange, error ?? undefined))
    exchange.frameBytes = bytes
    this.inbound.sent(bytes)
    return { exchange, bytes }
  }

  hasEnded(): boolean {
    return this.cause() !== undefined
  }

  /**
   * Ends the connection. The socket itself is closed with the connection's scope. Only the socket knows how far a request
   * came that is being written, so its exchange can wait for that.
   */
  end(cause: Causes.Cause = Causes.closed, whatIsWritten: "fail" | "wait" = "fail"): void {
    const hadEnded = this.hasEnded()
    // The first cause has told everybody but those whose requests are being written.
    if (hadEnded && whatIsWritten === "wait") return
    const running = this.lanes.running()
    const waits = (exchange: Exchange.Exchange) => whatIsWritten === "wait" && exchange.isWriting()
    this.state = { _tag: running.some(waits) ? "Ending" : "Closed", cause: this.cause() ?? cause }
    for (const exchange of running) {
      if (!waits(exchange)) exchange.fail(cause)
    }
    if (hadEnded) return
    this.inbound.ended()
    this.liveness.end()
    for (const lane of this.drains.keys()) this.stopDrain(lane)
    this.tellEnd?.()
  }

  /** The socket says whether a request went out. The connection may have ended meanwhile. */
  private onWritten(exchange: Exchange.Exchange, error: Error | undefined): void {
    if (error !== undefined) {
      // A socket that takes nothing any more may not have said so yet.
      const plain = ForeignError.plain(error, this.redact)
      this.end(Causes.lost(`The request could not be sent: ${this.redact(error.message)}`, plain), "wait")
    }
    const cause = this.cause()
    if (cause === undefined) return exchange.accepted(this.options.timers.time.now())
    exchange.fail(error === undefined ? cause : () => cause("unsent"))
    if (this.state._tag === "Ending" && !this.isWriting()) this.state = { _tag: "Closed", cause }
  }

  /**
   * Ends one exchange. Where nobody else needs the connection it ends too: the rest of the response could get into the next one.
   * Otherwise the lane drains, or is lost if it has been drained for long.
   */
  giveUp(exchange: Exchange.Exchange, failure: Exchange.Failure, whatIsWritten: "fail" | "wait" = "fail"): void {
    const lane = [...this.lanes].find((lane) => lane.exchange === exchange)
    if (lane === undefined) return exchange.fail(() => failure("unsent"))
    if (!this.isShared(lane)) return this.end(failure, whatIsWritten)
    const wasLeft = lane.tag === "Draining" && !exchange.hasEnded()
    exchange.fail(failure)
    if (wasLeft) this.lose(lane)
  }

  /** Somebody waits for a lane: what drains may take so long, and no longer. */
  hurry(): void {
    for (const lane of this.lanes) {
      if (lane.tag !== "Draining" || this.drains.has(lane)) continue
      const { timers } = this.options
      const timer = Timers.timer(timers.time.now() + Duration.toMillis(drainTimeout), () => this.lose(lane))
      this.drains.set(lane, timer)
      timers.add(timer)
    }
  }

  /** The server serves nothing more here: what runs may still end. Callers who name the lanes are told at once. */
  onUnusable(cause: Causes.Cause): void {
    if (this.options.naming.by === "callers" || this.lanes.running().length === 0) this.end(cause, "wait")
    else this.retire()
  }

  namesLanes(): boolean {
    return this.isProven
  }

  /** An event has come with the name of its lane, or without. */
  onNamed(lane: Lane, isNamed: boolean): void {
    lane.isNameKnown = true
    const { naming } = this.options
    if (!naming.sendsNames || lane.name === "") return
    if (!isNamed) return this.nameRefused(lane)
    if (this.isProven) return
    this.isProven = true
    this.tellRoom?.()
  }

  /** The server takes no names, or gives its events none. */
  nameRefused(lane: Lane): void {
    this.options.naming.refused()
    this.lanes.unname(lane)
  }

  onForkBegun(lane: Lane): void {
    lane.unpin()
    this.onReleased()
  }

  onDrained(lane: Lane, exchange: Exchange.Exchange): void {
    this.laneEnded(lane, exchange)
    this.onReleased()
  }

  /** Has a function called whenever there may be room for another turn. */
  onRoom(told: () => void): void {
    this.tellRoom = told
  }

  /** Somebody waits for the connection, who is not to wait for consumers that are behind. */
  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.socket.resume()
    this.liveness.hear()
    // No response is to blame for the time in which nobody listened.
    this.inbound.signs++
  }

  private laneEnded(lane: Lane, exchange: Exchange.Exchange): void {
    this.stopDrain(lane)
    lane.ended(exchange)
  }

  private stopDrain(lane: Lane): void {
    this.options.timers.remove(this.drains.get(lane))
    this.drains.delete(lane)
  }

  private lose(lane: Lane): void {
    this.stopDrain(lane)
    if (lane.tag !== "Draining") return
    lane.lose()
    const stuck = [...this.lanes].filter(({ tag }) => tag === "Draining" || tag === "Lost").length
    if (2 * stuck > this.slots()) this.retire()
  }

  /** A lane may have become free. */
  private onReleased(): void {
    if (this.state._tag === "Open") return this.tellRoom?.()
    if (this.state._tag === "Retiring" && this.lanes.withTurns() === 0) this.end()
  }

  private slots(): number {
    const { naming } = this.options
    return naming.by === "callers" || this.isServingOne ? 1 : naming.slots(this.isProven)
  }

  private readonly onBehind = (exchange: Exchange.Exchange): void => {
    if (!this.isPaused && this.mayPause()) {
      this.isPaused = true
      this.socket.pause()
    }
    this.options.backlog.add(exchange, this, this.isPaused)
  }

  /** The socket is paused when all who run are behind, and nobody waits. */
  private mayPause(): boolean {
    for (const { exchange } of this.lanes) if (exchange?.isBehind() === false) return false
    return this.options.naming.by === "callers" || !this.options.isWaitedFor()
  }

  private readonly onCaughtUp = (exchange: Exchange.Exchange): void => {
    this.options.backlog.remove(exchange)
    this.resume()
  }

  /** Where several run, the events of one are no sign of life of another. */
  private heardAt(exchange: Exchange.Exchange): number {
    if (this.lanes.busy() < 2) return this.liveness.heardAt()
    const beats = exchange.heard + this.inbound.signs
    const before = this.lives.get(exchange)
    if (before?.beats === beats) return before.at
    const life = { beats, at: this.options.timers.time.now() }
    this.lives.set(exchange, life)
    return life.at
  }

  private cause(): Causes.Cause | undefined {
    return this.state._tag === "Ending" || this.state._tag === "Closed" ? this.state.cause : undefined
  }

  private isWriting(): boolean {
    return this.lanes.running().some((exchange) => exchange.isWriting())
  }

  private silence(): Duration.Duration {
    return Duration.min(longSilence, this.options.ping)
  }
}
