/** What of an output item tells which item it is and how much of it has come. A server may have put anything into it. */
import * as Predicate from "effect/Predicate"

export type Item = Readonly<Record<string, unknown>>

/** `undefined` for what is no text, and for an empty one: `call_id: ""` names no call. */
export const textOf = (value: unknown): string | undefined =>
  Predicate.isString(value) && value !== "" ? value : undefined

/** Messages may come without a type. */
export const typeOf = (item: Item): string => textOf(item["type"]) ?? "message"

const isEmpty = (value: unknown): boolean => value === undefined || value === null || value === ""

const isEmptyPart = (part: unknown): boolean =>
  !Predicate.isRecord(part) || (("text" in part || "refusal" in part) && isEmpty(part["text"] ?? part["refusal"]))

/** Nothing, an empty text, or a list of parts that say nothing. */
const isHollow = (value: unknown): boolean => isEmpty(value) || (Array.isArray(value) && value.every(isEmptyPart))

/** The fields that an item of the type is there for. */
const bodies = new Map<string, ReadonlyArray<string>>([
  ["message", ["content"]],
  ["reasoning", ["encrypted_content", "summary", "content"]],
  ["function_call", ["arguments"]],
  ["custom_tool_call", ["input"]]
])

/** Whether the item says what items of its type are there to say. */
export const hasBody = (item: Item): boolean =>
  bodies.get(typeOf(item))?.some((field) => !isHollow(item[field])) !== false

/** The item with what it lacks and the others have; the very same item if that is nothing. */
export const fill = (item: Item, others: ReadonlyArray<Item>): Item => {
  let filled: Map<string, unknown> | undefined
  for (const other of others) {
    for (const name of Object.keys(other)) {
      if (!isHollow(filled?.get(name) ?? item[name]) || isHollow(other[name])) continue
      filled ??= new Map(Object.entries(item))
      filled.set(name, other[name])
    }
  }
  return filled === undefined ? item : Object.fromEntries(filled)
}

const texts = (parts: unknown): string => {
  if (!Array.isArray(parts)) return textOf(parts) ?? ""
  return parts.map((part) => Predicate.isRecord(part) ? textOf(part["text"] ?? part["refusal"]) ?? "" : "").join("")
}

/** The words of a message or of reasoning, by which it is found under another id. Empty for other items. */
export const wordsOf = (item: Item): string => {
  switch (typeOf(item)) {
    case "message":
      return texts(item["content"])
    case "reasoning":
      return textOf(item["encrypted_content"]) ?? texts(item["summary"]) + texts(item["content"])
    default:
      return ""
  }
}
