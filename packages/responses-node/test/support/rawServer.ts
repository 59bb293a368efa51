/** A bare server on loopback: tests answer each upgrade by hand and wait for what it saw, never for time. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import * as WS from "ws"

export interface Upgrade {
  readonly headers: Http.IncomingHttpHeaders
  readonly url: string
  /** Answers with a status, as a server does that refuses. */
  readonly refuse: (status: number, headers?: Record<string, string>, body?: string) => Effect.Effect<void>
  readonly accept: Effect.Effect<Peer>
  readonly cut: Effect.Effect<void>
  /** Waits until the TCP connection is gone. */
  readonly gone: Effect.Effect<void>
}

export interface Peer {
  readonly ws: WS.WebSocket
  readonly tcp: Socket
  readonly request: Effect.Effect<Record<string, unknown>>
  readonly send: (...frames: ReadonlyArray<object>) => Effect.Effect<void>
  /** The close code that the client sent, 1006 if none. */
  readonly closed: Effect.Effect<number>
}

export const make = Effect.gen(function*() {
  const upgrades = yield* Queue.unbounded<Upgrade>()
  const requests = yield* Queue.unbounded<string>()
  const wss = new WS.WebSocketServer({ noServer: true })
  const sockets = new Set<Socket>()

  const accept = (request: Http.IncomingMessage, tcp: Socket, head: Buffer): Effect.Effect<Peer> =>
    Effect.async((resume) => {
      const frames = Effect.runSync(Queue.unbounded<Record<string, unknown>>())
      const closed = Deferred.unsafeMake<number>(Effect.runSync(Effect.fiberId))
      wss.handleUpgrade(request, tcp, head, (ws) => {
        ws.on("error", () => {})
        ws.on("message", (data: Buffer) => Queue.unsafeOffer(frames, JSON.parse(data.toString())))
        ws.on("close", (code) => Deferred.unsafeDone(closed, Effect.succeed(code)))
        resume(Effect.succeed({
          ws,
          tcp,
          request: Queue.take(frames),
          send: (...all) => Effect.sync(() => all.forEach((frame) => ws.send(JSON.stringify(frame)))),
          closed: Deferred.await(closed)
        }))
      })
    })

  const server = yield* Effect.acquireRelease(
    Effect.async<Http.Server>((resume) => {
      const http = Http.createServer((request, response) => {
        Queue.unsafeOffer(requests, request.url ?? "")
        response.end("ok")
      })
      http.on("connection", (socket) => {
        sockets.add(socket)
        socket.once("close", () => sockets.delete(socket))
      })
      http.on("upgrade", (request, tcp: Socket, head) => {
        const gone = Deferred.unsafeMake<void>(Effect.runSync(Effect.fiberId))
        tcp.on("error", () => {})
        tcp.once("end", () => Deferred.unsafeDone(gone, Effect.void))
        tcp.once("close", () => Deferred.unsafeDone(gone, Effect.void))
        Queue.unsafeOffer(upgrades, {
          headers: request.headers,
          url: request.url ?? "",
          accept: accept(request, tcp, head),
          cut: Effect.sync(() => tcp.destroy()),
          // A socket that nobody reads does not see the other side go.
          gone: Effect.suspend(() => {
            tcp.resume()
            return Deferred.await(gone)
          }),
          refuse: (status, headers = {}, body = "") =>
            Effect.sync(() => {
              const lines = Object.entries({
                connection: "close",
                "content-length": Buffer.byteLength(body),
                ...headers
              })
              tcp.end(`HTTP/1.1 ${status} No\r\n${lines.map(([k, v]) => `${k}: ${v}\r\n`).join("")}\r\n${body}`)
            })
        })
      })
      http.listen(0, "127.0.0.1", () => resume(Effect.succeed(http)))
    }),
    (http) =>
      Effect.async<void>((resume) => {
        http.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  )

  return {
    port: (server.address() as AddressInfo).port,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    upgrade: Queue.take(upgrades),
    httpRequests: Queue.size(requests),
    openSockets: () => sockets.size
  }
})
