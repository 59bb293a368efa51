/** What a server says of a request before the model sees it, in the words and codes of the published API. */
import type { ResponseItem, ResponseRequest, ResponseScript } from "effect-responses"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"

export type Transport = "websocket" | "http"

type Json = Readonly<Record<string, unknown>>

const invalid = (code: string | null, message: string, param: string | null = null, status = 400) =>
  ({ status, type: "invalid_request_error", code, message, param }) satisfies ResponseScript.ErrorDetails

export type Problem = ReturnType<typeof invalid>

export const binaryFrame = invalid("invalid_message", "Binary messages are not supported. Send JSON text.")

export const notJson = invalid("invalid_json", "The message is not valid JSON.")

export const unknownType = (type: unknown) =>
  Predicate.isString(type)
    ? invalid("invalid_message_type", `Unknown message type: '${type}'.`, "type")
    : invalid("missing_required_parameter", "Missing required parameter: 'type'.", "type")

export const badStreamId = invalid(
  "invalid_stream_id",
  "stream_id must be 1 to 256 characters of A-Z, a-z, 0-9, '_', '.' and '-'.",
  "stream_id"
)

export const wrongKey = invalid("invalid_api_key", "Incorrect API key provided.", null, 401)

export const notFound = invalid(null, "Not found. The API is at /v1/responses.", null, 404)

export const ageLimitReached = {
  ...invalid(
    "websocket_connection_limit_reached",
    "Responses websocket connection limit reached (60 minutes). Create a new websocket connection to continue."
  )
}

export const previousNotFound = (id: string) =>
  invalid("previous_response_not_found", `Previous response with id '${id}' not found.`, "previous_response_id")

export const isStreamId = (value: unknown): value is string =>
  Predicate.isString(value) && /^[A-Za-z0-9_.-]{1,256}$/.test(value)

/** Fields that belong to the other transport. */
const misplaced: Record<Transport, ReadonlyArray<string>> = {
  websocket: ["stream", "background"],
  http: ["stream_id", "generate"]
}

const wrongType = (field: string, expected: string) =>
  invalid("invalid_type", `Invalid type for '${field}': expected ${expected}.`, field)

const problem = (body: Json, transport: Transport): Problem | undefined => {
  const { conversation, generate, input, metadata, model, previous_response_id, tools } = body
  if (Predicate.isNullable(model)) {
    return invalid("missing_required_parameter", "Missing required parameter: 'model'.", "model")
  }
  if (!Predicate.isString(model) || model === "") return wrongType("model", "a non-empty string")
  const other = misplaced[transport].find((field) => field in body)
  if (other !== undefined) return invalid("unknown_parameter", `Unknown parameter: '${other}'.`, other)
  if (Predicate.isNotNullable(previous_response_id) && !Predicate.isString(previous_response_id)) {
    return wrongType("previous_response_id", "a string")
  }
  if (Predicate.isNotNullable(previous_response_id) && Predicate.isNotNullable(conversation)) {
    return invalid(
      "mutually_exclusive_parameters",
      "'previous_response_id' and 'conversation' cannot be used together.",
      "previous_response_id"
    )
  }
  if (Predicate.isNotNullable(generate) && !Predicate.isBoolean(generate)) return wrongType("generate", "a boolean")
  if (Predicate.isNotNullable(tools) && !Array.isArray(tools)) return wrongType("tools", "an array")
  if (Predicate.isNotNullable(metadata) && !Predicate.isRecord(metadata)) return wrongType("metadata", "an object")
  if (Predicate.isNullable(input) || Predicate.isString(input)) return undefined
  if (!Array.isArray(input)) return wrongType("input", "a string or an array of items")
  const index = input.findIndex((item) => !Predicate.isRecord(item))
  return index < 0 ? undefined : wrongType(`input[${index}]`, "an object")
}

/** The one place where a body becomes a request. */
export const validate = (body: Json, transport: Transport): Either.Either<ResponseRequest.ResponseRequest, Problem> => {
  const found = problem(body, transport)
  return found === undefined ? Either.right(body as unknown as ResponseRequest.ResponseRequest) : Either.left(found)
}

/** Every tool output needs its call, and the model goes on only when every call has its output. */
export const unpaired = (
  items: ReadonlyArray<ResponseItem.ResponseItem>,
  generate: boolean
): Problem | undefined => {
  const open = new Map<string, string>()
  const known = new Set<string>()
  for (const item of items) {
    switch (item.type) {
      case "function_call":
      case "custom_tool_call":
        known.add(item.call_id)
        open.set(item.call_id, item.type === "function_call" ? "function call" : "custom tool call")
        break
      case "function_call_output":
      case "custom_tool_call_output": {
        const what = item.type === "function_call_output" ? "function call" : "custom tool call"
        if (!known.has(item.call_id)) {
          return invalid(null, `No tool call found for ${what} output with call_id ${item.call_id}.`, "input")
        }
        open.delete(item.call_id)
        break
      }
      default:
        break
    }
  }
  if (!generate) return undefined
  for (const [callId, what] of open) return invalid(null, `No tool output found for ${what} ${callId}.`, "input")
  return undefined
}
