/** The events of a response, with a look at the whole response before its last event is passed on. */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ResponseEvent from "../ResponseEvent.ts"
import type { ResponseItem } from "../ResponseItem.ts"
import type { ResponseRequest } from "../ResponseRequest.ts"
import * as Responses from "../Responses.ts"
import { MalformedEvent, type ResponsesError } from "../ResponsesError.ts"
import * as Writable from "./writable.ts"

export interface Options {
  readonly onOpen: ((response: Responses.OpenResponse) => Effect.Effect<void>) | undefined
  /** `isComplete`: the server broke nothing off. */
  readonly onEnd: (output: ReadonlyArray<ResponseItem>, isComplete: boolean) => void
}

type Events = Chunk.Chunk<ResponseEvent.ResponseEvent>

const unwritable = ({ response, type }: ResponseEvent.EndEvent): MalformedEvent =>
  new MalformedEvent({
    description: `output that is nested more than ${Writable.maxDepth} deep and cannot be sent back`,
    frame: JSON.stringify({ type, response: { id: response.id } }),
    delivery: "partial"
  })

/** A failure takes the place of the last event. */
const atEnd = (onEnd: (event: ResponseEvent.EndEvent) => ResponsesError | undefined) => {
  const pass: Channel.Channel<Events, Events, ResponsesError, ResponsesError, unknown, unknown> = Channel.readWith({
    onInput: (chunk) => {
      const last = Chunk.isNonEmpty(chunk) ? Chunk.lastNonEmpty(chunk) : undefined
      const error = last !== undefined && ResponseEvent.isEnd(last) ? onEnd(last) : undefined
      return error === undefined
        ? Channel.flatMap(Channel.write(chunk), () => pass)
        : Channel.zipRight(Channel.write(Chunk.dropRight(chunk, 1)), Channel.fail(error))
    },
    onFailure: Channel.fail,
    onDone: Channel.succeed
  })
  return <R>(events: Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError, R>) =>
    Stream.pipeThroughChannel(events, pass)
}

/** Output that could not be sent back fails the stream, and `onEnd` is not told of it. */
export const stream = (
  request: ResponseRequest,
  { onEnd, onOpen }: Options
): Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError, Responses.Responses> =>
  Stream.suspend(() => {
    let result: Responses.OpenResponse["result"] | undefined
    return Responses.stream(request, {
      onOpen: (opened) => {
        result = opened.result
        return onOpen?.(opened) ?? Effect.void
      }
    }).pipe(atEnd((event) => {
      const output = result?.()?.output ?? []
      if (!Writable.isWritable(output)) return unwritable(event)
      const { status = "completed" } = event.response
      onEnd(output, event.type === "response.completed" && status === "completed")
      return undefined
    }))
  })
