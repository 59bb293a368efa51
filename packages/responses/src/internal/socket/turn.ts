/** One request: wait, plan, send, see the server begin to answer, repair what can be repaired. `seat.ts` has its states. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import { constTrue } from "effect/Function"
import type * as Scope from "effect/Scope"
import * as ResponseRequest from "../../ResponseRequest.ts"
import type * as Responses from "../../Responses.ts"
import { ConnectionError, InvalidRequest, isUnsent, type ResponsesError } from "../../ResponsesError.ts"
import type { Recovery } from "../../ResponsesTelemetry.ts"
import * as Finalizer from "../effect/finalizer.ts"
import * as Time from "../effect/time.ts"
import * as Exchange from "../exchange/exchange.ts"
import type { Timeouts } from "../options/timeouts.ts"
import * as ChainRefusal from "../wire/chainRefusal.ts"
import * as Reasons from "../wire/reasons.ts"
import * as Utf8 from "../wire/utf8.ts"
import type { Connection } from "./connection.ts"
import type { Heads, Place, Planned } from "./heads.ts"
import type { Pool, Ticket } from "./pool.ts"
import { Seat } from "./seat.ts"

export interface Options {
  readonly pool: Pool
  readonly time: Time.Time
  readonly heads: Heads
  readonly timeouts: Timeouts
  readonly onEarlyEnd: "close" | "drain"
  /** What may be asked for a second time where a connection failed. */
  readonly repeat: "unsent" | "unacknowledged"
  readonly maxFrameBytes: number
  /** Without them `stream_id` is not sent. */
  readonly lanes: boolean
  /** Tells which connections may take new requests. `undefined`: every open connection may. */
  readonly suits: Effect.Effect<(connection: Connection) => boolean, ConnectionError> | undefined
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

const queued = (granted: Effect.Effect<void>, limit: Duration.Duration): Effect.Effect<void, ConnectionError> =>
  !Duration.isFinite(limit) ? granted : Effect.timeoutFail(granted, {
    duration: limit,
    onTimeout: () =>
      new ConnectionError({
        reason: "QueueTimeout",
        delivery: "unsent",
        description: `Other responses held the connection for more than ${Duration.format(limit)}`
      })
  })

export const make = (options: Options): Responses.Service["open"] => {
  const { lanes, pool, time, timeouts } = options
  const serve = makeServe(options)

  return (asked) =>
    Effect.uninterruptibleMask((restore) => {
      const validated = ResponseRequest.validate(asked)
      if (Either.isLeft(validated)) return Effect.fail(validated.left)
      const waiting = Time.stopwatch(time.clock)
      const ticket = pool.enter()
      const granted = () =>
        serve({ request: lanes ? asked : { ...asked, stream_id: undefined }, ticket, queued: waiting(), restore })
      if (ticket.isGranted()) return granted()
      // A request that waits holds little: there may be thousands.
      return Effect.onExit(
        restore(queued(ticket.granted, timeouts.queue)),
        (exit) => Exit.isSuccess(exit) ? Effect.void : Effect.sync(ticket.release)
      ).pipe(Effect.flatMap(granted))
    })
}

interface Granted {
  readonly request: ResponseRequest.ResponseRequest
  readonly ticket: Ticket
  readonly queued: Duration.Duration
  readonly restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

type Begun = Omit<Responses.OpenResponse, "bytesSent" | "queued" | "firstEvent" | "recoveries">

/** A turn that meets nothing unusual takes few steps: what might have to be waited for is looked at before. */
const makeServe = (options: Options) => {
  const { heads, maxFrameBytes, onEarlyEnd, onOpen, pool, suits, time } = options
  const isRepeated = Reasons.mayRepeat(options.repeat)

  const toFrame = (request: ResponseRequest.ResponseRequest) =>
    checkSize(ResponseRequest.toFrame(request), maxFrameBytes)

  return ({
    queued,
    request,
    restore,
    ticket
  }: Granted): Effect.Effect<Responses.OpenResponse, ResponsesError, Scope.Scope> => {
    const granted = time.now()
    const answering = Time.stopwatch(time.clock)
    const lane = request.stream_id ?? ""
    const seat = new Seat(ticket, lane, onEarlyEnd)
    const recoveries: Array<Recovery> = []
    let bytesSent = 0

    const begin = (place: Place, planned: Planned): Effect.Effect<Begun, ResponsesError> => {
      const { bytesSaved, plan } = planned
      const previousResponseId = plan.request.previous_response_id ?? undefined
      // Written in the same step as the plan: the items are the caller's, who may change them in place.
      const frame = toFrame(plan.request)
      if (Either.isLeft(frame)) return Effect.fail(frame.left)
      const { bytes, exchange } = place.connection.request({
        frame: frame.right,
        lane: place.lane,
        previousResponseId,
        granted,
        onEnd: (exchange, hasBegun) => {
          if (!hasBegun) return
          const answer = exchange.answer()
          const error = exchange.error()
          try {
            if (answer !== undefined) heads.commit(place, planned, answer, frame.right.length)
            if (error !== undefined) heads.fail(place.connection, planned, error)
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
        ...Exchange.reading(exchange)
      }))
    }

    const connect = Effect.gen(function*() {
      if (!pool.isOpen()) yield* toFrame(heads.preview(request).request)
      const isCurrent = yield* suits ?? Effect.succeed(constTrue)
      const connection = yield* ticket.get(isCurrent)
      yield* connection.ready(lane)
      return connection.isOpen() ? connection : yield* ticket.get(isCurrent)
    })

    const serveOn = (connection: Connection) => {
      const place = seat.hold(connection)
      const planned = Either.try(() => heads.take(place, request))
      if (Either.isLeft(planned)) return Effect.fail(incomparable(planned.left))
      const { plan } = planned.right
      const id = plan.request.previous_response_id ?? undefined
      const begun = begin(place, planned.right)
      return id === undefined ? begun : Effect.catchAll(begun, (error) => {
        heads.fail(connection, planned.right, error)
        // A caller who named the response gets the error: only the caller has the rest of the conversation.
        if (plan._tag === "Full" || !isUnsent(error) || !ChainRefusal.isRefusal(error, id)) return Effect.fail(error)
        recoveries.push({ _tag: "ResentInFull", error })
        // Some servers serve nothing more on a connection after an error.
        return Effect.flatMap(
          connection.isOpen() ? Effect.succeed(connection) : restore(connect),
          (open) => {
            const place = seat.hold(open)
            return begin(place, heads.takeFull(place, request, planned.right, error))
          }
        )
      })
    }

    const attempt = Effect.suspend(() => {
      const connection = suits === undefined ? ticket.current(constTrue) : undefined
      return connection?.isReady(lane) === true ? serveOn(connection) : Effect.flatMap(restore(connect), serveOn)
    })

    const repaired = Effect.catchIf(attempt, isRepeated, (error) => {
      recoveries.push({ _tag: "Reconnected", error })
      // An unsent retry does not prove that the first attempt never ran.
      return isUnsent(error) ? attempt : Effect.mapError(attempt, (last) => isUnsent(last) ? error : last)
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
          queued,
          firstEvent: answering(),
          recoveries
        }
        onOpen(response)
        return Effect.as(Finalizer.add(Effect.sync(() => seat.leave())), response)
      }
    })
  }
}
