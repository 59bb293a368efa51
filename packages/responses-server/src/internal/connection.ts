/** The one end of a WebSocket: sending with back pressure, closing in every way there is, pings answered or not. */
import { ResponseScript } from "effect-responses"
import * as ResponseSteps from "effect-responses/unstable/ResponseSteps"
import * as Effect from "effect/Effect"
import { Buffer } from "node:buffer"
import type { Socket } from "node:net"
import type { WebSocket } from "ws"
import { type Frame, toText } from "./play.ts"
import type { Problem } from "./problems.ts"

export interface Wire {
  readonly send: (frame: object | string) => void
  /** Done when there is room for more. */
  readonly sendAll: (frames: ReadonlyArray<Frame>) => Effect.Effect<void>
  /** `undefined`: without a close frame. */
  readonly close: (close: { readonly code: number; readonly reason: string } | undefined) => void
  /** So many bytes of the frame's text, and the connection is gone. */
  readonly cutWithin: (frame: object | string, bytes: number) => void
  readonly answerPings: (answered: boolean) => void
}

/** Beyond this the server waits for the client to read. */
const highWater = 1 << 20

const ignore = () => {}

/** 1004 to 1006 and 1015 are names for what no close frame can say. */
const isSendable = (code: number): boolean =>
  (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code <= 4999)

/** The head of a text frame as a server sends it: it promises all bytes. */
const frameHead = (length: number): Buffer => {
  if (length < 126) return Buffer.from([0x81, length])
  const head = Buffer.alloc(length < 65_536 ? 4 : 10)
  head[0] = 0x81
  head[1] = length < 65_536 ? 126 : 127
  if (length < 65_536) head.writeUInt16BE(length, 2)
  else head.writeBigUInt64BE(BigInt(length), 2)
  return head
}

/** The `error` frame that says what is wrong. */
export const errorFrame = (problem: Problem, lane?: string): object | string => {
  const [step] = ResponseSteps.steps(ResponseScript.error(problem), {
    request: { model: "", stream_id: lane },
    responseId: "",
    createdAt: 0,
    index: 0,
    input: []
  })
  return step?._tag === "Send" ? step.frame : ""
}

export const make = (ws: WebSocket, socket: Socket): Wire => {
  let answersPings = true

  ws.on("ping", (data) => {
    if (answersPings) ws.pong(data, false, ignore)
  })
  // `close` follows and tells all there is to tell.
  ws.on("error", ignore)

  return {
    answerPings: (answered) => {
      answersPings = answered
    },
    send: (frame) => ws.send(toText(frame), ignore),
    sendAll: (frames) =>
      Effect.suspend(() => {
        // Who waits here is interrupted as soon as the connection has closed.
        if (ws.readyState !== ws.OPEN) return Effect.never
        return Effect.async<void>((resume) => {
          let left = frames.length
          let isFull = false
          const onSent = () => {
            left--
            if (isFull && (left === 0 || ws.bufferedAmount <= highWater)) resume(Effect.void)
          }
          for (const { binary = false, frame } of frames) ws.send(toText(frame), { binary }, onSent)
          isFull = ws.bufferedAmount > highWater
          if (!isFull) resume(Effect.void)
        })
      }),
    close: (how) => {
      // What was sent before still leaves.
      if (how === undefined || !isSendable(how.code)) socket.destroySoon()
      else ws.close(how.code, how.reason)
    },
    cutWithin: (frame, bytes) => {
      const data = Buffer.from(toText(frame))
      socket.write(Buffer.concat([frameHead(data.length), data.subarray(0, bytes)]))
      socket.destroySoon()
    }
  }
}
