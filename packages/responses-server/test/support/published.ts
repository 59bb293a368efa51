/**
 * Every event that this server makes, as a schema: strict, and with every field that the Open Responses resource requires.
 * That what passes is valid for the vendor's published types is for the compiler to say, at the end of this file.
 */
import { Schema } from "effect"
import type * as Vendor from "openai/resources/responses/responses"

const { Boolean: boolean, Int: int, Literal: literal, Null: nil, NullOr, Number: number, String: string } = Schema
const { Struct: struct, Union: union, optional } = Schema

// The vendor's types are mutable and have no `undefined` in their optional fields.
const list = <A, I, R>(schema: Schema.Schema<A, I, R>) => Schema.mutable(Schema.Array(schema))
const maybe = <A, I, R>(schema: Schema.Schema<A, I, R>) => Schema.optionalWith(schema, { exact: true })
const json = Schema.mutable(Schema.Record({ key: string, value: Schema.Unknown }))
const nothing = list(Schema.Never)

const Annotation = struct({
  type: literal("url_citation"),
  title: string,
  url: string,
  start_index: int,
  end_index: int
})

const OutputText = struct({
  type: literal("output_text"),
  text: string,
  annotations: list(Annotation),
  logprobs: nothing
})
const Refusal = struct({ type: literal("refusal"), refusal: string })
const ReasoningText = struct({ type: literal("reasoning_text"), text: string })
const SummaryText = struct({ type: literal("summary_text"), text: string })
const ItemStatus = literal("in_progress", "completed", "incomplete")

const Message = struct({
  type: literal("message"),
  id: string,
  role: literal("assistant"),
  status: ItemStatus,
  content: list(union(OutputText, Refusal))
})
const FunctionCall = struct({
  type: literal("function_call"),
  id: string,
  call_id: string,
  name: string,
  arguments: string,
  status: ItemStatus
})
const CustomToolCall = struct({
  type: literal("custom_tool_call"),
  id: string,
  call_id: string,
  name: string,
  input: string,
  status: ItemStatus
})
const Reasoning = struct({
  type: literal("reasoning"),
  id: string,
  summary: list(SummaryText),
  content: maybe(list(ReasoningText)),
  encrypted_content: maybe(string)
})
const Compaction = struct({
  type: literal("compaction"),
  id: string,
  encrypted_content: string,
  status: maybe(ItemStatus)
})

const OutputItem = union(Message, FunctionCall, CustomToolCall, Reasoning, Compaction)

const FunctionTool = struct({
  type: literal("function"),
  name: string,
  description: NullOr(string),
  parameters: NullOr(json),
  strict: NullOr(boolean),
  async: maybe(boolean)
})
const CustomTool = struct({
  type: literal("custom"),
  name: string,
  description: maybe(string),
  async: maybe(boolean)
})

const ToolChoice = union(
  literal("none", "auto", "required"),
  struct({ type: literal("function"), name: string }),
  struct({ type: literal("custom"), name: string }),
  struct({ type: literal("allowed_tools"), mode: literal("auto", "required"), tools: list(json) })
)

const Format = union(
  struct({ type: literal("text") }),
  struct({ type: literal("json_object") }),
  struct({ type: literal("json_schema"), name: string, schema: json, strict: maybe(boolean) })
)

const Usage = struct({
  input_tokens: int,
  input_tokens_details: struct({ cached_tokens: int, cache_write_tokens: int }),
  output_tokens: int,
  output_tokens_details: struct({ reasoning_tokens: int }),
  total_tokens: int
})

const ErrorCode = literal("server_error", "rate_limit_exceeded", "invalid_prompt")

export const Response = struct({
  id: Schema.NonEmptyString.pipe(Schema.pattern(/^resp_/)),
  object: literal("response"),
  access_programs: nil,
  background: boolean,
  completed_at: NullOr(int),
  conversation: NullOr(struct({ id: string })),
  created_at: int,
  error: NullOr(struct({ code: ErrorCode, message: Schema.NonEmptyString })),
  frequency_penalty: number,
  incomplete_details: NullOr(
    struct({ reason: literal("max_output_tokens", "content_filter", "max_messages", "steered") })
  ),
  instructions: NullOr(string),
  max_output_tokens: NullOr(int),
  max_tool_calls: NullOr(int),
  metadata: Schema.mutable(Schema.Record({ key: string, value: string })),
  model: Schema.NonEmptyString,
  output: list(OutputItem),
  parallel_tool_calls: boolean,
  presence_penalty: number,
  previous_response_id: NullOr(string),
  prompt: NullOr(struct({ id: string })),
  prompt_cache_key: NullOr(string),
  prompt_cache_retention: NullOr(literal("in_memory", "24h")),
  reasoning: struct({
    effort: NullOr(literal("none", "minimal", "low", "medium", "high", "xhigh", "max")),
    summary: NullOr(literal("auto", "concise", "detailed"))
  }),
  safety_identifier: NullOr(string),
  service_tier: literal("default", "flex", "scale", "priority", "ultrafast"),
  status: literal("queued", "in_progress", "completed", "incomplete", "failed"),
  store: boolean,
  temperature: number,
  text: struct({ format: Format, verbosity: maybe(NullOr(literal("low", "medium", "high"))) }),
  tool_choice: ToolChoice,
  tools: list(union(FunctionTool, CustomTool)),
  top_logprobs: int,
  top_p: number,
  truncation: literal("auto", "disabled"),
  usage: NullOr(Usage),
  user: NullOr(string)
})

const envelope = { sequence_number: int, stream_id: maybe(string) }
const atItem = { ...envelope, item_id: string, output_index: int }
const atContent = { ...atItem, content_index: int }
const atSummary = { ...atItem, summary_index: int }

const event = <const Type extends string, Fields extends Schema.Struct.Fields>(type: Type, fields: Fields) =>
  struct({ type: literal(type), ...fields })

const lifeCycle = <const Type extends string>(type: Type) => event(type, { ...envelope, response: Response })

const steer = struct({ id: string, previous_response_id: string })

const required = union(
  struct({ type: literal("function_call_output"), call_id: string, name: string }),
  struct({ type: literal("custom_tool_call_output"), call_id: string })
)

const steerInput = union(
  string,
  list(struct({ type: literal("message"), role: literal("user"), content: string }))
)

export const Event = union(
  lifeCycle("response.created"),
  lifeCycle("response.queued"),
  lifeCycle("response.in_progress"),
  lifeCycle("response.completed"),
  lifeCycle("response.incomplete"),
  lifeCycle("response.failed"),
  event("response.output_item.added", { ...envelope, output_index: int, item: OutputItem }),
  event("response.output_item.done", { ...envelope, output_index: int, item: OutputItem }),
  event("response.content_part.added", { ...atContent, part: union(OutputText, Refusal, ReasoningText) }),
  event("response.content_part.done", { ...atContent, part: union(OutputText, Refusal, ReasoningText) }),
  event("response.output_text.delta", { ...atContent, delta: string, logprobs: nothing }),
  event("response.output_text.done", { ...atContent, text: string, logprobs: nothing }),
  event("response.output_text.annotation.added", { ...atContent, annotation_index: int, annotation: Annotation }),
  event("response.refusal.delta", { ...atContent, delta: string }),
  event("response.refusal.done", { ...atContent, refusal: string }),
  event("response.reasoning_text.delta", { ...atContent, delta: string }),
  event("response.reasoning_text.done", { ...atContent, text: string }),
  event("response.function_call_arguments.delta", { ...atItem, delta: string }),
  event("response.function_call_arguments.done", { ...atItem, arguments: string, name: string }),
  event("response.custom_tool_call_input.delta", { ...atItem, delta: string }),
  event("response.custom_tool_call_input.done", { ...atItem, input: string }),
  event("response.reasoning_summary_part.added", { ...atSummary, part: SummaryText }),
  event("response.reasoning_summary_part.done", { ...atSummary, part: SummaryText }),
  event("response.reasoning_summary_text.delta", { ...atSummary, delta: string }),
  event("response.reasoning_summary_text.done", { ...atSummary, text: string }),
  event("response.steer.accepted", { ...envelope, steer }),
  event("response.steer.pending", {
    ...envelope,
    steer,
    reason: literal("waiting_for_required_input"),
    required_input: list(required)
  }),
  event("response.steer.failed", {
    ...envelope,
    error: struct({ type: literal("invalid_request_error"), code: string, message: Schema.NonEmptyString }),
    steer: struct({ id: maybe(string), previous_response_id: string, input: steerInput })
  })
)

/** What the vendor's guide shows on the socket; its published type is the flat one. */
export const NestedError = struct({
  type: literal("error"),
  stream_id: optional(string),
  status: int,
  error: struct({
    type: string,
    code: NullOr(string),
    message: Schema.NonEmptyString,
    param: NullOr(string),
    headers: optional(Schema.Record({ key: string, value: string }))
  })
})

/** Where the vendor's types have no `null`, the Open Responses resource requires the field, and one. */
type WireResponse = Omit<Vendor.Response, "usage" | "user" | "output_text"> & {
  usage: Vendor.ResponseUsage | null
  user: string | null
}

type Wire<E> = E extends { response: Vendor.Response } ? Omit<E, "response"> & { response: WireResponse } : E

/** Compiles only as long as every event of the schema is one of the vendor's. */
export const asVendors = (event: typeof Event.Type): Wire<Vendor.ResponsesServerEvent> => event
