/** One request on the leased connection: wait, send, see the server begin to answer, repair what can be repaired. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ResponseRequest from "../ResponseRequest.ts"
import type * as Responses from "../Responses.ts"
import type { ConnectionError, ResponsesError } from "../ResponsesError.ts"
import type { Connection, Sent } from "./connection.ts"
import type { Held, Lease } from "./lease.ts"

export interface Options {
  readonly lease: Lease<Connection, ConnectionError>
  readonly onEarlyEnd: "close" | "drain"
}

/** The connection is to blame and nothing ran, so another connection may serve the very same request. */
const isReconnectable = (error: ResponsesError): error is ConnectionError =>
  error._tag === "ConnectionError" && error.delivery === "unsent" &&
  (error.reason === "Expired" || error.reason === "Lost")

/** What happened before this attempt. */
interface Past {
  readonly bytesSent: number
  readonly recoveries: ReadonlyArray<Responses.Recovery>
}

export const make = ({ lease, onEarlyEnd }: Options): Responses.Service["open"] => {
  type Lent = Held<Connection, ConnectionError>

  /** A response that is not over would go on into the next turn. */
  const evictUnfinished = (held: Lent, connection: Connection, sent: Sent) =>
    Effect.suspend(() => sent.exchange.isFinished() ? Effect.void : held.evict(connection))

  const leave = (held: Lent, connection: Connection, sent: Sent) =>
    (onEarlyEnd === "drain" ? Effect.sync(sent.exchange.abandon) : evictUnfinished(held, connection, sent)).pipe(
      Effect.zipRight(held.release)
    )

  const attempt = (
    held: Lent,
    request: ResponseRequest.ResponseRequest,
    past: Past
  ): Effect.Effect<Omit<Responses.OpenResponse, "queued">, ResponsesError, Scope.Scope> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const frame = yield* ResponseRequest.toFrame(request)
        const connection = yield* restore(held.get)
        const sent = yield* restore(connection.request(frame, {
          lane: request.stream_id,
          previousResponseId: request.previous_response_id ?? undefined
        })).pipe(Effect.onInterrupt(() => held.evict(connection)))
        yield* Effect.addFinalizer(() => leave(held, connection, sent))
        const id = yield* restore(sent.exchange.started).pipe(
          Effect.tapError(() => evictUnfinished(held, connection, sent)),
          Effect.onInterrupt(() => leave(held, connection, sent))
        )
        return {
          id,
          transport: "websocket",
          input: request.previous_response_id ? "delta" : "full",
          bytesSent: past.bytesSent + sent.bytes,
          recoveries: past.recoveries,
          events: sent.exchange.events(held.release)
        } as const
      })
    )

  /** Each repair is tried once: a second failure of the same kind is the caller's. */
  const repaired = (held: Lent, request: ResponseRequest.ResponseRequest, past: Past) =>
    attempt(held, request, past).pipe(
      Effect.catchIf(isReconnectable, (error) =>
        attempt(held, request, {
          ...past,
          recoveries: [...past.recoveries, { _tag: "Reconnected", error }]
        }))
    )

  return (request) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        yield* ResponseRequest.validate(request)
        const asked = yield* Clock.currentTimeMillis
        const held = lease.enter()
        return yield* Effect.addFinalizer(() => held.release).pipe(
          Effect.zipRight(restore(held.granted)),
          Effect.zipRight(Clock.currentTimeMillis),
          Effect.flatMap((now) =>
            restore(repaired(held, request, { bytesSent: 0, recoveries: [] })).pipe(
              Effect.map((response) => ({ ...response, queued: Duration.millis(now - asked) }))
            )
          ),
          Effect.onError(() => held.release)
        )
      })
    )
}
