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

/** Some servers number the calls of each response anew: an output answers the call before it. */
export const unanswered = (items: ReadonlyArray<ResponseItem>): ReadonlyArray<Call> => {
  const open = new Map<string, Call>()
  for (const item of items) {
    if (isCall(item)) open.set(item.call_id, item)
    else if (isOutput(item)) open.delete(item.call_id)
  }
  return [...open.values()]
}

/** Those that have to be answered before the model goes on: not those of async tools. */
export const waiting = (items: ReadonlyArray<ResponseItem>): ReadonlyArray<Call> =>
  unanswered(items).filter((call) => call.async !== true)

/** The calls with their outputs, which the items hold. */
export const answered = (items: ReadonlyArray<ResponseItem>, calls: ReadonlyArray<Call>) =>
  calls.flatMap(({ call_id: callId, name }) => {
    const output = items.findLast((item): item is CallOutput => isOutput(item) && item.call_id === callId)
    return output === undefined ? [] : [{ callId, name, output }]
  })

const wordsOf = (call: Call): string => call.type === "function_call" ? call.arguments : call.input

/** The same tool with the same words. */
export const isSame = (left: Call, right: Call): boolean =>
  left.type === right.type && left.name === right.name && wordsOf(left) === wordsOf(right)
