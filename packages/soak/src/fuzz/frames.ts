/** The frames of one response, as a server of one kind sends them. Each frame carries the mark of its turn. */
import type { Dice } from "../dice.ts"

/** How a server begins its responses and names them. */
export interface Kind {
  readonly name: string
  /** The events before the first output. */
  readonly beginning: ReadonlyArray<"response.created" | "response.queued" | "response.in_progress">
  /** One id for all responses, one for each response, or another one in each event. */
  readonly ids: "one" | "each" | "varying"
}

export const kinds: readonly [Kind, ...ReadonlyArray<Kind>] = [
  { name: "the vendor's", beginning: ["response.created", "response.in_progress"], ids: "each" },
  { name: "with a queue", beginning: ["response.created", "response.queued", "response.in_progress"], ids: "each" },
  { name: "created only", beginning: ["response.created"], ids: "each" },
  { name: "in_progress only", beginning: ["response.in_progress"], ids: "each" },
  { name: "no beginning", beginning: [], ids: "each" },
  { name: "one id, created", beginning: ["response.created", "response.in_progress"], ids: "one" },
  { name: "one id, in_progress", beginning: ["response.in_progress"], ids: "one" },
  { name: "one id, no beginning", beginning: [], ids: "one" },
  { name: "varying ids", beginning: ["response.created", "response.in_progress"], ids: "varying" }
]

/** `turn` is the turn that the frame was sent for, `serial` its place in everything that the server sent. */
export interface Mark {
  readonly turn: string
  readonly serial: number
}

export type Frame = Readonly<Record<string, unknown>>

const output = (turn: string, dice: Dice): ReadonlyArray<Frame> => {
  const place = { item_id: `msg_${turn}`, output_index: 0 }
  const content = { ...place, content_index: 0 }
  const words = Array.from({ length: 1 + dice.below(6) }, (_, index) => `${turn}-${index} `)
  const part = { type: "output_text", text: words.join(""), annotations: [] }
  const item = { type: "message", id: place.item_id, role: "assistant", status: "completed", content: [part] }
  return [
    { type: "response.output_item.added", output_index: 0, item: { ...item, status: "in_progress", content: [] } },
    { type: "response.content_part.added", ...content, part: { ...part, text: "" } },
    ...words.map((delta) => ({ type: "response.output_text.delta", ...content, delta })),
    { type: "response.output_text.done", ...content, text: part.text },
    { type: "response.content_part.done", ...content, part },
    { type: "response.output_item.done", output_index: 0, item }
  ]
}

export const frames = (kind: Kind, turn: string, dice: Dice): ReadonlyArray<Frame> => {
  let named = 0
  const response = (status: string, more: Frame = {}): Frame => {
    const id = kind.ids === "one" ? "resp_always" : kind.ids === "each" ? `resp_${turn}` : `resp_${turn}_${named++}`
    return { id, object: "response", status, model: "m", output: [], ...more }
  }
  const events = output(turn, dice)
  const items = events.flatMap((event) => event["type"] === "response.output_item.done" ? [event["item"]] : [])
  return [
    ...kind.beginning.map((type) => ({ type, response: response("in_progress") })),
    ...events,
    { type: "response.completed", response: response("completed", { output: items }) }
  ]
}
