/** One open WebSocket: one reader for its whole life, which gives each frame to the exchange it belongs to. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import type { Connect } from "../Connector.ts"
import type { Endpoint } from "../Endpoint.ts"
import * as ResponseEvent from "../ResponseEvent.ts"
import { ConnectionError, type Delivery, MalformedEvent, type ResponsesError } from "../ResponsesError.ts"
import * as Exchange from "./exchange.ts"
import * as wireError from "./wireError.ts"

export interface Connection {
  /** Who asks: equal for connections that the server takes for the same caller's. */
  readonly identity: string
  readonly isOpen: () => boolean
  /** Completes when the connection has ended, whoever ended it. */
  readonly ended: Effect.Effect<void>
  /** Sends a `response.create` frame, once what was abandoned on its lane has ended. */
  readonly request: (frame: string, options: RequestOptions) => Effect.Effect<Sent, ConnectionError>
}

export interface RequestOptions {
  readonly lane: string | undefined
  readonly previousResponseId: string | undefined
}

export interface Sent {
  readonly exchange: Exchange.Exchange
  readonly bytes: number
}

const lost = (description: string) => (delivery: Delivery) =>
  new ConnectionError({ reason: "Lost", delivery, description })

/** What a server says in a refusal may quote the key it refused. */
const scrubbed = (scrub: (text: string) => string) => (error: ConnectionError) => {
  const { description } = error
  return description === scrub(description) ? error : new ConnectionError({
    reason: error.reason,
    delivery: error.delivery,
    description: scrub(description),
    status: error.status,
    closeCode: error.closeCode,
    code: error.code,
    requestId: error.requestId,
    retryAfter: error.retryAfter
  })
}

const closed = (delivery: Delivery) =>
  new ConnectionError({ reason: "Closed", delivery, description: "The Layer that owns the connection was closed" })

/** Opens a connection that is closed with its scope. */
export const open = (
  connect: Connect,
  endpoint: Endpoint
): Effect.Effect<Connection, ConnectionError, Scope.Scope> =>
  Effect.gen(function*() {
    const { headers, scrub } = yield* endpoint.credentials
    const ended = yield* Deferred.make<void>()
    const lanes = new Map<string, Exchange.Exchange>()
    const latest = new Map<string, string>()
    let heard = false
    let end: ((delivery: Delivery) => ConnectionError) | undefined

    const failAll = (error: (delivery: Delivery) => ResponsesError) => {
      const running = [...lanes.values()]
      lanes.clear()
      for (const exchange of running) exchange.fail(error)
    }

    const finish = (error: (delivery: Delivery) => ConnectionError) => {
      if (end !== undefined) return
      end = error
      failAll(error)
      Deferred.unsafeDone(ended, Effect.void)
    }

    /** Nobody waits for it, so only what says something about the connection itself matters. */
    const whileIdle = (event: ResponseEvent.ServerEvent) => {
      if (!ResponseEvent.isFailure(event)) return
      const error = wireError.fromFrame(event, { delivery: "unsent" })
      finish(
        error._tag === "ConnectionError"
          ? () => error
          : lost(`The server gave up the idle connection: ${error.description}`)
      )
    }

    /** A failure that names no lane belongs to the only request there is. */
    const exchangeOf = (event: ResponseEvent.ServerEvent): Exchange.Exchange | undefined =>
      lanes.get(event.stream_id ?? "") ??
        (ResponseEvent.isFailure(event) && event.stream_id === undefined && lanes.size === 1
          ? lanes.values().next().value
          : undefined)

    /** Some servers send a `response.done` or a second end after the end, which must not begin the next response. */
    const isLate = (event: ResponseEvent.ServerEvent, exchange: Exchange.Exchange): boolean => {
      if (exchange.responseId() !== undefined || event.type === "response.created") return false
      const id = ResponseEvent.responseId(event)
      return id !== undefined && id === latest.get(event.stream_id ?? "")
    }

    const onEvent = (event: ResponseEvent.ServerEvent, size: number) => {
      const exchange = exchangeOf(event)
      if (exchange === undefined) return whileIdle(event)
      if (isLate(event, exchange)) return
      exchange.offer(event, size)
      if (!exchange.isFinished()) return
      const id = exchange.responseId()
      for (const [lane, running] of lanes) {
        if (running !== exchange) continue
        lanes.delete(lane)
        if (id !== undefined) latest.set(lane, id)
      }
      const error = exchange.error()
      if (error?._tag === "ConnectionError") finish(() => error)
    }

    const onMalformed = (error: MalformedEvent) => {
      if (lanes.size === 0) return finish(lost(`The server sent ${error.description} on the idle connection`))
      failAll((delivery) => new MalformedEvent({ description: error.description, frame: scrub(error.frame), delivery }))
    }

    const socket = yield* connect({ url: endpoint.socketUrl, headers }, {
      onMessage: (data) => {
        if (end !== undefined) return
        heard = true
        if (typeof data !== "string") {
          return onMalformed(new MalformedEvent({ description: "a binary message", frame: "", delivery: "partial" }))
        }
        const decoded = ResponseEvent.decode(data, "partial")
        return Either.isLeft(decoded) ? onMalformed(decoded.left) : onEvent(decoded.right, data.length)
      },
      onClose: (close) => {
        const refused = !heard && close.code === 1008
        finish((delivery) => refused ? wireError.fromCloseAfterUpgrade(close) : wireError.fromClose(close, delivery))
      }
    }).pipe(Effect.mapError(scrubbed(scrub)))
    yield* Effect.addFinalizer(() => Effect.sync(() => finish(closed)))

    const request: Connection["request"] = (frame, { lane = "", previousResponseId }) =>
      Effect.suspend(() => {
        if (end !== undefined) return Effect.fail(end("unsent"))
        const before = lanes.get(lane)
        if (before !== undefined) return Effect.zipRight(before.ended, request(frame, { lane, previousResponseId }))
        const exchange = Exchange.make({
          previousResponseId,
          scrub,
          onPressure: (behind) => behind ? socket.pause() : socket.resume()
        })
        lanes.set(lane, exchange)
        return socket.send(frame).pipe(
          Effect.mapBoth({
            onSuccess: (bytes) => ({ exchange, bytes }),
            onFailure: (error) => end?.("unsent") ?? error
          }),
          Effect.tapError(() => Effect.sync(() => lanes.delete(lane)))
        )
      })

    return { identity: JSON.stringify(headers), isOpen: () => end === undefined, ended: Deferred.await(ended), request }
  })
