/** What of a response a history keeps: what the next request can send, and no call that will never be answered. */
import * as Predicate from "effect/Predicate"
import * as Struct from "effect/Struct"
import type { ResponseItem } from "../../ResponseItem.ts"
import * as Calls from "./calls.ts"
import * as InputShape from "./inputShape.ts"
import * as Repeats from "./repeats.ts"

export interface Options {
  /** The history and the input that the response was asked for with. */
  readonly before: ReadonlyArray<ResponseItem>
  /** The response ended `completed`. */
  readonly isComplete: boolean
  readonly isStored: boolean
  /** The conversation goes on without the output of the call. */
  readonly isAsync: (call: Calls.Call) => boolean
}

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return text === ""
  }
}

/**
 * Whether a call may have been broken off. A response that was cut off vouches for a call only with the call's own status.
 * One that ended well vouches for all but those that say the contrary: `in_progress` is older news than its end.
 */
const isCutOff = (item: ResponseItem, isComplete: boolean): boolean => {
  if (item.type === "mcp_approval_request") return !isComplete && !isJson(item.arguments)
  if (!item.type?.endsWith("_call")) return false
  const { call_id: callId, status }: Readonly<Record<string, unknown>> = { ...item }
  if (isComplete) return Calls.isCall(item) && status === "incomplete"
  if (item.type === "function_call" && !isJson(item.arguments)) return true
  // What the server runs itself has no `call_id`, and often no status.
  return status !== "completed" && (Predicate.isString(callId) || Predicate.isString(status)) && status !== "failed"
}

/** Not every server says so in the call itself, and a history is read without the tools. */
const withAsync = (item: ResponseItem, isAsync: Options["isAsync"]): ResponseItem => {
  if (!Calls.isCall(item) || isAsync(item) === (item.async === true)) return item
  return { ...item, async: item.async !== true }
}

/** Where the server stores nothing an id names nothing: sent again it is answered with 404. */
const withoutId = (item: ResponseItem): ResponseItem => {
  switch (item.type) {
    case "reasoning":
      return Struct.omit(item, "id")
    case "message":
      return Struct.omit(item, "id")
    case "function_call":
      return Struct.omit(item, "id")
    case "custom_tool_call":
      return Struct.omit(item, "id")
    default:
      return item
  }
}

/** Where the server stores nothing, reasoning without its encrypted content is only a name. */
const isOnlyName = (item: ResponseItem): boolean =>
  item.type === "reasoning" && Predicate.isNullable(item.encrypted_content)

export const make = (
  output: ReadonlyArray<ResponseItem>,
  { before, isAsync, isComplete, isStored }: Options
): ReadonlyArray<ResponseItem> => {
  const whole = output.flatMap((item) => {
    const shaped = InputShape.toInput(item)
    return shaped === undefined || isCutOff(shaped, isComplete) ? [] : [withAsync(shaped, isAsync)]
  })
  const items = Repeats.drop(whole, before)
  // Reasoning that was to lead to an item which never came.
  const kept = items.slice(0, items.findLastIndex((item) => item.type !== "reasoning") + 1)
  return isStored
    ? kept
    : kept.filter((item) => !isOnlyName(item)).map((item) => Repeats.remember(item, withoutId(item)))
}
