/** Tokens, made up: four characters each. */
import * as Predicate from "effect/Predicate"
import type { ContentPart, ResponseItem } from "../../ResponseItem.ts"
import * as DeepJson from "../wire/deepJson.ts"

/** What an image or a file counts, whatever is in it. */
const attachment = 340

type Fields = Readonly<Record<string, unknown>>

const length = (text: unknown): number => Predicate.isString(text) ? text.length : 0

const listOf = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

const partCharacters = (part: unknown): number => {
  if (!Predicate.isRecord(part)) return attachment
  switch (part["type"]) {
    case "input_text":
    case "output_text":
      return length(part["text"])
    case "refusal":
      return length(part["refusal"])
    default:
      return attachment
  }
}

const sum = (values: ReadonlyArray<unknown>, count: (value: unknown) => number): number =>
  values.reduce((sum: number, value) => sum + count(value), 0)

const characters = (content: unknown): number =>
  Predicate.isString(content) ? content.length : sum(listOf(content), partCharacters)

/** Items are what some server sent and a caller echoed, so no field is taken to be there. */
const itemCharacters = (item: ResponseItem): number => {
  const fields: Fields = { ...item }
  switch (fields["type"]) {
    case undefined:
    case "message":
      return characters(fields["content"])
    case "function_call":
      return length(fields["name"]) + length(fields["arguments"])
    case "custom_tool_call":
      return length(fields["name"]) + length(fields["input"])
    case "function_call_output":
    case "custom_tool_call_output":
      return characters(fields["output"])
    case "reasoning":
      return sum(
        [...listOf(fields["summary"]), ...listOf(fields["content"])],
        (part) => Predicate.isRecord(part) ? length(part["text"]) : 0
      )
    default:
      return DeepJson.write(fields).length
  }
}

const ofCharacters = (count: number): number => Math.ceil(count / 4)

export const ofText = (text: string): number => ofCharacters(text.length)

export const ofItem = (item: ResponseItem): number => ofCharacters(itemCharacters(item))

export const ofItems = (items: ReadonlyArray<ResponseItem>): number =>
  items.reduce((sum, item) => sum + ofItem(item), 0)

const firstParts = (parts: ReadonlyArray<ContentPart>, count: number): ReadonlyArray<ContentPart> => {
  const [part, ...rest] = parts
  if (part === undefined || count <= 0) return []
  if (part.type === "output_text") {
    return [{ ...part, text: part.text.slice(0, count) }, ...firstParts(rest, count - part.text.length)]
  }
  if (part.type !== "refusal") return [part, ...firstParts(rest, count - attachment)]
  return [{ ...part, refusal: part.refusal.slice(0, count) }, ...firstParts(rest, count - part.refusal.length)]
}

/** What a model that may put out only so many tokens more has of an item; `undefined`: nothing. */
export const cut = (item: ResponseItem, tokens: number): ResponseItem | undefined => {
  const count = tokens * 4
  if (count <= 0) return undefined
  const status = "incomplete"
  switch (item.type) {
    case undefined:
    case "message": {
      const content = typeof item.content === "string" ? item.content.slice(0, count) : firstParts(item.content, count)
      return { ...item, status, content }
    }
    case "function_call":
      return { ...item, status, arguments: item.arguments.slice(0, Math.max(0, count - item.name.length)) }
    case "custom_tool_call":
      return { ...item, status, input: item.input.slice(0, Math.max(0, count - item.name.length)) }
    default:
      return undefined
  }
}
