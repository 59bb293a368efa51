/** The events of a response, with a look at the whole response before its last event is passed on. */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import type { Retrying } from "../../ConversationEvent.ts"
import * as ResponseEvent from "../../ResponseEvent.ts"
import type { ResponseRequest } from "../../ResponseRequest.ts"
import * as Responses from "../../Responses.ts"
import { MalformedEvent, type ResponsesError } from "../../ResponsesError.ts"
import * as Writable from "../wire/writable.ts"

export interface Options<E> {
  readonly onOpen: ((response: Responses.OpenResponse) => Effect.Effect<void>) | undefined
  readonly requestOptions: Responses.RequestOptions | undefined
  /** With the output that all events say together. `isComplete`: the server broke nothing off. */
  readonly onEnd: (response: Responses.FinalResponse, isComplete: boolean) => Effect.Effect<void, E>
  /** Code of the caller's runs now, or does no more: its `onOpen`, or what takes the events. */
  readonly onHandOver: (isOver: boolean) => void
}

type Event = ResponseEvent.ResponseEvent | Retrying

type Events = Chunk.Chunk<Event>

const isEnd = (event: Event): event is ResponseEvent.EndEvent =>
  event.type !== "conversation.retrying" && ResponseEvent.isEnd(event)

const unwritable = ({ response, type }: ResponseEvent.EndEvent): MalformedEvent =>
  new MalformedEvent({
    description: `output that is nested more than ${Writable.maxDepth} deep and cannot be sent back`,
    frame: JSON.stringify({ type, response: { id: response.id } }),
    delivery: "partial"
  })

type Pass<E> = Channel.Channel<Events, Events, ResponsesError | E, ResponsesError, unknown, unknown>

/** `onEnd` looks at the last event first. Its failure takes the place of the event. */
const passing = <E>(
  onEnd: (event: ResponseEvent.EndEvent) => Effect.Effect<void, ResponsesError | E>,
  onHandOver: Options<E>["onHandOver"]
): Pass<E> => {
  const handOver = (events: Events, next: () => Pass<E>): Pass<E> => {
    onHandOver(true)
    return Channel.flatMap(Channel.write(events), () => {
      onHandOver(false)
      return next()
    })
  }
  const pass: Pass<E> = Channel.readWith({
    onInput: (events: Events) => {
      const last = Chunk.isNonEmpty(events) ? Chunk.lastNonEmpty(events) : undefined
      if (last === undefined || !isEnd(last)) return handOver(events, () => pass)
      return Channel.flatMap(Channel.fromEffect(Effect.either(onEnd(last))), (ended) =>
        Either.isRight(ended)
          ? handOver(events, () => pass)
          : handOver(Chunk.dropRight(events, 1), () => Channel.fail(ended.left)))
    },
    onFailure: Channel.fail,
    onDone: Channel.succeed
  })
  return pass
}

/** Output that could not be sent back fails the stream, and `onEnd` is not told of it. */
export const stream = <E>(
  request: ResponseRequest,
  { onEnd, onHandOver, onOpen, requestOptions }: Options<E>
): Stream.Stream<Event, ResponsesError | E, Responses.Responses> =>
  Stream.suspend(() => {
    let result: Responses.OpenResponse["result"] | undefined
    const end = (event: ResponseEvent.EndEvent): Effect.Effect<void, ResponsesError | E> => {
      const response = { ...event.response, output: [], ...result?.() }
      if (!Writable.isWritable(response.output)) return Effect.fail(unwritable(event))
      const { status = "completed" } = event.response
      return onEnd(response, event.type === "response.completed" && status === "completed")
    }
    const events = Responses.stream(request, {
      ...requestOptions,
      onOpen: (opened) => {
        result = opened.result
        if (onOpen === undefined) return Effect.void
        onHandOver(true)
        return Effect.ensuring(onOpen(opened), Effect.sync(() => onHandOver(false)))
      }
    })
    return Stream.pipeThroughChannel(events, passing(end, onHandOver))
  })
