/** A server on loopback that answers word for word as it is told: with a status, with bytes that are no HTTP, with frames. */
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import * as WS from "ws"

export interface Answers {
  /** Bytes in place of the upgrade. Default: it is accepted. */
  readonly upgrade?: string | undefined
  /** Further headers of an accepted upgrade. */
  readonly accept?: Readonly<Record<string, string>> | undefined
  /** For each request on an open socket, in their order: the frames, or bytes that are none. */
  readonly turns?: ReadonlyArray<ReadonlyArray<string | Buffer>> | undefined
  /** After the frames of the last turn. */
  readonly close?: { readonly code: number; readonly reason: string } | undefined
  /** Bytes behind the frames of the last turn, which are no frame. */
  readonly garbage?: string | undefined
  /** The bytes that answer a `POST`, and with which the connection ends. */
  readonly post?: string | undefined
}

export const http = (
  status: string,
  headers: Readonly<Record<string, string>> = {},
  body = ""
): string =>
  `HTTP/1.1 ${status}\r\n${
    Object.entries({ "content-length": String(Buffer.byteLength(body)), connection: "close", ...headers })
      .map(([name, value]) => `${name}: ${value}\r\n`).join("")
  }\r\n${body}`

export const sse = (...events: ReadonlyArray<string>): string =>
  http("200 OK", { "content-type": "text/event-stream" }, events.map((event) => `data: ${event}\n\n`).join(""))

export const make = (answers: Answers) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{ readonly server: Http.Server; readonly sockets: Set<Socket> }>((resume) => {
        const wss = new WS.WebSocketServer({ noServer: true })
        const sockets = new Set<Socket>()
        wss.on("headers", (lines) => {
          for (const [name, value] of Object.entries(answers.accept ?? {})) lines.push(`${name}: ${value}`)
        })
        const server = Http.createServer((request) => {
          request.resume().once("end", () => request.socket.end(answers.post ?? http("503 Busy"), "latin1"))
        })
        server.on("connection", (socket) => {
          sockets.add(socket)
          socket.on("error", () => {}).once("close", () => sockets.delete(socket))
        })
        server.on("upgrade", (request, tcp: Socket, head) => {
          if (answers.upgrade !== undefined) {
            tcp.end(answers.upgrade, "latin1")
            return
          }
          wss.handleUpgrade(request, tcp, head, (ws) => {
            const turns = [...answers.turns ?? []]
            ws.on("error", () => {}).on("message", () => {
              for (const frame of turns.shift() ?? []) ws.send(frame)
              if (turns.length > 0) return
              if (answers.garbage !== undefined) tcp.write(answers.garbage, "latin1")
              if (answers.close !== undefined) ws.close(answers.close.code, answers.close.reason)
            })
          })
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, sockets })))
      }),
      ({ server, sockets }) =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    ),
    ({ server }) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  )
