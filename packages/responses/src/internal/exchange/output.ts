/**
 * The output of a response: what the list at its end, the events of its items and their deltas say together. Servers leave
 * items out of any of these.
 */
import * as Predicate from "effect/Predicate"
import type { Response, ServerEvent } from "../../ResponseEvent.ts"
import * as Draft from "./itemDraft.ts"
import { type Item, textOf, typeOf } from "./itemParts.ts"
import * as Witnesses from "./witnesses.ts"

export interface Output {
  /** `size` is that of the event's frame, in characters. */
  readonly add: (event: ServerEvent, size: number) => void
  /** What the events so far and the end of the response say together. */
  readonly of: (end: Response) => Witnesses.Whole
  /** Of the events that are kept now, in characters. */
  readonly size: () => number
}

/** What nobody has checked. */
type Fields = Readonly<Record<string, unknown>>

const placeOf = (index: unknown): number | undefined =>
  Number.isInteger(index) && Number(index) >= 0 ? Number(index) : undefined

const keyOf = (id: string | undefined, place: number | undefined): string => `${place ?? ""} ${id ?? ""}`

export const make = (): Output => {
  const dones: Array<Witnesses.Witness> = []
  let size = 0
  let isIncomplete = false
  const drafts = new Map<string, Draft.ItemDraft>()
  /** The text of the last delta: the next delta is most often one of the same text. */
  let latest: Draft.Text | undefined

  const draftOf = (id: string | undefined, place: number | undefined, more: number): Draft.ItemDraft => {
    const key = keyOf(id, place)
    let draft = drafts.get(key)
    if (draft === undefined) drafts.set(key, draft = { id, place, added: undefined, texts: new Map(), size: 0 })
    draft.size += more
    size += more
    return draft
  }

  const release = (draft: Draft.ItemDraft | undefined, item: Item) => {
    // Deltas without an id may be those of another item.
    if (draft === undefined || (draft.id === undefined && Draft.typeOf(draft) !== typeOf(item))) return
    drafts.delete(keyOf(draft.id, draft.place))
    size -= draft.size
    if (latest?.draft === draft) latest = undefined
  }

  const addDone = (item: Item, place: number | undefined, more: number) => {
    // Servers that tell no place send their items in order.
    dones.push({ source: "done", item, place: place ?? dones.length })
    size += more
    const id = textOf(item["id"])
    const keys = [keyOf(id, place), keyOf(undefined, place), keyOf(id, undefined), keyOf(undefined, undefined)]
    for (const key of keys) release(drafts.get(key), item)
  }

  const addText = (event: Fields, { isDelta, kind }: Draft.TextEvent, more: number) => {
    const words = event[isDelta ? "delta" : kind.field]
    if (!Predicate.isString(words)) return
    const { item_id: itemId, output_index: index } = event
    const draft = draftOf(textOf(itemId), placeOf(index), more)
    const at = event[kind.at]
    const key = `${kind.event} ${placeOf(at) ?? ""}`
    let text = draft.texts.get(key)
    if (text === undefined) {
      text = { draft, kind, type: Draft.deltaType(kind), itemId, index, at, words: "", isWhole: false }
      draft.texts.set(key, text)
    }
    if (!isDelta) text.words = words
    else if (!text.isWhole) text.words += words
    text.isWhole ||= !isDelta
    latest = text.isWhole ? undefined : text
  }

  return {
    add: (event, more) => {
      const { type } = event
      if (type === undefined) return
      const fields = event as Fields
      if (
        latest !== undefined && type === latest.type && fields["output_index"] === latest.index &&
        fields[latest.kind.at] === latest.at && fields["item_id"] === latest.itemId &&
        Predicate.isString(fields["delta"])
      ) {
        latest.words += fields["delta"]
        latest.draft.size += more
        size += more
      } else if (type === "response.output_item.done" || type === "response.output_item.added") {
        const { item, output_index: index } = fields
        if (!Predicate.isRecord(item)) return
        const place = placeOf(index)
        if (type === "response.output_item.done") addDone(item, place, more)
        else draftOf(textOf(item["id"]), place, more).added = item
      } else if (type === "response.incomplete") {
        isIncomplete = true
      } else {
        const text = Draft.textEvent(type)
        if (text !== undefined) addText(fields, text, more)
      }
    },
    of: ({ output, status = "completed" }) => {
      const isComplete = status === "completed" && !isIncomplete
      const witness = (draft: Draft.ItemDraft): Witnesses.Witness => ({
        source: draft.added === undefined ? "deltas" : "announced",
        item: Draft.toItem(draft, isComplete),
        place: draft.place
      })
      const all = [...drafts.values()]
      return Witnesses.reconcile(Array.isArray(output) ? output.filter(Predicate.isRecord) : [], [
        ...dones,
        ...all.filter(({ added }) => added !== undefined).map(witness),
        ...all.filter(({ added }) => added === undefined).map(witness)
      ])
    },
    size: () => size
  }
}
