/**
 * How a turn gets its lane: it waits for its place among others, is placed, waits for a sign of life of a connection that was
 * silent for long, and is placed again where that has changed something. `placement.ts` has the rules.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as ResponseRequest from "../../ResponseRequest.ts"
import { type ConnectionError, InvalidRequest, type ResponsesError } from "../../ResponsesError.ts"
import type { Restore } from "../effect/owner.ts"
import type { Connection } from "./connection.ts"
import type { Found, Heads } from "./heads.ts"
import type { Naming } from "./naming.ts"
import * as Outgoing from "./outgoing.ts"
import type { Place } from "./place.ts"
import type { Pool, Suits } from "./pool.ts"
import type { Seat } from "./seat.ts"
import type { Ticket } from "./ticket.ts"

export interface Options {
  readonly pool: Pool
  readonly heads: Heads
  readonly naming: Naming
  readonly maxFrameBytes: number
  /** Whether the server knows `stream_id`. */
  readonly lanes: boolean
  /** Tells which connections may take new requests. `undefined`: every open connection may. */
  readonly suits: Effect.Effect<Suits, ConnectionError> | undefined
}

/** What a turn goes on with: a lane that it holds, and the heads that the request fits. */
export interface Placed {
  readonly place: Place
  readonly found: ReadonlyArray<Found>
}

type Chosen = Either.Either<Placed | "Grow" | "Wait", ConnectionError | InvalidRequest>

export const incomparable = (cause: unknown) =>
  new InvalidRequest({
    field: "input",
    description: `cannot be compared with what was sent before: ${String(cause)}`
  })

/** There may be thousands that wait: what they do next is made when it is done. */
export class Placing {
  /** Has failed the request. */
  private excluded: Connection | undefined
  /** The key is asked for once, here or by the dial: one that changes with each question would never suit. */
  private isKeyKnown: boolean
  private readonly options: Options
  private readonly request: ResponseRequest.ResponseRequest
  private readonly ticket: Ticket
  private readonly seat: Seat
  private readonly restore: Restore

  constructor(
    options: Options,
    request: ResponseRequest.ResponseRequest,
    ticket: Ticket,
    seat: Seat,
    restore: Restore
  ) {
    this.options = options
    this.request = request
    this.ticket = ticket
    this.seat = seat
    this.restore = restore
    this.isKeyKnown = !options.pool.isOpen()
  }

  /** The first place. One that is there at once takes few steps: what might have to be waited for is looked at before. */
  first<A>(then: (placed: Placed) => Effect.Effect<A, ResponsesError>): Effect.Effect<A, ResponsesError> {
    if (this.options.suits !== undefined || !this.ticket.isGranted()) return Effect.flatMap(this.wait(), then)
    const chosen = this.choose()
    return Either.isRight(chosen) && typeof chosen.right !== "string" && chosen.right.place.connection.isReady()
      ? then(chosen.right)
      : Effect.flatMap(this.settle(chosen), then)
  }

  /** Another place, before all who wait. */
  get elsewhere(): Effect.Effect<Placed, ResponsesError> {
    return Effect.suspend(() => {
      this.seat.release()
      this.ticket.again("Turn")
      return this.wait()
    })
  }

  /** Not on the connection where it is, if there is another one. */
  exclude(): void {
    this.excluded = this.seat.place?.connection
  }

  private wait(): Effect.Effect<Placed, ResponsesError> {
    return Effect.suspend(() => {
      const { heads, maxFrameBytes, pool } = this.options
      if (!pool.isOpen()) {
        const frame = Outgoing.frame(heads.preview(this.request).request, undefined, maxFrameBytes)
        if (Either.isLeft(frame)) return Effect.fail(frame.left)
      }
      return Effect.flatMap(this.restore(this.ticket.granted), () => this.withKey())
    })
  }

  private withKey(): Effect.Effect<Placed, ResponsesError> {
    const { pool, suits } = this.options
    if (suits === undefined || this.isKeyKnown) return this.settle(this.choose())
    return Effect.flatMap(this.restore(suits), (suits) => {
      this.isKeyKnown = true
      pool.keepOnly(suits)
      return this.settle(this.choose())
    })
  }

  /** In the place that was granted, in one step: what the heads are compared with is the caller's. */
  private choose(): Chosen {
    const lost = this.ticket.lost()
    if (lost !== undefined) return Either.left(lost)
    return Either.try({ try: () => this.place(), catch: incomparable })
  }

  private place(): Placed | "Grow" | "Wait" {
    const { request, seat, ticket } = this
    const { heads, lanes, maxFrameBytes, naming, pool } = this.options
    const found = heads.find(request)
    ticket.take()
    const previousId = request.previous_response_id ?? undefined
    const placement = pool.placement({
      lane: naming.by === "callers" ? lanes ? request.stream_id ?? "" : "" : undefined,
      name: request.stream_id ?? undefined,
      heads: found.map(({ kept }) => kept),
      named: naming.by === "callers" || previousId === undefined ? undefined : heads.placeOf(previousId),
      onlyAsDelta: () => Either.isLeft(Outgoing.frame(request, undefined, maxFrameBytes)),
      mayFork: heads.mayFork(),
      excluded: this.excluded,
      idleFor: found.length === 0 && naming.by === "layer" ? heads.idleFor(request) : undefined
    })
    return placement._tag === "Use"
      ? { place: seat.hold(placement.connection, placement.lane), found }
      : placement._tag
  }

  private settle(chosen: Chosen): Effect.Effect<Placed, ResponsesError> {
    if (Either.isLeft(chosen)) return Effect.fail(chosen.left)
    if (typeof chosen.right === "string") {
      this.ticket.again(chosen.right)
      return this.wait()
    }
    const { place } = chosen.right
    if (place.connection.isReady()) return Effect.succeed(chosen.right)
    return Effect.flatMap(this.restore(place.connection.ready), () => {
      if (!place.connection.isOpen()) return this.elsewhere
      // What was found may have changed meanwhile.
      return Either.try({ try: () => ({ place, found: this.options.heads.find(this.request) }), catch: incomparable })
    })
  }
}
