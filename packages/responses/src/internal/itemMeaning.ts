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

const isTextOrAbsent = (value: unknown): value is string | null | undefined =>
  value === undefined || value === null || typeof value === "string"

const isListOrAbsent = (value: unknown): value is ReadonlyArray<unknown> | null | undefined =>
  value === undefined || value === null || Array.isArray(value)

const isContent = (value: unknown): value is string | ReadonlyArray<unknown> =>
  typeof value === "string" || Array.isArray(value)

const writePart = (given: unknown, leaves: ItemMeaning): void => {
  const part = typeof given === "object" && given !== null ? Meaning.plain(given) as Fields : {}
  switch (part["type"]) {
    case "output_text":
    case "input_text":
    case "text":
      if (typeof part["text"] !== "string") break
      leaves.push(text, part["text"])
      return
    case "refusal":
      if (typeof part["refusal"] !== "string") break
      leaves.push(refusal, part["refusal"])
      return
  }
  Meaning.write(given, leaves)
}

const writeContent = (content: string | ReadonlyArray<unknown>, leaves: ItemMeaning): void => {
  if (typeof content === "string") leaves.push(text, content)
  else for (const part of content) writePart(part, leaves)
}

const writeThoughts = (thoughts: ReadonlyArray<unknown>, leaves: ItemMeaning): void => {
  for (const thought of thoughts) {
    const said = (thought as Fields)["text"]
    if (typeof said === "string") leaves.push(text, said)
    else Meaning.write(thought, leaves)
  }
  leaves.push(Meaning.end)
}

/** Every rule begins with a leaf of its own, and an item in a shape that its rule does not expect has none. */
const writeItem = (item: ResponseItem, leaves: ItemMeaning): void => {
  const fields = Meaning.plain(item) as Fields
  const { call_id, type } = fields
  switch (type) {
    case undefined:
    case "message": {
      const { content, role } = fields
      if (typeof role !== "string" || !isContent(content)) break
      leaves.push("message", role)
      writeContent(content, leaves)
      return
    }
    case "function_call":
    case "custom_tool_call": {
      const { name, namespace } = fields
      const said = type === "function_call" ? fields["arguments"] : fields["input"]
      if (typeof call_id !== "string" || typeof name !== "string" || typeof said !== "string") break
      if (!isTextOrAbsent(namespace)) break
      leaves.push(type, said, call_id, name, namespace ?? null)
      return
    }
    case "function_call_output":
    case "custom_tool_call_output": {
      const { output } = fields
      if (typeof call_id !== "string" || !isContent(output)) break
      leaves.push(type, call_id)
      writeContent(output, leaves)
      return
    }
    case "reasoning": {
      const { content, encrypted_content, id, summary } = fields
      if (!isTextOrAbsent(encrypted_content) || !isTextOrAbsent(id)) break
      if (!isListOrAbsent(summary) || !isListOrAbsent(content)) break
      leaves.push(type, encrypted_content || null, id ?? null)
      writeThoughts(summary ?? [], leaves)
      writeThoughts(content ?? [], leaves)
      return
    }
  }
  const { id, status, ...rest } = fields
  if (isTextOrAbsent(id) && isTextOrAbsent(status)) {
    leaves.push(other, id ?? null, status ?? null)
    Meaning.write(rest, leaves)
  } else {
    leaves.push(other, null, null)
    Meaning.write(fields, leaves)
  }
}

/** Makes `leaves` the meaning of an item. Never throws: what cannot be written as JSON is equal to nothing. */
export const fill = (leaves: ItemMeaning, item: ResponseItem): void => Meaning.fill(leaves, writeItem, item)

export const make = (item: ResponseItem): ItemMeaning => {
  const leaves: ItemMeaning = []
  fill(leaves, item)
  return leaves
}

export const isReasoning = (meaning: Meaning.Meaning): boolean => meaning[0] === "reasoning"

const hasThoughts = (reasoning: Meaning.Meaning): boolean => reasoning.length > 5

/** Whether nothing speaks against it: what one of the two lacks tells nothing. */
const isCompatible = (left: Meaning.Leaf | undefined, right: Meaning.Leaf | undefined): boolean =>
  left === null || right === null || left === right

/** Both come from `fill`. */
export const isSame = (known: ItemMeaning, given: Meaning.Meaning): boolean => {
  if (known[0] !== given[0]) return false
  switch (known[0]) {
    case "function_call": {
      const [, had] = known
      const [, said] = given
      if (!Meaning.equal(known, given, 2)) return false
      if (had === said) return true
      if (!JsonText.isSame(String(had), String(said))) return false
      // An SDK that prints arguments its own way does so each turn: parse them once.
      known[1] = String(said)
      return true
    }
    case "reasoning":
      if (known[1] !== null && given[1] !== null) return known[1] === given[1]
      return Meaning.equal(known, given, 3) && (hasThoughts(known) || isCompatible(known[2], given[2]))
    case other:
      return isCompatible(known[1], given[1]) && isCompatible(known[2], given[2]) && Meaning.equal(known, given, 3)
    default:
      return Meaning.equal(known, given, 1)
  }
}
