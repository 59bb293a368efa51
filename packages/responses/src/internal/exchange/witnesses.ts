/**
 * Which of the items that a server spoke of are the same item, and what they say together. The list at the end, the
 * `output_item.done` events and the deltas may each lack items, and may give one item different ids.
 */
import type { ResponseItem } from "../../ResponseItem.ts"
import { fill, hasBody, type Item, textOf, typeOf, wordsOf } from "./itemParts.ts"

/** Where an item was spoken of: in the list at the end, in its own events, in its deltas. */
type Source = "end" | "done" | "announced" | "deltas"

export interface Witness {
  readonly source: Source
  readonly item: Item
  /** `output_index`, where there is a valid one. */
  readonly place: number | undefined
}

export interface Whole {
  readonly output: ReadonlyArray<ResponseItem>
  /** Other spellings of items of the output: the same id with another `encrypted_content`. */
  readonly alternatives: ReadonlyArray<ResponseItem>
}

/** Everything that was said of one item. */
interface Slot extends Readonly<Record<Source, Array<Item>>> {
  readonly type: string
  /** Of the first witness. */
  readonly words: () => string
  id: string | undefined
  callId: string | undefined
  place: number | undefined
  count: number
}

const newSlot = (item: Item): Slot => {
  let words: string | undefined
  return {
    type: typeOf(item),
    words: () => words ??= wordsOf(item),
    end: [],
    done: [],
    announced: [],
    deltas: [],
    id: undefined,
    callId: undefined,
    place: undefined,
    count: 0
  }
}

/** What is known of both has to be equal. */
const isCompatible = <A>(left: A | undefined, right: A | undefined): boolean =>
  left === undefined || right === undefined || left === right

/** The slots of all items: first those of the list at the end, in its order. */
const gather = (
  ends: ReadonlyArray<Item>,
  witnesses: ReadonlyArray<Witness>
): ReadonlyArray<Slot> => {
  const slots: Array<Slot> = []
  const byCall = new Map<string, Slot>()
  const byId = new Map<string, Slot>()
  const byPlace = new Map<number, Slot>()
  let byWords: Map<string, Array<Slot>> | undefined
  let furthest = -1
  for (const { place = -1 } of witnesses) furthest = Math.max(furthest, place)

  /** The first item of the list at the end that has the same words and was spoken of nowhere else. */
  const echoOf = (type: string, words: string): Slot | undefined => {
    if (byWords === undefined) {
      byWords = new Map()
      for (const slot of slots.toReversed()) {
        if (slot.end.length === 0) continue
        const same = byWords.get(slot.words())
        if (same === undefined) byWords.set(slot.words(), [slot])
        else same.push(slot)
      }
    }
    const same = byWords.get(words) ?? []
    while (same.length > 0) {
      const slot = same.pop()
      if (slot !== undefined && slot.type === type && slot.end.length === slot.count) return slot
    }
    return undefined
  }

  /** A list that is shorter than the places go lacks items: what is where in it tells nothing then. */
  const atPlace = (place: number): Slot | undefined => {
    const listed = ends.length > furthest && place < ends.length ? slots[place] : undefined
    return byPlace.get(place) ?? (listed?.place === undefined ? listed : undefined)
  }

  const add = ({ item, place, source }: Witness) => {
    const id = textOf(item["id"])
    const callId = textOf(item["call_id"])
    const type = typeOf(item)
    const call = `${type} ${callId}`

    const find = (): Slot | undefined => {
      const called = callId === undefined ? undefined : byCall.get(call)
      if (called !== undefined) return called
      const fits = (slot: Slot | undefined): slot is Slot =>
        slot !== undefined && slot.type === type && isCompatible(slot.callId, callId)
      const named = id === undefined ? undefined : byId.get(id)
      if (fits(named)) {
        // Some servers give all their items one id.
        if (source !== "end" && isCompatible(named.place, place)) return named
        if (named.words() === wordsOf(item)) return named
      }
      if (source === "end") return undefined
      const words = wordsOf(item)
      const echo = words === "" ? undefined : echoOf(type, words)
      if (echo !== undefined) return echo
      // Deltas that do not tell their item are those of an item that is there, if there is one.
      if (id === undefined && place === undefined && source === "deltas") return slots.findLast(fits)
      const there = place === undefined ? undefined : atPlace(place)
      if (!fits(there)) return undefined
      if (words !== "" && there.words() === words) return there
      // The deltas of a call have no `call_id`, and the place of two items that are done tells nothing.
      const isOne = isCompatible(there.id, id) || (there.callId !== undefined && callId === undefined)
      return isOne && there[source].length === 0 ? there : undefined
    }

    const found = find()
    const slot = found ?? newSlot(item)
    if (found === undefined) slots.push(slot)
    slot[source].push(item)
    slot.count++
    slot.id ??= id
    slot.callId ??= callId
    slot.place ??= place
    if (id !== undefined && !byId.has(id)) byId.set(id, slot)
    if (callId !== undefined && !byCall.has(call)) byCall.set(call, slot)
    if (place !== undefined && !byPlace.has(place)) byPlace.set(place, slot)
  }

  for (const item of ends) add({ source: "end", item, place: undefined })
  for (const witness of witnesses) add(witness)
  return slots
}

/** Of several whole items the first stays: a call that came twice is the first one's. */
const best = (items: ReadonlyArray<Item>): Item | undefined => {
  const whole = items.filter((item) => item["status"] !== "in_progress" && hasBody(item))
  return whole.find((item) => item["status"] !== "incomplete") ?? whole[0]
}

/** An empty message is none, and a call cannot be made of its arguments alone. */
const isMade = (item: Item): boolean => {
  const type = typeOf(item)
  if (type === "message") return hasBody(item)
  return (type !== "function_call" && type !== "custom_tool_call") || textOf(item["call_id"]) !== undefined
}

/** What the witnesses of an item say together; `undefined` if deltas alone tell too little of it. */
const together = (slot: Slot): { readonly item: Item; readonly others: ReadonlyArray<Item> } | undefined => {
  const { announced, deltas, done, end } = slot
  const drafts = [...announced, ...deltas]
  const made = drafts[0] && fill(drafts[0], drafts)
  const item = best(end) ?? best(done) ?? (made && hasBody(made) ? made : end[0] ?? done[0] ?? made)
  if (item === undefined || (end.length + done.length === 0 && !isMade(item))) return undefined
  const id = textOf(item["id"])
  const others = [...end, ...done, ...drafts].filter((other) => other !== item && isCompatible(textOf(other["id"]), id))
  return { item: fill(item, others), others }
}

const spelling = (item: Item) => textOf(item["encrypted_content"])

/** In the order of the list at the end, with what it lacks put in by its place. */
const inOrder = (slots: ReadonlyArray<Slot>): ReadonlyArray<Slot> => {
  const rest = slots.filter(({ end }) => end.length === 0)
  if (rest.length === 0) return slots
  const placeOf = ({ place = Number.POSITIVE_INFINITY }: Slot) => place
  rest.sort((a, b) => placeOf(a) === placeOf(b) ? 0 : placeOf(a) - placeOf(b))
  const taken = new Set(slots.map(({ place }) => place))
  const ordered: Array<Slot> = []
  let next = 0
  let used = 0
  for (const slot of slots) {
    if (slot.end.length === 0) continue
    while (slot.place === undefined && taken.has(next)) next++
    const place = slot.place ?? next
    next = Math.max(next, place + 1)
    for (let other = rest[used]; other !== undefined && placeOf(other) < place; other = rest[++used]) {
      ordered.push(other)
    }
    ordered.push(slot)
  }
  return ordered.concat(rest.slice(used))
}

/**
 * The witnesses are to come in the order of their sources. Never throws, and takes time in proportion to what was said.
 */
export const reconcile = (
  ends: ReadonlyArray<Item>,
  witnesses: ReadonlyArray<Witness>
): Whole => {
  const output: Array<Item> = []
  const alternatives: Array<Item> = []
  for (const slot of inOrder(gather(ends, witnesses))) {
    const said = together(slot)
    if (said === undefined) continue
    output.push(said.item)
    const encrypted = spelling(said.item)
    if (encrypted === undefined) continue
    for (const other of said.others) {
      if (textOf(other["id"]) !== undefined && (spelling(other) ?? encrypted) !== encrypted) alternatives.push(other)
    }
  }
  return { output: output as unknown as Whole["output"], alternatives: alternatives as unknown as Whole["output"] }
}
