/** What can go wrong with the frames of a response on their way out of a broken server. */
import type { Dice } from "../dice.ts"
import type { Frame, Kind } from "./frames.ts"

/** A frame as sent, and the turn that it was made for: no turn for the frames of a response that nobody asked for. */
export interface Sent {
  readonly text: string
  readonly turn: string | undefined
}

export type Mutation =
  | "drop"
  | "double"
  | "swap"
  | "cut"
  | "type"
  | "id"
  | "index"
  | "stranger"
  | "late"
  | "error"
  | "close"

export const weights: Readonly<Record<Mutation, number>> = {
  drop: 4,
  double: 4,
  swap: 4,
  cut: 2,
  type: 3,
  id: 3,
  index: 2,
  stranger: 3,
  late: 3,
  error: 1,
  close: 1
}

export interface Course {
  readonly kind: Kind
  readonly turn: string
  readonly frames: ReadonlyArray<Frame>
  /** The frames of the turn before, on the same connection. */
  readonly before: ReadonlyArray<Frame>
  readonly turnBefore: string | undefined
}

const types: readonly [string, ...ReadonlyArray<string>] = [
  "response.created",
  "response.in_progress",
  "response.output_text.delta",
  "response.output_item.done",
  "response.completed",
  "response.incomplete",
  "response.failed",
  "response.done",
  "response.brand_new",
  "keepalive",
  "error"
]

const indexes: readonly [unknown, ...ReadonlyArray<unknown>] = [-1, 1e9, 0.5, "0", null, 7]

/** A frame of a response that is over can only be told from the next one's where the server announces its responses. */
const tellsLate = ({ beginning }: Kind): boolean => beginning.length > 0

const hasId = (frame: Frame): boolean => "response" in frame

const withId = (frame: Frame, id: string): Frame => ({
  ...frame,
  response: { ...frame["response"] as Frame, id }
})

/** The frames, mutated, in the order in which they are sent. `undefined`: the connection is closed here. */
export const mutate = (
  { before, frames, kind, turn, turnBefore }: Course,
  mutation: Mutation,
  dice: Dice
): ReadonlyArray<Sent | undefined> => {
  const own = (frame: Frame): Sent => ({ text: JSON.stringify(frame), turn })
  const all = frames.map(own)
  const at = dice.below(frames.length)
  const frame = frames[at] ?? {}
  const replaced = (text: string) => all.with(at, { text, turn })
  const inserted = (...more: ReadonlyArray<Sent | undefined>) => [...all.slice(0, at), ...more, ...all.slice(at)]
  switch (mutation) {
    case "drop":
      return all.toSpliced(at, 1)
    case "double":
      return at === frames.length - 1 && !tellsLate(kind) ? all : inserted(own(frame))
    case "swap": {
      // An end that comes too early leaves frames behind that no server without a beginning can be told for late.
      const other = dice.below(frames.length - (tellsLate(kind) ? 0 : 1))
      const first = Math.min(at, other)
      const last = Math.max(at, other)
      if (last === frames.length - 1 && !tellsLate(kind)) return all
      return all.with(first, own(frames[last] ?? {})).with(last, own(frames[first] ?? {}))
    }
    case "cut": {
      const text = JSON.stringify(frame)
      return replaced(text.slice(0, dice.below(text.length)))
    }
    case "type": {
      const type = dice.pick(types)
      const ends = type === "response.completed" || type === "response.incomplete" || type === "response.failed" ||
        type === "error"
      return ends && !tellsLate(kind) ? all : replaced(JSON.stringify({ ...frame, type }))
    }
    case "id":
      return hasId(frame) && tellsLate(kind)
        ? replaced(JSON.stringify(withId(frame, dice.pick([`resp_other_${turn}`, `resp_${turnBefore ?? "x"}`]))))
        : all
    case "index":
      return replaced(JSON.stringify({ ...frame, output_index: dice.pick(indexes) }))
    case "stranger": {
      // Only whole: without its beginning nothing tells its output from that of the response that runs.
      const id = `resp_stranger_${turn}`
      const stranger: ReadonlyArray<Frame> = [
        { type: "response.created", response: { id } },
        { type: "response.output_text.delta", item_id: "msg_stranger", output_index: 0, delta: "stranger" },
        { type: "response.completed", response: { id, output: [] } }
      ]
      // Before the beginning of the response asked for, a stranger is taken for it.
      return kind.ids === "each" && tellsLate(kind) && at >= kind.beginning.length
        ? inserted(...stranger.map((frame) => ({ text: JSON.stringify(frame), turn: undefined })))
        : all
    }
    case "late": {
      // Where `created` is not sent, a late beginning is one: the second response may have the id of the first.
      const begins = kind.beginning[0] === "response.created" ? "response.created" : "response.in_progress"
      const late = before.filter((frame) => frame["type"] !== begins && (kind.ids === "each" || !hasId(frame)))
      const count = 1 + dice.below(3)
      const isBeforeBeginning = at < 1
      return tellsLate(kind) && turnBefore !== undefined
        ? [
          ...(isBeforeBeginning ? late : late.filter(hasId)).slice(-count)
            .map((frame): Sent => ({ text: JSON.stringify(frame), turn: turnBefore })),
          ...all
        ]
        : all
    }
    case "error":
      return tellsLate(kind)
        ? inserted({ text: JSON.stringify({ type: "error", error: { message: "Fuzz." } }), turn })
        : all
    case "close":
      return [...all.slice(0, at), undefined]
  }
}
