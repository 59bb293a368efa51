/** User input for a response that is running: who may have it, what becomes of it, and the events that say so. */
import type { ResponseItem } from "effect-responses"
import * as Predicate from "effect/Predicate"
import type { Json } from "./core.ts"
import { item as itemProblem } from "./inputItems.ts"
import type { Run } from "./run.ts"

export interface Steer {
  readonly id: string
  readonly responseId: string
  readonly input: unknown
}

/** A running response, and what was queued for it. */
export interface Active {
  readonly run: Run
  readonly steers: Array<Steer>
}

/** As `response.create` would have it. */
export const items = (steers: ReadonlyArray<Steer>): ReadonlyArray<ResponseItem.ResponseItem> =>
  steers.flatMap(({ input }) =>
    Predicate.isString(input)
      ? [{ type: "message" as const, role: "user" as const, content: input }]
      : input as ReadonlyArray<ResponseItem.ResponseItem>
  )

/** The vendor's models that came before steering. */
const withoutSteering = /^(?:gpt-[34]|gpt-5(?:-|\.[0-4]|$)|o\d|chatgpt|codex|computer-use)/

export const isSteerable = (model: string): boolean => !withoutSteering.test(model)

const allowed: ReadonlySet<string> = new Set(["type", "previous_response_id", "input"])

const allowedInItem: ReadonlySet<string> = new Set(["type", "role", "content"])

const allowedParts: ReadonlySet<unknown> = new Set(["input_text", "input_image", "input_file"])

const isUserMessage = (item: unknown): boolean => {
  if (!Predicate.isRecord(item) || item["role"] !== "user") return false
  if (item["type"] !== undefined && item["type"] !== "message") return false
  if (Object.keys(item).some((name) => !allowedInItem.has(name)) || itemProblem(item, "input") !== undefined) {
    return false
  }
  const { content } = item
  return !Array.isArray(content) ||
    content.every((part) => Predicate.isRecord(part) && allowedParts.has(part["type"]))
}

/** What is wrong with the message itself. */
export const problem = (message: Json): string | undefined => {
  const unknown = Object.keys(message).find((name) => !allowed.has(name))
  if (unknown !== undefined) {
    return `response.steer accepts only type, previous_response_id and input, not '${unknown}'.`
  }
  const { input, previous_response_id } = message
  if (!Predicate.isString(previous_response_id)) return "previous_response_id must be a string."
  if (Predicate.isString(input) && input !== "") return undefined
  return Array.isArray(input) && input.length > 0 && input.every(isUserMessage)
    ? undefined
    : "input must be a string or a non-empty list of user messages."
}

export type FailureCode =
  | "response_not_found"
  | "invalid_input"
  | "steering_not_supported"
  | "too_many_pending_steers"
  | "response_already_completed"
  | "response_not_active"
  | "successor_creation_failed"

export const accepted = ({ id, responseId }: Steer): object => ({
  type: "response.steer.accepted",
  steer: { id, previous_response_id: responseId }
})

export const pending = ({ id, responseId }: Steer, calls: ReturnType<Run["calls"]>): object => ({
  type: "response.steer.pending",
  reason: "waiting_for_required_input",
  required_input: calls.map(({ call_id, name, type }) =>
    type === "function_call"
      ? { type: "function_call_output", call_id, name }
      : { type: "custom_tool_call_output", call_id }
  ),
  steer: { id, previous_response_id: responseId }
})

export const failed = (code: FailureCode, message: string, steer: {
  readonly id?: string
  readonly responseId: unknown
  readonly input: unknown
}): object => ({
  type: "response.steer.failed",
  error: { type: "invalid_request_error", code, message },
  steer: {
    ...(steer.id === undefined ? {} : { id: steer.id }),
    previous_response_id: steer.responseId,
    input: steer.input
  }
})
