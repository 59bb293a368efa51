/** One open WebSocket: one reader for its whole life, which gives each frame to the exchange it belongs to. */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
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
  /** A response that had begun has ended, well or not; told before anybody can take the end. */
  readonly onEnd: (exchange: Exchange.Exchange) => void
}

export interface Sent {
  readonly exchange: Exchange.Exchange
  readonly bytes: number
}

const drainTimeout = Duration.seconds(30)

const lost = (description: string) => (delivery: Delivery) =>
  new ConnectionError({ reason: "Lost", delivery, description })

const closed = (delivery: Delivery) =>
  new ConnectionError({ reason: "Closed", delivery, description: "The connection was closed by its owner" })

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
          : lost(scrub(`The server gave up the idle connection: ${error.description}`))
      )
    }

    /** Where only one request runs, what names no lane that was ever used can only be its own. */
    const exchangeOf = (event: ResponseEvent.ServerEvent): Exchange.Exchange | undefined => {
      const found = lanes.get(event.stream_id ?? "")
      if (found !== undefined || lanes.size !== 1) return found
      const isStray = event.stream_id === undefined ? !ResponseEvent.isFailure(event) : latest.has(event.stream_id)
      return isStray ? undefined : lanes.values().next().value
    }

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

    /** What the server goes on to send of this response must not get into the next one: the connection is of no more use. */
    const onMalformed = (description: string, data: string) => {
      const frame = scrub(data.slice(0, 2000)).slice(0, 200)
      failAll((delivery) => new MalformedEvent({ description, frame, delivery }))
      finish(lost(`The server sent ${description}`))
    }

    const socket = yield* connect({ url: endpoint.socketUrl, headers, scrub }, {
      onMessage: (data) => {
        if (end !== undefined) return
        heard = true
        if (typeof data !== "string") {
          return onMalformed("a binary message", "")
        }
        const decoded = ResponseEvent.decode(data, "partial")
        return Either.isLeft(decoded)
          ? onMalformed(decoded.left.description, data)
          : onEvent(decoded.right, data.length)
      },
      onClose: (close) => {
        const refused = !heard && close.code === 1008
        finish((delivery) => refused ? wireError.fromCloseAfterUpgrade(close) : wireError.fromClose(close, delivery))
      }
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => finish(closed)))

    /** A server that goes quiet while the rest of an answer is thrown away does not hold up the next request for ever. */
    const drained = (exchange: Exchange.Exchange) =>
      Effect.timeoutTo(exchange.ended, {
        duration: drainTimeout,
        onSuccess: () => {},
        onTimeout: () => finish(lost("The rest of an answer that was given up did not come"))
      })

    const request: Connection["request"] = (frame, { lane = "", onEnd, previousResponseId }) =>
      Effect.suspend(() => {
        if (end !== undefined) return Effect.fail(end("unsent"))
        const before = lanes.get(lane)
        if (before !== undefined) {
          return Effect.zipRight(drained(before), request(frame, { lane, onEnd, previousResponseId }))
        }
        const exchange = Exchange.make({
          previousResponseId,
          scrub,
          onEnd: () => onEnd(exchange),
          onPressure: (behind) => behind ? socket.pause() : socket.resume()
        })
        lanes.set(lane, exchange)
        return socket.send(frame).pipe(
          Effect.mapBoth({
            onSuccess: (bytes) => ({ exchange, bytes }),
            onFailure: (error) => end?.("unsent") ?? error
          }),
          Effect.tapError((error) =>
            Effect.sync(() => {
              lanes.delete(lane)
              // A socket that takes nothing any more may not have said so yet.
              finish(() => error)
            })
          )
        )
      })

    return { identity: JSON.stringify(headers), isOpen: () => end === undefined, ended: Deferred.await(ended), request }
  })
