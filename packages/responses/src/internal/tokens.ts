/** Tokens, made up: four characters each. */
import type { ContentPart, ResponseItem } from "../ResponseItem.ts"

/** What an image or a file counts, whatever is in it. */
const attachment = 340

const characters = (content: string | ReadonlyArray<ContentPart>): number => {
  if (typeof content === "string") return content.length
  return content.reduce((sum, part) => {
    switch (part.type) {
      case "input_text":
      case "output_text":
        return sum + part.text.length
      case "refusal":
        return sum + part.refusal.length
      default:
        return sum + attachment
    }
  }, 0)
}

const itemCharacters = (item: ResponseItem): number => {
  switch (item.type) {
    case undefined:
    case "message":
      return characters(item.content)
    case "function_call":
      return item.name.length + item.arguments.length
    case "custom_tool_call":
      return item.name.length + item.input.length
    case "function_call_output":
    case "custom_tool_call_output":
      return characters(item.output)
    case "reasoning":
      return [...item.summary, ...item.content ?? []].reduce((sum, { text }) => sum + text.length, 0)
    default:
      return JSON.stringify(item).length
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
