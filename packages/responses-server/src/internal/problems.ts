/** What a server finds wrong with a request, in the words and codes of the published API. */
import type { ResponseScript } from "effect-responses"
import * as Predicate from "effect/Predicate"

export const invalid = (code: string | null, message: string, param: string | null = null, status = 400) =>
  ({ status, type: "invalid_request_error", code, message, param }) satisfies ResponseScript.ErrorDetails

export type Problem = ReturnType<typeof invalid>

export const binaryFrame = invalid("invalid_message", "Binary messages are not supported. Send JSON text.")

export const notJson = invalid("invalid_json", "The message is not valid JSON.")

export const tooLarge = invalid("request_too_large", "The request body is too large.", null, 413)

export const wrongKey = invalid("invalid_api_key", "Incorrect API key provided.", null, 401)

export const noKey = invalid(
  null,
  "You didn't provide an API key. Send it in an Authorization header: Authorization: Bearer YOUR_KEY.",
  null,
  401
)

export const notFound = invalid(null, "Not found. The API is at /v1/responses.", null, 404)

export const ageLimitReached = invalid(
  "websocket_connection_limit_reached",
  "Responses websocket connection limit reached (60 minutes). Create a new websocket connection to continue."
)

export const streamLimitReached = (limit: number) =>
  invalid(
    "websocket_stream_limit_reached",
    `Responses websocket stream limit reached (${limit} distinct stream_ids). Reuse one or open another connection.`,
    "stream_id"
  )

export const alreadyInFlight = (limit: number) =>
  invalid(
    "response_already_in_flight",
    `The connection gives ${limit === 1 ? "a response" : `${limit} responses`} already. Wait for one to end.`
  )

export const badStreamId = invalid(
  "invalid_stream_id",
  "stream_id must be 1 to 256 characters of A-Z, a-z, 0-9, '_', '.' and '-'.",
  "stream_id"
)

export const previousNotFound = (id: string) =>
  invalid("previous_response_not_found", `Previous response with id '${id}' not found.`, "previous_response_id")

export const conversationNotFound = (id: string) =>
  invalid(null, `Conversation with id '${id}' not found.`, "conversation", 404)

export const notInConversation = (item: string, conversation: string) =>
  invalid(null, `Item with id '${item}' not found in conversation '${conversation}'.`, null, 404)

export const responseNotFound = (id: string) => invalid(null, `Response with id '${id}' not found.`, null, 404)

export const itemNotFound = (id: string) =>
  invalid(
    null,
    `Item with id '${id}' not found. Items are not persisted when 'store' is set to false. ` +
      "Try again with 'store' set to true, or remove this item from your input.",
    "input",
    404
  )

export const unknownType = (type: unknown) =>
  Predicate.isString(type)
    ? invalid("invalid_message_type", `Unknown message type: '${type}'.`, "type")
    : missing("type")

export const missing = (param: string) =>
  invalid("missing_required_parameter", `Missing required parameter: '${param}'.`, param)

export const unknown = (param: string) => invalid("unknown_parameter", `Unknown parameter: '${param}'.`, param)

const article = (value: unknown): string => {
  if (value === null) return "null"
  if (Array.isArray(value)) return "an array"
  switch (typeof value) {
    case "object":
      return "an object"
    case "number":
      return Number.isInteger(value) ? "an integer" : "a decimal"
    default:
      return `a ${typeof value}`
  }
}

export const wrongType = (param: string, expected: string, value: unknown) =>
  invalid(
    "invalid_type",
    `Invalid type for '${param}': expected ${expected}, but got ${article(value)} instead.`,
    param
  )

export const wrongValue = (param: string, value: string, supported: ReadonlyArray<string>) =>
  invalid(
    "invalid_value",
    `Invalid value: '${value}'. Supported values are: ${supported.map((name) => `'${name}'`).join(", ")}.`,
    param
  )

export const outOfRange = (param: string, kind: "integer" | "decimal", value: number, bound: number) => {
  const below = value < bound
  const [where, sign] = below ? ["below minimum", ">="] as const : ["above maximum", "<="] as const
  return invalid(
    `${kind}_${below ? "below_min" : "above_max"}_value`,
    `Invalid '${param}': ${kind} ${where} value. Expected a value ${sign} ${bound}, but got ${value} instead.`,
    param
  )
}

export const errorBody = ({ code, message, param, type }: Problem) => ({ error: { message, type, param, code } })
