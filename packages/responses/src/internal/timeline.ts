/** What a transport does, in order, while it is being put together: places are counted in frames. */
export type Entry =
  | {
    readonly _tag: "Send"
    readonly frame: object | string
    /** What is put in when the order is final. */
    readonly envelope: "none" | "lane" | "numbered"
  }
  | { readonly _tag: "Wait"; readonly millis: number }
  | { readonly _tag: "Silence" }
  | { readonly _tag: "Close"; readonly code: number; readonly reason: string }
  | { readonly _tag: "Cut" }

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

const withEnvelope = (frame: object, more: object): object => {
  const { type, ...rest } = frame as { readonly type?: unknown }
  return { type, ...more, ...rest }
}

/** Puts `sequence_number` and the lane into the frames that have them. */
export const number = (entries: ReadonlyArray<Entry>, lane: string | undefined) => {
  let sequence = 0
  const streamId = lane === undefined ? {} : { stream_id: lane }
  return entries.map((entry) => {
    if (entry._tag !== "Send") return entry
    const { envelope, frame } = entry
    if (envelope === "none" || typeof frame === "string") return { _tag: entry._tag, frame }
    const more = envelope === "lane" ? streamId : { sequence_number: sequence++, ...streamId }
    return { _tag: entry._tag, frame: withEnvelope(frame, more) }
  })
}
