/**
 * Responses that are ended from this side while the server goes on with them: they drain. When somebody waits for a lane they
 * may drain for 30 seconds more, and then their lanes are lost. `lane.ts` has the states.
 *
 * With `Effect.timeout` each of them would take a fiber. `timers.ts` says what a fiber costs.
 */
import * as Timers from "../effect/timers.ts"
import type { Exchange, Failure } from "../exchange/exchange.ts"
import type { Capacity } from "./capacity.ts"
import type { Lane, Lanes } from "./lane.ts"
import type { Naming } from "./naming.ts"
import type { Phase } from "./phase.ts"

/** The connection. */
export interface Host {
  readonly lanes: Lanes
  readonly capacity: Pick<Capacity, "isStuck">
  readonly phase: Pick<Phase, "end" | "released" | "retire">
}

/** In milliseconds. */
const drainTimeout = 30_000

export class Drains {
  private readonly clocks = new Map<Lane, Timers.Timer>()
  private readonly host: Host
  private readonly naming: Pick<Naming, "by">
  private readonly timers: Timers.Timers

  constructor(host: Host, naming: Pick<Naming, "by">, timers: Timers.Timers) {
    this.host = host
    this.naming = naming
    this.timers = timers
  }

  /**
   * Ends one exchange. Where nobody else needs the connection it ends too: the rest of the response could get into the next one.
   * Otherwise the lane drains, or is lost if it has been drained for long.
   */
  giveUp(exchange: Exchange, failure: Failure, whatIsWritten: "fail" | "wait" = "fail"): void {
    const { lanes, phase } = this.host
    const lane = [...lanes].find((lane) => lane.exchange === exchange)
    if (lane === undefined) return exchange.fail(() => failure("unsent"))
    if (!this.isShared(lane)) return phase.end(failure, whatIsWritten)
    const wasLeft = lane.tag === "Draining" && !exchange.hasEnded()
    exchange.fail(failure)
    if (wasLeft) this.lose(lane)
  }

  /** Whether anybody but this lane would lose something if the connection ended. */
  isShared(lane: Lane): boolean {
    if (this.naming.by === "callers") return false
    for (const other of this.host.lanes) {
      // Nobody waits for what drains.
      const hasTurn = other.tag === "Held" || other.tag === "Running"
      if (other !== lane && (hasTurn || other.memory._tag === "Head")) return true
    }
    return false
  }

  /** Somebody waits for a lane: what drains may take so long, and no longer. */
  hurry(): void {
    for (const lane of this.host.lanes) {
      if (lane.tag !== "Draining" || this.clocks.has(lane)) continue
      const clock = Timers.timer(this.timers.time.now() + drainTimeout, () => this.lose(lane))
      this.clocks.set(lane, clock)
      this.timers.add(clock)
    }
  }

  /** The server is done with a response, or no request went out. */
  ended(lane: Lane, exchange: Exchange): void {
    this.stop(lane)
    lane.ended(exchange)
  }

  /** The server is done with what drained. */
  onDrained(lane: Lane, exchange: Exchange): void {
    this.ended(lane, exchange)
    this.host.phase.released()
  }

  /** The connection has ended. */
  clear(): void {
    for (const lane of this.clocks.keys()) this.stop(lane)
  }

  private lose(lane: Lane): void {
    this.stop(lane)
    if (lane.tag !== "Draining") return
    lane.lose()
    if (this.host.capacity.isStuck()) this.host.phase.retire()
  }

  private stop(lane: Lane): void {
    this.timers.remove(this.clocks.get(lane))
    this.clocks.delete(lane)
  }
}
