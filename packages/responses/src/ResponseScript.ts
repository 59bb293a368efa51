/**
 * Turns of a model as data, and the frames a server sends for them. One script runs over every transport: the mock Layer
 * (`ResponsesTest`), the local server and real sockets.
 *
 * @since 0.1.0
 */
import { completed } from "./ResponseFault.ts"
import type { ContentPart, ResponseItem } from "./ResponseItem.ts"
import type { ResponseRequest } from "./ResponseRequest.ts"
import { type Context, type Turn, turn, type TurnOptions } from "./ResponseTurn.ts"

/**
 * @since 0.1.0
 * @category re-exports
 */
export * from "./ResponseFault.ts"

/**
 * @since 0.1.0
 * @category re-exports
 */
export * from "./ResponseTurn.ts"

/**
 * One turn per request, or a function that gives the turn for any request. Warm-ups (`generate: false`) take no turn from
 * a list.
 *
 * @since 0.1.0
 * @category models
 */
export type Script =
  | ReadonlyArray<Turn | ((request: ResponseRequest) => Turn)>
  | ((request: ResponseRequest, context: Context) => Turn)

/**
 * Any item. An id and a status are put in where they are missing.
 *
 * @since 0.1.0
 * @category items
 */
export const item = (item: ResponseItem): Turn => ({ parts: [{ _tag: "Item", item }] })

/**
 * A message of the model's.
 *
 * @since 0.1.0
 * @category items
 */
export const text = (text: string, options?: TurnOptions): Turn =>
  turn([message([{ type: "output_text", text }])], options)

/**
 * A message of the model's, by its content parts.
 *
 * @since 0.1.0
 * @category items
 */
export const message = (content: ReadonlyArray<ContentPart>): Turn =>
  item({ type: "message", role: "assistant", content })

/**
 * @since 0.1.0
 * @category items
 */
export const refusal = (refusal: string): Turn => message([{ type: "refusal", refusal }])

/**
 * `arguments` are written as JSON unless they are a string. `callId` is made up where it is missing.
 *
 * @since 0.1.0
 * @category items
 */
export const toolCall = (options: {
  readonly name: string
  readonly arguments?: unknown
  readonly callId?: string | undefined
}): Turn => {
  const args = options.arguments ?? {}
  return item({
    type: "function_call",
    call_id: options.callId ?? "",
    name: options.name,
    arguments: typeof args === "string" ? args : JSON.stringify(args)
  })
}

/**
 * @since 0.1.0
 * @category items
 */
export const customToolCall = (options: {
  readonly name: string
  readonly input: string
  readonly callId?: string | undefined
}): Turn => item({ type: "custom_tool_call", call_id: options.callId ?? "", name: options.name, input: options.input })

/**
 * @since 0.1.0
 * @category items
 */
export const reasoning = (summary: string, options?: { readonly encrypted?: string | undefined }): Turn =>
  item({
    type: "reasoning",
    summary: summary === "" ? [] : [{ type: "summary_text", text: summary }],
    ...(options?.encrypted === undefined ? {} : { encrypted_content: options.encrypted })
  })

/**
 * The turn of a script for a request; `undefined` when a list has run out.
 *
 * @since 0.1.0
 * @category running
 */
export const pick = (script: Script, context: Context): Turn | undefined => {
  if (typeof script === "function") return script(context.request, context)
  if (context.request.generate === false) return completed
  const found = script[context.index]
  return typeof found === "function" ? found(context.request) : found
}
