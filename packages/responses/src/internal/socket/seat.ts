/**
 * What one turn has of the pool: its place among those that wait, then a lane, then the exchange that runs on it.
 *
 * ```
 * Waiting ──placed──▶ Placed(lane held) ──sent──▶ Asked(exchange) ──the response ends──▶ Over(exchange)
 *           Asked ──failed before the response began: sent again on the lane, or placed elsewhere──▶ Placed, Waiting
 * each of them ──the turn leaves──▶ Left
 * ```
 */
import type * as Exchange from "../exchange/exchange.ts"
import type { Connection } from "./connection.ts"
import type { Holder, Lane } from "./lane.ts"
import type { Place } from "./place.ts"
import type { Ticket } from "./ticket.ts"

/** A place among those that wait. */
export type Waiting = Pick<Ticket, "asker" | "leave">

type State =
  | { readonly _tag: "Waiting" | "Left" }
  | { readonly _tag: "Placed"; readonly place: Place }
  | { readonly _tag: "Asked"; readonly place: Place; readonly exchange: Exchange.Exchange }
  | { readonly _tag: "Over"; readonly exchange: Exchange.Exchange }

const waiting: State = { _tag: "Waiting" }

export class Seat implements Holder {
  private state: State = waiting
  private readonly ticket: Waiting
  private readonly onEarlyEnd: "close" | "drain"

  constructor(ticket: Waiting, onEarlyEnd: "close" | "drain") {
    this.ticket = ticket
    this.onEarlyEnd = onEarlyEnd
  }

  get asker(): unknown {
    return this.ticket.asker
  }

  /** Where its request is, or was last. */
  get place(): Place | undefined {
    return this.state._tag === "Placed" || this.state._tag === "Asked" ? this.state.place : undefined
  }

  /** Takes a lane, in the place that was granted. */
  hold(connection: Connection, lane: Lane): Place {
    const place = { connection, lane }
    connection.hold(lane, this)
    this.state = { _tag: "Placed", place }
    return place
  }

  /** The same lane, for another try. */
  keep(): Place | undefined {
    if (this.state._tag === "Asked") this.state = { _tag: "Placed", place: this.state.place }
    return this.place
  }

  /** The request was sent. Some servers are so fast that the response is over by now. */
  asked(exchange: Exchange.Exchange): void {
    if (this.state._tag === "Placed") this.state = { _tag: "Asked", place: this.state.place, exchange }
  }

  /** The response has ended: its place is free for the next turn. */
  over(exchange: Exchange.Exchange): void {
    const { place } = this
    this.state = { _tag: "Over", exchange }
    place?.connection.release(place.lane, this)
    this.ticket.leave()
  }

  /** Gives the lane up, to be placed elsewhere. */
  release(): void {
    const { place } = this
    this.state = waiting
    place?.connection.release(place.lane, this)
  }

  /** The caller needs nothing more. A response that is not over would go on into the next turn of its lane. */
  leave(): void {
    const { place, state } = this
    this.state = { _tag: "Left" }
    if (state._tag === "Asked" || state._tag === "Over") state.exchange.abandon()
    if (place !== undefined) this.leaveLane(place, state)
    this.ticket.leave()
  }

  private leaveLane({ connection, lane }: Place, state: State): void {
    const goesOn = state._tag === "Asked" && lane.isHeldBy(this) && !state.exchange.isFinished() &&
      !connection.hasEnded()
    if (goesOn && this.onEarlyEnd === "close" && !connection.drains.isShared(lane)) connection.end()
    connection.release(lane, this)
  }
}
