/** One request: wait, plan, send, see the server begin to answer, repair what can be repaired. `seat.ts` has its states. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as ResponseRequest from "../../ResponseRequest.ts"
import type * as Responses from "../../Responses.ts"
import { ConnectionError, InvalidRequest, isUnsent, type ResponsesError } from "../../ResponsesError.ts"
import type { Recovery } from "../../ResponsesTelemetry.ts"
import * as Caller from "../effect/caller.ts"
import * as Finalizer from "../effect/finalizer.ts"
import * as Exchange from "../exchange/exchange.ts"
import * as RequestOptions from "../options/requestOptions.ts"
import * as ChainRefusal from "../wire/chainRefusal.ts"
import * as Reasons from "../wire/reasons.ts"
import * as Utf8 from "../wire/utf8.ts"
import type { Connection } from "./connection.ts"
import type { Found, Heads, Planned } from "./heads.ts"
import * as LaneRefusal from "./laneRefusal.ts"
import type { Naming } from "./naming.ts"
import type { Place } from "./place.ts"
import type { Pool, Suits } from "./pool.ts"
import { Seat } from "./seat.ts"
import type { Ticket } from "./ticket.ts"

export interface Options {
  readonly pool: Pool
  readonly heads: Heads
  readonly naming: Naming
  readonly onEarlyEnd: "close" | "drain"
  /** What may be asked for a second time where a connection failed. */
  readonly repeat: "unsent" | "unacknowledged"
  readonly maxFrameBytes: number
  /** Whether the server knows `stream_id`. */
  readonly lanes: boolean
  /** Tells which connections may take new requests. `undefined`: every open connection may. */
  readonly suits: Effect.Effect<Suits, ConnectionError> | undefined
  /** A response has begun. */
  readonly onOpen: (response: Responses.Sending) => void
}

/** Checked before anything is dialled, and again when it is known what travels. */
const checkSize = (
  frame: Either.Either<string, ResponsesError>,
  maxFrameBytes: number
): Either.Either<string, ResponsesError> =>
  Either.filterOrLeft(
    frame,
    (text) => !Utf8.isLongerThan(text, maxFrameBytes),
    () =>
      new ConnectionError({
        reason: "TooLarge",
        delivery: "unsent",
        description: `The request has more than the ${maxFrameBytes} bytes that the server takes in one message`
      })
  )

const incomparable = (cause: unknown) =>
  new InvalidRequest({
    field: "input",
    description: `cannot be compared with what was sent before: ${String(cause)}`
  })

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export const make = (options: Options): Responses.Service["open"] => {
  const { heads, pool } = options
  const serve = makeServe(options)

  return (request, options) =>
    Effect.uninterruptibleMask((restore) => {
      const checked = RequestOptions.check(options, "websocket")
      if (Either.isLeft(checked)) return Effect.fail(checked.left)
      const validated = ResponseRequest.validate(request)
      if (Either.isLeft(validated)) return Effect.fail(validated.left)
      return Effect.withFiberRuntime((fiber) => {
        const keyOf = () => Caller.of(request) ?? request.stream_id ?? fiber
        return serve(request, checked.right, pool.enter(fiber, keyOf, () => heads.homeOf(request)), restore)
      })
    })
}

type Begun = Omit<Responses.OpenResponse, "bytesSent" | "queued" | "firstEvent" | "recoveries">

/** What a turn goes on with: a lane that it holds, and the heads that the request fits. */
interface Placed {
  readonly place: Place
  readonly found: ReadonlyArray<Found>
}

/** A turn that meets nothing unusual takes few steps: what might have to be waited for is looked at before. */
const makeServe = (options: Options) => {
  const { heads, lanes, maxFrameBytes, naming, onEarlyEnd, onOpen, pool, suits } = options
  const isRepeated = Reasons.mayRepeat(options.repeat)

  const toFrame = (request: ResponseRequest.ResponseRequest, streamId: string | undefined) =>
    checkSize(ResponseRequest.toFrame({ ...request, stream_id: streamId }), maxFrameBytes)

  return (
    request: ResponseRequest.ResponseRequest,
    { timeout }: RequestOptions.Checked,
    ticket: Ticket,
    restore: Restore
  ): Effect.Effect<Responses.OpenResponse, ResponsesError, Scope.Scope> => {
    const seat = new Seat(ticket, onEarlyEnd)
    const recoveries: Array<Recovery> = []
    let bytesSent = 0
    /** The key is asked for once, here or by the dial: one that changes with each question would never suit. */
    let isKeyKnown = !pool.isOpen()
    /** Has failed the request. */
    let excluded: Connection | undefined

    const streamIdOn = ({ lane }: Place): string | undefined =>
      naming.by === "callers"
        ? lanes ? request.stream_id : undefined
        : naming.sendsNames && lane.name !== ""
        ? lane.name
        : undefined

    const begin = (place: Place, planned: Planned): Effect.Effect<Begun, ResponsesError> => {
      const { bytesSaved, plan } = planned
      const previousResponseId = plan.request.previous_response_id ?? undefined
      const streamId = streamIdOn(place)
      // Written in the same step as the plan: the items are the caller's, who may change them in place.
      const frame = toFrame(plan.request, streamId)
      if (Either.isLeft(frame)) {
        heads.putBack(place)
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
        timeout,
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
      bytesSent += bytes
      seat.asked(exchange)
      return Effect.map(restore(exchange.started), (id): Begun => ({
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

    /** In the place that was granted, in one step: what the heads are compared with is the caller's. */
    const tryPlace = (): Either.Either<Placed | "Grow" | "Wait", ConnectionError | InvalidRequest> => {
      const lost = ticket.lost()
      if (lost !== undefined) return Either.left(lost)
      return Either.try({
        try: () => {
          const found = heads.find(request)
          ticket.take()
          const previousId = request.previous_response_id ?? undefined
          const placement = pool.placement({
            lane: naming.by === "callers" ? lanes ? request.stream_id ?? "" : "" : undefined,
            name: request.stream_id ?? undefined,
            heads: found.map(({ kept }) => kept),
            named: naming.by === "callers" || previousId === undefined ? undefined : heads.placeOf(previousId),
            onlyAsDelta: () => Either.isLeft(toFrame(request, undefined)),
            mayFork: heads.mayFork(),
            excluded,
            idleFor: found.length === 0 && naming.by === "layer" ? heads.idleFor(request) : undefined
          })
          return placement._tag === "Use"
            ? { place: seat.hold(placement.connection, placement.lane), found }
            : placement._tag
        },
        catch: incomparable
      })
    }

    /** Waits for a place, and for a sign of life of a connection that was silent for long. */
    const placed: Effect.Effect<Placed, ResponsesError> = Effect.suspend(() => {
      if (!pool.isOpen()) {
        const frame = toFrame(heads.preview(request).request, undefined)
        if (Either.isLeft(frame)) return Effect.fail(frame.left)
      }
      return Effect.flatMap(restore(ticket.granted), () => {
        if (suits === undefined || isKeyKnown) return choose
        return Effect.flatMap(restore(suits), (suits) => {
          isKeyKnown = true
          pool.keepOnly(suits)
          return choose
        })
      })
    })

    const choose = Effect.suspend(() => settle(tryPlace()))

    const settle = (
      chosen: Either.Either<Placed | "Grow" | "Wait", ConnectionError | InvalidRequest>
    ): Effect.Effect<Placed, ResponsesError> => {
      if (Either.isLeft(chosen)) return Effect.fail(chosen.left)
      if (typeof chosen.right === "string") {
        ticket.again(chosen.right)
        return placed
      }
      const { place } = chosen.right
      if (place.connection.isReady()) return Effect.succeed(chosen.right)
      return Effect.flatMap(
        restore(place.connection.ready),
        // What was found may have changed meanwhile.
        () => place.connection.isOpen() ? Effect.succeed({ place, found: heads.find(request) }) : elsewhere
      )
    }

    const serveOn = ({ found, place }: Placed): Effect.Effect<Begun, ResponsesError> => {
      const planned = Either.try(() => heads.take(place, request, found))
      if (Either.isLeft(planned)) return Effect.fail(incomparable(planned.left))
      return Effect.catchAll(begin(place, planned.right), (error) => repair(place, planned.right, error))
    }

    /** What the Layer chose for the request, and the server refused, is taken back. */
    const repair = (place: Place, planned: Planned, error: ResponsesError): Effect.Effect<Begun, ResponsesError> => {
      const { connection, lane } = place
      heads.fail(place, planned, error)
      const refusal = naming.by === "layer" && streamIdOn(place) !== undefined ? LaneRefusal.of(error) : undefined
      if (refusal !== undefined) return takeBack(refusal, place)
      const id = planned.plan.request.previous_response_id ?? undefined
      // A caller who named the response gets the error: only the caller has the rest of the conversation.
      if (id === undefined || planned.plan._tag === "Full" || !isUnsent(error) || !ChainRefusal.isRefusal(error, id)) {
        return Effect.fail(error)
      }
      recoveries.push({ _tag: "ResentInFull", error })
      const inFull = (place: Place) => begin(place, heads.takeFull(place, request, planned, error))
      const kept = connection.isOpen() && lane.tag === "Held" && lane.isHeldBy(seat) ? seat.keep() : undefined
      // Some servers serve nothing more on a connection after an error.
      return kept === undefined ? Effect.flatMap(elsewhere, ({ place }) => inFull(place)) : inFull(kept)
    }

    const takeBack = (refusal: LaneRefusal.Refusal, place: Place): Effect.Effect<Begun, ResponsesError> => {
      const { connection, lane } = place
      if (refusal === "name") connection.capacity.nameRefused(lane)
      else if (refusal === "names") connection.capacity.noMoreNames(lane)
      else connection.capacity.runOne()
      return Effect.flatMap(elsewhere, serveOn)
    }

    /** Where another connection failed. */
    const elsewhere: Effect.Effect<Placed, ResponsesError> = Effect.suspend(() => {
      seat.release()
      ticket.again("Turn")
      return placed
    })

    const attempt: Effect.Effect<Begun, ResponsesError> = Effect.suspend(() => {
      if (suits !== undefined || !ticket.isGranted()) return Effect.flatMap(placed, serveOn)
      const chosen = tryPlace()
      return Either.isRight(chosen) && typeof chosen.right !== "string" && chosen.right.place.connection.isReady()
        ? serveOn(chosen.right)
        : Effect.flatMap(settle(chosen), serveOn)
    })

    const repaired = Effect.catchIf(attempt, isRepeated, (error) => {
      recoveries.push({ _tag: "Reconnected", error })
      excluded = seat.place?.connection
      const again = Effect.flatMap(elsewhere, serveOn)
      // An unsent retry does not prove that the first attempt never ran.
      return isUnsent(error) ? again : Effect.mapError(again, (last) => isUnsent(last) ? error : last)
    })

    return Effect.matchCauseEffect(repaired, {
      onFailure: (cause) => {
        seat.leave()
        return Effect.failCause(cause)
      },
      onSuccess: (begun) => {
        const response: Responses.OpenResponse = {
          ...begun,
          bytesSent,
          queued: ticket.queued(),
          firstEvent: ticket.sinceTurn(),
          recoveries
        }
        onOpen(response)
        return Effect.as(Finalizer.add(Effect.sync(() => seat.leave())), response)
      }
    })
  }
}
