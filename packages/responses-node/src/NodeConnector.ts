/**
 * WebSockets on Node, by `ws`: with headers, and with the answer of a server that refuses to upgrade.
 *
 * @since 0.1.0
 */
import { type Connect, Connector, refused, type Socket, unreachable } from "effect-responses/Connector"
import type { ConnectionError } from "effect-responses/ResponsesError"
import * as Timeouts from "effect-responses/unstable/Timeouts"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { constants } from "node:buffer"
import type * as Http from "node:http"
import * as WS from "ws"
import * as Agent from "./internal/agent.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** For a proxy, or a certificate authority of one's own: one for `https:` where the server's URL is `https:` or `wss:`. */
  readonly agent?: Http.Agent | undefined
  /** The largest message taken from a server, in bytes. Default: 48 MiB, which an image of some megabytes fits */
  readonly maxPayload?: number | undefined
  /** How long a server may take to agree to a close. Default: 1 second */
  readonly closeTimeout?: Duration.DurationInput | undefined
}

const maxRefusalBody = 64 * 1024

/** In milliseconds. */
const refusalBodyTimeout = 2000

const defaultMaxPayload = 48 * 1024 * 1024

/** A timer of Node's that is set to more fires at once. In milliseconds. */
const longestTimer = 2 ** 31 - 1

/** `ws` takes no limit for none, and what is longer than a string can be for one: both would end the process. */
const checkMaxPayload = (bytes: number): Effect.Effect<number, ConfigError.ConfigError> =>
  Number.isInteger(bytes) && bytes > 0 && bytes <= constants.MAX_STRING_LENGTH
    ? Effect.succeed(bytes)
    : Effect.fail(
      ConfigError.InvalidData(["maxPayload"], `is not a number of bytes from 1 to ${constants.MAX_STRING_LENGTH}`)
    )

type OnAnswer = (request: Http.ClientRequest, response: Http.IncomingMessage) => void

/** Listening for `unexpected-response` makes the failed upgrade ours to end. */
const onRefused =
  (ws: WS.WebSocket, redact: (text: string) => string, fail: (error: ConnectionError) => void): OnAnswer =>
  (_request, response) => {
    let body = ""
    const end = () => {
      fail(refused({ status: response.statusCode ?? 0, headers: response.headers, body, redact }))
      response.destroy()
      ws.terminate()
    }
    response.setEncoding("utf8")
    response.on("data", (text: string) => {
      body += text
      if (body.length >= maxRefusalBody) end()
    })
    // The status says enough, should the body not end.
    const timer = setTimeout(end, refusalBodyTimeout)
    response.once("close", () => clearTimeout(timer))
    response.once("end", end)
    response.once("error", end)
  }

/** What listens for the opening goes with it: it holds the fiber that waits, and the socket would hold it for life. */
const opened = (ws: WS.WebSocket, redact: (text: string) => string): Effect.Effect<void, ConnectionError> =>
  Effect.async((resume) => {
    const settle = (opening: Effect.Effect<void, ConnectionError>) => {
      ws.off("open", onOpen).off("error", onError).off("unexpected-response", onAnswer)
      resume(opening)
    }
    const onOpen = () => settle(Effect.void)
    const onError = (cause: unknown) => settle(Effect.fail(unreachable({ cause, redact })))
    const onAnswer = onRefused(ws, redact, (error) => settle(Effect.fail(error)))
    ws.on("open", onOpen).on("error", onError).on("unexpected-response", onAnswer)
  })

/** As text: a Buffer, which may be the caller's, would be copied before it is masked. */
const send = (ws: WS.WebSocket): Socket["send"] => (text, done) => {
  ws.send(text, done)
  return Buffer.byteLength(text)
}

/** `ws` itself cuts the connection when the server does not agree to the close in time. */
const close = (ws: WS.WebSocket): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (ws.readyState === WS.WebSocket.CLOSED) return resume(Effect.void)
    ws.once("close", () => resume(Effect.void))
    // A paused socket does not see the other side's close.
    ws.resume()
    ws.close(1000)
  })

type Settings = WS.ClientOptions & { readonly closeTimeout: number }

const connectWith = (settings: Settings): Connect => (target, listener) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const ws = yield* Effect.try({
        try: () => new WS.WebSocket(target.url, { ...settings, headers: { ...target.headers } }),
        catch: (cause) => unreachable({ cause, redact: target.redact })
      })
      // For the socket's whole life: without a listener a late error would end the process.
      let failure: Error | undefined
      ws.on("error", (error) => {
        failure = error
      })
      ws.on("message", (data: Buffer, isBinary) => listener.onMessage(isBinary ? data : data.toString()))
      ws.on("ping", listener.onSign)
      ws.on("pong", listener.onSign)
      ws.once(
        "close",
        (code, reason) => listener.onClose({ code, reason: reason.toString() || (failure?.message ?? "") })
      )
      yield* restore(opened(ws, target.redact)).pipe(Effect.onError(() => Effect.sync(() => ws.terminate())))
      // Not `Effect.addFinalizer`, whose fiber forgets an interruption that arrives while this waits.
      yield* Scope.addFinalizer(yield* Effect.scope, Effect.uninterruptible(close(ws)))
      const socket: Socket = {
        send: send(ws),
        // What cannot be sent any more is told by the close.
        ping: () => ws.ping(undefined, undefined, () => {}),
        pause: () => ws.pause(),
        resume: () => ws.resume()
      }
      return socket
    })
  )

/**
 * Fails with a `ConfigError` that names the option.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<Connect, ConfigError.ConfigError> =>
  Effect.gen(function*() {
    const agent = yield* Agent.check(options.agent)
    const maxPayload = yield* checkMaxPayload(options.maxPayload ?? defaultMaxPayload)
    const closeTimeout = yield* Timeouts.positive("closeTimeout", options.closeTimeout ?? "1 second")
    return connectWith({
      followRedirects: false,
      perMessageDeflate: false,
      maxPayload,
      closeTimeout: Math.min(Duration.toMillis(closeTimeout), longestTimer),
      ...(agent === undefined ? {} : { agent })
    })
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Connector, ConfigError.ConfigError> =>
  Layer.effect(Connector, make(options))
