/**
 * Output items in a shape that servers take back as input. A server may send items that it refuses itself: with `null` for
 * what is absent, without the name of a call, without the content of a message.
 */
import * as Predicate from "effect/Predicate"
import type { ResponseItem } from "../../ResponseItem.ts"

type Fields = Readonly<Record<string, unknown>>

const withoutNulls = (fields: Fields): Fields =>
  Object.values(fields).includes(null)
    ? Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))
    : fields

const isText = (value: unknown): value is string => Predicate.isString(value) && value !== ""

/** Changes only what is not so already. */
const set = (fields: Fields, name: string, value: unknown): Fields =>
  fields[name] === value ? fields : { ...fields, [name]: value }

const isPart = (part: unknown): part is Fields => {
  if (!Predicate.isRecord(part)) return false
  const { refusal, text, type } = part
  return type === "refusal"
    ? Predicate.isString(refusal)
    : type === "output_text"
    ? Predicate.isString(text)
    : isText(type)
}

const message = (item: Fields): Fields | undefined => {
  const { content, role } = item
  const assistants = set(item, "role", isText(role) ? role : "assistant")
  if (!Array.isArray(content)) return Predicate.isString(content) ? assistants : undefined
  const parts = content.filter(isPart).map(withoutNulls)
  if (parts.length === 0) return undefined
  return parts.every((part, index) => part === content[index]) && parts.length === content.length
    ? assistants
    : set(assistants, "content", parts)
}

/** Some servers give the arguments as an object, or leave them out where there are none. */
const call = (field: "arguments" | "input", none: string) => (item: Fields): Fields | undefined => {
  const said = item[field]
  if (!isText(item["call_id"]) || !isText(item["name"])) return undefined
  return set(item, field, Predicate.isString(said) ? said : said === undefined ? none : JSON.stringify(said))
}

const output = (item: Fields): Fields | undefined =>
  isText(item["call_id"]) && (Predicate.isString(item["output"]) || Array.isArray(item["output"])) ? item : undefined

const reasoning = (item: Fields): Fields => Array.isArray(item["summary"]) ? item : set(item, "summary", [])

const shapes = new Map<unknown, (item: Fields) => Fields | undefined>([
  ["message", message],
  [undefined, message],
  ["function_call", call("arguments", "{}")],
  ["custom_tool_call", call("input", "")],
  ["function_call_output", output],
  ["custom_tool_call_output", output],
  ["reasoning", reasoning]
])

/** The very same item if it has the shape; `undefined` for what is no item. Kinds without a rule stay as they came. */
export const toInput = (item: ResponseItem): ResponseItem | undefined => {
  const shape = shapes.get(item.type)
  if (shape === undefined) return isText(item.type) ? item : undefined
  return shape(withoutNulls(item as unknown as Fields)) as ResponseItem | undefined
}
