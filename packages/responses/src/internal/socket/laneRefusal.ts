/** Whether a server refused a request because of the lane that the Layer chose for it. Then it has run nothing. */
import type { ResponsesError } from "../../ResponsesError.ts"

/**
 * - `name`: the server takes no names.
 * - `names`: it has seen as many as it takes on one connection.
 * - `busy`: it runs one response at a time.
 */
export type Refusal = "name" | "names" | "busy"

const named = /\bstream_?id\b/i

export const of = (error: ResponsesError): Refusal | undefined => {
  if (error._tag !== "ResponseFailed" || error.delivery === "partial") return undefined
  const { code, description, param, status } = error
  if (code === "websocket_stream_limit_reached") return "names"
  if (code === "response_already_in_flight") return "busy"
  const isClients = status === undefined || (status >= 400 && status < 500)
  return isClients && [code, description, param].some((text) => text !== undefined && named.test(text))
    ? "name"
    : undefined
}
