/** An item whose deltas are still coming: how it was announced, and the texts that its deltas add up to. */
import * as Predicate from "effect/Predicate"
import * as Parts from "./itemParts.ts"

/** A text that comes in pieces. */
interface TextKind {
  /** `response.….delta` brings a piece, `response.….done` the whole. */
  readonly event: string
  /** The type of the items that have such a text. */
  readonly item: string
  /** The field with the text: of the item, or of a part in one of its lists. */
  readonly field: string
  readonly list?: "content" | "summary"
  /** The `type` of the part. */
  readonly part?: string
  /** The field of the events that tells the part. */
  readonly at: "content_index" | "summary_index"
}

const content = { list: "content", at: "content_index" } as const

const kinds: ReadonlyArray<TextKind> = [
  { event: "output_text", item: "message", field: "text", part: "output_text", ...content },
  { event: "refusal", item: "message", field: "refusal", part: "refusal", ...content },
  { event: "reasoning_text", item: "reasoning", field: "text", part: "reasoning_text", ...content },
  {
    event: "reasoning_summary_text",
    item: "reasoning",
    field: "text",
    part: "summary_text",
    list: "summary",
    at: "summary_index"
  },
  { event: "function_call_arguments", item: "function_call", field: "arguments", at: "content_index" },
  { event: "custom_tool_call_input", item: "custom_tool_call", field: "input", at: "content_index" }
]

export interface TextEvent {
  readonly type: string
  readonly kind: TextKind
  readonly isDelta: boolean
}

export const deltaType = (kind: TextKind): string => `response.${kind.event}.delta`

/** By the length of the event's type: a Map would have to hash the type of every event that is none of these. */
const byLength: Array<Array<TextEvent>> = []

for (const kind of kinds) {
  for (const isDelta of [true, false]) {
    const type = isDelta ? deltaType(kind) : `response.${kind.event}.done`
    const sameLength = byLength[type.length] ??= []
    sameLength.push({ type, kind, isDelta })
  }
}

/** What an event of this type says about a text; `undefined` for events about something else. */
export const textEvent = (type: string): TextEvent | undefined =>
  byLength[type.length]?.find((known) => known.type === type)

/** One text of an item. `type`, `itemId`, `index` and `at` are those that its deltas have, for a quick comparison. */
export interface Text {
  readonly draft: ItemDraft
  readonly kind: TextKind
  readonly type: string
  readonly itemId: unknown
  readonly index: unknown
  readonly at: unknown
  words: string
  /** The whole text has come: later deltas repeat it. */
  isWhole: boolean
}

export interface ItemDraft {
  readonly id: string | undefined
  readonly place: number | undefined
  /** The item of `response.output_item.added`. */
  added: Parts.Item | undefined
  readonly texts: Map<string, Text>
  /** In characters of the events that it was made from. */
  size: number
}

const position = (text: Text): number => Predicate.isNumber(text.at) ? text.at : 0

export const typeOf = ({ added, texts }: ItemDraft): string | undefined =>
  added === undefined ? texts.values().next().value?.kind.item : Parts.typeOf(added)

/** The item as far as it has come. */
export const toItem = (draft: ItemDraft, isComplete: boolean): Parts.Item => {
  const { added, id, texts } = draft
  const type = typeOf(draft)
  const sorted = [...texts.values()].toSorted((a, b) => position(a) - position(b))
  const said: Record<string, unknown> = {}
  for (const { kind: { field, item, list, part }, words } of sorted) {
    if (item !== type || words === "") continue
    if (list === undefined) {
      said[field] = words
    } else {
      const parts = (said[list] ??= []) as Array<unknown>
      parts.push({ type: part, [field]: words, ...(part === "output_text" ? { annotations: [] } : {}) })
    }
  }
  return {
    type,
    ...(id === undefined ? {} : { id }),
    ...(type === "message" ? { role: "assistant", content: [] } : type === "reasoning" ? { summary: [] } : {}),
    ...added,
    ...(added === undefined || added["status"] === "in_progress"
      ? { status: isComplete ? "completed" : "incomplete" }
      : {}),
    ...said
  }
}
