/**
 * A request's place among those that wait.
 *
 * ```
 * Waiting (in the queue) ──there is room──▶ Granted ──a lane is held──▶ Placed
 * Waiting ──places are coming──▶ Claiming ──they are there, or not──▶ Waiting, Granted
 * Placed ──it is to be served elsewhere──▶ Waiting (before all others)
 * Waiting, Claiming ──the queue's clock, a dial that failed, the Layer is closed──▶ Failed(error)
 * each of them ──leave──▶ Left
 * ```
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ConnectionError } from "../../ResponsesError.ts"
import type { Entry } from "../effect/fairQueue.ts"
import * as Time from "../effect/time.ts"
import type { Timer, Timers } from "../effect/timers.ts"
import type * as Dials from "./dials.ts"

/** The pool. */
export interface Host {
  readonly timers: Timers
  readonly enqueue: (ticket: Ticket, isUrgent?: boolean) => void
  readonly reconsider: (ticket: Ticket) => void
  readonly leave: (entry: Entry<Ticket>) => void
  /** How many have a place, or had one on a connection that has ended. */
  placed: number
  /** There may be room. */
  readonly look: () => void
  readonly claim: (ticket: Ticket) => boolean
  readonly unclaim: (ticket: Ticket) => void
}

/** A connection keeps a place for each ticket that was granted one. */
interface Reserving {
  reserved: number
  /** Why it ended before any turn took it. */
  readonly failedUnused: () => ConnectionError | undefined
}

type State =
  | { readonly _tag: "Entering" | "Claiming" | "Placed" | "Left" }
  | { readonly _tag: "Granted"; readonly connection: Reserving }
  | { readonly _tag: "Waiting"; readonly entry: Entry<Ticket> }
  | { readonly _tag: "Failed"; readonly cause: Cause.Cause<ConnectionError> }

const entering: State = { _tag: "Entering" }
const claiming: State = { _tag: "Claiming" }
const placed: State = { _tag: "Placed" }
const left: State = { _tag: "Left" }

/** It is its own entry in the heap of timers, as there may be thousands that wait. */
export class Ticket implements Dials.Claim, Timer {
  private state: State = entering
  private resume: ((effect: Effect.Effect<void, ConnectionError>) => void) | undefined
  private limit = Infinity
  private readonly host: Host
  readonly key: () => unknown
  private readonly entered: number
  /** The fiber that asks. */
  readonly asker: unknown
  /** The connection that has its conversation, as far as that was known when it began to wait. */
  home: unknown
  private hadTurn = false
  /** One that has been served before, and is served elsewhere now, waits without a clock: it had its turn. */
  private wasPlaced = false
  private turnedAt = 0
  /** In monotonic time, for durations. */
  private turned: number
  at = Infinity
  order = 0
  place = -1

  constructor(host: Host, asker: unknown, keyOf: () => unknown) {
    this.host = host
    this.asker = asker
    this.key = keyOf
    this.entered = this.turned = Time.elapsed(host.timers.time.clock)
  }

  isGranted(): boolean {
    return this.state._tag === "Granted"
  }

  /** Waits until there is a place. */
  get granted(): Effect.Effect<void, ConnectionError> {
    return Effect.async((resume) => {
      this.resume = resume
      this.tell()
    })
  }

  /** When it was its turn: it had, or was to get, a connection. As a time of `Time.now`. */
  get turnAt(): number {
    return this.hadTurn ? this.turnedAt : this.host.timers.time.now()
  }

  /** How long it waited for others. */
  queued(): Duration.Duration {
    return Duration.millis(this.turned - this.entered)
  }

  /** How long ago it was its turn. */
  sinceTurn(): Duration.Duration {
    return Duration.millis(Time.elapsed(this.host.timers.time.clock) - this.turned)
  }

  wait(entry: Entry<Ticket>): void {
    this.state = { _tag: "Waiting", entry }
  }

  /** It was not served at once. */
  startClock(limit: number): void {
    if (this.state._tag !== "Waiting" || this.wasPlaced) return
    // What it may have waited for has not come.
    this.hadTurn = false
    this.limit = limit
    if (limit === Infinity || this.place !== -1) return
    this.at = Math.ceil(this.host.timers.time.now() + limit)
    this.host.timers.add(this)
  }

  claim(): void {
    this.stopClock()
    this.state = claiming
  }

  grant(connection: Reserving): void {
    this.stopClock()
    connection.reserved++
    this.state = { _tag: "Granted", connection }
    this.turn()
    this.tell()
  }

  fail(error: ConnectionError): void {
    this.failed(Cause.fail(error))
  }

  /** Those who wait for a place are asked again by the pool. */
  opened(): void {}

  failed(cause: Cause.Cause<ConnectionError>): void {
    this.stopClock()
    this.state = { _tag: "Failed", cause }
    this.tell()
  }

  /** The queue's clock. */
  ring(): void {
    if (this.state._tag !== "Waiting") return
    this.host.leave(this.state.entry)
    this.fail(
      new ConnectionError({
        reason: "QueueTimeout",
        delivery: "unsent",
        description: `Other responses held every place for more than ${
          Duration.format(Duration.millis(this.limit))
        } (queueTimeout, maxConnections, maxLanes)`
      })
    )
  }

  /** The place that was granted is looked for: it is there, and may be elsewhere by now. */
  take(): void {
    this.unreserve()
    this.host.placed++
    this.state = placed
    this.wasPlaced = true
  }

  /** Why there is no place any more where one was granted: to be granted one again and again would have no end. */
  lost(): ConnectionError | undefined {
    return this.state._tag === "Granted" ? this.state.connection.failedUnused() : undefined
  }

  /** Needs another place, before all others. What was granted is given up. */
  again(wants: "Grow" | "Wait" | "Turn"): void {
    this.unreserve()
    this.state = entering
    if (wants === "Wait") this.host.reconsider(this)
    else if (wants === "Turn" || !this.host.claim(this)) this.host.enqueue(this, true)
  }

  /** There is room, but not where it has to be: it looks again when something has changed. */
  park(): void {
    this.stopClock()
    this.state = claiming
  }

  /** Only the first time counts. */
  leave(): void {
    const { state } = this
    this.stopClock()
    this.state = left
    if (state._tag === "Waiting") return this.host.leave(state.entry)
    if (state._tag === "Claiming") return this.host.unclaim(this)
    if (state._tag === "Granted") state.connection.reserved--
    else if (state === placed) this.host.placed--
    else return
    this.host.look()
  }

  private unreserve(): void {
    if (this.state._tag === "Granted") this.state.connection.reserved--
    else if (this.state === placed) this.host.placed--
  }

  /** It is its turn: what time goes by from here on is its own. */
  turn(): void {
    if (this.hadTurn) return
    this.hadTurn = true
    this.turnedAt = this.host.timers.time.now()
    this.turned = Time.elapsed(this.host.timers.time.clock)
  }

  private stopClock(): void {
    this.host.timers.remove(this)
  }

  private tell(): void {
    const { resume, state } = this
    if (resume === undefined) return
    if (state._tag === "Granted") resume(Effect.void)
    else if (state._tag === "Failed") resume(Effect.failCause(state.cause))
    else return
    this.resume = undefined
  }
}
