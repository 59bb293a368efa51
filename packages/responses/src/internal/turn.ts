/** One request on the leased connection: wait, plan, send, see the server begin to answer, repair what can be repaired. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as ResponseRequest from "../ResponseRequest.ts"
import type * as Responses from "../Responses.ts"
import { ConnectionError, isUnsent, type PreviousResponseNotFound, type ResponsesError } from "../ResponsesError.ts"
import type { Recovery } from "../ResponsesTelemetry.ts"
import type { Timeouts } from "../Timeouts.ts"
import type { Connection } from "./connection.ts"
import * as Finalizer from "./finalizer.ts"
import type { Heads, Planned } from "./heads.ts"
import type { Lease } from "./lease.ts"
import * as Utf8 from "./utf8.ts"
import * as Watchdog from "./watchdog.ts"

export interface Options {
  readonly lease: Lease<Connection, ConnectionError>
  readonly heads: Heads
  readonly timeouts: Timeouts
  readonly onEarlyEnd: "close" | "drain"
  /** What may be asked for a second time where a connection failed. */
  readonly repeat: "unsent" | "unacknowledged"
  readonly maxFrameBytes: number
  /** Without them `stream_id` is not sent. */
  readonly lanes: boolean
  /** Whether a connection may take new requests. */
  readonly suits: Effect.Effect<(connection: Connection) => boolean>
}

const isForgotten = (error: ResponsesError): error is PreviousResponseNotFound =>
  error._tag === "PreviousResponseNotFound"

/** The connection is to blame, so another connection may serve the very same request. */
const isConnections: Readonly<Partial<Record<ConnectionError["reason"], boolean>>> = {
  Expired: true,
  Lost: true,
  FirstEventTimeout: true,
  Stalled: true
}

const isRepeatable = (repeat: Options["repeat"]) => (error: ResponsesError): error is ConnectionError =>
  error._tag === "ConnectionError" && isConnections[error.reason] === true &&
  (error.delivery === "unsent" || error.delivery === repeat)

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
  const { heads, lanes, lease, maxFrameBytes, onEarlyEnd, suits, timeouts } = options
  const isRepeated = isRepeatable(options.repeat)

  const toFrame = (request: ResponseRequest.ResponseRequest) =>
    checkSize(ResponseRequest.toFrame(request), maxFrameBytes)

  return (asked) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        yield* ResponseRequest.validate(asked)
        const request = lanes ? asked : { ...asked, stream_id: undefined }
        const held = lease.enter()
        yield* Finalizer.add(Effect.sync(held.release))
        const scope = yield* Effect.scope
        const recoveries: Array<Recovery> = []
        let bytesSent = 0
        let granted = 0

        const begin = (connection: Connection, planned: Planned): Effect.Effect<Begun, ResponsesError, Scope.Scope> => {
          const { bytesSaved, plan } = planned
          // Written in the same step as the plan: the items are the caller's, who may change them in place.
          const encoded = toFrame(plan.request)
          return Effect.gen(function*() {
            const frame = yield* encoded
            const previousResponseId = plan.request.previous_response_id ?? undefined
            const exchange = connection.expect({
              lane: request.stream_id ?? "",
              previousResponseId,
              onEnd: (exchange) => {
                const result = exchange.result()
                if (result !== undefined) heads.commit(connection, planned, result, frame.length)
                held.release()
              }
            })
            let sent: number | undefined
            const watched: Watchdog.Watched = {
              exchange,
              granted,
              sent: () => sent,
              heard: connection.heardAt,
              fail: connection.end
            }
            yield* Watchdog.watch(timeouts, watched).pipe(Effect.interruptible, Effect.forkIn(scope))
            bytesSent += yield* restore(connection.send(frame)).pipe(
              Effect.onInterrupt(() => Effect.sync(connection.end))
            )
            sent = yield* Clock.currentTimeMillis

            const leave = Effect.sync(() => {
              exchange.abandon()
              // A response that is not over would go on into the next turn.
              if (onEarlyEnd === "close" && !exchange.isFinished()) connection.end()
              held.release()
            })
            yield* Finalizer.add(leave)
            const id = yield* restore(exchange.started).pipe(Effect.onInterrupt(() => leave))
            return {
              id,
              transport: "websocket",
              input: previousResponseId === undefined ? "full" : "delta",
              reason: plan._tag === "Full" ? plan.reason : undefined,
              bytesSaved,
              events: exchange.events,
              forEach: exchange.forEach
            }
          })
        }

        const connect = Effect.gen(function*() {
          if (!lease.isOpen()) yield* toFrame(heads.preview(request).request)
          const isCurrent = yield* suits
          const connection = yield* held.get(isCurrent)
          yield* connection.ready(request.stream_id ?? "")
          return connection.isOpen() ? connection : yield* held.get(isCurrent)
        })

        const attempt = Effect.flatMap(restore(connect), (connection) => {
          const planned = heads.take(connection, request)
          const begun = begin(connection, planned)
          // Whoever named the response itself gets the error: nobody else has the rest of the conversation.
          return planned.plan._tag === "Full" ? begun : Effect.catchIf(begun, isForgotten, (error) => {
            recoveries.push({ _tag: "ResentInFull", error })
            return begin(connection, heads.takeFull(connection, request, error.previousResponseId))
          })
        })

        const turn = Effect.gen(function*() {
          const asked = yield* Clock.currentTimeMillis
          yield* restore(queued(held.granted, timeouts.queue))
          granted = yield* Clock.currentTimeMillis
          const begun = yield* Effect.catchIf(attempt, isRepeated, (error) => {
            recoveries.push({ _tag: "Reconnected", error })
            // That the second one did not run does not say that the first one did not.
            return isUnsent(error) ? attempt : Effect.mapError(attempt, (last) => isUnsent(last) ? error : last)
          })
          const opened: Responses.OpenResponse = {
            ...begun,
            bytesSent,
            queued: Duration.millis(granted - asked),
            firstEvent: Duration.millis((yield* Clock.currentTimeMillis) - granted),
            recoveries
          }
          return opened
        })

        return yield* Effect.onError(turn, () => Effect.sync(held.release))
      })
    )
}

type Begun = Omit<Responses.OpenResponse, "bytesSent" | "queued" | "firstEvent" | "recoveries">
