/**
 * What an item means to the model. Servers and SDKs add, drop and reorder much that means nothing: ids, status,
 * annotations, log probabilities, `null` for what is not there, fields of their own.
 */
import type { ResponseItem } from "../../ResponseItem.ts"
import * as CanonicalJson from "./canonicalJson.ts"

/**
 * The kind, the id (`null` if there is none) and what the kind needs. The places of what `itemMatch.ts` does not compare
 * leaf by leaf:
 *
 * - `message`: role, phase, content
 * - `function_call`, `custom_tool_call`: arguments or input, `call_id`, name, namespace
 * - their outputs: `call_id`, content
 * - `reasoning`: ciphertext, summary, content
 * - `item_reference`, `compaction_trigger`: nothing more
 * - `other`: status, all other fields
 */
export type ItemMeaning = ReadonlyArray<CanonicalJson.Leaf | CanonicalJson.Spellings>

export type Fields = Readonly<Record<string, unknown>>

/** The kind of every item that has no rule of its own. */
export const other = Symbol("other")
export const text = Symbol("text")
const refusal = Symbol("refusal")
const json = Symbol("json")

const isText = (value: unknown): value is string => typeof value === "string"

const isNone = (value: unknown): value is null | undefined => value === undefined || value === null

const textOrNull = (value: unknown): string | null => isText(value) && value !== "" ? value : null

/** The values of these fields are other people's JSON (schemas, arguments), in which `null` means something. */
const foreign: ReadonlySet<string> = new Set([
  "arguments",
  "input_schema",
  "output_schema",
  "parameters",
  "schema"
])

/** In an item, a field that is `null` is an absent one: servers write all fields of a kind, SDKs those that have a value. */
const lenient: CanonicalJson.Style = {
  names: CanonicalJson.sortedNames,
  isAbsent: (value) => value === null || CanonicalJson.exact.isAbsent(value),
  within: (name) => foreign.has(name) ? CanonicalJson.exact : lenient
}

/** Images and files. A cache breakpoint says what to keep, not what to see, and callers move it from turn to turn. */
const writeMedium = (part: Fields, draft: CanonicalJson.Draft): void => {
  const { detail, prompt_cache_breakpoint: _, ...rest } = part
  CanonicalJson.write(detail === "auto" ? rest : { ...rest, detail }, draft, lenient)
}

const writePart = (given: unknown, draft: CanonicalJson.Draft): void => {
  const part = typeof given === "object" && given !== null ? CanonicalJson.plain(given) as Fields : {}
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
    case "input_image":
    case "input_file":
      return writeMedium(part, draft)
  }
  CanonicalJson.write(given, draft, lenient)
}

const writeContent = (content: unknown, draft: CanonicalJson.Draft): boolean => {
  if (isText(content)) draft.add(text).add(content)
  else if (Array.isArray(content)) { for (const part of content) writePart(part, draft) }
  else return false
  return true
}

const writeThoughts = (thoughts: unknown, draft: CanonicalJson.Draft): boolean => {
  if (Array.isArray(thoughts)) {
    for (const thought of thoughts) {
      const { text: said } = CanonicalJson.plain(thought) as Fields
      if (isText(said)) draft.add(text).add(said)
      else CanonicalJson.write(thought, draft, lenient)
    }
  } else if (!isNone(thoughts)) {
    return false
  }
  draft.add(CanonicalJson.end)
  return true
}

/** The vendor lets a reference leave its type out. */
const isReference = (item: Fields): boolean =>
  textOrNull(item["id"]) !== null && Object.entries(item).every(([name, value]) => name === "id" || isNone(value))

/** `false` if there is no rule for the kind, or the item is not in the shape that its rule expects. */
const writeKnown = (item: Fields, draft: CanonicalJson.Draft): boolean => {
  const type: unknown = item["type"] ?? (isReference(item) ? "item_reference" : "message")
  const id = textOrNull(item["id"])
  switch (type) {
    case "message": {
      const { phase, role } = item
      if (!isText(role)) return false
      draft.add(type).add(id).add(role).add(role === "assistant" ? textOrNull(phase) : null)
      return writeContent(item["content"], draft)
    }
    case "function_call":
    case "custom_tool_call": {
      const { call_id, name, namespace } = item
      const said = type === "function_call" ? item["arguments"] : item["input"]
      if (!isText(said) || !isText(call_id) || !isText(name)) return false
      if (!isNone(namespace) && !isText(namespace)) return false
      draft.add(type).add(id).add(said).add(call_id).add(name).add(namespace ?? null)
      return true
    }
    case "function_call_output":
    case "custom_tool_call_output": {
      const { call_id, output } = item
      if (!isText(call_id)) return false
      // The API has no other shape, but servers that take JSON show it to the model as it is.
      if (!writeContent(output, draft.add(type).add(id).add(call_id))) CanonicalJson.write(output, draft.add(json))
      return true
    }
    case "reasoning": {
      const { encrypted_content: encrypted } = item
      if (!isNone(encrypted) && !isText(encrypted)) return false
      if (!isNone(item["id"]) && !isText(item["id"])) return false
      draft.add(type).add(id).add(encrypted || null)
      return writeThoughts(item["summary"], draft) && writeThoughts(item["content"], draft)
    }
    case "item_reference":
      draft.add(type).add(id)
      return id !== null
    case "compaction_trigger":
      draft.add(type).add(id)
      return true
    default:
      return false
  }
}

/** What created an item is the server's bookkeeping: no input has it. */
const writeOther = (item: Fields, draft: CanonicalJson.Draft): void => {
  const { created_by: _, id, status, ...rest } = item
  const isUsual = [id, status].every((value) => isNone(value) || isText(value))
  draft.add(other)
  for (const value of [id, status]) draft.add(isUsual ? textOrNull(value) : null)
  CanonicalJson.write(isUsual ? rest : item, draft, lenient)
}

/** For `CanonicalJson.rewrite`: may throw. */
export const write = (given: ResponseItem, draft: CanonicalJson.Draft): void => {
  const item = CanonicalJson.plain(given) as Fields
  if (writeKnown(item, draft)) return
  draft.size = 0
  writeOther(item, draft)
}

/** Never throws: what cannot be written as JSON is equal to nothing. */
export const make = (draft: CanonicalJson.Draft, item: ResponseItem): ItemMeaning => {
  CanonicalJson.rewrite(draft, write, item)
  return draft.finish()
}

/** The values of these fields are ciphertexts, which a server can write anew each time it shows an item. */
const secrets: ReadonlySet<unknown> = new Set(["encrypted_content", "fingerprint"])

const isSecret = (known: ItemMeaning, spelling: ItemMeaning, index: number): boolean =>
  typeof spelling[index] === "string" &&
  (known[0] === "reasoning" ? index === 2 : known[0] === other && secrets.has(known[index - 1]))

/** Reasoning is its ciphertext, with whatever summary it comes. A status says how far the server was at the time. */
const isBeside = ([kind]: ItemMeaning, index: number): boolean =>
  kind === "reasoning" ? index > 2 : kind === other && index === 2

/** Whether it is the same item of the same response, and nothing differs but ciphertexts. */
export const isSpelling = (known: ItemMeaning, spelling: ItemMeaning): boolean =>
  known[1] !== null && (known[0] === "reasoning" || known.length === spelling.length) &&
  known.every((leaf, index) =>
    CanonicalJson.isSpelled(leaf, spelling[index]) || isSecret(known, spelling, index) || isBeside(known, index)
  )

/** The item, known in a spelling for which `isSpelling` holds too. */
export const withSpelling = (known: ItemMeaning, spelling: ItemMeaning): ItemMeaning =>
  known.map((leaf, index) =>
    isSecret(known, spelling, index) && !CanonicalJson.isSpelled(leaf, spelling[index])
      ? [leaf, spelling[index]].flat() as CanonicalJson.Spellings
      : leaf
  )
