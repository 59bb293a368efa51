/**
 * Cuts a body into the data of its events, and into the other texts that servers write between or instead of them. The
 * parser of `@effect/experimental/Sse` drops those texts, and its channel stops where a server sends `retry`.
 */
import { createParser } from "eventsource-parser"
import * as JsonLines from "./jsonLines.ts"

export interface Handlers {
  /** `name` is the value of the event's field `event`. */
  readonly onEvent: (data: string, name: string | undefined) => void
  /** A line that is no field of an event, or the lines of one JSON text. The name is `error` after a field of that name. */
  readonly onOther: (text: string, name: "error" | undefined) => void
  /** More than `limit` came without an event. */
  readonly onOverflow: () => void
}

export interface EventStream {
  readonly feed: (text: string) => void
  /** The last event counts without the blank line after it. */
  readonly end: () => void
}

/** In characters. An image in base64 is some megabytes. */
export const maxEventSize = 64 * 1024 * 1024

/** In characters: about what it costs to hold a piece of the network, besides its own characters. */
const pieceSize = 32

const fields = ["data", "event", "id", "retry"]

export const make = ({ onEvent, onOther, onOverflow }: Handlers, limit = maxEventSize): EventStream => {
  let held = 0
  let isEnding = false
  /** Lines that are no field, since the last event. */
  let bare = ""

  const json = JsonLines.make<"error">((text, name) => {
    if (JsonLines.isOpening(text)) {
      held = 0
      bare = ""
    } else bare += `\n${text}`
    onOther(text, name)
  })

  const parser = createParser({
    onEvent: ({ data, event }) => {
      json.end()
      // Where JSON is printed over several lines, all but the first may lack the name of the field.
      const whole = bare !== "" && JsonLines.depthOf(data) > 0 ? data + bare : data
      held = 0
      bare = ""
      if (whole.length > limit) onOverflow()
      else onEvent(whole, event)
    },
    onError: ({ field, line = "", type, value = "" }) => {
      if (type !== "unknown-field") return
      // The end of the body cut it off.
      if (isEnding && fields.some((known) => known.startsWith(line))) return
      if (field === "error") json.begin(value, "error")
      else json.line(line)
    }
  })

  return {
    // The parser's own limit counts neither names nor ids, and no pieces.
    feed: (text) => {
      held += text.length + pieceSize
      parser.feed(text)
      if (held > limit) onOverflow()
    },
    end: () => {
      isEnding = true
      parser.feed("\n\n")
      json.end()
    }
  }
}
