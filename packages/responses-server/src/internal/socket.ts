/** One WebSocket connection: what comes in goes to its lanes, and the clock on its age runs. */
import type { ResponseScript } from "effect-responses"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Buffer } from "node:buffer"
import type { Socket } from "node:net"
import type { WebSocket } from "ws"
import * as Connection from "./connection.ts"
import { type Core, type Json, received, refused } from "./core.ts"
import * as Lanes from "./lanes.ts"
import { ageLimitReached, badStreamId, binaryFrame, notJson, type Problem, unknown, unknownType } from "./problems.ts"
import { isStreamId } from "./validate.ts"

/** What the controls of a server reach of a connection. */
export interface Served extends Pick<Connection.Wire, "send" | "close"> {
  readonly lanes: Lanes.Lanes
  readonly expire: () => void
}

const parse = (data: string): Json | undefined => {
  const value = Either.getOrElse(Either.try(() => JSON.parse(data) as unknown), () => undefined)
  return Predicate.isRecord(value) ? value : undefined
}

export const serve: (core: Core, ws: WebSocket, options: {
  readonly number: number
  readonly socket: Socket
  readonly headers: Readonly<Record<string, string>>
  readonly ageLimit: Duration.DurationInput
  readonly connections: Set<Served>
  /** Pings that are not answered, and frames that are sent before anybody asked. */
  readonly pings: boolean
  readonly greeting: ReadonlyArray<object | string>
}) => Effect.Effect<void, never, Scope.Scope> = Effect.fnUntraced(function*(core, ws, options) {
  const { number: connection } = options
  const inbox = yield* Queue.unbounded<{ readonly data: Buffer; readonly isBinary: boolean }>()
  const closed = yield* Deferred.make<void>()
  const wire = Connection.make(ws, options.socket)

  const expire = () => {
    wire.send(Connection.errorFrame(ageLimitReached))
    wire.close({ code: 1000, reason: "connection limit reached" })
  }
  const lanes = yield* Lanes.make(core, wire, { connection, expire })
  const self: Served = { ...wire, lanes, expire }

  ws.on("message", (data: Buffer, isBinary) => inbox.unsafeOffer({ data, isBinary }))
  ws.on("close", (code, reason) => {
    options.connections.delete(self)
    core.publish({ _tag: "ConnectionClosed", connection, code, reason: reason.toString() })
    Deferred.unsafeDone(closed, Effect.void)
  })
  options.connections.add(self)
  core.publish({ _tag: "ConnectionOpened", connection })
  wire.answerPings(options.pings)
  for (const frame of options.greeting) wire.send(frame)

  const refuse = (problem: Problem, what: string, lane?: string) =>
    Effect.sync(() => {
      refused(core, problem, { transport: "websocket", connection, what })
      wire.send(Connection.errorFrame(problem, lane))
    })

  const dispatch = (message: { readonly data: Buffer; readonly isBinary: boolean }) =>
    Effect.suspend(() => {
      if (message.isBinary) return refuse(binaryFrame, "binary frame")
      const value = parse(message.data.toString())
      if (value === undefined) return refuse(notJson, "text frame")
      const { type, ...body } = value
      if (type !== "response.create" && type !== "response.steer") return refuse(unknownType(type), String(type))
      received(core, {
        body: value,
        transport: "websocket",
        connection,
        bytes: message.data.length,
        headers: options.headers
      })
      if (type === "response.steer") return Effect.sync(() => lanes.steer(value))
      const { stream_id: lane } = body
      if (lane !== undefined && !isStreamId(lane)) return refuse(badStreamId, type)
      if (lane !== undefined && core.streamIds === "refused") return refuse(unknown("stream_id"), type)
      const named = core.streamIds === "dropped" ? { ...body, stream_id: undefined } : body
      const offered = lanes.offer(core.streamIds === "lanes" ? lane : undefined, named)
      return Effect.flatMap(offered, (problem) =>
        problem === undefined ? Effect.void : refuse(problem, type, core.streamIds === "dropped" ? undefined : lane))
    })

  yield* Queue.take(inbox).pipe(Effect.flatMap(dispatch), Effect.forever, Effect.interruptible, Effect.forkScoped)
  yield* Effect.sleep(options.ageLimit).pipe(
    Effect.andThen(Effect.sync(expire)),
    Effect.interruptible,
    Effect.forkScoped
  )
  yield* Deferred.await(closed)
})

/** Forgets what the lanes of a connection hold. */
export const forget = (connection: Served, which: (id: string) => boolean): void => {
  for (const lane of connection.lanes.all.values()) {
    if (lane.latest !== undefined && which(lane.latest.id)) lane.latest = undefined
    if (lane.parent !== undefined && which(lane.parent.id)) lane.parent = undefined
  }
}

/** Which responses are meant. */
export const forgotten = (
  what: ResponseScript.Forgotten | { readonly responseId: string },
  latest: string | undefined,
  previousId: unknown
): (id: string) => boolean => {
  if (what === "all") return () => true
  const wanted = what === "latest" ? latest : what === "previous" ? previousId : what.responseId
  return (id) => id === wanted
}
