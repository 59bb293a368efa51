/**
 * Random items, rewrites of them that mean the same, and a plain judge of what means the same: it shares no code with the
 * rule that it judges.
 */
import { Array as Arr, FastCheck, Order } from "effect"
import type { ResponseItem } from "../../src/ResponseItem.ts"

export type Json = { [key: string]: unknown }

const text = FastCheck.oneof(FastCheck.string(), FastCheck.constantFrom("", "a", "b", "ab", "{}", "[1]", "n1", "null"))
const id = FastCheck.constantFrom("a", "b", "c")
const record = FastCheck.dictionary(FastCheck.string({ maxLength: 3 }), FastCheck.jsonValue({ maxDepth: 2 }), {
  maxKeys: 3
})
const args = FastCheck.oneof(
  record.map((value) => JSON.stringify(value)),
  FastCheck.constantFrom("", "{", "{ \"a\":1}")
)

const part = (type: string): FastCheck.Arbitrary<Json> =>
  FastCheck.oneof(
    { arbitrary: text.map((text) => ({ type, text })), weight: 4 },
    {
      arbitrary: FastCheck.tuple(record, FastCheck.constantFrom("auto", "low", null)).map(([fields, detail]) => ({
        type: "input_image",
        image_url: "data:x",
        detail,
        ...fields
      })),
      weight: 1
    },
    { arbitrary: text.map((refusal) => ({ type: "refusal", refusal })), weight: 1 }
  )

const content = (type: string) => FastCheck.oneof(text, FastCheck.array(part(type), { maxLength: 3 }))

const withPhase = (message: Json): FastCheck.Arbitrary<Json> =>
  FastCheck.constantFrom({}, { phase: "commentary" }, { phase: null }).map((phase) => ({ ...message, ...phase }))

const message: FastCheck.Arbitrary<Json> = FastCheck.constantFrom("user", "assistant", "developer").chain((role) =>
  content(role === "assistant" ? "output_text" : "input_text").map((content) => ({ type: "message", role, content }))
).chain(withPhase)

/** Not a call, so that the course of a dialogue is free; calls have a table of their own. */
export const output: FastCheck.Arbitrary<Json> = FastCheck.oneof(
  {
    arbitrary: content("output_text").map((content) => ({ type: "message", role: "assistant", content }))
      .chain(withPhase),
    weight: 3
  },
  { arbitrary: text.map((text) => ({ type: "reasoning", encrypted_content: `e${text}`, summary: [] })), weight: 1 },
  { arbitrary: text.map((text) => ({ type: "compaction", encrypted_content: `e${text}` })), weight: 1 },
  { arbitrary: record.map((action) => ({ type: "web_search_call", action })), weight: 1 },
  { arbitrary: record.map((parameters) => ({ type: "tool_search_output", tools: [{ parameters }] })), weight: 1 }
).chain((item) => id.map((id) => ({ id, status: "completed", ...item })))

export const item: FastCheck.Arbitrary<Json> = FastCheck.oneof(
  { arbitrary: message, weight: 4 },
  { arbitrary: output, weight: 2 },
  {
    arbitrary: FastCheck.tuple(id, id, args).map(([call_id, name, args]) => ({
      type: "function_call",
      call_id,
      name,
      arguments: args
    })),
    weight: 2
  },
  {
    arbitrary: FastCheck.tuple(id, content("input_text"), FastCheck.boolean()).map(([call_id, output, custom]) => ({
      type: custom ? "custom_tool_call_output" : "function_call_output",
      call_id,
      output
    })),
    weight: 2
  },
  {
    arbitrary: FastCheck.tuple(id, text).map(([call_id, input]) => ({
      type: "custom_tool_call",
      call_id,
      name: "f",
      input
    })),
    weight: 1
  }
)

export const items = FastCheck.array(item, { maxLength: 8 })

export const isReasoning = (item: Json): boolean => item["type"] === "reasoning"

const reversed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).toReversed().map(([name, field]) => [name, reversed(field)]))
}

const isTextPart = (part: Json): boolean => part["type"] === "input_text" || part["type"] === "output_text"

const respelled = (text: string): string => {
  try {
    return JSON.stringify(reversed(JSON.parse(text)), null, 1)
  } catch {
    return text
  }
}

const recast = (content: unknown): unknown => {
  if (typeof content === "string") return [{ type: "input_text", text: content, annotations: [] }]
  const parts = content as Array<Json>
  return parts.length === 1 && isTextPart(parts[0]!)
    ? parts[0]!["text"]
    : parts.map((part) => isTextPart(part) ? { type: "text", text: part["text"], logprobs: [] } : part)
}

/** The keys of what is not the API's own JSON, in which a null means something. */
const isForeign = (name: string): boolean => name === "parameters"

const nulled = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(nulled)
  if (typeof value !== "object" || value === null) return value
  const fields = Object.entries(value).map(([name, field]) => [name, isForeign(name) ? field : nulled(field)])
  return { none: null, ...Object.fromEntries(fields) }
}

/** Ids of which there is one in a dialogue. */
const isUnique = (id: unknown): boolean => typeof id === "string" && id.startsWith("out_")

export const unique = (items: ReadonlyArray<Json>, turn: number): Array<Json> =>
  items.map((item, index) => ({ ...item, id: `out_${turn}_${index}` }))

/** Another way to write an item: which, is said by seven bits. */
export const rewrite = (item: Json, bits: number): Json => {
  if (item["type"] === "item_reference") return item
  if (bits & 32 && isUnique(item["id"])) return { type: "item_reference", id: item["id"] }
  let copy = structuredClone(item)
  if (bits & 1) {
    delete copy["id"]
    delete copy["status"]
  }
  if (bits & 2) copy = reversed(copy) as Json
  if (bits & 4 && "arguments" in copy) copy["arguments"] = respelled(copy["arguments"] as string)
  if (bits & 8) {
    for (const name of ["content", "output"]) if (name in copy) copy[name] = recast(copy[name])
  }
  if (bits & 16 && copy["type"] === "message") {
    if (copy["role"] === "assistant") delete copy["phase"]
    else copy["phase"] = "final_answer"
    delete copy["type"]
  }
  return bits & 64 ? nulled(copy) as Json : copy
}

const again = "~again"

/** The items that a server has encrypted, as it encrypts them anew. */
export const encryptedAgain = (items: ReadonlyArray<Json>): ReadonlyArray<Json> =>
  items.flatMap((item) =>
    typeof item["encrypted_content"] === "string"
      ? [{ ...item, encrypted_content: item["encrypted_content"] + again }]
      : []
  )

const decrypted = (text: unknown): unknown =>
  typeof text === "string" && text.endsWith(again) ? text.slice(0, -again.length) : text

const editedArguments = (text: string): string => {
  try {
    return JSON.stringify({ ...JSON.parse(text) as object, edited: null })
  } catch {
    return `${text} edited`
  }
}

/** Another item of the same kind. */
export const edit = (item: Json): Json => {
  const copy = structuredClone(item)
  if (copy["type"] === "item_reference") copy["id"] = `${String(copy["id"])} edited`
  if (copy["role"] === "assistant" && typeof copy["phase"] === "string") {
    copy["phase"] += " edited"
    return copy
  }
  for (const name of ["content", "output", "input", "encrypted_content"]) {
    if (name in copy) copy[name] = `${JSON.stringify(copy[name])} edited`
  }
  if ("arguments" in copy) copy["arguments"] = editedArguments(String(copy["arguments"]))
  if ("action" in copy) copy["action"] = { edited: copy["action"] }
  for (const tool of copy["tools"] as Array<{ readonly parameters: Json }> | undefined ?? []) {
    tool.parameters["edited"] = null
  }
  return copy
}

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== "object" || value === null) return value
  const byName = Order.mapInput(Order.string, ([name]: [string, unknown]) => name)
  return Arr.sort(Object.entries(value), byName).map(([name, field]) => ({ [name]: sorted(field) }))
}

export const canonical = (value: unknown): string => JSON.stringify(sorted(value))

const canonicalArguments = (text: unknown): unknown => {
  try {
    return { json: text === "" ? {} : JSON.parse(text as string) }
  } catch {
    return text
  }
}

const withoutNulls = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== null)
      .map(([name, field]) => [name, isForeign(name) ? field : withoutNulls(field)])
  )
}

const canonicalPart = (part: Json): unknown => {
  if (part["type"] !== "input_image") return { text: part["text"] ?? part["refusal"], refused: "refusal" in part }
  const { detail, ...rest } = withoutNulls(part) as Json
  return detail === "auto" ? rest : { ...rest, detail }
}

const canonicalContent = (content: unknown): unknown =>
  typeof content === "string" ? [canonicalPart({ text: content })] : (content as Array<Json>).map(canonicalPart)

const ruled = new Set([
  "message",
  "function_call",
  "function_call_output",
  "custom_tool_call",
  "custom_tool_call_output",
  "reasoning"
])

/** Equal for two items if they mean the same to the model. */
const meaning = (item: Json): string => {
  const { id: _id, status: _status, ...rest } = item
  switch (item["type"]) {
    case undefined:
    case "message":
      return canonical(["message", item["role"], canonicalContent(item["content"])])
    case "function_call":
      return canonical([item["type"], item["call_id"], item["name"], canonicalArguments(item["arguments"])])
    case "function_call_output":
    case "custom_tool_call_output":
      return canonical([item["type"], item["call_id"], canonicalContent(item["output"])])
    case "reasoning":
      return canonical([item["type"], decrypted(item["encrypted_content"])])
    default:
      return canonical(withoutNulls({ ...rest, encrypted_content: decrypted(rest["encrypted_content"]) }))
  }
}

/** Of items that nobody has a rule for, an id or a status tells them apart where both have one. */
const isCompatible = (left: Json, right: Json): boolean =>
  ["id", "status"].every((name) =>
    left[name] === undefined || right[name] === undefined || left[name] === right[name] ||
    ruled.has((left["type"] ?? "message") as string)
  )

/** A phase that the server has may be missing in what is said, and none may be added. */
const isPhaseOf = (seen: Json, said: Json): boolean =>
  said["role"] !== "assistant" || (said["phase"] ?? null) === null || said["phase"] === seen["phase"]

const isSame = (said: Json, seen: Json): boolean =>
  meaning(said) === meaning(seen) && isCompatible(said, seen) && isPhaseOf(seen, said)

/** What the model saw is right if it is what the caller said, and perhaps reasoning that the caller did not keep. */
export const isSaid = (seen: ReadonlyArray<Json>, said: ReadonlyArray<Json>): boolean => {
  let at = 0
  for (const item of seen) {
    const next = said[at]
    if (next !== undefined && isSame(next, item)) at++
    else if (!isReasoning(item)) return false
  }
  return at === said.length
}

export const asItems = (items: ReadonlyArray<Json>): ReadonlyArray<ResponseItem> =>
  items as ReadonlyArray<unknown> as ReadonlyArray<ResponseItem>
