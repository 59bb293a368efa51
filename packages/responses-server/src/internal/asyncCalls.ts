/** Calls whose output may come in any later request. */
import type { ResponseItem, ResponseRequest } from "effect-responses"

type Call = ResponseItem.FunctionCall | ResponseItem.CustomToolCall

/** The call says so itself, or else its tool. */
export const isAsync = (call: Call, tools: ResponseRequest.ResponseRequest["tools"]): boolean =>
  call.async ?? tools?.some((tool) => "name" in tool && tool.name === call.name && tool.async === true) ?? false
