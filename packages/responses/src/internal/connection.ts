/** One open WebSocket: one reader for its whole life, which gives each frame to the exchange it belongs to. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { Connect, Listener, Socket } from "../Connector.ts"
import type { Credentials, Endpoint, Key } from "../Endpoint.ts"
import * as ResponseEvent from "../ResponseEvent.ts"
import { ConnectionError, type Delivery, MalformedEvent, type ResponsesError } from "../ResponsesError.ts"
import type { Timeouts } from "../Timeouts.ts"
import * as Exchange from "./exchange.ts"
import * as Finalizer from "./finalizer.ts"
import { Liveness } from "./liveness.ts"
import { Router } from "./router.ts"
import { Watchdog } from "./watchdog.ts"
import * as wireError from "./wireError.ts"

export interface Options {
  /** How long nothing may come before the other side is asked for a sign of life; infinite: only before a request. */
  readonly ping: Duration.Duration
  readonly pingTimeout: Duration.Duration
  readonly timeouts: Timeouts
  readonly onDead: () => void
  /** Of the one who keeps connections: what watches over one must not hold whoever needed it to be watched. */
  readonly runtime: Runtime.Runtime<never>
}

export interface RequestOptions {
  readonly frame: string
  readonly lane: string
  readonly previousResponseId: string | undefined
  /** When the request got its turn, in milliseconds. */
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

export class Connection {
  /** Who asks: equal for connections that the server takes for the same caller's. */
  readonly identity: string
  /** The key it was opened with. */
  readonly key: Key
  readonly #scrub: (text: string) => string
  readonly #usableAfterError: boolean
  readonly #options: Options
  readonly #clock: Clock.Clock
  readonly #router = new Router()
  readonly #liveness: Liveness
  readonly #watchdog: Watchdog
  #watching: Fiber.RuntimeFiber<void> | undefined
  /** Requests that are being written: how far they came is for the socket to say. */
  readonly #writing = new Set<Exchange.Exchange>()
  #unheardBytes = 0
  #paused = false
  #heard = false
  #socket: Socket | undefined
  #end: End | undefined
  #onEnd: (() => void) | undefined

  /** Opens a connection that is closed with its scope. */
  static open(
    connect: Connect,
    endpoint: Endpoint,
    options: Options
  ): Effect.Effect<Connection, ConnectionError, Scope.Scope> {
    return Effect.gen(function*() {
      const credentials = yield* endpoint.credentials
      const connection = new Connection(credentials, endpoint.profile.usableAfterError, options, yield* Effect.clock)
      const { headers, scrub } = credentials
      connection.#socket = yield* connect({ url: endpoint.socketUrl, headers, scrub }, connection.#listener())
      yield* Finalizer.add(Effect.suspend(() => connection.#close()))
      if (Duration.isFinite(options.ping)) {
        const watch = Effect.interruptible(connection.#liveness.watch(options.ping))
        yield* Finalizer.add(Fiber.interrupt(Runtime.runFork(options.runtime, watch)))
      }
      return connection
    })
  }

  constructor({ headers, key, scrub }: Credentials, usableAfterError: boolean, options: Options, clock: Clock.Clock) {
    this.identity = JSON.stringify(headers)
    this.key = key
    this.#scrub = scrub
    this.#usableAfterError = usableAfterError
    this.#options = options
    this.#clock = clock
    this.#watchdog = new Watchdog(options.timeouts)
    this.#liveness = new Liveness({
      clock,
      timeout: options.pingTimeout,
      ping: () => this.#socket?.ping(),
      isDeaf: () => this.#paused || this.#writing.size > 0 || this.#unheardBytes > largeUpload,
      onDead: () => {
        options.onDead()
        this.#giveUp(lost(`The server did not answer a ping within ${Duration.format(options.pingTimeout)}`))
      }
    })
  }

  isOpen(): boolean {
    return this.#end === undefined
  }

  /** Has a function called when the connection has ended, whoever ended it; at once if it has. */
  onEnd(ended: () => void): void {
    if (this.#end === undefined) this.#onEnd = ended
    else ended()
  }

  /** Ends it from this side. The socket itself is closed with the connection's scope. */
  end(error: End = closed): void {
    this.#giveUp(error)
  }

  /** Waits until what was abandoned on a lane has ended, and makes sure that a connection that was silent still lives. */
  ready(lane: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const before = this.#router.onLane(lane)
      return before === undefined
        ? this.#liveness.check(Duration.min(longSilence, this.#options.ping))
        : this.#drained(before)
    })
  }

  /** Sends a `response.create` frame. What keeps it from being sent is the failure of its exchange. */
  request({ frame, granted, lane, onEnd, previousResponseId }: RequestOptions): Requested {
    let sent: number | undefined
    const exchange = Exchange.make({
      previousResponseId,
      scrub: this.#scrub,
      onPressure: (behind) => this.#onPressure(behind),
      onEnd: (hasBegun) => {
        this.#watchdog.remove(exchange)
        if (hasBegun) onEnd(exchange)
      }
    })
    if (this.#end !== undefined) {
      const error = this.#end("unsent")
      exchange.fail(() => error)
      return { exchange, bytes: 0 }
    }
    this.#router.add(lane, exchange)
    const bytes = this.#write(exchange, frame, () => {
      sent = this.#clock.unsafeCurrentTimeMillis()
    })
    this.#watchdog.add({
      exchange,
      granted,
      sent: () => sent,
      heard: () => this.#paused ? undefined : this.#liveness.heardAt(),
      fail: (error) => this.#giveUp(error)
    })
    return { exchange, bytes }
  }

  /** Looks at the clocks of the requests that run. To be called after `request`. */
  get watch(): Effect.Effect<void> {
    return this.#watchdog.run((look) =>
      Effect.sync(() => {
        this.#watching?.unsafeInterruptAsFork(FiberId.none)
        this.#watching = Runtime.runFork(this.#options.runtime, Effect.interruptible(look))
      })
    )
  }

  #listener(): Listener {
    return {
      onMessage: (data) => {
        if (this.#end === undefined) this.#onMessage(data)
      },
      onSign: () => this.#hear(),
      onClose: ({ code, reason }) => {
        const close = { code, reason: this.#scrub(reason) }
        const refused = !this.#heard && close.code === 1008
        this.#finish((delivery, hasBegun) =>
          refused
            ? wireError.fromCloseAfterUpgrade(close)
            : wireError.fromClose(close, { delivery, hasBegun, unheardBytes: this.#unheardBytes })
        )
      }
    }
  }

  #onMessage(data: string | Uint8Array): void {
    this.#hear()
    if (typeof data !== "string") return this.#onMalformed("a binary message", "")
    const event = ResponseEvent.read(data)
    if (typeof event === "string") return this.#onMalformed(event, data)
    try {
      this.#onEvent(event, data.length)
    } catch (cause) {
      // Nothing that a server sends may end the process; what it sends may be too deep for what works on it.
      this.#onMalformed(`${event.type ?? "an error"} that cannot be handled (${this.#scrub(String(cause))})`, data)
    }
  }

  #onEvent(event: ResponseEvent.ServerEvent, size: number): void {
    const exchange = this.#router.find(event)
    if (exchange === undefined) return this.#whileIdle(event)
    if (this.#router.isLate(event, exchange)) return
    exchange.offer(event, size)
    if (!exchange.isFinished()) {
      return exchange.size() > Exchange.maxBeforeBeginning && exchange.responseId() === undefined
        ? this.#onMalformed("events of no response", "")
        : undefined
    }
    this.#router.settle(exchange)
    const error = exchange.error()
    // How far the others came is not what this one's error says.
    if (error?._tag === "ConnectionError") this.#finish((delivery) => wireError.withDelivery(error, delivery))
    else if (event.type !== "response.failed" && error !== undefined && !this.#usableAfterError) {
      this.#finish(lost("The server serves nothing more on a connection after an error"))
    }
  }

  /** Nobody waits for it, so only what says something about the connection itself matters. */
  #whileIdle(event: ResponseEvent.ServerEvent): void {
    if (!ResponseEvent.isFailure(event)) return
    const error = wireError.fromFrame(event, { delivery: "unsent" })
    this.#finish(
      error._tag === "ConnectionError"
        ? (delivery) => wireError.withDelivery(error, delivery)
        : lost(this.#scrub(`The server gave up the idle connection: ${error.description}`))
    )
  }

  /** What the server goes on to send of this response must not get into the next one: the connection is of no more use. */
  #onMalformed(description: string, data: string): void {
    const frame = this.#scrub(data.slice(0, 2000)).slice(0, 200)
    this.#failAll((delivery) => new MalformedEvent({ description, frame, delivery }))
    this.#giveUp(lost(`The server sent ${description}`))
  }

  #hear(): void {
    this.#heard = true
    this.#unheardBytes = 0
    this.#liveness.hear()
  }

  #write(exchange: Exchange.Exchange, frame: string, onSent: () => void): number {
    if (this.#socket === undefined) return 0
    this.#writing.add(exchange)
    const bytes = this.#socket.send(frame, (error) => {
      if (error === undefined || error === null) {
        this.#writing.delete(exchange)
        // The connection has ended meanwhile.
        return this.#end === undefined ? onSent() : exchange.fail(this.#end)
      }
      // A socket that takes nothing any more may not have said so yet.
      this.#finish(lost(`The request could not be sent: ${this.#scrub(error.message)}`, error))
      this.#writing.delete(exchange)
      exchange.fail(() => (this.#end ?? closed)("unsent"))
    })
    this.#unheardBytes += bytes
    return bytes
  }

  #onPressure(behind: boolean): void {
    this.#paused = behind
    if (behind) return this.#socket?.pause()
    this.#socket?.resume()
    this.#liveness.hear()
  }

  /** A server that goes quiet while the rest of an answer is thrown away does not hold up the next request for ever. */
  #drained(exchange: Exchange.Exchange): Effect.Effect<void> {
    return Effect.timeoutTo(exchange.ended, {
      duration: drainTimeout,
      onSuccess: () => {},
      onTimeout: () => this.#giveUp(lost("The rest of an answer that was given up did not come"))
    })
  }

  #finish(error: End): void {
    if (this.#end !== undefined) return
    this.#end = error
    this.#failAll(error)
    this.#liveness.end()
    this.#onEnd?.()
  }

  /** From this side: what is being written need not be waited for any more. */
  #giveUp(error: End): void {
    this.#finish(error)
    for (const exchange of this.#writing) exchange.fail(error)
    this.#writing.clear()
  }

  #failAll(error: (delivery: Delivery, hasBegun: boolean) => ResponsesError): void {
    for (const exchange of this.#router.takeAll()) {
      if (!this.#writing.has(exchange)) exchange.fail(error)
    }
  }

  #close(): Effect.Effect<unknown> {
    this.#giveUp(closed)
    return this.#watching === undefined ? Effect.void : Fiber.interrupt(this.#watching)
  }
}
