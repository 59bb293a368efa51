/** One open WebSocket: one reader for its whole life, which gives each frame to the exchange it belongs to. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Connect } from "../../Connector.ts"
import * as ResponseEvent from "../../ResponseEvent.ts"
import { ConnectionError, type Delivery, MalformedEvent, type ResponsesError } from "../../ResponsesError.ts"
import * as Finalizer from "../effect/finalizer.ts"
import type { Timers } from "../effect/timers.ts"
import * as Deadlines from "../exchange/deadlines.ts"
import * as Exchange from "../exchange/exchange.ts"
import type { Key } from "../options/credentials.ts"
import type { Endpoint } from "../options/endpoint.ts"
import type { Timeouts } from "../options/timeouts.ts"
import * as ForeignError from "../wire/foreignError.ts"
import * as Redact from "../wire/redact.ts"
import * as wireError from "../wire/wireError.ts"
import * as Liveness from "./liveness.ts"
import * as Router from "./router.ts"

export interface Options {
  /** How long nothing may come before the other side is asked for a sign of life; infinite: only before a request. */
  readonly ping: Duration.Duration
  readonly pingTimeout: Duration.Duration
  readonly timeouts: Timeouts
  readonly maxOutputSize: number
  readonly timers: Timers
  readonly onDead: () => void
}

export interface Connection {
  /** Who asks: equal for connections that the server takes for the same caller's. */
  readonly identity: string
  /** The key it was opened with. */
  readonly key: Key
  readonly isOpen: () => boolean
  /** Has a function called when the connection has ended, whoever ended it; at once if it has. */
  readonly onEnd: (ended: () => void) => void
  /** Ends it from this side. The socket itself is closed with the connection's scope. */
  readonly end: (error?: End) => void
  /** Whether nothing was abandoned on a lane that has not ended, and the connection was not silent for long. */
  readonly isReady: (lane: string) => boolean
  /** Waits until that is so; a connection that was silent is asked for a sign of life. */
  readonly ready: (lane: string) => Effect.Effect<void>
  /** Sends a `response.create` frame. What keeps it from being sent is the failure of its exchange. */
  readonly request: (options: RequestOptions) => Requested
}

export interface RequestOptions {
  readonly frame: string
  readonly lane: string
  readonly previousResponseId: string | undefined
  /** When the request got its turn, as a time of `Time.now`. */
  readonly granted: number
  /** A response that had begun has ended, well or not; told before anybody can take the end. */
  readonly onEnd: (exchange: Exchange.Exchange) => void
}

export interface Requested {
  readonly exchange: Exchange.Exchange
  /** The size of the frame. */
  readonly bytes: number
}

/** Why a connection ended, for a request that came so far. */
type End = (delivery: Delivery, hasBegun?: boolean) => ConnectionError

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
    const { headers, key, redact } = yield* endpoint.credentials
    const router = Router.make()
    /** Requests that are being written: how far they came is for the socket to say. */
    const writing = new Set<Exchange.Exchange>()
    let unheardBytes = 0
    let paused = false
    let heard = false
    let end: End | undefined
    let tellEnd: (() => void) | undefined

    const failAll = (error: (delivery: Delivery, hasBegun: boolean) => ResponsesError) => {
      for (const exchange of router.takeAll()) {
        if (!writing.has(exchange)) exchange.fail(error)
      }
    }

    const finish = (error: End) => {
      if (end !== undefined) return
      end = error
      failAll(error)
      liveness.end()
      tellEnd?.()
    }

    /** From this side: what is being written need not be waited for any more. */
    const giveUp = (error: End) => {
      finish(error)
      for (const exchange of writing) exchange.fail(error)
      writing.clear()
    }

    const liveness = Liveness.make({
      time: options.timers.time,
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
      const error = wireError.fromFrame(event, { delivery: "unsent", redact })
      finish(
        error._tag === "ConnectionError"
          ? (delivery) => wireError.withDelivery(error, delivery)
          : lost(`The server gave up the idle connection: ${error.description}`)
      )
    }

    const onEvent = (event: ResponseEvent.ServerEvent, size: number) => {
      const exchange = router.route(event)
      if (exchange === "dropped") return
      if (exchange === "unclaimed") return whileIdle(event)
      exchange.offer(event, size)
      if (!exchange.isFinished()) return checkSize(exchange)
      router.settle(exchange, event)
      const error = exchange.error()
      // How far the others came is not what this one's error says.
      if (error?._tag === "ConnectionError") finish((delivery) => wireError.withDelivery(error, delivery))
      else if (event.type !== "response.failed" && error !== undefined && !endpoint.profile.usableAfterError) {
        finish(lost("The server serves nothing more on a connection after an error"))
      }
    }

    const checkSize = (exchange: Exchange.Exchange) => {
      // The server still sends output that no reader is left for.
      if (exchange.hasEnded()) return giveUp(lost("The server put out more than is kept of one response"))
      if (!exchange.hasBegun() && exchange.size() > Exchange.maxBeforeBeginning) {
        onMalformed("events of no response", "")
      }
    }

    /** Closes the connection: the rest of the response could get into the next one. */
    const onMalformed = (problem: string, data: string) => {
      const description = redact(problem)
      const frame = Redact.beginning(redact(data), 200)
      failAll((delivery) => new MalformedEvent({ description, frame, delivery }))
      giveUp(lost(`The server sent ${description}`))
    }

    const socket = yield* connect({ url: endpoint.socketUrl, headers, redact }, {
      onMessage: (data) => {
        if (end !== undefined) return
        hear()
        if (typeof data !== "string") {
          return onMalformed("a binary message", "")
        }
        const event = ResponseEvent.read(data)
        if (typeof event === "string") return onMalformed(event, data)
        try {
          onEvent(event, data.length)
        } catch (cause) {
          // Nothing that a server sends may end the process; what it sends may be too deep for what works on it.
          onMalformed(`${event.type ?? "an error"} that cannot be handled (${String(cause)})`, data)
        }
      },
      onSign: hear,
      onClose: ({ code, reason }) => {
        const close = { code, reason: redact(reason) }
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

    const write = (exchange: Exchange.Exchange, frame: string, onSent: () => void): number => {
      writing.add(exchange)
      const bytes = socket.send(frame, (error) => {
        if (error === undefined || error === null) {
          writing.delete(exchange)
          // The connection has ended meanwhile.
          return end === undefined ? onSent() : exchange.fail(end)
        }
        // A socket that takes nothing any more may not have said so yet.
        finish(lost(`The request could not be sent: ${redact(error.message)}`, ForeignError.plain(error, redact)))
        writing.delete(exchange)
        exchange.fail(() => (end ?? closed)("unsent"))
      })
      unheardBytes += bytes
      return bytes
    }

    const request: Connection["request"] = ({ frame, granted, lane, onEnd, previousResponseId }) => {
      let sent: number | undefined
      let unwatch: (() => void) | undefined
      const exchange = Exchange.make({
        previousResponseId,
        maxOutputSize: options.maxOutputSize,
        redact,
        onPressure,
        onEnd: (hasBegun) => {
          unwatch?.()
          if (hasBegun) onEnd(exchange)
        }
      })
      // May find that its turn is over already, and end the connection.
      unwatch = Deadlines.watch(options.timers, options.timeouts, {
        exchange,
        granted,
        sent: () => sent,
        heard: heardAt,
        fail: giveUp
      })
      if (end !== undefined) {
        const error = end("unsent")
        exchange.fail(() => error)
        return { exchange, bytes: 0 }
      }
      router.add(lane, exchange)
      return {
        exchange,
        bytes: write(exchange, frame, () => {
          sent = options.timers.time.now()
        })
      }
    }

    const heardAt = () => paused ? undefined : liveness.heardAt()

    const silence = Duration.min(longSilence, options.ping)

    return {
      identity: JSON.stringify(headers),
      key,
      isOpen: () => end === undefined,
      onEnd: (ended) => {
        if (end === undefined) tellEnd = ended
        else ended()
      },
      end: (error = closed) => giveUp(error),
      isReady: (lane) => router.onLane(lane) === undefined && liveness.isFresh(silence),
      ready: (lane) =>
        Effect.suspend(() => {
          const before = router.onLane(lane)
          return before === undefined ? liveness.check(silence) : drained(before)
        }),
      request
    }
  })
