/** What a handler is given of a call. */
import type { Attempt, Call, Invocation } from "../../ResponseToolCall.ts"
import * as ToolFailure from "./toolFailure.ts"

export const inputOf = (call: Call): unknown => call.type === "function_call" ? call.arguments : call.input

export const make = (call: Call, attempt: Attempt | undefined): Invocation => ({
  attempt: 1,
  idempotencyKey: ToolFailure.said(call.call_id),
  ...attempt,
  callId: ToolFailure.said(call.call_id),
  call
})
