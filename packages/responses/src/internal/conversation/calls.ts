/** The calls of tools in a history, and the outputs that answer them. */
import type {
  CustomToolCall,
  CustomToolCallOutput,
  FunctionCall,
  FunctionCallOutput,
  ResponseItem
} from "../../ResponseItem.ts"

export type Call = FunctionCall | CustomToolCall

export type CallOutput = FunctionCallOutput | CustomToolCallOutput

export const isCall = (item: ResponseItem): item is Call =>
  item.type === "function_call" || item.type === "custom_tool_call"

export const isOutput = (item: ResponseItem): item is CallOutput =>
  item.type === "function_call_output" || item.type === "custom_tool_call_output"

export const unanswered = (items: ReadonlyArray<ResponseItem>): ReadonlyArray<Call> => {
  const answered = new Set(items.filter(isOutput).map((item) => item.call_id))
  return items.filter(isCall).filter((call) => !answered.has(call.call_id))
}

const wordsOf = (call: Call): string => call.type === "function_call" ? call.arguments : call.input

/** The same tool with the same words. */
export const isSame = (left: Call, right: Call): boolean =>
  left.type === right.type && left.name === right.name && wordsOf(left) === wordsOf(right)
