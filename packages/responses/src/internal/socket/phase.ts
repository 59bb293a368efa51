/**
 * How far a connection is: whether it takes turns, and why it has ended.
 *
 * ```
 * Opening ──upgraded──▶ Open ──retire──▶ Retiring ──the last lane is released──▶ Closed
 * Opening, Open, Retiring ──close, error, clock, owner──▶ Closed(cause)
 *                         ──the same, while a request is being written──▶ Ending(cause) ──written, or not──▶ Closed(cause)
 * ```
 *
 * An end travels one way: the connection has a cause, each exchange fails with it, then the pool is told (`onEnd`). A
 * `Deferred` would resume those who wait for it in fibers of their own, later: here all is told before the next frame is read.
 */
import type { Exchange } from "../exchange/exchange.ts"
import * as Causes from "./causes.ts"
import type { Lanes } from "./lane.ts"

type State =
  | { readonly _tag: "Opening" | "Open" | "Retiring" }
  /** The socket has not said yet whether what is being written went out. */
  | { readonly _tag: "Ending"; readonly cause: Causes.Cause }
  | { readonly _tag: "Closed"; readonly cause: Causes.Cause }

type Running = Pick<Lanes, "isWriting" | "running" | "withTurns">

export class Phase {
  private state: State = { _tag: "Opening" }
  private tellEnd: (() => void) | undefined
  private tellRoom: (() => void) | undefined
  private readonly lanes: Running
  private readonly onEnded: () => void

  /** `onEnded`: before the pool is told. */
  constructor(lanes: Running, onEnded: () => void) {
    this.lanes = lanes
    this.onEnded = onEnded
  }

  upgraded(): void {
    if (this.state._tag === "Opening") this.state = { _tag: "Open" }
  }

  isOpen(): boolean {
    return this.state._tag === "Open" || this.state._tag === "Retiring"
  }

  /** Takes new turns. */
  admits(): boolean {
    return this.state._tag === "Open"
  }

  cause(): Causes.Cause | undefined {
    return this.state._tag === "Ending" || this.state._tag === "Closed" ? this.state.cause : undefined
  }

  /** Takes no new turn. What runs on it runs to its end. */
  retire(): void {
    if (this.state._tag !== "Open") return
    this.state = { _tag: "Retiring" }
    this.released()
  }

  /** A lane may have become free. */
  released(): void {
    if (this.state._tag === "Open") return this.foundRoom()
    if (this.state._tag === "Retiring" && this.lanes.withTurns() === 0) this.end()
  }

  /** There may be room for another turn. */
  foundRoom(): void {
    this.tellRoom?.()
  }

  /** Only the socket knows how far a request came that is being written, so its exchange can wait for that. */
  end(cause: Causes.Cause = Causes.closed, whatIsWritten: "fail" | "wait" = "fail"): void {
    const before = this.cause()
    // The first cause has told everybody but those whose requests are being written.
    if (before !== undefined && whatIsWritten === "wait") return
    const running = this.lanes.running()
    const waits = (exchange: Exchange) => whatIsWritten === "wait" && exchange.isWriting()
    this.state = { _tag: running.some(waits) ? "Ending" : "Closed", cause: before ?? cause }
    for (const exchange of running) {
      if (!waits(exchange)) exchange.fail(cause)
    }
    if (before !== undefined) return
    this.onEnded()
    this.tellEnd?.()
  }

  /** The socket has said of a request whether it went out. */
  written(): void {
    if (this.state._tag === "Ending" && !this.lanes.isWriting()) {
      this.state = { _tag: "Closed", cause: this.state.cause }
    }
  }

  /** Has a function called when the connection has ended; at once if it has. */
  onEnd(ended: () => void): void {
    if (this.cause() === undefined) this.tellEnd = ended
    else ended()
  }

  /** Has a function called whenever there may be room for another turn. */
  onRoom(told: () => void): void {
    this.tellRoom = told
  }
}
