/**
 * Small numbers that are equal for items, and histories, that mean the same, so that the heads that a history may continue are
 * found without comparing it with each. They are often equal for others too: what is found is compared by `continuation.ts`.
 *
 * Whatever `itemMatch.ts` takes for the same has the same number, with two exceptions, which cost a request in full: a reference,
 * which can stand for any item, and what is in a list that has a `toJSON` of its own.
 */
import type { ResponseItem } from "../../ResponseItem.ts"
import * as CanonicalJson from "./canonicalJson.ts"

type Fields = Readonly<Record<string, unknown>>

/** What histories are found by. `count` is the number of items that count. */
export interface Fingerprint {
  readonly hash: number
  readonly count: number
}

/** Of the beginning and the end of a text so many characters are looked at: long ones are not read. */
const sample = 16

/** Another one in each process, so that nobody can prepare texts with equal numbers. */
const seed = Math.floor(Math.random() * 0x7fffffff)

const mix = (hash: number, value: number): number => Math.imul(hash ^ value, 0x9e3779b1) ^ (hash >>> 15)

const mixRange = (hash: number, text: string, from: number, to: number): number => {
  let mixed = hash
  for (let index = from; index < to; index++) mixed = mix(mixed, text.charCodeAt(index))
  return mixed
}

/** An item that breaks the rules of its kind is compared as JSON has it, and so may hold an instance of a class anywhere. */
const json = (value: unknown): unknown =>
  typeof value === "object" && value !== null ? CanonicalJson.plain(value) : value

const mixText = (hash: number, given: unknown): number => {
  const text = json(given)
  if (typeof text !== "string") return hash
  const sized = mix(hash, text.length)
  if (text.length <= 2 * sample) return mixRange(sized, text, 0, text.length)
  return mixRange(mixRange(sized, text, 0, sample), text, text.length - sample, text.length)
}

const fieldsOf = (value: unknown): Fields => {
  const fields = json(value)
  return typeof fields === "object" && fields !== null ? fields as Fields : {}
}

/** Texts only: a medium has many spellings. */
const mixContent = (hash: number, given: unknown): number => {
  const content = Array.isArray(given) ? given : json(given)
  if (!Array.isArray(content)) return mixText(hash, content)
  let mixed = hash
  for (const given of content) {
    const part = fieldsOf(given)
    const type = part["type"]
    if (type === "output_text" || type === "input_text" || type === "text") mixed = mixText(mixed, part["text"])
  }
  return mixed
}

/** JSON leaves functions out, and an item without a type is a message. What is no text names no kind. */
const typeOf = (item: Fields): string => {
  const type = json(item["type"])
  return typeof type === "string" ? type : "message"
}

/** A caller may leave them out. */
const isSkipped = (type: string): boolean => type === "reasoning" || type === "compaction_trigger"

/** Of the types that there are many of. */
const kinds = new Map(["message", "function_call", "function_call_output"].map((type) => [type, mixText(seed, type)]))

const ofFields = (type: string, item: Fields): number => {
  const kind = kinds.get(type) ?? mixText(seed, type)
  switch (type) {
    case "message":
      return mixContent(mixText(kind, item["role"]), item["content"])
    case "function_call":
    case "custom_tool_call":
      return mixText(mixText(kind, item["call_id"]), item["name"])
    case "function_call_output":
    case "custom_tool_call_output":
      return mixText(kind, item["call_id"])
    default:
      return kind
  }
}

/** `undefined` for an item that does not count. Never throws. */
const ofItem = (item: ResponseItem): number | undefined => {
  try {
    const fields = fieldsOf(item)
    const type = typeOf(fields)
    return isSkipped(type) ? undefined : ofFields(type, fields)
  } catch {
    return seed
  }
}

/** A caller may leave out what is before it: the fingerprint begins anew. */
const compaction = ofFields("compaction", {})

export const empty: Fingerprint = { hash: seed, count: 0 }

/** Of a history and the items after it. */
export const extend = (before: Fingerprint, items: ReadonlyArray<ResponseItem>): Fingerprint => {
  let { count, hash } = before
  for (const item of items) {
    const own = ofItem(item)
    if (own === undefined) continue
    if (own === compaction) [hash, count] = [seed, 0]
    hash = mix(hash, own)
    count++
  }
  return { hash, count }
}

/** One number for both. */
export const key = ({ count, hash }: Fingerprint): number => (hash >>> 0) + count * 0x1_0000_0000

/** Calls a function with the fingerprint of each beginning of a history, from the empty one on. Makes nothing on its way. */
export const forEachBeginning = (
  items: ReadonlyArray<ResponseItem>,
  f: (hash: number, count: number) => void
): void => {
  let { count, hash } = empty
  f(hash, count)
  for (const item of items) {
    const own = ofItem(item)
    if (own === undefined) continue
    if (own === compaction) [hash, count] = [seed, 0]
    hash = mix(hash, own)
    f(hash, ++count)
  }
}

const isInstruction = (item: ResponseItem): boolean => {
  try {
    const { role } = fieldsOf(item)
    return role === "system" || role === "developer"
  } catch {
    return false
  }
}

/**
 * What the conversations are told apart by that have nothing else in common: their first item that is no instruction, and that
 * counts. `undefined` while there is none: many conversations begin with the same instructions, most often in one warm-up.
 */
export const root = (items: ReadonlyArray<ResponseItem>): number | undefined => {
  for (const item of items) {
    const own = isInstruction(item) ? undefined : ofItem(item)
    if (own !== undefined) return own
  }
  return undefined
}
