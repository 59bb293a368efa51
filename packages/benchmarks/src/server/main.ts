/** The server of the benchmarks, in a process of its own: both transports on one port, and delaying ports in front of it. */
import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { WebSocketServer } from "ws"
import * as Rpc from "../rpc.ts"
import { answer, release } from "./answer.ts"
import { delaying } from "./proxy.ts"

const open = new Set<Socket>()
let received = 0
let since = 0

const server = Http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  if (request.method === "GET") {
    release()
    response.end()
    return
  }
  const parts: Array<Buffer> = []
  request.on("data", (part: Buffer) => parts.push(part))
  request.on("end", () => {
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" })
    answer({
      encoding: "sse",
      write: (bytes) => response.write(bytes),
      end: () => response.end(),
      isOpen: () => !response.destroyed
    }, Buffer.concat(parts).toString())
  })
})

server.on("connection", (socket) => {
  open.add(socket)
  socket.setNoDelay(true)
  socket.on("error", () => socket.destroy())
  socket.once("close", () => {
    open.delete(socket)
    received += socket.bytesRead
  })
})

const sockets = new WebSocketServer({ server, perMessageDeflate: false, maxPayload: 0 })

// What is sent is written past `ws`: its frames are ready.
sockets.on("connection", (ws, { socket }) => {
  ws.on("error", () => ws.terminate())
  ws.on("message", (data: Buffer) =>
    answer({
      encoding: "socket",
      write: (bytes) => socket.write(bytes),
      end: () => {},
      isOpen: () => !socket.destroyed
    }, data.toString()))
})

const total = () => [...open].reduce((sum, socket) => sum + socket.bytesRead, received)

const handlers = {
  listen: () =>
    new Promise<string>((resolve) => {
      server.listen(0, "127.0.0.1", 4096, () => {
        const { port } = server.address() as AddressInfo
        resolve(`http://127.0.0.1:${port}/v1`)
      })
    }),
  /** The address of the same server, so many milliseconds of round trip away. */
  delayed: async (roundTrip: number) => {
    const { port } = server.address() as AddressInfo
    return `http://127.0.0.1:${await delaying(port, roundTrip)}/v1`
  },
  /** Bytes that came in since the last call, with what the transports add. */
  received: () => {
    const bytes = total() - since
    since += bytes
    return bytes
  },
  connections: () => open.size
}

export type Handlers = typeof handlers

Rpc.serve(handlers)
