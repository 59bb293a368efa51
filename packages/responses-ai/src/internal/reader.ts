/** What the language model of `@effect/ai-openai` is given of the events of one response. */
import type { ResponseStreamEvent } from "@effect/ai-openai/OpenAiClient"
import type * as ResponseEvent from "effect-responses/ResponseEvent"
import * as Chunk from "effect/Chunk"
import * as Events from "./events.ts"
import * as WellFormed from "./wellFormed.ts"

export interface Options extends Events.Defaults {
  readonly tools: WellFormed.ToolNames
  /** Takes the secrets of the request out of what goes on spans. */
  readonly redact: Events.Redact
}

/** Whether `@effect/ai-openai` has no type for the event, or cannot read it. */
export const isUnknown = (event: ResponseEvent.ResponseEvent): boolean =>
  Events.isUnknown(event) || WellFormed.isUnreadable(event)

type Read = (chunk: Chunk.Chunk<ResponseEvent.ResponseEvent>) => Chunk.Chunk<ResponseStreamEvent>

export const make = (options: Options): Read => {
  /** The reasoning that has begun and is not done, by id. */
  const reasoning = new Set<string>()

  const read = (event: ResponseEvent.ResponseEvent, into: Array<ResponseStreamEvent>): void => {
    const shown = Events.shown(WellFormed.event(event, options.tools), options.redact)
    const readable = Events.toStreamEvent(shown, options)
    if (readable.type === "response.output_item.added" && readable.item.type === "reasoning") {
      reasoning.add(readable.item.id)
    }
    if (readable.type === "response.output_item.done" && readable.item.type === "reasoning") {
      // The language model throws at an end without a beginning.
      const { item, output_index, sequence_number } = readable
      if (!reasoning.delete(item.id)) {
        into.push({ type: "response.output_item.added", item, output_index, sequence_number })
      }
    }
    into.push(readable)
  }

  return (chunk) => {
    const events: Array<ResponseStreamEvent> = []
    for (const event of chunk) read(event, events)
    return Chunk.unsafeFromArray(events)
  }
}

export const response = (response: Parameters<typeof Events.toResponse>[0], options: Options) =>
  Events.toResponse(WellFormed.response(response, options.tools), options, options.redact)
