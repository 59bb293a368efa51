/** A bare WebSocket server that answers each request with frames that are given, word for word. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { AddressInfo } from "node:net"
import * as WS from "ws"
import type { Sent } from "./mutations.ts"

/** The frames for the next request of a connection. `undefined`: the connection is closed. */
export type Answer = (connection: number, request: Readonly<Record<string, unknown>>) => ReadonlyArray<Sent | undefined>

export const make = (answer: Answer): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<WS.WebSocketServer>((resume) => {
      const server = new WS.WebSocketServer({ host: "127.0.0.1", port: 0 })
      let connections = 0
      server.on("connection", (socket) => {
        const connection = ++connections
        socket.on("error", () => socket.terminate())
        socket.on("message", (data: Buffer) => {
          for (const sent of answer(connection, JSON.parse(data.toString()))) {
            if (sent === undefined) return socket.close(1011)
            socket.send(sent.text)
          }
        })
      })
      server.on("listening", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.async<void>((resume) => {
        for (const socket of server.clients) socket.terminate()
        server.close(() => resume(Effect.void))
      })
  ).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`))
