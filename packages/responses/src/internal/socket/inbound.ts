/** What the other side of a connection sends: each frame reaches the exchange it belongs to, or says something of the connection. */
import * as Predicate from "effect/Predicate"
import type { Listener } from "../../Connector.ts"
import type { Profile } from "../../Profile.ts"
import * as ResponseEvent from "../../ResponseEvent.ts"
import { MalformedEvent, type ResponsesError } from "../../ResponsesError.ts"
import type { Timers } from "../effect/timers.ts"
import type { Exchange, Failure } from "../exchange/exchange.ts"
import * as Redact from "../wire/redact.ts"
import * as wireError from "../wire/wireError.ts"
import type { Capacity } from "./capacity.ts"
import * as Causes from "./causes.ts"
import type { Drains } from "./drains.ts"
import type { Lane, Lanes } from "./lane.ts"
import type { Liveness } from "./liveness.ts"
import * as Router from "./router.ts"
import type { Signs } from "./signs.ts"
import { Unclear } from "./unclear.ts"

/** The connection. */
export interface Host {
  readonly lanes: Lanes
  readonly redact: (text: string) => string
  readonly hasEnded: () => boolean
  readonly liveness: Pick<Liveness, "hear">
  readonly signs: Pick<Signs, "add">
  /** Only the socket knows how far a request came that is being written. */
  readonly end: (cause: Causes.Cause, whatIsWritten: "fail" | "wait") => void
  /** An event of a vendor's own, which is of no response. */
  readonly onNews: (event: ResponseEvent.UnknownEvent) => void
  /** The server serves nothing more on the connection. */
  readonly onUnusable: (cause: Causes.Cause) => void
  /** The server works on a fork: it has read what it branches off. */
  readonly onForkBegun: (lane: Lane) => void
  /** What is ended from this side, and what the server is done with after that. */
  readonly drains: Pick<Drains, "giveUp" | "onDrained">
  readonly capacity: Pick<Capacity, "namesLanes" | "onNamed">
}

/** One that was given up is on its way all the same. */
const isLarge = (exchange: Exchange): boolean => !exchange.hasBegun() && exchange.frameBytes >= wireError.smallestLimit

/** Of a frame that is no event, where it can be read. */
const streamIdOf = (data: string): string | undefined => {
  try {
    const value: unknown = JSON.parse(data)
    return Predicate.isRecord(value) && Predicate.isString(value["stream_id"]) ? value["stream_id"] : undefined
  } catch {
    return undefined
  }
}

export class Inbound implements Listener {
  private hasHeard = false
  /** Bytes sent since something came. */
  private unheard = 0
  private readonly router: Router.Router
  private readonly unclear: Unclear<ResponseEvent.FailureEvent>
  private readonly host: Host
  private readonly profile: Pick<Profile, "usableAfterError">

  constructor(host: Host, profile: Pick<Profile, "usableAfterError">, timers: Timers) {
    this.host = host
    this.profile = profile
    this.router = Router.make(host.lanes)
    this.unclear = new Unclear({
      timers,
      onFound: (exchange, failure) => {
        const lane = [...host.lanes].find((lane) => lane.exchange === exchange)
        if (lane !== undefined) this.deliver(lane, exchange, failure, 0)
      },
      onTimeout: (exchanges, failure) => {
        for (const exchange of exchanges) host.drains.giveUp(exchange, Causes.whileIdle(this.errorOf(failure)), "wait")
      }
    })
  }

  sent(bytes: number): void {
    this.unheard += bytes
  }

  unheardBytes(): number {
    return this.unheard
  }

  /** The connection has ended: there is nothing more to find out. */
  ended(): void {
    this.unclear.clear()
  }

  readonly onMessage = (data: string | Uint8Array): void => {
    if (this.host.hasEnded()) return
    this.onHeard()
    if (typeof data !== "string") return this.onMalformed("a binary message", "")
    const event = ResponseEvent.read(data)
    if (typeof event === "string") return this.onMalformed(event, data)
    try {
      this.onEvent(event, data.length)
    } catch (cause) {
      // Nothing that a server sends may end the process; what it sends may be too deep for what works on it.
      this.onMalformed(`${event.type ?? "an error"} that cannot be handled (${String(cause)})`, data)
    }
  }

  readonly onSign = (): void => {
    this.host.signs.add()
    this.onHeard()
  }

  readonly onClose: Listener["onClose"] = ({ code, reason }) => {
    const close = { code, reason: this.host.redact(reason) }
    const [large, another] = this.host.lanes.running().filter(isLarge)
    this.host.end(
      Causes.close(close, {
        hasHeard: this.hasHeard,
        large: another === undefined ? large?.frameBytes : undefined
      }),
      "wait"
    )
  }

  private onHeard(): void {
    this.hasHeard = true
    this.unheard = 0
    this.host.liveness.hear()
  }

  private onEvent(event: ResponseEvent.ServerEvent, size: number): void {
    if (this.isOfConnection(event)) return this.onUnclaimed(event)
    const lane = this.router.route(event)
    if (lane === "dropped") return
    if (lane === "unclaimed") return this.onUnclaimed(event)
    const { exchange } = lane
    if (exchange === undefined) return
    // News of a vendor's own have no lane anywhere.
    if (!lane.isNameKnown && !ResponseEvent.isFailure(event) && ResponseEvent.responseId(event) !== undefined) {
      this.host.capacity.onNamed(lane, event.stream_id === lane.name)
    }
    // `created` says only that the request was taken.
    if (lane.hasPinned() && event.type !== "response.created" && event.type !== "response.queued") {
      this.host.onForkBegun(lane)
    }
    this.deliver(lane, exchange, event, size)
    if (!this.unclear.isEmpty() && (exchange.hasBegun() || exchange.isFinished())) this.unclear.strike(exchange)
  }

  private deliver(lane: Lane, exchange: Exchange, event: ResponseEvent.ServerEvent, size: number): void {
    const wasGivenUp = exchange.hasEnded()
    exchange.offer(event, size)
    if (exchange.isFinished()) {
      this.router.settle(exchange, event)
      if (wasGivenUp) this.host.drains.onDrained(lane, exchange)
      const drained = wasGivenUp && ResponseEvent.isFailure(event) ? this.errorOf(event) : undefined
      this.onFinished(event, wasGivenUp ? drained : exchange.error())
    } else if (!wasGivenUp && exchange.hasEnded()) {
      // Its output became too much, and the server goes on.
      this.host.drains.giveUp(exchange, Causes.lost("The server put out more than is kept of one response"))
    } else if (exchange.isFlooded()) {
      this.onMalformed("events of no response", "")
    }
  }

  /**
   * A server that names lanes names that of a request which it refuses. Without a name, what ends a connection says nothing of
   * how far any of several requests came.
   */
  private isOfConnection(event: ResponseEvent.ServerEvent): boolean {
    if (event.stream_id !== undefined || !this.host.capacity.namesLanes() || !ResponseEvent.isFailure(event)) {
      return false
    }
    if (this.host.lanes.running().length < 2) return false
    return wireError.fromFrame(event, { delivery: "unsent", redact: this.host.redact })._tag === "ConnectionError"
  }

  /** No request waits for it, so only a failure matters: it says something about the connection itself. */
  private onUnclaimed(event: ResponseEvent.ServerEvent): void {
    if (!ResponseEvent.isFailure(event)) {
      if (ResponseEvent.isUnknown(event) && ResponseEvent.responseId(event) === undefined) this.host.onNews(event)
      return
    }
    const running = this.host.lanes.running()
    const error = this.errorOf(event)
    const cause = Causes.whileIdle(error)
    if (running.length === 0) return this.host.end(cause, "wait")
    // It is one of those that have not begun. Those that have begun go on.
    const candidates = running.filter((exchange) => !exchange.hasBegun())
    const isOfConnection = error._tag === "ConnectionError" || !this.profile.usableAfterError
    const mayBeFound = this.host.capacity.namesLanes() && !isOfConnection && candidates.length > 1
    if (mayBeFound) return this.unclear.hold(event, candidates)
    for (const exchange of candidates) this.host.drains.giveUp(exchange, cause, "wait")
    if (isOfConnection) this.host.onUnusable(cause)
  }

  private errorOf(event: ResponseEvent.FailureEvent): ResponsesError {
    return wireError.fromFrame(event, { delivery: "unsent", redact: this.host.redact })
  }

  private onFinished(event: ResponseEvent.ServerEvent, error: ResponsesError | undefined): void {
    const isUsable = event.type === "response.failed" || this.profile.usableAfterError
    const cause = error && Causes.ofFailure(error, isUsable)
    if (cause !== undefined) this.host.onUnusable(cause)
  }

  /**
   * What was lost may have been part of any response that runs, so all of them fail, and the connection ends. With the name of
   * a lane in it only that response fails.
   */
  private onMalformed(problem: string, data: string): void {
    const { lanes, redact } = this.host
    const description = redact(problem)
    const frame = Redact.beginning(redact(data), 200)
    const failure: Failure = (delivery) => new MalformedEvent({ description, frame, delivery })
    const running = lanes.running()
    const streamId = running.length > 1 ? streamIdOf(data) : undefined
    const own = streamId === undefined ? undefined : lanes.find(streamId)?.exchange
    if (own !== undefined) return this.host.drains.giveUp(own, failure)
    for (const exchange of running) if (!exchange.isWriting()) exchange.fail(failure)
    this.host.end(Causes.lost(`The server sent ${description}`), "fail")
  }
}
