/**
 * What one turn has of the pool: its place in the queue, then a lane, then the exchange that runs on it.
 *
 * ```
 * Waiting ──a connection is found──▶ Placed(lane held) ──sent──▶ Asked(exchange) ──the response ends──▶ Over(exchange)
 *           Asked ──failed before the response began: sent again on the lane, or placed elsewhere──▶ Placed
 * each of them ──the turn leaves──▶ Left
 * ```
 */
import type * as Exchange from "../exchange/exchange.ts"
import type { Connection } from "./connection.ts"
import type { Place } from "./heads.ts"
import type { Ticket } from "./pool.ts"

type State =
  | { readonly _tag: "Waiting" | "Left" }
  | { readonly _tag: "Placed"; readonly place: Place }
  | { readonly _tag: "Asked"; readonly place: Place; readonly exchange: Exchange.Exchange }
  | { readonly _tag: "Over"; readonly exchange: Exchange.Exchange }

export class Seat {
  private state: State = { _tag: "Waiting" }
  private readonly ticket: Ticket
  private readonly laneName: string
  private readonly onEarlyEnd: "close" | "drain"

  constructor(ticket: Ticket, laneName: string, onEarlyEnd: "close" | "drain") {
    this.ticket = ticket
    this.laneName = laneName
    this.onEarlyEnd = onEarlyEnd
  }

  /** Holds a lane of the connection, which is the same one for another try on the same connection. */
  hold(connection: Connection): Place {
    const { state } = this
    const isHeld = (state._tag === "Placed" || state._tag === "Asked") && state.place.connection === connection
    const place = isHeld ? state.place : this.holdAnother(connection)
    this.state = { _tag: "Placed", place }
    return place
  }

  /** The request was sent. Some servers are so fast that the response is over by now. */
  asked(exchange: Exchange.Exchange): void {
    if (this.state._tag === "Placed") this.state = { _tag: "Asked", place: this.state.place, exchange }
  }

  /** The response has ended: its place is free for the next turn. */
  over(exchange: Exchange.Exchange): void {
    this.releaseLane()
    this.ticket.release()
    this.state = { _tag: "Over", exchange }
  }

  /** The caller needs nothing more. A response that is not over would go on into the next turn of its lane. */
  leave(): void {
    const { state } = this
    if (state._tag === "Asked" || state._tag === "Over") state.exchange.abandon()
    if (state._tag === "Asked" && this.onEarlyEnd === "close" && !state.exchange.isFinished()) {
      state.place.connection.end()
    }
    this.releaseLane()
    this.ticket.release()
    this.state = { _tag: "Left" }
  }

  private holdAnother(connection: Connection): Place {
    this.releaseLane()
    const lane = connection.lanes.use(this.laneName)
    lane.hold()
    return { connection, lane }
  }

  private releaseLane(): void {
    if (this.state._tag === "Placed" || this.state._tag === "Asked") this.state.place.lane.release()
  }
}
