/** One WebSocket connection: its lanes, each with a queue and the latest response, and the clock on its age. */
import { ResponseScript, ResponseSteps } from "effect-responses"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Buffer } from "node:buffer"
import type { WebSocket } from "ws"
import type { Outcome } from "../Observation.ts"
import { type Core, type Json, received } from "./core.ts"
import { type Lane, makeLaneMemory, type Memory } from "./memory.ts"
import { type Portion, portions, toText } from "./play.ts"
import {
  ageLimitReached,
  badStreamId,
  binaryFrame,
  isStreamId,
  notJson,
  type Problem,
  unknownType
} from "./validate.ts"

/** What the controls of a server reach of a connection. */
export interface Connection {
  readonly lanes: ReadonlyMap<string | undefined, Lane>
  readonly isIdle: () => boolean
  readonly send: (frame: object | string) => void
  readonly expire: () => void
  /** `undefined`: without a close frame. */
  readonly close: (close: { readonly code: number; readonly reason: string } | undefined) => void
}

interface ServedLane extends Lane {
  readonly queue: Queue.Queue<Json>
  busy: boolean
}

/** Beyond this the server waits for the client to read. */
const highWater = 1 << 20

const ignore = () => {}

/** 1004 to 1006 and 1015 are names for what no close frame can say. */
const isSendable = (code: number): boolean =>
  (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code <= 4999)

const errorFrame = (problem: Problem): object | string => {
  const [step] = ResponseSteps.steps(ResponseScript.error(problem), {
    request: { model: "" },
    responseId: "",
    createdAt: 0,
    index: 0,
    input: []
  })
  return step?._tag === "Send" ? step.frame : ""
}

const parse = (data: string): Json | Problem => {
  const value = Either.getOrElse(Either.try(() => JSON.parse(data) as unknown), () => undefined)
  return Predicate.isRecord(value) ? value : notJson
}

export const serve: (core: Core, ws: WebSocket, options: {
  readonly number: number
  readonly headers: Readonly<Record<string, string>>
  readonly ageLimit: Duration.DurationInput
  readonly connections: Set<Connection>
}) => Effect.Effect<void, never, Scope.Scope> = Effect.fnUntraced(function*(core, ws, options) {
  const { number: connection } = options
  const lanes = new Map<string | undefined, ServedLane>()
  const inbox = yield* Queue.unbounded<{ readonly data: Buffer; readonly isBinary: boolean }>()
  const closed = yield* Deferred.make<void>()

  const send = (frame: object | string) => ws.send(toText(frame), ignore)

  const close: Connection["close"] = (how) => {
    if (how === undefined || !isSendable(how.code)) ws.terminate()
    else ws.close(how.code, how.reason)
  }

  const self: Connection = {
    lanes,
    isIdle: () => [...lanes.values()].every((lane) => !lane.busy),
    send,
    expire: () => {
      send(errorFrame(ageLimitReached))
      close({ code: 1000, reason: "connection limit reached" })
    },
    close
  }

  ws.on("message", (data: Buffer, isBinary) => inbox.unsafeOffer({ data, isBinary }))
  // `close` follows and tells all there is to tell.
  ws.on("error", ignore)
  ws.on("close", (code, reason) => {
    options.connections.delete(self)
    core.publish({ _tag: "ConnectionClosed", connection, code, reason: reason.toString() })
    Deferred.unsafeDone(closed, Effect.void)
  })
  options.connections.add(self)
  core.publish({ _tag: "ConnectionOpened", connection })

  const sendAll = (frames: ReadonlyArray<object | string>, observe: (frame: object | string) => void) =>
    Effect.suspend(() => {
      // Who waits here is interrupted as soon as the connection has closed.
      if (ws.readyState !== ws.OPEN) return Effect.never
      return Effect.async<void>((resume) => {
        let isFull = false
        for (const [index, frame] of frames.entries()) {
          observe(frame)
          ws.send(
            toText(frame),
            index < frames.length - 1 ? ignore : () => {
              if (isFull) resume(Effect.void)
            }
          )
        }
        isFull = ws.bufferedAmount > highWater
        if (!isFull) resume(Effect.void)
      })
    })

  const respond = (lane: ServedLane, memory: Memory, body: Json) =>
    Effect.flatMap(core.engine.respond(body, "websocket", memory), (run) => {
      let outcome: Outcome | undefined
      const play = (portion: Portion): Effect.Effect<void> => {
        switch (portion._tag) {
          case "Send":
            return sendAll(portion.frames, run.observe)
          case "Wait":
            return Effect.sleep(portion.millis)
          case "Silence":
            return Effect.never
          default:
            return Effect.suspend(() => {
              outcome = run.outcome() ?? "closed"
              close(portion._tag === "Cut" ? undefined : portion)
              return Effect.never
            })
        }
      }
      lane.busy = true
      return Effect.forEach(portions(run.steps, core.deltaDelay), play, { discard: true }).pipe(
        Effect.ensuring(Effect.sync(() => {
          lane.busy = false
          core.publish({
            _tag: "ResponseEnded",
            responseId: run.responseId,
            transport: "websocket",
            connection,
            outcome: outcome ?? run.outcome() ?? "abandoned"
          })
        }))
      )
    })

  const laneOf = Effect.fnUntraced(function*(name: string | undefined) {
    const found = lanes.get(name)
    if (found !== undefined) return found
    const lane: ServedLane = { latest: undefined, busy: false, queue: yield* Queue.unbounded<Json>() }
    lanes.set(name, lane)
    const memory = makeLaneMemory(lane, () => lanes.values(), core.store)
    yield* Queue.take(lane.queue).pipe(
      Effect.flatMap((body) => respond(lane, memory, body)),
      Effect.forever,
      Effect.interruptible,
      Effect.forkScoped
    )
    return lane
  })

  const refuse = (problem: Problem) => Effect.sync(() => send(errorFrame(problem)))

  const dispatch = (message: { readonly data: Buffer; readonly isBinary: boolean }) =>
    Effect.suspend(() => {
      if (message.isBinary) return refuse(binaryFrame)
      const value = parse(message.data.toString())
      if (value === notJson) return refuse(notJson)
      const { type, ...body } = value as Json
      if (type !== "response.create") return refuse(unknownType(type))
      received(core, {
        body: value,
        transport: "websocket",
        connection,
        bytes: message.data.length,
        headers: options.headers
      })
      const { stream_id } = body
      if (stream_id !== undefined && !isStreamId(stream_id)) return refuse(badStreamId)
      return Effect.flatMap(laneOf(stream_id), (lane) => Queue.offer(lane.queue, body))
    })

  yield* Queue.take(inbox).pipe(Effect.flatMap(dispatch), Effect.forever, Effect.interruptible, Effect.forkScoped)
  yield* Effect.sleep(options.ageLimit).pipe(
    Effect.andThen(Effect.sync(self.expire)),
    Effect.interruptible,
    Effect.forkScoped
  )
  yield* Deferred.await(closed)
})
