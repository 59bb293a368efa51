/** A port that takes HTTP requests and upgrades. */
import * as ServeError from "@effect/platform/HttpServerError"
import * as Effect from "effect/Effect"
import { Buffer } from "node:buffer"
import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { type WebSocket, WebSocketServer } from "ws"

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const ignore = () => {}

/** A plain HTTP answer in place of the 101. */
const refuse = (socket: Duplex, { body, headers, status }: Answer): void => {
  const head = {
    "content-type": "application/json",
    ...headers,
    "content-length": String(Buffer.byteLength(body)),
    connection: "close"
  }
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.once("finish", () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}\r\n${lines.join("")}\r\n${body}`)
}

export const listen = Effect.fnUntraced(function*(options: {
  readonly port: number
  readonly host: string
  readonly maxFrame: number
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
  /** `undefined` lets the upgrade go ahead. */
  readonly refusal: (request: IncomingMessage) => Answer | undefined
  readonly onSocket: (ws: WebSocket, request: IncomingMessage) => void
}) {
  const sockets = new Set<Socket>()
  const upgrades = new WebSocketServer({ noServer: true, maxPayload: options.maxFrame, perMessageDeflate: false })
  const server = yield* Effect.acquireRelease(
    Effect.sync(() => createServer(options.onRequest)),
    (server) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  )
  server.on("connection", (socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
  })
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", ignore)
    const refusal = options.refusal(request)
    if (refusal !== undefined) refuse(socket, refusal)
    else upgrades.handleUpgrade(request, socket, head, (ws) => options.onSocket(ws, request))
  })
  yield* Effect.async<void, ServeError.ServeError>((resume) => {
    const onError = (cause: Error) => resume(Effect.fail(new ServeError.ServeError({ cause })))
    server.once("error", onError)
    server.listen(options.port, options.host, () => {
      server.off("error", onError)
      resume(Effect.void)
    })
  })
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : options.port
})
