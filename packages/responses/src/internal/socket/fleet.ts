/**
 * The connections of a Layer: opened when the pool needs them, replaced before they are too old, closed when they are not
 * needed.
 *
 * ```
 * dialled ──opened──▶ serving ──too old: its successor serves──▶ retiring ──its last turn has ended──▶ gone
 *                     serving ──another key──▶ outdated ──one with the new key serves──▶ retiring
 *                     serving ──nothing to do for long, and not the last──▶ gone
 *                     each of them ──ended──▶ gone
 * ```
 */
import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConnectionError } from "../../ResponsesError.ts"
import type * as Owner from "../effect/owner.ts"
import type { Timers } from "../effect/timers.ts"
import type { Connection } from "./connection.ts"
import * as Dials from "./dials.ts"
import * as Idle from "./idle.ts"
import * as Recycle from "./recycle.ts"

export type Suits = (connection: Connection) => boolean

export interface Options extends Pick<Recycle.Options, "prepare" | "schedule"> {
  readonly timers: Timers
  readonly dial: Effect.Effect<Connection, ConnectionError, Scope.Scope>
  readonly maxConnections: number
  /** In milliseconds: how long a connection, but for the last one, may have nothing to do. */
  readonly idleTimeToLive: number
  /** Responses that could run at once on a connection that is yet to be opened. */
  readonly hopedFor: () => number
  /** A successor took over. */
  readonly onRecycled: () => void
}

/** The pool. */
export interface Host {
  readonly isClosed: () => boolean
  /** There are more places, or there may be. */
  readonly onRoom: () => void
  readonly onEnded: (connection: Connection) => void
  /** The connections that serve go on, and there will be no more of them for so long, in milliseconds. */
  readonly onPaused: (duration: number) => void
  /** There is no connection, and none could be opened. */
  readonly onFailed: (cause: Cause.Cause<ConnectionError>) => void
}

export class Fleet implements Iterable<Connection> {
  /** Those that take turns, and those that let theirs end. */
  private readonly all = new Set<Connection>()
  /** Those that were opened with another key than that of now. */
  private outdated = new WeakSet<Connection>()
  private readonly idle: Idle.Idle
  private readonly recycle: Recycle.Recycle
  private readonly options: Options
  private readonly owner: Owner.Owner<ConnectionError>
  private readonly host: Host
  readonly dials: Dials.Dials

  constructor(options: Options, owner: Owner.Owner<ConnectionError>, host: Host) {
    this.options = options
    this.owner = owner
    this.host = host
    this.idle = new Idle.Idle(options.timers, options.idleTimeToLive, () => this.serving())
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

  [Symbol.iterator](): Iterator<Connection> {
    return this.all.values()
  }

  get size(): number {
    return this.all.size
  }

  /** Connections that take turns, the oldest first. */
  serving(): ReadonlyArray<Connection> {
    return [...this.all].filter((connection) => connection.admits() && !this.outdated.has(connection))
  }

  hasRoom(connection: Connection): boolean {
    return connection.room() > 0 && !this.outdated.has(connection)
  }

  /** Whether any turn runs. */
  isRunning(): boolean {
    for (const { lanes } of this.all) if (lanes.withTurns() > 0) return true
    return false
  }

  /** Whether all places are those of one fiber, whose responses nobody reads while it waits. */
  isHeldBy(asker: unknown): boolean {
    let busy = 0
    for (const { lanes } of this.all) {
      for (const lane of lanes) {
        if (lane.tag === "Free") continue
        if (lane.tag !== "Running" || lane.asker !== asker) return false
        busy++
      }
    }
    return busy > 0
  }

  /** Places that will be there when what is being dialled is open, and when the server has shown that it has lanes. */
  coming(): number {
    let places = this.dials.count() * this.options.hopedFor()
    for (const connection of this.all) places += connection.capacity.hopedFor()
    return places
  }

  mayDial(): boolean {
    const serving = this.serving().length
    return serving + this.dials.count() < this.options.maxConnections && this.dials.mayStart(serving > 0)
  }

  /** Those that do not suit take no more turns. They retire when there is one that does: a new key may be refused. */
  keepOnly(suits: Suits): void {
    for (const connection of this.all) {
      if (suits(connection)) this.outdated.delete(connection)
      else this.outdated.add(connection)
    }
    this.retireOutdated()
  }

  stats() {
    const open = this.serving()
    return {
      serving: open.length,
      retiring: this.all.size - open.length,
      opening: this.dials.count(),
      running: [...this.all].reduce((sum, { lanes }) => sum + lanes.busy(), 0)
    }
  }

  /** A turn has ended. */
  lookForIdle(): void {
    this.idle.look()
  }

  private retireOutdated(): void {
    if (this.serving().length === 0) return
    for (const connection of this.all) if (this.outdated.has(connection)) connection.retire()
  }

  private opened({ scope, value: connection }: Owner.Owned<Connection>): void {
    if (this.host.isClosed()) return this.owner.discard(scope)
    if (!connection.isOpen()) {
      this.owner.discard(scope)
      return this.takenBack(connection)
    }
    this.all.add(connection)
    const stop = this.recycle({ value: connection, scope })
    connection.onEnd(() => {
      stop()
      this.all.delete(connection)
      this.owner.discard(scope)
      this.host.onEnded(connection)
    })
    connection.onRoom(this.host.onRoom)
    this.host.onRoom()
    this.retireOutdated()
  }

  /** The server ended it before it could be used. */
  private takenBack(connection: Connection): void {
    const error = connection.failedUnused()
    if (error === undefined) this.host.onRoom()
    else this.dialFailed(Cause.fail(error))
  }

  /** It fails those who wait, unless a connection serves: then there are no more connections for a while. */
  private dialFailed(cause: Cause.Cause<ConnectionError>): void {
    if (this.dials.count() > 0) return
    if (this.serving().length > 0) return this.host.onPaused(this.dials.pause())
    // The key may have been refused: those with the old one serve on.
    this.outdated = new WeakSet()
    this.host.onFailed(cause)
  }
}
