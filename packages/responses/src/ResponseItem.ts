/**
 * The items a conversation is made of: what a caller sends and what a model puts out.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

declare const unknownType: unique symbol

/**
 * Stands for every `type` this version does not know. No literal is equal to it, so `switch (item.type)` narrows the
 * known kinds and a misspelt name does not compile; assign it to a `string` to look at the name that came.
 *
 * @since 0.1.0
 * @category models
 */
export type UnknownType = "(a type this version does not know)" & { readonly [unknownType]: true }

/**
 * @since 0.1.0
 * @category models
 */
export type Role = "user" | "assistant" | "system" | "developer"

/**
 * @since 0.1.0
 * @category models
 */
export interface InputText {
  readonly type: "input_text"
  readonly text: string
}

/**
 * @since 0.1.0
 * @category models
 */
export interface InputImage {
  readonly type: "input_image"
  readonly detail?: "low" | "high" | "auto" | "original" | undefined
  readonly file_id?: string | null | undefined
  /** A URL, or the image itself as a `data:` URL. */
  readonly image_url?: string | null | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface InputFile {
  readonly type: "input_file"
  readonly file_data?: string | undefined
  readonly file_id?: string | null | undefined
  readonly file_url?: string | undefined
  readonly filename?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface OutputText {
  readonly type: "output_text"
  readonly text: string
  readonly annotations?: ReadonlyArray<unknown> | undefined
  readonly logprobs?: ReadonlyArray<unknown> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Refusal {
  readonly type: "refusal"
  readonly refusal: string
}

/**
 * A content part of a kind this version does not know, as it came.
 *
 * @since 0.1.0
 * @category models
 */
export interface UnknownPart {
  readonly type: UnknownType
  readonly [field: string]: unknown
}

/**
 * @since 0.1.0
 * @category models
 */
export type ContentPart = InputText | InputImage | InputFile | OutputText | Refusal | UnknownPart

/**
 * A message of the dialogue. Callers may leave `type` out and give the content as a string, servers never do.
 *
 * @since 0.1.0
 * @category models
 */
export interface Message {
  readonly type?: "message" | undefined
  readonly role: Role
  readonly content: string | ReadonlyArray<ContentPart>
  readonly id?: string | undefined
  /** Of an assistant's message. Send it back: newer models do worse without it. */
  readonly phase?: "commentary" | "final_answer" | null | undefined
  readonly status?: string | undefined
}

/**
 * The model asks for a function to be called. `arguments` is JSON text.
 *
 * @since 0.1.0
 * @category models
 */
export interface FunctionCall {
  readonly type: "function_call"
  readonly call_id: string
  readonly name: string
  readonly arguments: string
  /** The output may come in any later request. */
  readonly async?: boolean | undefined
  readonly id?: string | undefined
  readonly status?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface FunctionCallOutput {
  readonly type: "function_call_output"
  readonly call_id: string
  readonly output: string | ReadonlyArray<ContentPart>
  readonly id?: string | undefined
  readonly status?: string | undefined
}

/**
 * The model asks for a tool with free-form input.
 *
 * @since 0.1.0
 * @category models
 */
export interface CustomToolCall {
  readonly type: "custom_tool_call"
  readonly call_id: string
  readonly name: string
  readonly input: string
  /** The output may come in any later request. */
  readonly async?: boolean | undefined
  readonly id?: string | undefined
  readonly status?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface CustomToolCallOutput {
  readonly type: "custom_tool_call_output"
  readonly call_id: string
  readonly output: string | ReadonlyArray<ContentPart>
  readonly id?: string | undefined
  readonly status?: string | undefined
}

/**
 * What the model thought. With `store: false` only `encrypted_content` carries it from turn to turn.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reasoning {
  readonly type: "reasoning"
  readonly summary: ReadonlyArray<{ readonly type: "summary_text"; readonly text: string }>
  readonly content?: ReadonlyArray<{ readonly type: "reasoning_text"; readonly text: string }> | undefined
  readonly encrypted_content?: string | null | undefined
  readonly id?: string | undefined
  readonly status?: string | undefined
}

/**
 * The server asks whether it may run a tool of a remote MCP server. `arguments` is JSON text.
 *
 * @since 0.1.0
 * @category models
 */
export interface McpApprovalRequest {
  readonly type: "mcp_approval_request"
  readonly id: string
  readonly server_label: string
  readonly name: string
  readonly arguments: string
}

/**
 * The answer to a `mcp_approval_request`.
 *
 * @since 0.1.0
 * @category models
 */
export interface McpApprovalResponse {
  readonly type: "mcp_approval_response"
  readonly approval_request_id: string
  readonly approve: boolean
  readonly reason?: string | null | undefined
  readonly id?: string | undefined
}

/**
 * Other settings from here on: the model reads them in their place, so the chain and the prompt cache last.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConfigurationUpdate {
  readonly type: "configuration_update"
  readonly reasoning?: { readonly effort: string } | undefined
  readonly text?: { readonly format: object } | undefined
  readonly id?: string | undefined
  readonly status?: string | undefined
}

/**
 * Asks for the conversation to be compacted, and for nothing else. Only the last item of an input can be one.
 *
 * @since 0.1.0
 * @category models
 */
export interface CompactionTrigger {
  readonly type: "compaction_trigger"
  readonly id?: string | undefined
  readonly status?: string | undefined
}

/**
 * Stands for everything before it, as the server has encrypted it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Compaction {
  readonly type: "compaction"
  readonly encrypted_content: string
  readonly id?: string | undefined
  readonly status?: string | undefined
}

/**
 * An item of a kind this version does not know (hosted tools, …), as it came.
 *
 * @since 0.1.0
 * @category models
 */
export interface UnknownItem {
  readonly type: UnknownType
  readonly [field: string]: unknown
}

/**
 * Model output can be sent back as input just as it is: both directions have this type.
 *
 * @since 0.1.0
 * @category models
 */
export type ResponseItem =
  | Message
  | FunctionCall
  | FunctionCallOutput
  | CustomToolCall
  | CustomToolCallOutput
  | Reasoning
  | McpApprovalRequest
  | McpApprovalResponse
  | ConfigurationUpdate
  | CompactionTrigger
  | Compaction
  | UnknownItem

/**
 * Accepts every object: what an item must hold differs by kind, grows without notice, and is for the server to judge.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ResponseItem: Schema.Schema<ResponseItem> = Schema.declare(
  (value): value is ResponseItem => Predicate.isRecord(value),
  // The default message holds the value, and to write one that is nested too deep throws.
  { identifier: "ResponseItem", message: () => "Expected an item: an object" }
)

/**
 * @since 0.1.0
 * @category constructors
 */
export const message = (role: Role, content: string | ReadonlyArray<ContentPart>): Message => ({
  type: "message",
  role,
  content
})

/**
 * A message of the user's.
 *
 * @since 0.1.0
 * @category constructors
 */
export const user = (content: string | ReadonlyArray<ContentPart>): Message => message("user", content)

/**
 * The answer to a `function_call`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const functionCallOutput = (
  callId: string,
  output: string | ReadonlyArray<ContentPart>
): FunctionCallOutput => ({ type: "function_call_output", call_id: callId, output })

/**
 * The answer to a `mcp_approval_request`. Without a reason if none is given.
 *
 * @since 0.1.0
 * @category constructors
 */
export const mcpApprovalResponse = (
  requestId: string,
  approve: boolean,
  reason?: string
): McpApprovalResponse => ({
  type: "mcp_approval_response",
  approval_request_id: requestId,
  approve,
  ...(reason === undefined ? {} : { reason })
})

/**
 * Changes the effort, the format of the text, or both, from here on, where the settings of a request would break the
 * chain. It goes before the message that it is for, and stays in the history. A field that is left out stays as it was.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Conversation, ResponseItem } from "effect-responses"
 *
 * export const program = Effect.gen(function*() {
 *   const conversation = yield* Conversation.make({ model: "gpt-5.5", reasoning: { effort: "low" } })
 *   yield* conversation.ask("What is the plan?")
 *   const harder = ResponseItem.configurationUpdate({ reasoning: { effort: "high" } })
 *   return yield* conversation.ask([harder, ResponseItem.user("What can go wrong with it?")])
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const configurationUpdate = (
  settings: Pick<ConfigurationUpdate, "reasoning" | "text">
): ConfigurationUpdate => ({ type: "configuration_update", ...settings })

/**
 * For `send`, or a request of one's own. A `Conversation` has `compact`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const compactionTrigger: CompactionTrigger = { type: "compaction_trigger" }

/**
 * An item of a kind this version has no type for (`item_reference`, `local_shell_call_output`, …).
 *
 * @since 0.1.0
 * @category constructors
 */
export const unknown = (item: { readonly type: string; readonly [field: string]: unknown }): UnknownItem =>
  item as unknown as UnknownItem

/** The fields are the server's, whatever their types say. */
const textOfPart = (part: unknown): string => {
  if (!Predicate.isRecord(part)) return ""
  const { refusal, text, type } = part
  const words = type === "output_text" ? text : type === "refusal" ? refusal : ""
  return Predicate.isString(words) ? words : ""
}

const textOfContent = (content: unknown): string => {
  if (Predicate.isString(content)) return content
  return Array.isArray(content) ? content.map(textOfPart).join("") : ""
}

/** A response's output has no user's messages, and no responses in it. */
const textOfMessage = (item: unknown): string =>
  Predicate.isRecord(item) && item["type"] === "message" ? textOfContent(item["content"]) : ""

/**
 * The text of an assistant's message, refusals included, or of all messages of a response. Empty for every other item, and
 * for a message whose content is missing or is neither text nor a list. Parts without text count nothing.
 *
 * @since 0.1.0
 * @category getters
 */
export const text = (
  item: ResponseItem | { readonly output?: ReadonlyArray<ResponseItem> | null | undefined }
): string => {
  const fields: unknown = item
  if (!Predicate.isRecord(fields)) return ""
  const { content, output, role, type } = fields
  if (type === undefined && role === undefined && Array.isArray(output)) {
    return output.map(textOfMessage).join("")
  }
  return type === undefined || type === "message" ? textOfContent(content) : ""
}
