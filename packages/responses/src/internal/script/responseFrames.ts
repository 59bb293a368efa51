/** The response object as it is published, and the shapes of an error frame. */
import type { Usage } from "../../ResponseEvent.ts"
import type { ResponseItem } from "../../ResponseItem.ts"
import type { ResponseRequest, Tool } from "../../ResponseRequest.ts"
import type { Context, ErrorDetails } from "../../ResponseScript.ts"
import * as FakeTokens from "./fakeTokens.ts"

type Json = Readonly<Record<string, unknown>>

const publishedTool = (tool: Tool): object =>
  tool.type === "function" ? { description: null, parameters: null, strict: true, ...tool } : tool

/** A stored prompt names its model elsewhere. */
const modelOfPrompts = "gpt-5.5"

/** What a request asks for and what serves it are not the same names. */
const tier: Readonly<Record<string, string>> = { auto: "default", fast: "priority" }

/** Every field of the published resource, so that strict decoders take it. */
export const resource = (options: {
  readonly id: string
  readonly createdAt: number
  readonly request: ResponseRequest
  readonly metadata: Readonly<Record<string, string>>
  readonly status: "queued" | "in_progress" | "completed" | "incomplete" | "failed"
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
    access_programs: null,
    status,
    background: request.background ?? false,
    conversation: typeof request.conversation === "string"
      ? { id: request.conversation }
      : request.conversation ?? null,
    error: options.error,
    frequency_penalty: 0,
    incomplete_details: options.incompleteReason === null ? null : { reason: options.incompleteReason },
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    max_tool_calls: request.max_tool_calls ?? null,
    metadata: { ...request.metadata, ...options.metadata },
    model: request.model ?? modelOfPrompts,
    output: options.output,
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    presence_penalty: 0,
    previous_response_id: request.previous_response_id ?? null,
    prompt: request.prompt ?? null,
    prompt_cache_key: request.prompt_cache_key ?? null,
    prompt_cache_retention: request.prompt_cache_retention ?? null,
    reasoning: { effort: null, summary: null, ...request.reasoning },
    safety_identifier: request.safety_identifier ?? null,
    service_tier: tier[request.service_tier ?? "auto"] ?? request.service_tier,
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

export const madeUpUsage = (
  context: Pick<Context, "request" | "input" | "cached">,
  output: ReadonlyArray<ResponseItem>
): Usage & { readonly input_tokens_details: { readonly cache_write_tokens: number } } => {
  const { cached = 0, input, request } = context
  const cached_tokens = FakeTokens.ofItems(input.slice(0, cached))
  const settings = FakeTokens.ofText(request.instructions ?? "") +
    (request.tools ? FakeTokens.ofText(JSON.stringify(request.tools)) : 0)
  const input_tokens = cached_tokens + FakeTokens.ofItems(input.slice(cached)) + settings
  const output_tokens = FakeTokens.ofItems(output)
  return {
    input_tokens,
    input_tokens_details: { cached_tokens, cache_write_tokens: 0 },
    output_tokens,
    output_tokens_details: { reasoning_tokens: FakeTokens.ofItems(output.filter((item) => item.type === "reasoning")) },
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
  const code = error.code ?? null
  if (shape === "flat") return { type: "error", status, status_code, code, message, param, headers }
  return error.headersAt === "frame"
    ? { type: "error", status, status_code, headers, error: { type, code, message, param } }
    : { type: "error", status, status_code, error: { type, code, message, param, headers } }
}
