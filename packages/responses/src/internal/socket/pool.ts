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
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ConnectionError } from "../../ResponsesError.ts"
import * as FairQueue from "../effect/fairQueue.ts"
import * as Finalizer from "../effect/finalizer.ts"
import * as Owner from "../effect/owner.ts"
import * as Timers from "../effect/timers.ts"
import { hopeTimeout } from "./capacity.ts"
import type { Connection } from "./connection.ts"
import * as Dials from "./dials.ts"
import * as Idle from "./idle.ts"
import * as Placement from "./placement.ts"
import * as Recycle from "./recycle.ts"
import { Ticket } from "./ticket.ts"

export interface Options extends Pick<Recycle.Options, "prepare" | "schedule"> {
  readonly timers: Timers.Timers
  readonly dial: Effect.Effect<Connection, ConnectionError, Scope.Scope>
  readonly limits: Limits
  /** Whether all who wait share the first dial; else those behind the first wait for that one. */
  readonly sharesDials: boolean
  /** Responses that could run at once on a connection that is yet to be opened. */
  readonly hopedFor: () => number
  readonly onEnded: (connection: Connection) => void
  /** A successor took over. */
  readonly onRecycled: () => void
}

export interface Limits {
  readonly maxConnections: () => number
  readonly maxWaiting: number
  /** How long a request may wait for others, in milliseconds. */
  readonly queueTimeout: number
  /** How long those that run may take to end when the Layer is closed. */
  readonly shutdownTimeout: Duration.Duration
  /** In milliseconds: how long a connection, but for the last one, may have nothing to do. */
  readonly idleTimeToLive: number
}

/** In milliseconds. */
const patience = 250

export type Suits = (connection: Connection) => boolean

const layerClosed = () =>
  new ConnectionError({
    reason: "Closed",
    delivery: "unsent",
    description:
      "The Layer that owns the connection is closed. A Layer that is provided to one effect is closed when " +
      "that effect ends: provide it to the whole program"
  })

const noRoom = () =>
  new ConnectionError({
    reason: "NoRoom",
    delivery: "unsent",
    description: "The fiber that asks holds every place itself: its responses run until it has read them. " +
      "Raise maxConnections or maxLanes, or read them in other fibers"
  })

const queueFull = (maxWaiting: number) =>
  new ConnectionError({
    reason: "QueueFull",
    delivery: "unsent",
    description: `${maxWaiting} requests wait already (maxWaiting)`
  })

export class Pool {
  private isClosed = false
  placed = 0
  private readonly options: Options
  private readonly owner: Owner.Owner<ConnectionError>
  private readonly recycle: Recycle.Recycle
  private readonly dials: Dials.Dials
  private readonly idle: Idle.Idle
  private readonly queue = new FairQueue.FairQueue<Ticket>()
  /** Those that take turns, and those that let theirs end. */
  private readonly all = new Set<Connection>()
  private onIdle: (() => void) | undefined
  private doubt: Timers.Timer | undefined
  private later: Timers.Timer | undefined
  /** Those that were opened with another key than that of now. */
  private outdated = new WeakSet<Connection>()

  constructor(options: Options, owner: Owner.Owner<ConnectionError>) {
    this.options = options
    this.owner = owner
    this.idle = new Idle.Idle(options.timers, options.limits.idleTimeToLive, () => this.serving())
    this.dials = new Dials.Dials({
      owner,
      timers: options.timers,
      dial: options.dial,
      onOpened: (owned) => this.opened(owned),
      onFailed: (cause) => this.dialFailed(cause)
    })
    this.recycle = Recycle.make({
      ...options,
      owner,
      open: (restore) => owner.open(options.dial, restore),
      serves: (connection) => connection.admits(),
      onSuccessor: (successor, old) => {
        this.opened(successor)
        old.retire()
        options.onRecycled()
      }
    })
  }

  /** Connections that take turns, the oldest first. */
  serving(): ReadonlyArray<Connection> {
    return [...this.all].filter((connection) => connection.admits() && !this.outdated.has(connection))
  }

  isOpen(): boolean {
    return this.all.size > 0
  }

  /** How many requests wait. */
  waiting(): number {
    return this.queue.size + this.dials.claims()
  }

  stats() {
    const open = this.serving()
    return {
      serving: open.length,
      retiring: this.all.size - open.length,
      opening: this.dials.count(),
      running: [...this.all].reduce((sum, { lanes }) => sum + lanes.busy(), 0),
      waiting: this.waiting()
    }
  }

  /** A request comes. It is granted a place at once if nobody waits and there is room. */
  enter(asker: unknown, keyOf: () => unknown, homeOf: () => unknown): Ticket {
    const ticket = new Ticket(this, asker, keyOf)
    const free = this.queue.size === 0 ? this.withRoom() : undefined
    if (free !== undefined) ticket.grant(free)
    else {
      if (this.all.size > 1) ticket.home = homeOf()
      this.enqueue(ticket)
    }
    return ticket
  }

  /** The ticket waits: for places that are coming, if one would be for it, or else in the queue. */
  enqueue(ticket: Ticket, isUrgent = false): void {
    if (this.isClosed) return ticket.fail(layerClosed())
    // Who comes later does not get the place of one that waits.
    if ((isUrgent || this.queue.size === 0) && this.withRoom() === undefined && this.claim(ticket)) return
    if (this.withRoom() === undefined && this.waitsForItself(ticket)) return ticket.fail(noRoom())
    const { limits } = this.options
    if (!isUrgent && this.queue.size >= limits.maxWaiting) return ticket.fail(queueFull(limits.maxWaiting))
    ticket.wait(isUrgent ? this.queue.addUrgent(ticket) : this.queue.add(ticket.key(), ticket))
    this.look()
    ticket.startClock(limits.queueTimeout)
  }

  /** The ticket waits for a connection, or for lanes, that will be there soon. */
  claim(ticket: Ticket): boolean {
    if (!this.mayGrow()) return false
    ticket.claim()
    this.dials.claim(ticket)
    if (this.coming() < this.dials.claims() && this.mayDial()) this.dials.start()
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
    for (const connection of this.all) connection.hurry()
  }

  /** Whether there can be more places than there are. */
  mayGrow(): boolean {
    if (this.coming() > this.dials.claims() || this.mayDial()) return true
    // Nobody holds a place, so nobody is waited for but the dial.
    return this.options.sharesDials && this.dials.count() > 0 && this.serving().length === 0
  }

  placement(wish: Placement.Wish<Connection>): Placement.Placement<Connection> {
    return Placement.place({
      connections: this.serving(),
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

  get timers(): Timers.Timers {
    return this.options.timers
  }

  /** Until a connection is open that suits. It needs no lane. */
  connect(suits: Effect.Effect<Suits, ConnectionError>): Effect.Effect<void, ConnectionError> {
    return Effect.flatMap(suits, (suits) =>
      Effect.async<void, ConnectionError>((resume) => {
        this.keepOnly(suits)
        if (this.isClosed) return resume(Effect.fail(layerClosed()))
        if (this.serving().length > 0) return resume(Effect.void)
        const claim: Dials.Claim = {
          opened: () => resume(Effect.void),
          failed: (cause) => resume(Effect.failCause(cause))
        }
        this.dials.claim(claim)
        if (this.dials.count() === 0) this.dials.start()
        return Effect.sync(() => this.unclaim(claim))
      }))
  }

  /** Those that do not suit take no more turns. They retire when there is one that does: a new key may be refused. */
  keepOnly(suits: Suits): void {
    for (const connection of this.all) {
      if (suits(connection)) this.outdated.delete(connection)
      else this.outdated.add(connection)
    }
    if (this.serving().length > 0) this.retireOutdated()
  }

  private retireOutdated(): void {
    for (const connection of [...this.all]) if (this.outdated.has(connection)) connection.retire()
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
      if (Duration.isZero(shutdownTimeout) || !this.isRunning()) return Effect.void
      const idle = Effect.async<void>((resume) => {
        this.onIdle = () => resume(Effect.void)
      })
      return Effect.timeoutTo(idle, { duration: shutdownTimeout, onSuccess: () => {}, onTimeout: () => {} })
    })
  }

  private isRunning(): boolean {
    for (const { lanes } of this.all) if (lanes.withTurns() > 0) return true
    return false
  }

  close(): void {
    this.isClosed = true
    for (const ticket of this.queue.drain()) ticket.fail(layerClosed())
    this.dials.close(layerClosed())
  }

  /** A connection with a place that nobody has. */
  private withRoom(): Connection | undefined {
    for (const connection of this.all) if (this.hasRoom(connection)) return connection
    return undefined
  }

  private hasRoom(connection: Connection): boolean {
    return connection.room() > 0 && !this.outdated.has(connection) && !this.isStrictlyBusy()
  }

  /** Where one is served at a time, one that still runs on a connection that retires is that one. */
  private isStrictlyBusy(): boolean {
    return !this.options.sharesDials && this.placed > 0
  }

  /** Places that will be there when what is being dialled is open, and when the server has shown that it has lanes. */
  private coming(): number {
    let places = this.dials.count() * this.options.hopedFor()
    for (const connection of this.all) places += connection.capacity.hopedFor()
    return places
  }

  private mayDial(): boolean {
    if (this.isStrictlyBusy()) return false
    const serving = this.serving().length
    return serving + this.dials.count() < this.options.limits.maxConnections() && this.dials.mayStart(serving > 0)
  }

  /** There may be room: those who wait get it in their order. */
  look(): void {
    if (this.isClosed) return this.isRunning() ? undefined : this.onIdle?.()
    for (const connection of this.all) this.fill(connection)
    if (this.queue.size === 0) return
    while (this.queue.size > 0 && this.mayGrow()) {
      const ticket = this.queue.next()
      if (ticket === undefined || !this.claim(ticket)) return
    }
    for (const connection of this.all) {
      connection.hurry()
      if (this.queue.size > 0) connection.flow.resume()
    }
  }

  /**
   * Where many wait, a place goes to one whose conversation is there, or who has none anywhere. It is given to one whose
   * conversation is elsewhere when nobody else has come for a while: those that have just been served may ask at once.
   */
  private fill(connection: Connection): void {
    if (this.outdated.has(connection)) return
    const isOpenToAll = this.options.timers.time.now() - connection.fullAt >= patience
    while (this.queue.size > 0 && this.hasRoom(connection)) {
      const ticket = this.queue.next(
        ({ home }) => home === connection || (!isOpenToAll && home === undefined),
        !isOpenToAll
      )
      if (ticket === undefined) return this.lookLater(patience)
      ticket.grant(connection)
    }
  }

  /** Those who wait for lanes of a connection that does not begin to answer look again. */
  private doubtLater(): void {
    if (this.doubt !== undefined || this.dials.count() > 0) return
    this.doubt = Timers.timer(this.options.timers.time.now() + hopeTimeout + 1, () => {
      this.doubt = undefined
      this.reviveClaims()
      this.look()
    })
    this.options.timers.add(this.doubt)
  }

  private lookLater(after: number): void {
    const at = this.options.timers.time.now() + after
    if (this.later !== undefined && this.later.at <= at) return
    this.options.timers.remove(this.later)
    this.later = Timers.timer(at, () => {
      this.later = undefined
      this.look()
    })
    this.options.timers.add(this.later)
  }

  private opened({ scope, value: connection }: Owner.Owned<Connection>): void {
    if (this.isClosed || !connection.isOpen()) {
      this.owner.discard(scope)
      return this.isClosed ? undefined : this.failed(connection)
    }
    this.all.add(connection)
    const stop = this.recycle({ value: connection, scope })
    connection.onEnd(() => {
      stop()
      this.all.delete(connection)
      this.options.onEnded(connection)
      this.owner.discard(scope)
      this.reviveClaims()
      this.look()
    })
    connection.onRoom(() => this.onRoom())
    this.reviveClaims()
    this.look()
    this.retireOutdated()
  }

  /** The server took it back before it could be used. */
  private failed(connection: Connection): void {
    const error = connection.failedUnused()
    if (error === undefined) this.reviveClaims()
    else this.dialFailed(Cause.fail(error))
  }

  /** Whether all that it waits for are responses of its own, which nobody reads meanwhile. */
  private waitsForItself(ticket: Ticket): boolean {
    let busy = 0
    for (const { lanes } of this.all) {
      for (const lane of lanes) {
        if (lane.tag === "Free") continue
        if (lane.tag !== "Running" || lane.asker !== ticket.asker) return false
        busy++
      }
    }
    return busy > 0
  }

  private onRoom(): void {
    if (this.dials.claims() > 0) this.reviveClaims()
    this.look()
    this.idle.look()
  }

  /** Those who waited for more places look again, before all others. */
  private reviveClaims(): void {
    const claims = [...this.dials.takeClaims()]
    for (const claim of claims.toReversed()) {
      if (claim instanceof Ticket) claim.wait(this.queue.addFirst(claim))
      else if (this.serving().length > 0) claim.opened()
      else this.dials.claim(claim)
    }
    this.look()
    for (const claim of claims) if (claim instanceof Ticket) claim.startClock(this.options.limits.queueTimeout)
  }

  /** It fails those who wait, unless a connection serves: then there are no more connections for a while. */
  private dialFailed(cause: Cause.Cause<ConnectionError>): void {
    if (this.dials.count() > 0) return
    if (this.serving().length > 0) {
      this.lookLater(this.dials.pause())
      this.reviveClaims()
      return this.look()
    }
    // The key may have been refused: those with the old one serve on.
    this.outdated = new WeakSet()
    for (const claim of this.dials.takeClaims()) claim.failed(cause)
    for (const ticket of this.queue.drain()) ticket.failed(cause)
  }
}

/** The pool is closed before what it owns. */
export const make = (options: Options): Effect.Effect<Pool, never, Scope.Scope> =>
  Effect.gen(function*() {
    const owner = yield* Owner.make(layerClosed)
    const pool = new Pool(options, owner)
    yield* Finalizer.add(pool.shutdown)
    return pool
  })
