/** One request: wait, plan, send, see the server begin to answer, repair what can be repaired. `seat.ts` has its states. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as ResponseRequest from "../../ResponseRequest.ts"
import type * as Responses from "../../Responses.ts"
import { type ConnectionError, isUnsent, type ResponsesError } from "../../ResponsesError.ts"
import type { Recovery } from "../../ResponsesTelemetry.ts"
import * as Again from "../effect/again.ts"
import * as Caller from "../effect/caller.ts"
import * as Finalizer from "../effect/finalizer.ts"
import type { Restore } from "../effect/owner.ts"
import * as Exchange from "../exchange/exchange.ts"
import * as RequestOptions from "../options/requestOptions.ts"
import * as ChainRefusal from "../wire/chainRefusal.ts"
import * as Reasons from "../wire/reasons.ts"
import type { Planned } from "./heads.ts"
import * as LaneRefusal from "./laneRefusal.ts"
import * as Outgoing from "./outgoing.ts"
import type { Place } from "./place.ts"
import * as Placing from "./placing.ts"
import { Seat } from "./seat.ts"
import type { Ticket } from "./ticket.ts"

export interface Options extends Placing.Options {
  readonly onEarlyEnd: "close" | "drain"
  /** What may be asked for a second time where a connection failed. */
  readonly repeat: "unsent" | "unacknowledged"
  /** A response has begun. */
  readonly onOpen: (response: Responses.Sending) => void
}

/** On each connection of a Layer a server may refuse a lane once. */
const maxTakenBack = 33

export const make = (options: Options): Responses.Service["open"] => {
  const { heads, pool, repeat } = options
  const isRepeated = Reasons.mayRepeat(repeat)
  const isNotRepeated = Reasons.mayRepeat("none")

  return (request, requestOptions) =>
    Effect.uninterruptibleMask((restore) => {
      const checked = RequestOptions.check(requestOptions, "websocket")
      if (Either.isLeft(checked)) return Effect.fail(checked.left)
      const validated = ResponseRequest.validate(request)
      if (Either.isLeft(validated)) return Effect.fail(validated.left)
      return Effect.withFiberRuntime((fiber) => {
        const keyOf = () => Caller.of(request) ?? request.stream_id ?? fiber
        const ticket = pool.enter(fiber, keyOf, () => heads.homeOf(request))
        return new Turn(options, request, checked.right, ticket, restore).serve(
          // The first try of it was.
          Again.isAgain(fiber) ? isNotRepeated : isRepeated
        )
      })
    })
}

type Begun = Omit<Responses.OpenResponse, "bytesSent" | "queued" | "firstEvent" | "recoveries">

class Turn {
  private readonly recoveries: Array<Recovery> = []
  private bytesSent = 0
  /** The lane's name that went out last: what it is called now is not what a refusal is of. */
  private sentName: string | undefined
  private timesTakenBack = 0
  private readonly seat: Seat
  private readonly placing: Placing.Placing
  private readonly options: Options
  private readonly request: ResponseRequest.ResponseRequest
  private readonly own: RequestOptions.Checked
  private readonly ticket: Ticket
  private readonly restore: Restore

  constructor(
    options: Options,
    request: ResponseRequest.ResponseRequest,
    own: RequestOptions.Checked,
    ticket: Ticket,
    restore: Restore
  ) {
    this.options = options
    this.request = request
    this.own = own
    this.ticket = ticket
    this.restore = restore
    this.seat = new Seat(ticket, options.onEarlyEnd)
    this.placing = new Placing.Placing(options, request, ticket, this.seat, restore)
  }

  serve(
    isRepeated: ReturnType<typeof Reasons.mayRepeat>
  ): Effect.Effect<Responses.OpenResponse, ResponsesError, Scope.Scope> {
    const attempt = Effect.suspend(() => this.placing.first(this.serveOn))
    return Effect.matchCauseEffect(Effect.catchIf(attempt, isRepeated, (error) => this.repeat(error)), {
      onFailure: (cause) => {
        this.seat.leave()
        return Effect.failCause(cause)
      },
      onSuccess: (begun) => this.begun(begun)
    })
  }

  private begun(begun: Begun): Effect.Effect<Responses.OpenResponse, never, Scope.Scope> {
    const { bytesSent, recoveries, seat, ticket } = this
    const response: Responses.OpenResponse = {
      ...begun,
      bytesSent,
      queued: ticket.queued(),
      firstEvent: ticket.sinceTurn(),
      recoveries
    }
    this.options.onOpen(response)
    return Effect.as(Finalizer.add(Effect.sync(() => seat.leave())), response)
  }

  /** On another connection, where there is one. */
  private repeat(error: ConnectionError): Effect.Effect<Begun, ResponsesError> {
    this.recoveries.push({ _tag: "Reconnected", error })
    this.placing.exclude()
    const again = Effect.flatMap(this.placing.elsewhere, this.serveOn)
    // An unsent retry does not prove that the first attempt never ran.
    return isUnsent(error) ? again : Effect.mapError(again, (last) => isUnsent(last) ? error : last)
  }

  private readonly serveOn = ({ found, place }: Placing.Placed): Effect.Effect<Begun, ResponsesError> => {
    const planned = Either.try(() => this.options.heads.take(place, this.request, found))
    return Either.isLeft(planned)
      ? Effect.fail(Placing.incomparable(planned.left))
      : this.send(place, planned.right)
  }

  private send(place: Place, planned: Planned): Effect.Effect<Begun, ResponsesError> {
    return Effect.catchAll(this.begin(place, planned), (error) => this.repair(place, planned, error))
  }

  private begin(place: Place, planned: Planned): Effect.Effect<Begun, ResponsesError> {
    const { options: { heads, maxFrameBytes, naming }, own, request, seat, ticket } = this
    const { bytesSaved, plan } = planned
    const previousResponseId = plan.request.previous_response_id ?? undefined
    const streamId = this.streamIdOn(place)
    // Written in the same step as the plan: the items are the caller's, who may change them in place.
    const frame = Outgoing.frame(plan.request, streamId, maxFrameBytes)
    if (Either.isLeft(frame)) {
      heads.putBack(place, planned)
      return Effect.fail(frame.left)
    }
    const { bytes, exchange } = place.connection.request({
      frame: frame.right,
      lane: place.lane,
      source: planned.source,
      previousResponseId,
      renamed: naming.by === "callers" || streamId === request.stream_id
        ? undefined
        : { streamId: request.stream_id ?? undefined },
      granted: ticket.turnAt,
      timeout: own.timeout,
      onEnd: (exchange, hasBegun) => {
        if (!hasBegun) return
        const answer = exchange.answer()
        const error = exchange.error()
        try {
          if (answer !== undefined) heads.commit(place, planned, answer, frame.right.length)
          if (error !== undefined) heads.fail(place, planned, error)
        } finally {
          seat.over(exchange)
        }
      }
    })
    this.bytesSent += bytes
    this.sentName = streamId
    seat.asked(exchange)
    return Effect.map(this.restore(exchange.started), (id): Begun => ({
      id,
      transport: "websocket",
      input: previousResponseId === undefined ? "full" : "delta",
      reason: plan._tag === "Full" ? plan.reason : undefined,
      bytesSaved,
      connection: place.connection.number,
      lane: place.lane.name,
      continues: planned.origin,
      ...Exchange.reading(exchange)
    }))
  }

  private streamIdOn({ lane }: Place): string | undefined {
    const { lanes, naming } = this.options
    if (naming.by === "callers") return lanes ? this.request.stream_id : undefined
    return naming.sendsNames && lane.name !== "" ? lane.name : undefined
  }

  private repair(place: Place, planned: Planned, error: ResponsesError): Effect.Effect<Begun, ResponsesError> {
    const { options: { heads }, placing, request, seat } = this
    const { connection, lane } = place
    heads.fail(place, planned, error)
    const refusal = this.refusalOf(error)
    if (refusal !== undefined) return this.takeBack(refusal, place)
    const id = planned.plan.request.previous_response_id ?? undefined
    // A caller who named the response gets the error: only the caller has the rest of the conversation.
    if (id === undefined || planned.plan._tag === "Full" || !isUnsent(error) || !ChainRefusal.isRefusal(error, id)) {
      return Effect.fail(error)
    }
    this.recoveries.push({ _tag: "ResentInFull", error })
    const inFull = (place: Place) => this.send(place, heads.takeFull(place, request, planned, error))
    const kept = connection.isOpen() && lane.tag === "Held" && lane.isHeldBy(seat) ? seat.keep() : undefined
    // Some servers serve nothing more on a connection after an error.
    return kept === undefined ? Effect.flatMap(placing.elsewhere, ({ place }) => inFull(place)) : inFull(kept)
  }

  /** What the Layer chose for the request, and the server refused. One that refuses all is believed in the end. */
  private refusalOf(error: ResponsesError): LaneRefusal.Refusal | undefined {
    const isChosen = this.options.naming.by === "layer" && this.sentName !== undefined
    return isChosen && this.timesTakenBack < maxTakenBack ? LaneRefusal.of(error) : undefined
  }

  /** Sent again as the server will have it. */
  private takeBack(refusal: LaneRefusal.Refusal, { connection, lane }: Place): Effect.Effect<Begun, ResponsesError> {
    this.timesTakenBack++
    if (refusal === "name") connection.capacity.nameRefused(lane)
    else if (refusal === "names") connection.capacity.noMoreNames(lane)
    else connection.capacity.runOne()
    return Effect.flatMap(this.placing.elsewhere, this.serveOn)
  }
}
