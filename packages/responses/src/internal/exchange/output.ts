/**
 * The output of a response: what the list at its end, the events of its items and their deltas say together. Servers leave
 * items out of any of these.
 */
import * as Predicate from "effect/Predicate"
import type { Response, ServerEvent } from "../../ResponseEvent.ts"
import * as Draft from "./itemDraft.ts"
import { type Item, textOf, typeOf } from "./itemParts.ts"
import * as Witnesses from "./witnesses.ts"

/** What nobody has checked. */
type Fields = Readonly<Record<string, unknown>>

const placeOf = (index: unknown): number | undefined =>
  Number.isSafeInteger(index) && Number(index) >= 0 ? Number(index) : undefined

const keyOf = (id: string | undefined, place: number | undefined): string => `${place ?? ""} ${id ?? ""}`

const isDone = (type: string): boolean => type === "response.output_item.done"

/** Lists are made when there is something to put into them: most responses that wait have nothing. */
export class Output {
  private dones: Array<Witnesses.Witness> | undefined
  private drafts: Map<string, Draft.ItemDraft> | undefined
  private kept = 0
  private isIncomplete = false
  /** The text of the last delta: the next delta is most often one of the same text. */
  private latest: Draft.Text | undefined

  /** Of the events that are kept now, in characters. */
  size(): number {
    return this.kept
  }

  /** `size` is that of the event's frame, in characters. */
  add(event: ServerEvent, size: number): void {
    const { type } = event
    if (type === undefined) return
    const fields = event as Fields
    const { latest } = this
    if (
      latest !== undefined && type === latest.type && fields["output_index"] === latest.index &&
      fields[latest.kind.at] === latest.at && fields["item_id"] === latest.itemId &&
      Predicate.isString(fields["delta"])
    ) {
      latest.words += fields["delta"]
      latest.draft.size += size
      this.kept += size
    } else if (isDone(type) || type === "response.output_item.added") {
      const { item, output_index: index } = fields
      if (!Predicate.isRecord(item)) return
      const place = placeOf(index)
      if (isDone(type)) this.addDone(item, place, size)
      else this.draftOf(textOf(item["id"]), place, size).added = item
    } else if (type === "response.incomplete") {
      this.isIncomplete = true
    } else {
      const text = Draft.textEvent(type)
      if (text !== undefined) this.addText(fields, text, size)
    }
  }

  /** What the events so far and the end of the response say together. */
  of({ output, status = "completed" }: Response): Witnesses.Whole {
    const isComplete = status === "completed" && !this.isIncomplete
    const witness = (draft: Draft.ItemDraft): Witnesses.Witness => ({
      source: draft.added === undefined ? "deltas" : "announced",
      item: Draft.toItem(draft, isComplete),
      place: draft.place
    })
    const drafts = [...this.drafts?.values() ?? []]
    return Witnesses.reconcile(Array.isArray(output) ? output.filter(Predicate.isRecord) : [], [
      ...this.dones ?? [],
      ...drafts.filter(({ added }) => added !== undefined).map(witness),
      ...drafts.filter(({ added }) => added === undefined).map(witness)
    ])
  }

  private draftOf(id: string | undefined, place: number | undefined, size: number): Draft.ItemDraft {
    const key = keyOf(id, place)
    this.drafts ??= new Map()
    let draft = this.drafts.get(key)
    if (draft === undefined) this.drafts.set(key, draft = { id, place, added: undefined, texts: new Map(), size: 0 })
    draft.size += size
    this.kept += size
    return draft
  }

  private release(draft: Draft.ItemDraft | undefined, item: Item): void {
    // Deltas without an id may be those of another item.
    if (draft === undefined || (draft.id === undefined && Draft.typeOf(draft) !== typeOf(item))) return
    this.drafts?.delete(keyOf(draft.id, draft.place))
    this.kept -= draft.size
    if (this.latest?.draft === draft) this.latest = undefined
  }

  private addDone(item: Item, place: number | undefined, size: number): void {
    this.dones ??= []
    // Servers that tell no place send their items in order.
    this.dones.push({ source: "done", item, place: place ?? this.dones.length })
    this.kept += size
    const id = textOf(item["id"])
    const keys = [keyOf(id, place), keyOf(undefined, place), keyOf(id, undefined), keyOf(undefined, undefined)]
    for (const key of keys) this.release(this.drafts?.get(key), item)
  }

  private addText(event: Fields, { isDelta, kind }: Draft.TextEvent, size: number): void {
    const words = event[isDelta ? "delta" : kind.field]
    if (!Predicate.isString(words)) return
    const { item_id: itemId, output_index: index } = event
    const draft = this.draftOf(textOf(itemId), placeOf(index), size)
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
    this.latest = text.isWhole ? undefined : text
  }
}

export const make = (): Output => new Output()
