/** The server of the benchmarks, in a process of its own: both transports on one port, and delaying ports in front of it. */
import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { WebSocketServer } from "ws"
import * as Rpc from "../rpc.ts"
import { answer, release } from "./answer.ts"
import * as Chat from "./chat.ts"
import { Lanes } from "./lanes.ts"
import { delaying } from "./proxy.ts"

const open = new Set<Socket>()
let received = 0
let since = 0
let used = new Set<Socket>()

const server = Http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  if (request.method === "GET") {
    release()
    response.end()
    return
  }
  used.add(request.socket)
  const parts: Array<Buffer> = []
  request.on("data", (part: Buffer) => parts.push(part))
  request.on("end", () => {
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" })
    answer({
      encoding: { transport: "sse" },
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
  const lanes = new Lanes()
  ws.on("error", () => ws.terminate())
  ws.on("message", (data: Buffer) => {
    const body = data.toString()
    const lane = /"stream_id":"([^"]*)"/.exec(body)?.[1]
    used.add(socket)
    lanes.begin(lane)
    answer({
      encoding: { transport: "socket", lane },
      lanes,
      write: (bytes) => socket.write(bytes),
      end: () => lanes.end(lane),
      isOpen: () => !socket.destroyed
    }, body)
  })
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
  connections: () => open.size,
  /** What came since the last call of turns of conversations, and on how many connections. */
  chats: () => {
    const found = { ...Chat.counted(), sockets: used.size }
    used = new Set()
    return found
  }
}

export type Handlers = typeof handlers

Rpc.serve(handlers)
