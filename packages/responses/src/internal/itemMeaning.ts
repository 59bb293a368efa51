/**
 * What an item means to the model, and whether two items mean the same. Servers and SDKs add, drop and reorder much that
 * means nothing: ids, status, annotations, log probabilities, fields of their own.
 */
import type { ResponseItem } from "../ResponseItem.ts"
import * as JsonText from "./jsonText.ts"
import * as Meaning from "./meaning.ts"

/** Mutable, for `isSame` to learn a spelling. What it means never changes. */
export type ItemMeaning = Array<Meaning.Leaf>

type Fields = Readonly<Record<string, unknown>>

/** The first leaf of whatever has no rule of its own. */
const other = Symbol("other")
const text = Symbol("text")
const refusal = Symbol("refusal")

const isText = (value: unknown): value is string => typeof value === "string"

const isAbsent = (value: unknown): value is null | undefined => value === undefined || value === null

const writePart = (given: unknown, draft: Meaning.Draft): void => {
  const part = typeof given === "object" && given !== null ? Meaning.plain(given) as Fields : {}
  switch (part["type"]) {
    case "output_text":
    case "input_text":
    case "text":
      if (!isText(part["text"])) break
      draft.add(text).add(part["text"])
      return
    case "refusal":
      if (!isText(part["refusal"])) break
      draft.add(refusal).add(part["refusal"])
      return
  }
  Meaning.write(given, draft)
}

const writeContent = (content: unknown, draft: Meaning.Draft): boolean => {
  if (isText(content)) draft.add(text).add(content)
  else if (Array.isArray(content)) { for (const part of content) writePart(part, draft) }
  else return false
  return true
}

const writeThoughts = (thoughts: unknown, draft: Meaning.Draft): boolean => {
  if (Array.isArray(thoughts)) {
    for (const thought of thoughts) {
      const { text: said } = Meaning.plain(thought) as Fields
      if (isText(said)) draft.add(text).add(said)
      else Meaning.write(thought, draft)
    }
  } else if (!isAbsent(thoughts)) {
    return false
  }
  draft.add(Meaning.end)
  return true
}

/** `false` if there is no rule for the kind, or the item is not in the shape that its rule expects. */
const writeKnown = (item: Fields, draft: Meaning.Draft): boolean => {
  const { type } = item
  switch (type) {
    case undefined:
    case "message": {
      const { role } = item
      return isText(role) && writeContent(item["content"], draft.add("message").add(role))
    }
    case "function_call":
    case "custom_tool_call": {
      const { call_id, name, namespace } = item
      const said = type === "function_call" ? item["arguments"] : item["input"]
      if (!isText(said) || !isText(call_id) || !isText(name)) return false
      if (!isAbsent(namespace) && !isText(namespace)) return false
      draft.add(type).add(said).add(call_id).add(name).add(namespace ?? null)
      return true
    }
    case "function_call_output":
    case "custom_tool_call_output": {
      const { call_id, output } = item
      return isText(call_id) && writeContent(output, draft.add(type).add(call_id))
    }
    case "reasoning": {
      const { encrypted_content: encrypted, id } = item
      if (!isAbsent(encrypted) && !isText(encrypted)) return false
      if (!isAbsent(id) && !isText(id)) return false
      draft.add(type).add(encrypted || null).add(id ?? null)
      return writeThoughts(item["summary"], draft) && writeThoughts(item["content"], draft)
    }
    default:
      return false
  }
}

const writeItem = (given: ResponseItem, draft: Meaning.Draft): void => {
  const item = Meaning.plain(given) as Fields
  if (writeKnown(item, draft)) return
  draft.size = 0
  const { id, status, ...rest } = item
  if ((isAbsent(id) || isText(id)) && (isAbsent(status) || isText(status))) {
    Meaning.write(rest, draft.add(other).add(id ?? null).add(status ?? null))
  } else {
    Meaning.write(item, draft.add(other).add(null).add(null))
  }
}

/** Never throws: what cannot be written as JSON is equal to nothing. */
export const make = (draft: Meaning.Draft, item: ResponseItem): ItemMeaning => {
  Meaning.rewrite(draft, writeItem, item)
  return draft.finish()
}

export const isReasoning = (meaning: Meaning.Meaning): boolean => meaning[0] === "reasoning"

const hasThoughts = (reasoning: Meaning.Meaning): boolean => reasoning.length > 5

/** Whether nothing speaks against it: what one of the two lacks tells nothing. */
const isCompatible = (left: Meaning.Leaf | undefined, right: Meaning.Leaf | undefined): boolean =>
  left === null || right === null || left === right

/**
 * No instance of a class, which may hide, rename and compute fields. What this refuses is looked at as JSON has it. Whoever
 * asks looks `toJSON` up: there the shapes are few, here they are all.
 */
const isOrdinary = (value: object, toJSON: unknown): boolean =>
  Object.getPrototypeOf(value) === Object.prototype && typeof toJSON !== "function"

/**
 * `hasMessage` and the others: whether an item is in an everyday shape and means what is known; `false` tells nothing. They
 * compare pointers and look into no text, as those of a long history are in no cache. There is a function for each kind, in
 * which an item's type is the first that is asked for, because an engine that has met few shapes at a place need not look
 * any field up there.
 */
type Has = (known: ItemMeaning, item: Fields) => boolean

const hasContent = (known: ItemMeaning, content: unknown): boolean => {
  if (!Array.isArray(content)) return known.length === 4 && known[2] === text && Object.is(known[3], content)
  let at = 2
  for (let index = 0; index < content.length; index++) {
    const part: Fields = content[index]
    const type = part["type"]
    if (type !== "output_text" && type !== "input_text" && type !== "text") return false
    if (!isOrdinary(part, part["toJSON"])) return false
    if (known[at] !== text || !Object.is(known[at + 1], part["text"])) return false
    at += 2
  }
  return at === known.length
}

const hasMessage: Has = (known, item) => {
  const type = item["type"]
  return (type === "message" || type === undefined) && isOrdinary(item, item["toJSON"]) && known[1] === item["role"] &&
    hasContent(known, item["content"])
}

const hasCall = (known: ItemMeaning, item: Fields, said: "arguments" | "input"): boolean =>
  item["type"] === known[0] && isOrdinary(item, item["toJSON"]) && Object.is(known[1], item[said]) &&
  Object.is(known[2], item["call_id"]) && known[3] === item["name"] && known[4] === (item["namespace"] ?? null)

const hasOutput: Has = (known, item) =>
  item["type"] === known[0] && isOrdinary(item, item["toJSON"]) && Object.is(known[1], item["call_id"]) &&
  hasContent(known, item["output"])

const hasReasoning: Has = (known, item) =>
  item["type"] === "reasoning" && isOrdinary(item, item["toJSON"]) && known[1] !== null &&
  Object.is(known[1], item["encrypted_content"])

const hasPlainly: Has = (known, item) => {
  switch (known[0]) {
    case "message":
      return hasMessage(known, item)
    case "function_call":
      return hasCall(known, item, "arguments")
    case "custom_tool_call":
      return hasCall(known, item, "input")
    case "function_call_output":
    case "custom_tool_call_output":
      return hasOutput(known, item)
    case "reasoning":
      return hasReasoning(known, item)
    default:
      return false
  }
}

const isPlainlySame: Has = (known, item) => {
  try {
    return hasPlainly(known, item)
  } catch {
    return false
  }
}

const isSameWritten = (known: ItemMeaning, { leaves, size }: Meaning.Draft): boolean => {
  const kind = known[0]
  if (kind !== leaves[0]) return false
  switch (kind) {
    case "function_call": {
      const had = String(known[1])
      const said = String(leaves[1])
      if (!Meaning.equal(known, leaves, size, 2) || !JsonText.isSame(had, said)) return false
      // An SDK that prints arguments its own way does so each turn: parse them once.
      known[1] = said
      return true
    }
    case "reasoning":
      return known[1] !== null && leaves[1] !== null
        ? Object.is(known[1], leaves[1])
        : Meaning.equal(known, leaves, size, 3) && (hasThoughts(known) || isCompatible(known[2], leaves[2]))
    case other:
      return isCompatible(known[1], leaves[1]) && isCompatible(known[2], leaves[2]) &&
        Meaning.equal(known, leaves, size, 3)
    default:
      return Meaning.equal(known, leaves, size, 1)
  }
}

/** Whether an item means what is known. Never throws; `draft` is scratch. */
export const isSame = (known: ItemMeaning, item: ResponseItem, draft: Meaning.Draft): boolean => {
  if (isPlainlySame(known, item as Fields)) return true
  Meaning.rewrite(draft, writeItem, item)
  return isSameWritten(known, draft)
}
