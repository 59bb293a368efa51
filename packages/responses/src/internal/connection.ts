/** One open WebSocket: one reader for its whole life, which gives each frame to the exchange it belongs to. */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import type { Connect } from "../Connector.ts"
import type { Endpoint, Key } from "../Endpoint.ts"
import * as ResponseEvent from "../ResponseEvent.ts"
import { ConnectionError, type Delivery, MalformedEvent, type ResponsesError } from "../ResponsesError.ts"
import * as Exchange from "./exchange.ts"
import * as Finalizer from "./finalizer.ts"
import * as Liveness from "./liveness.ts"
import * as wireError from "./wireError.ts"

export interface Options {
  /** How long nothing may come before the other side is asked for a sign of life; infinite: only before a request. */
  readonly ping: Duration.Duration
  readonly pingTimeout: Duration.Duration
  readonly onDead: () => void
}

export interface Connection {
  /** Who asks: equal for connections that the server takes for the same caller's. */
  readonly identity: string
  /** The key it was opened with. */
  readonly key: Key
  readonly isOpen: () => boolean
  /** Completes when the connection has ended, whoever ended it. */
  readonly ended: Effect.Effect<void>
  /** Ends it from this side. The socket itself is closed with the connection's scope. */
  readonly end: (error?: End) => void
  /** Waits until what was abandoned on a lane has ended, and makes sure that a connection that was silent still lives. */
  readonly ready: (lane: string) => Effect.Effect<void>
  /** When the other side last gave a sign of life; `undefined` while it is not listened to. */
  readonly heardAt: () => number | undefined
  /** What comes from now on is the answer to a request on this lane. */
  readonly expect: (options: RequestOptions) => Exchange.Exchange
  /** Sends a `response.create` frame and gives its size in bytes. */
  readonly send: (frame: string) => Effect.Effect<number, ConnectionError>
}

export interface RequestOptions {
  readonly lane: string
  readonly previousResponseId: string | undefined
  /** A response that had begun has ended, well or not; told before anybody can take the end. */
  readonly onEnd: (exchange: Exchange.Exchange) => void
}

/** Why a connection ended, for a request that came so far. */
type End = (delivery: Delivery, hasBegun?: boolean) => ConnectionError

/** How many responses that are over are told from the one that runs. */
const maxOver = 256

const drainTimeout = Duration.seconds(30)

/** What a network may have given up without telling anybody. */
const longSilence = Duration.seconds(30)

/** In bytes: what may stand in the way of a ping on a slow line for longer than its answer may take. */
const largeUpload = 256 * 1024

const lost = (description: string, cause?: Error) => (delivery: Delivery) =>
  new ConnectionError({ reason: "Lost", delivery, description, ...cause === undefined ? {} : { cause } })

const closed = (delivery: Delivery) =>
  new ConnectionError({ reason: "Closed", delivery, description: "The connection was closed by its owner" })

/** Opens a connection that is closed with its scope. */
export const open = (
  connect: Connect,
  endpoint: Endpoint,
  options: Options
): Effect.Effect<Connection, ConnectionError, Scope.Scope> =>
  Effect.gen(function*() {
    const { headers, key, scrub } = yield* endpoint.credentials
    const ended = yield* Deferred.make<void>()
    const lanes = new Map<string, Exchange.Exchange>()
    const usedLanes = new Set<string>()
    /** The responses that have ended, the oldest first. */
    const over = new Set<string>()
    /** Requests that are being written, and what they wait for. */
    const writing = new Set<() => void>()
    let unheardBytes = 0
    let paused = false
    let heard = false
    let end: End | undefined

    const failAll = (error: (delivery: Delivery, hasBegun: boolean) => ResponsesError) => {
      const running = [...lanes.values()]
      lanes.clear()
      for (const exchange of running) exchange.fail(error)
    }

    const finish = (error: End) => {
      if (end !== undefined) return
      end = error
      failAll(error)
      liveness.end()
      Deferred.unsafeDone(ended, Effect.void)
    }

    /** From this side: what is being written need not be waited for any more. */
    const giveUp = (error: End) => {
      finish(error)
      for (const stop of writing) stop()
      writing.clear()
    }

    const liveness = Liveness.make({
      clock: yield* Effect.clock,
      timeout: options.pingTimeout,
      ping: () => socket.ping(),
      isDeaf: () => paused || writing.size > 0 || unheardBytes > largeUpload,
      onDead: () => {
        options.onDead()
        giveUp(lost(`The server did not answer a ping within ${Duration.format(options.pingTimeout)}`))
      }
    })

    const hear = () => {
      heard = true
      unheardBytes = 0
      liveness.hear()
    }

    /** Nobody waits for it, so only what says something about the connection itself matters. */
    const whileIdle = (event: ResponseEvent.ServerEvent) => {
      if (!ResponseEvent.isFailure(event)) return
      const error = wireError.fromFrame(event, { delivery: "unsent" })
      finish(
        error._tag === "ConnectionError"
          ? (delivery) => wireError.withDelivery(error, delivery)
          : lost(scrub(`The server gave up the idle connection: ${error.description}`))
      )
    }

    /** Where only one request runs, what names no lane that was ever used can only be its own. */
    const exchangeOf = (event: ResponseEvent.ServerEvent): Exchange.Exchange | undefined => {
      const found = lanes.get(event.stream_id ?? "")
      if (found !== undefined || lanes.size !== 1) return found
      const isStray = event.stream_id === undefined ? !ResponseEvent.isFailure(event) : usedLanes.has(event.stream_id)
      return isStray ? undefined : lanes.values().next().value
    }

    /** Some servers send a `response.done` or a second end after the end, at once or later: it is not the next one's. */
    const isLate = (event: ResponseEvent.ServerEvent, exchange: Exchange.Exchange): boolean => {
      const type: string | undefined = event.type
      if (type === "response.done" && exchange.responseId() === undefined) return true
      if (over.size === 0) return false
      const id = ResponseEvent.responseId(event)
      if (id === undefined) return false
      // Some servers give every response the same id.
      if (event.type === "response.created") over.delete(id)
      return over.has(id)
    }

    const remember = (id: string) => {
      over.add(id)
      const [oldest] = over
      if (over.size > maxOver && oldest !== undefined) over.delete(oldest)
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
        usedLanes.add(lane)
      }
      if (id !== undefined) remember(id)
      const error = exchange.error()
      // How far the others came is not what this one's error says.
      if (error?._tag === "ConnectionError") finish((delivery) => wireError.withDelivery(error, delivery))
      else if (event.type !== "response.failed" && error !== undefined && !endpoint.profile.usableAfterError) {
        finish(lost("The server serves nothing more on a connection after an error"))
      }
    }

    /** What the server goes on to send of this response must not get into the next one: the connection is of no more use. */
    const onMalformed = (description: string, data: string) => {
      const frame = scrub(data.slice(0, 2000)).slice(0, 200)
      failAll((delivery) => new MalformedEvent({ description, frame, delivery }))
      giveUp(lost(`The server sent ${description}`))
    }

    const socket = yield* connect({ url: endpoint.socketUrl, headers, scrub }, {
      onMessage: (data) => {
        if (end !== undefined) return
        hear()
        if (typeof data !== "string") {
          return onMalformed("a binary message", "")
        }
        const decoded = ResponseEvent.decode(data, "partial")
        return Either.isLeft(decoded)
          ? onMalformed(decoded.left.description, data)
          : onEvent(decoded.right, data.length)
      },
      onSign: hear,
      onClose: (close) => {
        const refused = !heard && close.code === 1008
        finish((delivery, hasBegun) =>
          refused
            ? wireError.fromCloseAfterUpgrade(close)
            : wireError.fromClose(close, { delivery, hasBegun, unheardBytes })
        )
      }
    })
    yield* Finalizer.add(Effect.sync(() => giveUp(closed)))
    if (Duration.isFinite(options.ping)) {
      yield* liveness.watch(options.ping).pipe(Effect.interruptible, Effect.forkScoped)
    }

    /** A server that goes quiet while the rest of an answer is thrown away does not hold up the next request for ever. */
    const drained = (exchange: Exchange.Exchange) =>
      Effect.timeoutTo(exchange.ended, {
        duration: drainTimeout,
        onSuccess: () => {},
        onTimeout: () => giveUp(lost("The rest of an answer that was given up did not come"))
      })

    const onPressure = (behind: boolean) => {
      paused = behind
      if (behind) return socket.pause()
      socket.resume()
      liveness.hear()
    }

    const send: Connection["send"] = (frame) =>
      Effect.async((resume) => {
        if (end !== undefined) return resume(Effect.fail(end("unsent")))
        const stop = () => resume(Effect.suspend(() => Effect.fail((end ?? closed)("unacknowledged"))))
        writing.add(stop)
        const bytes = socket.send(frame, (error) => {
          writing.delete(stop)
          if (error === undefined || error === null) return resume(Effect.sync(() => bytes))
          // A socket that takes nothing any more may not have said so yet.
          finish(lost(`The request could not be sent: ${scrub(error.message)}`, error))
          resume(Effect.suspend(() => Effect.fail((end ?? closed)("unsent"))))
        })
        unheardBytes += bytes
      })

    const expect: Connection["expect"] = ({ lane, onEnd, previousResponseId }) => {
      const exchange = Exchange.make({ previousResponseId, scrub, onEnd: () => onEnd(exchange), onPressure })
      if (end === undefined) lanes.set(lane, exchange)
      else exchange.fail(end)
      return exchange
    }

    const silence = Duration.min(longSilence, options.ping)

    return {
      identity: JSON.stringify(headers),
      key,
      isOpen: () => end === undefined,
      ended: Deferred.await(ended),
      end: (error = closed) => giveUp(error),
      ready: (lane) =>
        Effect.suspend(() => {
          const before = lanes.get(lane)
          return before === undefined ? liveness.check(silence) : drained(before)
        }),
      heardAt: () => paused ? undefined : liveness.heardAt(),
      expect,
      send
    }
  })
