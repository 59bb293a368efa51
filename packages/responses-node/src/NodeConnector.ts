/**
 * WebSockets on Node, by `ws`: with headers, and with the answer of a server that refuses to upgrade.
 *
 * @since 0.1.0
 */
import { type Connect, Connector, refused, type Socket } from "effect-responses/Connector"
import { ConnectionError } from "effect-responses/ResponsesError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type * as Http from "node:http"
import * as WS from "ws"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** For a proxy, or a certificate authority of one's own. */
  readonly agent?: Http.Agent | undefined
  /** The largest message taken from a server, in bytes. Default: 128 MiB */
  readonly maxPayload?: number | undefined
  /** How long a server may take to agree to a close. Default: 1 second */
  readonly closeTimeout?: Duration.DurationInput | undefined
}

const maxRefusalBody = 64 * 1024

/** In milliseconds. */
const refusalBodyTimeout = 2000

const unreachable = (cause: Error): ConnectionError =>
  new ConnectionError({
    reason: "Unreachable",
    delivery: "unsent",
    description: `The server could not be reached: ${cause.message || cause.name}`,
    cause
  })

type OnAnswer = (request: Http.ClientRequest, response: Http.IncomingMessage) => void

/** Listening for `unexpected-response` makes the failed upgrade ours to end. */
const onRefused =
  (ws: WS.WebSocket, scrub: (text: string) => string, fail: (error: ConnectionError) => void): OnAnswer =>
  (_request, response) => {
    let body = ""
    const end = () => {
      fail(refused({ status: response.statusCode ?? 0, headers: response.headers, body, scrub }))
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
const opened = (ws: WS.WebSocket, scrub: (text: string) => string): Effect.Effect<void, ConnectionError> =>
  Effect.async((resume) => {
    const settle = (opening: Effect.Effect<void, ConnectionError>) => {
      ws.off("open", onOpen).off("error", onError).off("unexpected-response", onAnswer)
      resume(opening)
    }
    const onOpen = () => settle(Effect.void)
    const onError = (error: Error) => settle(Effect.fail(unreachable(error)))
    const onAnswer = onRefused(ws, scrub, (error) => settle(Effect.fail(error)))
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

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Connect => {
  const closeTimeout = Duration.toMillis(options.closeTimeout ?? "1 second")
  return (target, listener) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const ws = yield* Effect.try({
          try: () => {
            const settings: WS.ClientOptions & { readonly closeTimeout: number } = {
              headers: { ...target.headers },
              followRedirects: false,
              perMessageDeflate: false,
              maxPayload: options.maxPayload ?? 128 * 1024 * 1024,
              closeTimeout,
              ...(options.agent === undefined ? {} : { agent: options.agent })
            }
            return new WS.WebSocket(target.url, settings)
          },
          catch: (cause) => unreachable(cause instanceof Error ? cause : new Error(String(cause)))
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
        yield* restore(opened(ws, target.scrub)).pipe(Effect.onError(() => Effect.sync(() => ws.terminate())))
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
}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Connector> => Layer.succeed(Connector, make(options))
