/**
 * The connections of a Layer, and who waits for a turn on them.
 *
 * ```
 * Empty ──a request comes: dial──▶ Probing ──opened──▶ Serving ──every connection has ended──▶ Empty
 *                                  Probing ──failed, nobody waits any longer──▶ Empty
 * Serving ──as many run as may──▶ Full (requests wait in a fair queue) ──a lane is free──▶ Serving
 * each of them ──the Layer is closed──▶ Closed
 * ```
 *
 * An end travels one way: the connection ends, its exchanges end with its cause, their lanes become free, then the pool is
 * told, and the next request is placed.
 */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConnectionError } from "../../ResponsesError.ts"
import * as FairQueue from "../effect/fairQueue.ts"
import * as Finalizer from "../effect/finalizer.ts"
import * as Owner from "../effect/owner.ts"
import type { Timers } from "../effect/timers.ts"
import { hopeTimeout } from "./capacity.ts"
import type { Connection } from "./connection.ts"
import type * as Dials from "./dials.ts"
import * as Fleet from "./fleet.ts"
import { Later } from "./later.ts"
import * as Placement from "./placement.ts"
import * as PoolErrors from "./poolErrors.ts"
import { Ticket } from "./ticket.ts"

export interface Options extends Omit<Fleet.Options, "idleTimeToLive" | "maxConnections"> {
  readonly limits: Limits
  /** Whether all who wait share the first dial; else those behind the first wait for that one. */
  readonly sharesDials: boolean
  readonly onEnded: (connection: Connection) => void
}

export interface Limits extends Pick<Fleet.Options, "idleTimeToLive" | "maxConnections"> {
  readonly maxWaiting: number
  /** How long a request may wait for others, in milliseconds. */
  readonly queueTimeout: number
  /** How long those that run may take to end when the Layer is closed. */
  readonly shutdownTimeout: Duration.Duration
}

export type Suits = Fleet.Suits

/** In milliseconds: how long a place is kept for those whose conversation is on its connection, where others wait. */
const patience = 250

export class Pool {
  private isClosed = false
  placed = 0
  private readonly options: Options
  private readonly owner: Owner.Owner<ConnectionError>
  private readonly fleet: Fleet.Fleet
  private readonly dials: Dials.Dials
  private readonly queue = new FairQueue.FairQueue<Ticket>()
  private onIdle: (() => void) | undefined
  private readonly later: Later
  private readonly doubt: Later

  constructor(options: Options, owner: Owner.Owner<ConnectionError>) {
    this.options = options
    this.owner = owner
    this.fleet = new Fleet.Fleet({ ...options, ...options.limits }, owner, {
      isClosed: () => this.isClosed,
      onRoom: () => this.onRoom(),
      onEnded: (connection) => {
        options.onEnded(connection)
        this.reviveClaims()
      },
      onPaused: (duration) => {
        this.later.after(duration)
        this.reviveClaims()
      },
      onFailed: (cause) => this.dialFailed(cause)
    })
    this.dials = this.fleet.dials
    this.later = new Later(options.timers, () => this.look())
    this.doubt = new Later(options.timers, () => this.reviveClaims())
  }

  isOpen(): boolean {
    return this.fleet.size > 0
  }

  /** How many requests wait. */
  waiting(): number {
    return this.queue.size + this.dials.claims()
  }

  stats() {
    return { ...this.fleet.stats(), waiting: this.waiting() }
  }

  /** A request comes. It is granted a place at once if nobody waits and there is room. */
  enter(asker: unknown, keyOf: () => unknown, homeOf: () => unknown): Ticket {
    const ticket = new Ticket(this, asker, keyOf)
    const free = this.queue.size === 0 && !this.isClosed ? this.withRoom() : undefined
    if (free !== undefined) ticket.grant(free)
    else {
      if (this.fleet.size > 1) ticket.home = homeOf()
      this.enqueue(ticket)
    }
    return ticket
  }

  /** The ticket waits: for places that are coming, if one would be for it, or else in the queue. */
  enqueue(ticket: Ticket, isUrgent = false): void {
    if (this.isClosed) return ticket.fail(PoolErrors.layerClosed())
    const { maxWaiting } = this.options.limits
    if (!isUrgent && this.waitingForOthers() >= maxWaiting) return ticket.fail(PoolErrors.queueFull(maxWaiting))
    // Who comes later does not get the place of one that waits.
    if ((isUrgent || this.queue.size === 0) && this.withRoom() === undefined && this.claim(ticket)) return
    if (this.withRoom() === undefined && this.fleet.isHeldBy(ticket.asker)) return ticket.fail(PoolErrors.noRoom())
    ticket.wait(isUrgent ? this.queue.addUrgent(ticket) : this.queue.add(ticket.key(), ticket))
    this.look()
    ticket.startClock(this.options.limits.queueTimeout)
  }

  /** The ticket waits for a connection, or for lanes, that will be there soon. */
  claim(ticket: Ticket): boolean {
    if (!this.mayGrow()) return false
    ticket.claim()
    this.dials.claim(ticket)
    if (this.fleet.coming() < this.dials.claims() && this.mayDial()) this.dials.start()
    // Who waits for a lane waits for others; a dial is a part of the turn.
    if (this.dials.count() > 0) ticket.turn()
    this.doubtLater()
    return true
  }

  /** The ticket was granted a place, and there is none where it has to be: it looks again when something has changed. */
  reconsider(ticket: Ticket): void {
    if (this.withRoom() === undefined) return this.enqueue(ticket, true)
    ticket.park()
    this.dials.claim(ticket)
    for (const connection of this.fleet) connection.hurry()
  }

  /** How many would wait even if all places were there that are coming. */
  private waitingForOthers(): number {
    return this.queue.size + Math.max(0, this.dials.claims() - this.fleet.coming())
  }

  /** Whether there can be more places than there are. */
  mayGrow(): boolean {
    if (this.fleet.coming() > this.dials.claims() || this.mayDial()) return true
    // Nobody holds a place, so nobody is waited for but the dial.
    return this.options.sharesDials && this.dials.count() > 0 && this.fleet.serving().length === 0
  }

  placement(wish: Placement.Wish<Connection>): Placement.Placement<Connection> {
    return Placement.place({
      connections: this.fleet.serving(),
      mayGrow: this.mayGrow(),
      now: this.options.timers.time.now()
    }, wish)
  }

  leave(entry: FairQueue.Entry<Ticket>): void {
    this.queue.remove(entry)
  }

  /** Somebody has left who waited for a dial. The dials that were for nobody else are given up. */
  unclaim(claim: Dials.Claim): void {
    this.dials.unclaim(claim)
    if (this.dials.claims() > 0) return
    this.dials.stop()
    this.look()
  }

  get timers(): Timers {
    return this.options.timers
  }

  /** Until a connection is open that suits. It needs no lane. */
  connect(suits: Effect.Effect<Suits, ConnectionError>): Effect.Effect<void, ConnectionError> {
    return Effect.flatMap(suits, (suits) =>
      Effect.async<void, ConnectionError>((resume) => {
        this.fleet.keepOnly(suits)
        if (this.isClosed) return resume(Effect.fail(PoolErrors.layerClosed()))
        if (this.fleet.serving().length > 0) return resume(Effect.void)
        const claim: Dials.Claim = {
          opened: () => resume(Effect.void),
          failed: (cause) => resume(Effect.failCause(cause))
        }
        this.dials.claim(claim)
        if (this.dials.count() === 0) this.dials.start()
        return Effect.sync(() => this.unclaim(claim))
      }))
  }

  keepOnly(suits: Suits): void {
    this.fleet.keepOnly(suits)
  }

  /** Fails when the pool is closed meanwhile. */
  whileOpen<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | ConnectionError> {
    return Effect.uninterruptibleMask((restore) => this.owner.run(effect, restore))
  }

  /** Those that wait fail, and those that run may end. */
  get shutdown(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.close()
      const { shutdownTimeout } = this.options.limits
      if (Duration.isZero(shutdownTimeout) || !this.fleet.isRunning()) return Effect.void
      // A finalizer runs uninterruptibly, and the limit has to interrupt it.
      const idle = Effect.interruptible(Effect.async<void>((resume) => {
        this.onIdle = () => resume(Effect.void)
      }))
      return Effect.timeoutTo(idle, { duration: shutdownTimeout, onSuccess: () => {}, onTimeout: () => {} })
    })
  }

  close(): void {
    this.isClosed = true
    for (const ticket of this.queue.drain()) ticket.fail(PoolErrors.layerClosed())
    this.dials.close(PoolErrors.layerClosed())
  }

  /** A connection with a place that nobody has. */
  private withRoom(): Connection | undefined {
    for (const connection of this.fleet) if (this.hasRoom(connection)) return connection
    return undefined
  }

  private hasRoom(connection: Connection): boolean {
    return !this.isStrictlyBusy() && this.fleet.hasRoom(connection)
  }

  /** Where one is served at a time, one that still runs on a connection that retires is that one. */
  private isStrictlyBusy(): boolean {
    return !this.options.sharesDials && this.placed > 0
  }

  private mayDial(): boolean {
    return !this.isStrictlyBusy() && this.fleet.mayDial()
  }

  /** There may be room: those who wait get it in their order. */
  look(): void {
    if (this.isClosed) return this.fleet.isRunning() ? undefined : this.onIdle?.()
    for (const connection of this.fleet) this.fill(connection)
    if (this.queue.size === 0) return
    while (this.queue.size > 0 && this.mayGrow()) {
      const ticket = this.queue.next()
      if (ticket === undefined || !this.claim(ticket)) return
    }
    for (const connection of this.fleet) {
      connection.hurry()
      if (this.queue.size > 0) connection.flow.resume()
    }
  }

  /**
   * Where many wait, a place goes to one whose conversation is there, or who has none anywhere. It is given to one whose
   * conversation is elsewhere when nobody else has come for a while: those that have just been served may ask at once.
   */
  private fill(connection: Connection): void {
    const isOpenToAll = this.options.timers.time.now() - connection.fullAt >= patience
    while (this.queue.size > 0 && this.hasRoom(connection)) {
      const ticket = this.queue.next(
        ({ home }) => home === connection || (!isOpenToAll && home === undefined),
        !isOpenToAll
      )
      if (ticket === undefined) return this.later.after(patience)
      ticket.grant(connection)
    }
  }

  /** Those who wait for lanes of a connection that does not begin to answer look again. */
  private doubtLater(): void {
    if (!this.doubt.isSet() && this.dials.count() === 0) this.doubt.after(hopeTimeout + 1)
  }

  private onRoom(): void {
    if (this.dials.claims() > 0) this.reviveClaims()
    this.look()
    this.fleet.lookForIdle()
  }

  /** Those who waited for more places look again, before all others. */
  private reviveClaims(): void {
    const claims = [...this.dials.takeClaims()]
    for (const claim of claims.toReversed()) {
      if (claim instanceof Ticket) claim.wait(this.queue.addFirst(claim))
      else if (this.fleet.serving().length > 0) claim.opened()
      else this.dials.claim(claim)
    }
    this.look()
    for (const claim of claims) if (claim instanceof Ticket) claim.startClock(this.options.limits.queueTimeout)
  }

  private dialFailed(cause: Cause.Cause<ConnectionError>): void {
    for (const claim of this.dials.takeClaims()) claim.failed(cause)
    for (const ticket of this.queue.drain()) ticket.failed(cause)
  }
}

/** The pool is closed before what it owns. */
export const make = (options: Options): Effect.Effect<Pool, never, Scope.Scope> =>
  Effect.gen(function*() {
    const owner = yield* Owner.make(PoolErrors.layerClosed)
    const pool = new Pool(options, owner)
    yield* Finalizer.add(pool.shutdown)
    return pool
  })
