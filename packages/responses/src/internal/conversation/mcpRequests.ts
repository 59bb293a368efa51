/** The requests for an approval of an MCP server's tool in a history, and the responses that answer them. */
import * as Predicate from "effect/Predicate"
import type { McpApprovalRequest, McpApprovalResponse, ResponseItem } from "../../ResponseItem.ts"
import * as Calls from "./calls.ts"

type Items = ReadonlyArray<ResponseItem>

/** One without an id could not be answered. The fields are the server's, whatever their types say. */
const isRequest = (item: ResponseItem): item is McpApprovalRequest =>
  item.type === "mcp_approval_request" && Predicate.isString(item.id) && item.id !== ""

export const isResponse = (item: ResponseItem): item is McpApprovalResponse => item.type === "mcp_approval_response"

const isCallers = (item: ResponseItem): boolean => Predicate.hasProperty(item, "role") && item.role !== "assistant"

/**
 * The API lets a caller go on without an answer. A request is over when the caller has said something else, or when the model
 * has spoken after the outputs of other calls.
 */
export const unanswered = (items: Items): ReadonlyArray<McpApprovalRequest> => {
  const open = new Map<string, McpApprovalRequest>()
  let isReplied = false
  for (const item of items) {
    if (isResponse(item)) open.delete(item.approval_request_id)
    if (isResponse(item) || Calls.isOutput(item)) {
      isReplied = true
      continue
    }
    if (isReplied || isCallers(item)) open.clear()
    isReplied = false
    if (isRequest(item)) open.set(item.id, item)
  }
  return [...open.values()]
}
