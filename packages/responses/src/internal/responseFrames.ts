/** The response object as it is published, and the shapes of an error frame. */
import type { Usage } from "../ResponseEvent.ts"
import type { ResponseItem } from "../ResponseItem.ts"
import type { ResponseRequest, Tool } from "../ResponseRequest.ts"
import type { ErrorDetails } from "../ResponseScript.ts"

type Json = Readonly<Record<string, unknown>>

const publishedTool = (tool: Tool): object =>
  tool.type === "function" ? { description: null, parameters: null, strict: true, ...tool } : tool

/** Every field of the published resource, so that strict decoders take it. */
export const resource = (options: {
  readonly id: string
  readonly createdAt: number
  readonly request: ResponseRequest
  readonly metadata: Readonly<Record<string, string>>
  readonly status: "in_progress" | "completed" | "incomplete" | "failed"
  readonly output: ReadonlyArray<ResponseItem>
  readonly usage: Usage | null
  readonly error: { readonly code: string; readonly message: string } | null
  readonly incompleteReason: string | null
}): Json => {
  const { request, status } = options
  return {
    id: options.id,
    object: "response",
    created_at: options.createdAt,
    completed_at: status === "completed" ? options.createdAt : null,
    status,
    background: request.background ?? false,
    error: options.error,
    incomplete_details: options.incompleteReason === null ? null : { reason: options.incompleteReason },
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    max_tool_calls: request.max_tool_calls ?? null,
    metadata: { ...request.metadata, ...options.metadata },
    model: request.model,
    output: options.output,
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    previous_response_id: request.previous_response_id ?? null,
    prompt_cache_key: request.prompt_cache_key ?? null,
    reasoning: { effort: null, summary: null, ...request.reasoning },
    safety_identifier: request.safety_identifier ?? null,
    service_tier: request.service_tier ?? "default",
    store: request.store ?? true,
    temperature: request.temperature ?? 1,
    text: { format: { type: "text" }, ...request.text },
    tool_choice: request.tool_choice ?? "auto",
    tools: (request.tools ?? []).map(publishedTool),
    top_logprobs: request.top_logprobs ?? 0,
    top_p: request.top_p ?? 1,
    truncation: request.truncation ?? "disabled",
    usage: options.usage,
    user: request.user ?? null
  }
}

/** About four characters a token. */
export const madeUpUsage = (input: unknown, output: unknown): Usage => {
  const input_tokens = Math.ceil(JSON.stringify(input).length / 4)
  const output_tokens = Math.ceil(JSON.stringify(output).length / 4)
  return {
    input_tokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: input_tokens + output_tokens
  }
}

const typeOfStatus = (status: number | undefined): string =>
  status === 429 ? "rate_limit_error" : status !== undefined && status >= 500 ? "server_error" : "invalid_request_error"

/** Fields that are `undefined` disappear when the frame is written. */
export const errorFrame = (error: ErrorDetails): Json => {
  const { headers, param = null, shape = "nested", status, statusCode: status_code } = error
  const message = error.message ?? `The server reported ${error.code ?? "an error"}`
  const type = error.type ?? typeOfStatus(status ?? status_code)
  if (shape === "untyped") return { error: { message, type: error.type ?? "api_error", code: error.code, headers } }
  return shape === "flat"
    ? { type: "error", status, status_code, code: error.code ?? null, message, param, headers }
    : { type: "error", status, status_code, error: { type, code: error.code ?? null, message, param, headers } }
}
