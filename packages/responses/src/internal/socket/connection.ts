/**
 * One open WebSocket, its lanes, and the turns that are served on it. `inbound.ts` has what the other side sends.
 *
 * ```
 * Opening ──upgraded──▶ Open ──retire──▶ Retiring ──the last turn leaves──▶ Closed
 * Opening, Open, Retiring ──close, error, clock, owner──▶ Closed(cause)
 *                         ──the same, while a request is being written──▶ Ending(cause) ──written, or not──▶ Closed(cause)
 * ```
 *
 * An end travels one way: the connection has a cause, each exchange fails with it, then the pool is told (`onEnd`).
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Socket } from "../../Connector.ts"
import type { Timers } from "../effect/timers.ts"
import * as Deadlines from "../exchange/deadlines.ts"
import * as Exchange from "../exchange/exchange.ts"
import type { Credentials, Key } from "../options/credentials.ts"
import type { Endpoint } from "../options/endpoint.ts"
import type { Timeouts } from "../options/timeouts.ts"
import * as ForeignError from "../wire/foreignError.ts"
import * as Causes from "./causes.ts"
import * as Inbound from "./inbound.ts"
import { type Lane, Lanes } from "./lane.ts"
import * as Liveness from "./liveness.ts"

export interface Options {
  readonly endpoint: Endpoint
  /** How long nothing may come before the other side is asked for a sign of life; infinite: only before a request. */
  readonly ping: Duration.Duration
  readonly pingTimeout: Duration.Duration
  readonly timeouts: Timeouts
  readonly maxOutputSize: number
  /** Whether the output of a response is of use when its caller has left. */
  readonly keepsOutput: boolean
  readonly timers: Timers
  readonly onDead: () => void
}

export interface Request {
  readonly frame: string
  /** The turn holds it. */
  readonly lane: Lane
  readonly previousResponseId: string | undefined
  /** When the request got its turn, as a time of `Time.now`. */
  readonly granted: number
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

const drainTimeout = Duration.seconds(30)

/** What a network may have given up without telling anybody. */
const longSilence = Duration.seconds(30)

/** Until the connection is open nothing can be sent. */
const noSocket: Socket = { send: () => 0, ping: () => {}, pause: () => {}, resume: () => {} }

export class Connection implements Inbound.Host {
  private state: State = { _tag: "Opening" }
  private socket = noSocket
  /** Turns that are served here. */
  private turns = 0
  private isPaused = false
  private tellEnd: (() => void) | undefined
  private readonly deadlines: Deadlines.Host
  private readonly options: Options
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
    this.redact = redact
    this.identity = JSON.stringify(headers)
    this.key = key
    this.inbound = new Inbound.Inbound(this, options.endpoint.profile)
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
      heardAt: () => this.isPaused ? undefined : this.liveness.heardAt(),
      // The rest of a response that is overdue could go on into the next turn.
      onOverdue: (cause) => this.end(cause)
    }
  }

  onUpgraded(socket: Socket): void {
    this.socket = socket
    if (this.state._tag === "Opening") this.state = { _tag: "Open" }
  }

  isOpen(): boolean {
    return this.state._tag === "Open" || this.state._tag === "Retiring"
  }

  /** A turn starts to be served here. */
  enter(): void {
    this.turns++
  }

  leave(): void {
    this.turns--
    if (this.state._tag === "Retiring" && this.turns === 0) this.end()
  }

  /** The connection takes no new turn. The turns that are served on it run to their ends. */
  retire(): void {
    if (this.state._tag !== "Open") return
    this.state = { _tag: "Retiring" }
    if (this.turns === 0) this.end()
  }

  /** Has a function called when the connection has ended; at once if it has. */
  onEnd(ended: () => void): void {
    if (this.cause() === undefined) this.tellEnd = ended
    else ended()
  }

  /** Whether nothing runs on the lane, and the connection was not silent for long. */
  isReady(lane: string): boolean {
    return this.lanes.find(lane)?.exchange === undefined && this.liveness.isFresh(this.silence())
  }

  /** Waits until that is so; a connection that was silent is asked for a sign of life. */
  ready(lane: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const before = this.lanes.find(lane)?.exchange
      return before === undefined ? this.liveness.check(this.silence()) : this.drained(before)
    })
  }

  /** Sends a `response.create` frame, and gives its size. What keeps it from being sent is the failure of its exchange. */
  request({ frame, granted, lane, onEnd, previousResponseId }: Request): {
    readonly exchange: Exchange.Exchange
    readonly bytes: number
  } {
    let deadline: Deadlines.Deadline | undefined
    const exchange = Exchange.make({
      previousResponseId,
      maxOutputSize: this.options.maxOutputSize,
      keepsOutput: this.options.keepsOutput,
      redact: this.redact,
      onPressure: this.onPressure,
      onEnd: (hasBegun) => {
        deadline?.stop()
        lane.ended(exchange)
        onEnd(exchange, hasBegun)
      }
    })
    // May find that the turn's time is over already, and end the connection.
    deadline = Deadlines.watch({ exchange, granted, host: this.deadlines })
    const cause = this.cause()
    if (cause !== undefined) {
      exchange.fail(() => cause("unsent"))
      return { exchange, bytes: 0 }
    }
    lane.run(exchange)
    const bytes = this.socket.send(frame, (error) => this.onWritten(exchange, error ?? undefined))
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
    this.liveness.end()
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

  private readonly onPressure = (behind: boolean): void => {
    this.isPaused = behind
    if (behind) return this.socket.pause()
    this.socket.resume()
    this.liveness.hear()
  }

  private cause(): Causes.Cause | undefined {
    return this.state._tag === "Ending" || this.state._tag === "Closed" ? this.state.cause : undefined
  }

  private isWriting(): boolean {
    return this.lanes.running().some((exchange) => exchange.isWriting())
  }

  /** A server that goes quiet while the rest of an answer is thrown away does not hold up the next request for ever. */
  private drained(exchange: Exchange.Exchange): Effect.Effect<void> {
    return Effect.timeoutTo(exchange.ended, {
      duration: drainTimeout,
      onSuccess: () => {},
      onTimeout: () => this.end(Causes.lost("The rest of an answer that was given up did not come"))
    })
  }

  private silence(): Duration.Duration {
    return Duration.min(longSilence, this.options.ping)
  }
}
