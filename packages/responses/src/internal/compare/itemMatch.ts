/** Whether an item of a caller's means what is known of an item. */
import type { ResponseItem } from "../../ResponseItem.ts"
import * as CanonicalItem from "./canonicalItem.ts"
import type { Fields } from "./canonicalItem.ts"
import * as CanonicalJson from "./canonicalJson.ts"
import * as JsonText from "./jsonText.ts"

type Known = CanonicalItem.ItemMeaning

/**
 * No instance of a class, which may hide, rename and compute fields: such an item is compared as JSON has it. The callers
 * look `toJSON` up themselves, because the engine meets few shapes at their places and all of them here.
 */
const isOrdinary = (value: object, toJSON: unknown): boolean =>
  Object.getPrototypeOf(value) === Object.prototype && typeof toJSON !== "function"

const hasContent = (known: Known, from: number, content: unknown): boolean => {
  if (!Array.isArray(content)) {
    return known.length === from + 2 && known[from] === CanonicalItem.text && Object.is(known[from + 1], content)
  }
  let at = from
  for (let index = 0; index < content.length; index++) {
    const part: Fields = content[index]
    const type = part["type"]
    if (type !== "output_text" && type !== "input_text" && type !== "text") return false
    if (!isOrdinary(part, part["toJSON"])) return false
    if (known[at] !== CanonicalItem.text || !Object.is(known[at + 1], part["text"])) return false
    at += 2
  }
  return at === known.length
}

/**
 * `hasMessage` and the others: whether an item is in an everyday shape and means what is known; `false` tells nothing. They
 * compare pointers and read no text, as the texts of a long history are in no cache. Each kind has a function of its own,
 * which reads an item's type first, because an engine that has met few shapes at a place need not look any field up there.
 */
type Has = (known: Known, item: Fields) => boolean

const hasMessage: Has = (known, item) => {
  const type = item["type"]
  return (type === "message" || type === undefined) && isOrdinary(item, item["toJSON"]) && known[2] === item["role"] &&
    (known[2] !== "assistant" || hasPhase(known, item["phase"])) && hasContent(known, 4, item["content"])
}

/**
 * A phase that only the server has is not lost in a delta, whatever an SDK has dropped. One that only the caller has is
 * news to the model.
 */
const hasPhase = (known: Known, phase: unknown): boolean => phase === undefined || phase === null || phase === known[3]

const hasCall = (known: Known, item: Fields, said: "arguments" | "input"): boolean =>
  item["type"] === known[0] && isOrdinary(item, item["toJSON"]) && Object.is(known[2], item[said]) &&
  Object.is(known[3], item["call_id"]) && known[4] === item["name"] && known[5] === (item["namespace"] ?? null)

const hasOutput: Has = (known, item) =>
  item["type"] === known[0] && isOrdinary(item, item["toJSON"]) && Object.is(known[2], item["call_id"]) &&
  hasContent(known, 3, item["output"])

const hasReasoning: Has = (known, item) =>
  item["type"] === "reasoning" && isOrdinary(item, item["toJSON"]) && known[2] !== null &&
  CanonicalJson.isSpelled(known[2], item["encrypted_content"])

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

/** Nothing speaks against it: what one of the two lacks tells nothing. */
const isCompatible = (left: unknown, right: unknown): boolean => left === null || right === null || left === right

const hasThoughts = (reasoning: Known): boolean => reasoning.length > 5

/** The same by the rule of the kind, where the kinds are the same. */
const isSameOfKind = (known: Known, { leaves, size }: CanonicalJson.Draft): boolean => {
  switch (known[0]) {
    case "message":
      return known[2] === leaves[2] && hasPhase(known, leaves[3]) && CanonicalJson.equal(known, leaves, size, 4)
    case "function_call":
      return CanonicalJson.equal(known, leaves, size, 3) && JsonText.isSame(String(known[2]), String(leaves[2]))
    case "reasoning":
      return known[2] !== null && leaves[2] !== null
        ? CanonicalJson.isSpelled(known[2], leaves[2])
        : CanonicalJson.equal(known, leaves, size, 3) && (hasThoughts(known) || isCompatible(known[1], leaves[1]))
    case CanonicalItem.other:
      return isCompatible(known[1], leaves[1]) && isCompatible(known[2], leaves[2]) &&
        CanonicalJson.equal(known, leaves, size, 3)
    case "item_reference":
      return known[1] === leaves[1]
    default:
      return CanonicalJson.equal(known, leaves, size, 2)
  }
}

const isSameWritten = (known: Known, draft: CanonicalJson.Draft): boolean => {
  const [kind, id] = draft.leaves
  if (kind === known[0]) return isSameOfKind(known, draft)
  return kind === "item_reference" && id === known[1]
}

/**
 * What to know of the item from now on if the caller's means what is known, or `undefined`. Never throws; `draft` is
 * scratch.
 */
export const match = (known: Known, item: ResponseItem, draft: CanonicalJson.Draft): Known | undefined => {
  if (isPlainlySame(known, item as Fields)) return known
  CanonicalJson.rewrite(draft, CanonicalItem.write, item)
  if (!isSameWritten(known, draft)) return undefined
  const said = draft.leaves[2]
  // An SDK that prints arguments its own way does so each turn: with its spelling known, they are parsed once.
  return known[0] === "function_call" && draft.leaves[0] === known[0] && typeof said === "string" && said !== known[2]
    ? known.with(2, said)
    : known
}
