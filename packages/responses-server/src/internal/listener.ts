/** A port that takes HTTP requests and upgrades. */
import * as ServeError from "@effect/platform/HttpServerError"
import * as Effect from "effect/Effect"
import { Buffer } from "node:buffer"
import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { type WebSocket, WebSocketServer } from "ws"

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What to do with an upgrade. `undefined` as the answer: none ever. */
export type Verdict =
  | { readonly _tag: "Open"; readonly onSocket: (ws: WebSocket, socket: Socket) => void }
  | { readonly _tag: "Answer"; readonly answer: Answer | undefined }
  | { readonly _tag: "Cut" }

const ignore = () => {}

export const answer = (
  refusal: {
    readonly status: number
    readonly headers?: Readonly<Record<string, string>> | undefined
    readonly body?: unknown
  },
  requestId: string
): Answer => ({
  status: refusal.status,
  headers: { "x-request-id": requestId, ...refusal.headers },
  body: typeof refusal.body === "string" ? refusal.body : JSON.stringify(refusal.body ?? {})
})

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
  readonly onUpgrade: (request: IncomingMessage) => Verdict
}) {
  const sockets = new Set<Socket>()
  const upgrades = new WebSocketServer({
    noServer: true,
    maxPayload: options.maxFrame,
    perMessageDeflate: false,
    autoPong: false
  })
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
    const verdict = options.onUpgrade(request)
    switch (verdict._tag) {
      case "Open":
        upgrades.handleUpgrade(request, socket, head, (ws) => verdict.onSocket(ws, request.socket))
        break
      case "Answer":
        if (verdict.answer !== undefined) refuse(socket, verdict.answer)
        break
      case "Cut":
        socket.destroy()
        break
    }
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
