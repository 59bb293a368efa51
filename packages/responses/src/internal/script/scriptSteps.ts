/** What a transport does, in order, while it is being put together: places are counted in frames. */
import type { Forgotten } from "../../ResponseScript.ts"

/**
 * What a transport does, one after the other. A list that has no `Close` or `Cut` leaves the connection open; after
 * `Silence` nothing comes any more, and the request has no end. A `Cut` with a frame sends so many bytes of it first.
 */
export type Step =
  | { readonly _tag: "Send"; readonly frame: object | string; readonly binary?: true | undefined }
  | { readonly _tag: "Wait"; readonly millis: number }
  | { readonly _tag: "Silence" }
  | { readonly _tag: "Close"; readonly code: number; readonly reason: string }
  | { readonly _tag: "Cut"; readonly frame?: object | string | undefined; readonly bytes?: number | undefined }
  | { readonly _tag: "Forget"; readonly what: Forgotten }
  | { readonly _tag: "Expire" }
  | { readonly _tag: "Pings"; readonly answered: boolean }

/** What is put into a frame when the order is final. */
type Envelope = "none" | "lane" | "numbered"

interface Send {
  readonly _tag: "Send"
  readonly frame: object | string
  readonly envelope: Envelope
  readonly binary?: true
}

export type Entry =
  | Send
  /** `sent` bytes of `frame` before the end. */
  | { readonly _tag: "CutWithin"; readonly frame: Send; readonly sent: number }
  | Exclude<Step, { readonly _tag: "Send" }>

/** The index right after the first `count` frames. */
const position = (entries: ReadonlyArray<Entry>, count: number): number => {
  let sent = 0
  for (const [index, entry] of entries.entries()) {
    if (sent >= count) return index
    if (entry._tag === "Send") sent++
  }
  return entries.length
}

export const insert = (entries: Array<Entry>, after: number, more: ReadonlyArray<Entry>): void => {
  entries.splice(position(entries, after), 0, ...more)
}

export const truncate = (entries: Array<Entry>, after: number): void => {
  entries.length = position(entries, after)
}

export const count = (entries: ReadonlyArray<Entry>): number =>
  entries.reduce((sum, { _tag }) => _tag === "Send" ? sum + 1 : sum, 0)

/** Where the frame after the first `after` ones would begin, the connection is cut, so many bytes into it. */
export const cutWithin = (entries: Array<Entry>, after: number, sent: number): void => {
  const frame = entries.slice(position(entries, after)).find((entry) => entry._tag === "Send")
  truncate(entries, after)
  entries.push(frame === undefined ? { _tag: "Cut" } : { _tag: "CutWithin", frame, sent })
}

/** A pause before each delta, unless the list says otherwise. */
export const slow = (entries: ReadonlyArray<Entry>, millis: number): ReadonlyArray<Entry> =>
  entries.flatMap((entry): ReadonlyArray<Entry> =>
    entry._tag === "Send" && isDelta(entry.frame) ? [{ _tag: "Wait", millis }, entry] : [entry]
  )

const isDelta = (frame: object | string): boolean => {
  const type: unknown = typeof frame === "string" ? undefined : Reflect.get(frame, "type")
  return typeof type === "string" && type.endsWith(".delta")
}

const withEnvelope = (frame: object, more: object): object => {
  const { type, ...rest } = frame as { readonly type?: unknown }
  return { type, ...more, ...rest }
}

/** Puts `sequence_number` and the lane into the frames that have them. */
export const number = (entries: ReadonlyArray<Entry>, lane: string | undefined): ReadonlyArray<Step> => {
  let sequence = 0
  const streamId = lane === undefined ? {} : { stream_id: lane }
  const finished = ({ envelope, frame }: Send): object | string => {
    if (envelope === "none" || typeof frame === "string") return frame
    return withEnvelope(frame, envelope === "lane" ? streamId : { sequence_number: sequence++, ...streamId })
  }
  return entries.map((entry): Step => {
    switch (entry._tag) {
      case "Send":
        return { _tag: "Send", frame: finished(entry), ...(entry.binary === true ? { binary: true } : {}) }
      case "CutWithin":
        return { _tag: "Cut", frame: finished(entry.frame), bytes: entry.sent }
      default:
        return entry
    }
  })
}
