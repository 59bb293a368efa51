/**
 * The connections of a Layer, and whose turn it is: opened when one is needed, retired when a successor is there, closed
 * with the Layer.
 *
 * ```
 * Empty ──dial──▶ Probing ──opened──▶ Serving ──the connection ends──▶ Empty
 *                 Probing ──failed, interrupted──▶ Empty
 * Serving ──a successor is open, and the old connection retires──▶ Serving
 * each of them ──the Layer is closed──▶ Closed
 * ```
 *
 * An end travels one way: the connection ends, its exchanges end with its cause, their lanes become free, then the pool is
 * told, and the next request is placed.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { constTrue } from "effect/Function"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { ConnectionError } from "../../ResponsesError.ts"
import * as FairSemaphore from "../effect/fairSemaphore.ts"
import * as Finalizer from "../effect/finalizer.ts"
import * as Owner from "../effect/owner.ts"
import type { Connection } from "./connection.ts"
import * as Placement from "./placement.ts"
import * as Recycle from "./recycle.ts"

type Suits = (connection: Connection) => boolean

export type State =
  | { readonly _tag: "Empty" }
  | { readonly _tag: "Probing" }
  | { readonly _tag: "Serving"; readonly connections: ReadonlyArray<Connection> }
  | { readonly _tag: "Closed" }

const empty: State = { _tag: "Empty" }
const probing: State = { _tag: "Probing" }
const closed: State = { _tag: "Closed" }

const none: ReadonlyArray<Connection> = []

type Granted = Pick<FairSemaphore.Place, "granted" | "isGranted">

/** The place of one that holds the permit. */
const first: Granted = { isGranted: constTrue, granted: Effect.void }

export interface Options extends Pick<Recycle.Options, "prepare" | "schedule" | "timers"> {
  readonly dial: Effect.Effect<Connection, ConnectionError, Scope.Scope>
  /** A successor took over. */
  readonly onRecycled: () => void
}

/** A request's place in the queue, and the connection that it was given. */
export interface Ticket {
  readonly isGranted: () => boolean
  /** Waits until it is this request's turn. Only then the rest may be used. */
  readonly granted: Effect.Effect<void>
  /** The connection that suits, if it is open. */
  readonly current: (suits: Suits) => Connection | undefined
  /**
   * The connection; another one is opened if there is none, or none that suits. If it cannot be opened, those who wait now
   * get the same error in their turn.
   */
  readonly get: (suits: Suits) => Effect.Effect<Connection, ConnectionError>
  /** Gives the turn to the next request, or leaves the queue. Only the first time counts. */
  readonly release: () => void
}

const layerClosed = () =>
  new ConnectionError({
    reason: "Closed",
    delivery: "unsent",
    description: "The Layer that owns the connection is closed"
  })

export class Pool {
  private state: State = empty
  private readonly queue = FairSemaphore.make()
  private readonly options: Options
  private readonly owner: Owner.Owner<ConnectionError>
  private readonly recycle: Recycle.Recycle
  /** Requests that were asked so far. */
  private asked = 0
  private failure: Placement.View<Connection>["failure"]

  constructor(options: Options, owner: Owner.Owner<ConnectionError>) {
    this.options = options
    this.owner = owner
    this.recycle = Recycle.make({
      ...options,
      owner,
      open: (restore) => owner.open(options.dial, restore),
      serves: (connection) => this.connections().includes(connection),
      onSuccessor: (successor) => {
        this.opened(successor)
        options.onRecycled()
      }
    })
  }

  /** Takes a place at the end of the queue, at once. Each request that enters has to `release`, granted or not. */
  enter(): Ticket {
    const place = this.queue.enter()
    const number = ++this.asked
    let seat: Connection | undefined

    const sit = (connection: Connection): Connection => {
      if (seat === connection) return connection
      connection.enter()
      seat?.leave()
      seat = connection
      return connection
    }

    return {
      isGranted: place.isGranted,
      granted: place.granted,
      current: (suits) => {
        const placement = this.place(place, { number, suits })
        return placement._tag === "Use" ? sit(placement.connection) : undefined
      },
      get: (suits) => Effect.map(this.get(place, { number, suits }), sit),
      release: () => {
        place.leave()
        seat?.leave()
        seat = undefined
      }
    }
  }

  /** Waits for its turn, as a request does, until a connection is open that suits. */
  connect(suits: Effect.Effect<Suits, ConnectionError>): Effect.Effect<void, ConnectionError> {
    return Effect.suspend(() => {
      const number = ++this.asked
      return this.queue.withPermit(
        Effect.flatMap(suits, (suits) => Effect.asVoid(this.get(first, { number, suits })))
      )
    })
  }

  /** Whether there is a connection that lives. */
  isOpen(): boolean {
    return this.connections().length > 0
  }

  /** Fails when the pool is closed meanwhile. */
  whileOpen<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | ConnectionError> {
    return Effect.uninterruptibleMask((restore) => this.owner.run(effect, restore))
  }

  close(): void {
    this.state = closed
  }

  /** Those that serve. A connection that ends tells its exchanges before it tells the pool. */
  private connections(): ReadonlyArray<Connection> {
    if (this.state._tag !== "Serving") return none
    const { connections } = this.state
    return connections.every((connection) => connection.isOpen())
      ? connections
      : connections.filter((connection) => connection.isOpen())
  }

  private place(place: Granted, wish: Placement.Wish<Connection>): Placement.Placement<Connection> {
    return Placement.place({
      limits: Placement.oneAtATime,
      connections: this.connections(),
      ahead: place.isGranted() ? 0 : 1,
      failure: this.failure
    }, wish)
  }

  private get(place: Granted, wish: Placement.Wish<Connection>): Effect.Effect<Connection, ConnectionError> {
    return Effect.suspend(() => {
      const placement = this.place(place, wish)
      switch (placement._tag) {
        case "Use":
          return Effect.succeed(placement.connection)
        case "Fail":
          return Effect.fail(placement.error)
        case "Wait":
          return Effect.zipRight(place.granted, this.get(place, wish))
        case "Dial":
          return this.dial()
      }
    })
  }

  private dial(): Effect.Effect<Connection, ConnectionError> {
    return Effect.uninterruptibleMask((restore) => {
      if (this.state === empty) this.state = probing
      return this.owner.open(this.options.dial, restore).pipe(
        Effect.map((dialled) => this.opened(dialled)),
        Effect.tapErrorCause((cause) => Effect.sync(() => this.dialFailed(Cause.failureOption(cause))))
      )
    })
  }

  /** An interrupted dial has no error, and fails nobody else. */
  private dialFailed(error: Option.Option<ConnectionError>): void {
    if (this.state === probing) this.state = empty
    if (Option.isSome(error)) this.failure = { error: error.value, upTo: this.asked }
  }

  /** New turns go to the new connection. The turns that run on an older one end there. */
  private opened({ scope, value: connection }: Owner.Owned<Connection>): Connection {
    const retired = this.connections()
    if (this.state !== closed) this.state = { _tag: "Serving", connections: [connection] }
    for (const old of retired) old.retire()
    const stop = this.recycle({ value: connection, scope })
    connection.onEnd(() => {
      stop()
      this.ended(connection)
      this.owner.discard(scope)
    })
    return connection
  }

  private ended(connection: Connection): void {
    if (this.state._tag === "Serving" && this.state.connections.includes(connection)) this.state = empty
  }
}

/** The pool is closed before what it owns. */
export const make = (options: Options): Effect.Effect<Pool, never, Scope.Scope> =>
  Effect.gen(function*() {
    const owner = yield* Owner.make(layerClosed)
    const pool = new Pool(options, owner)
    yield* Finalizer.add(Effect.sync(() => pool.close()))
    return pool
  })
