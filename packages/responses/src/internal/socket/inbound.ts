/** What the other side of a connection sends: each frame reaches the exchange it belongs to, or says something of the connection. */
import type { Listener } from "../../Connector.ts"
import type { Profile } from "../../Profile.ts"
import * as ResponseEvent from "../../ResponseEvent.ts"
import { MalformedEvent, type ResponsesError } from "../../ResponsesError.ts"
import * as Redact from "../wire/redact.ts"
import * as wireError from "../wire/wireError.ts"
import * as Causes from "./causes.ts"
import type { Lanes } from "./lane.ts"
import type { Liveness } from "./liveness.ts"
import * as Router from "./router.ts"

/** The connection. */
export interface Host {
  readonly lanes: Lanes
  readonly redact: (text: string) => string
  readonly hasEnded: () => boolean
  readonly liveness: Pick<Liveness, "hear">
  /** Only the socket knows how far a request came that is being written. */
  readonly end: (cause: Causes.Cause, whatIsWritten: "fail" | "wait") => void
}

export class Inbound implements Listener {
  private hasHeard = false
  /** Bytes sent since something came. */
  private unheard = 0
  private readonly router: Router.Router
  private readonly host: Host
  private readonly profile: Pick<Profile, "usableAfterError">

  constructor(host: Host, profile: Pick<Profile, "usableAfterError">) {
    this.host = host
    this.profile = profile
    this.router = Router.make(host.lanes)
  }

  sent(bytes: number): void {
    this.unheard += bytes
  }

  unheardBytes(): number {
    return this.unheard
  }

  readonly onMessage = (data: string | Uint8Array): void => {
    if (this.host.hasEnded()) return
    this.onSign()
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
    this.hasHeard = true
    this.unheard = 0
    this.host.liveness.hear()
  }

  readonly onClose: Listener["onClose"] = ({ code, reason }) => {
    const close = { code, reason: this.host.redact(reason) }
    this.host.end(Causes.close(close, { hasHeard: this.hasHeard, unheardBytes: this.unheard }), "wait")
  }

  private onEvent(event: ResponseEvent.ServerEvent, size: number): void {
    const exchange = this.router.route(event)
    if (exchange === "dropped") return
    if (exchange === "unclaimed") return this.onUnclaimed(event)
    exchange.offer(event, size)
    if (exchange.isFinished()) {
      this.router.settle(exchange, event)
      this.onFinished(event, exchange.error())
    } else if (exchange.hasEnded()) {
      // Its output became too much, and the server goes on.
      this.host.end(Causes.lost("The server put out more than is kept of one response"), "fail")
    } else if (exchange.isFlooded()) {
      this.onMalformed("events of no response", "")
    }
  }

  /** No request waits for it, so only a failure matters: it says something about the connection itself. */
  private onUnclaimed(event: ResponseEvent.ServerEvent): void {
    if (!ResponseEvent.isFailure(event)) return
    const error = wireError.fromFrame(event, { delivery: "unsent", redact: this.host.redact })
    this.host.end(Causes.whileIdle(error), "wait")
  }

  private onFinished(event: ResponseEvent.ServerEvent, error: ResponsesError | undefined): void {
    const isUsable = event.type === "response.failed" || this.profile.usableAfterError
    const cause = error && Causes.ofFailure(error, isUsable)
    if (cause !== undefined) this.host.end(cause, "wait")
  }

  /** Ends the connection: the rest of the response could get into the next one. */
  private onMalformed(problem: string, data: string): void {
    const { lanes, redact } = this.host
    const description = redact(problem)
    const frame = Redact.beginning(redact(data), 200)
    for (const exchange of lanes.running()) {
      if (!exchange.isWriting()) exchange.fail((delivery) => new MalformedEvent({ description, frame, delivery }))
    }
    this.host.end(Causes.lost(`The server sent ${description}`), "fail")
  }
}
