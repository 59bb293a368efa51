/** One request on the leased connection: wait, plan, send, see the server begin to answer, repair what can be repaired. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as ResponseRequest from "../ResponseRequest.ts"
import type * as Responses from "../Responses.ts"
import type { ConnectionError, PreviousResponseNotFound, ResponsesError } from "../ResponsesError.ts"
import type { Recovery } from "../ResponsesTelemetry.ts"
import type { Connection } from "./connection.ts"
import type { Heads, Planned } from "./heads.ts"
import type { Lease } from "./lease.ts"

export interface Options {
  readonly lease: Lease<Connection, ConnectionError>
  readonly heads: Heads
  readonly onEarlyEnd: "close" | "drain"
}

/** The connection is to blame and nothing ran, so another connection may serve the very same request. */
const isReconnectable = (error: ResponsesError): error is ConnectionError =>
  error._tag === "ConnectionError" && error.delivery === "unsent" &&
  (error.reason === "Expired" || error.reason === "Lost")

const isForgotten = (error: ResponsesError): error is PreviousResponseNotFound =>
  error._tag === "PreviousResponseNotFound"

export const make = ({ heads, lease, onEarlyEnd }: Options): Responses.Service["open"] => (request) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      yield* ResponseRequest.validate(request)
      const held = lease.enter()
      yield* Effect.addFinalizer(() => Effect.sync(held.release))
      const recoveries: Array<Recovery> = []
      let bytesSent = 0

      const begin = (connection: Connection, planned: Planned): Effect.Effect<Begun, ResponsesError, Scope.Scope> => {
        const { bytesSaved, plan } = planned
        // Written in the same step as the plan: the items are the caller's, who may change them in place.
        const frame = ResponseRequest.toFrame(plan.request)
        const frameSize = Either.match(frame, { onLeft: () => 0, onRight: (text) => text.length })
        const previousResponseId = plan.request.previous_response_id ?? undefined
        return Effect.gen(function*() {
          const { bytes, exchange } = yield* restore(connection.request(yield* frame, {
            lane: request.stream_id,
            previousResponseId,
            onEnd: (exchange) => {
              const result = exchange.result()
              if (result !== undefined) heads.commit(connection, planned, result, frameSize)
              held.release()
            }
          })).pipe(Effect.onInterrupt(() => held.evict(connection)))
          bytesSent += bytes

          // A response that is not over would go on into the next turn.
          const evict = Effect.suspend(() => exchange.isFinished() ? Effect.void : held.evict(connection))
          const leave = Effect.suspend(() => {
            exchange.abandon()
            return onEarlyEnd === "close" ? evict : Effect.void
          }).pipe(Effect.zipRight(Effect.sync(held.release)))

          yield* Effect.addFinalizer(() => leave)
          const id = yield* restore(exchange.started).pipe(
            Effect.tapError(() => evict),
            Effect.onInterrupt(() => leave)
          )
          return {
            id,
            transport: "websocket",
            input: previousResponseId === undefined ? "full" : "delta",
            reason: plan._tag === "Full" ? plan.reason : undefined,
            bytesSaved,
            events: exchange.events
          }
        })
      }

      const attempt = Effect.flatMap(restore(held.get), (connection) => {
        const planned = heads.take(connection, request)
        const begun = begin(connection, planned)
        // Whoever named the response itself gets the error: nobody else has the rest of the conversation.
        return planned.plan._tag === "Full" ? begun : Effect.catchIf(begun, isForgotten, (error) => {
          recoveries.push({ _tag: "ResentInFull", error })
          return begin(connection, heads.takeFull(connection, request, error.previousResponseId))
        })
      })

      const repaired = Effect.catchIf(attempt, isReconnectable, (error) => {
        recoveries.push({ _tag: "Reconnected", error })
        return attempt
      })

      const turn = Effect.gen(function*() {
        const asked = yield* Clock.currentTimeMillis
        yield* restore(held.granted)
        const granted = yield* Clock.currentTimeMillis
        const begun = yield* repaired
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

type Begun = Omit<Responses.OpenResponse, "bytesSent" | "queued" | "firstEvent" | "recoveries">
