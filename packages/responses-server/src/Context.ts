/**
 * What a model sees, in a form that two sides can compare: the server hashes the context it has, a test hashes the
 * history that the caller has, and the hashes are equal exactly when the model saw that history.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Order from "effect/Order"
import * as Predicate from "effect/Predicate"
import { createHash } from "node:crypto"
import { decipher } from "./internal/dialect.ts"

type Json = Readonly<Record<string, unknown>>

/** Fields that a server or an SDK puts in, and that mean nothing to a model. */
const meaningless: ReadonlySet<string> = new Set(["id", "status", "annotations", "logprobs"])

const byName = Order.mapInput(Order.string, ([name]: readonly [string, unknown]) => name)

/** Keys in order; what is absent, `undefined` or `null` is the same. */
const tidy = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(tidy)
  if (!Predicate.isRecord(value)) return value
  const fields = Object.entries(value).filter(([, field]) => Predicate.isNotNullable(field))
  return Object.fromEntries(
    Arr.sort(fields, byName).map(([name, field]) => [name, tidy(field)])
  )
}

const withoutMeaningless = (value: Json): Json =>
  Object.fromEntries(Object.entries(value).filter(([name]) => !meaningless.has(name)))

const part = (value: unknown): unknown => {
  if (!Predicate.isRecord(value)) return value
  const { text, type } = value
  return type === "input_text" || type === "output_text" ? { type: "text", text } : tidy(withoutMeaningless(value))
}

const content = (value: unknown): unknown => {
  if (Predicate.isString(value)) return [{ type: "text", text: value }]
  return Array.isArray(value) ? value.map(part) : value
}

const parsed = (text: unknown): unknown => {
  if (!Predicate.isString(text)) return text
  try {
    return tidy(JSON.parse(text))
  } catch {
    return text
  }
}

const reasoning = (item: Json): Json => {
  const { content, encrypted_content, summary, type } = item
  if (Predicate.isString(encrypted_content) && encrypted_content !== "") {
    return { type, encrypted_content: decipher(encrypted_content) }
  }
  const texts = [summary, content].flatMap((parts) => Array.isArray(parts) ? parts : [])
  return { type, text: texts.map((part) => Predicate.isRecord(part) ? part["text"] : part) }
}

const canonicalItem = (item: object): unknown => {
  const fields: Json = { ...item }
  switch (fields["type"]) {
    case undefined:
    case null:
    case "message":
      return { type: "message", role: fields["role"], content: content(fields["content"]) }
    case "function_call":
      return {
        type: "function_call",
        call_id: fields["call_id"],
        name: fields["name"],
        arguments: parsed(fields["arguments"])
      }
    case "custom_tool_call":
      return { type: "custom_tool_call", call_id: fields["call_id"], name: fields["name"], input: fields["input"] }
    case "function_call_output":
    case "custom_tool_call_output":
      return { type: fields["type"], call_id: fields["call_id"], output: content(fields["output"]) }
    case "reasoning":
      return reasoning(fields)
    case "item_reference":
      return { type: "item_reference", id: fields["id"] }
    default:
      return tidy(withoutMeaningless(fields))
  }
}

/**
 * The items without what means nothing to a model: ids, status, the order of keys, annotations, log probabilities, whether
 * a text is a string or a part, how the arguments of a call are spaced. Of reasoning only the encrypted content counts, in
 * whichever of its two spellings (`Dialect.encryptsAnew`), or, without one, the text.
 *
 * @since 0.1.0
 * @category canonical form
 */
export const canonical = (items: ReadonlyArray<object>): ReadonlyArray<unknown> => items.map(canonicalItem)

/**
 * SHA-256, in hex, of the canonical form.
 *
 * @since 0.1.0
 * @category canonical form
 */
export const hash = (items: ReadonlyArray<object>): string =>
  createHash("sha256").update(JSON.stringify(canonical(items))).digest("hex")
