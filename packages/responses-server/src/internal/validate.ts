/** What a server says of a request before the model sees it. */
import type { ResponseItem, ResponseRequest } from "effect-responses"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { isAsync } from "./asyncCalls.ts"
import { fields, isField } from "./fields.ts"
import { invalid, missing, type Problem, unknown, wrongType } from "./problems.ts"

export type Transport = "websocket" | "http"

type Json = Readonly<Record<string, unknown>>

export const isStreamId = (value: unknown): value is string =>
  Predicate.isString(value) && /^[A-Za-z0-9_.-]{1,256}$/.test(value)

/** Fields that belong to the other transport. */
const misplaced: Readonly<Record<Transport, ReadonlyArray<string>>> = {
  websocket: ["stream", "background"],
  http: ["stream_id", "generate"]
}

const toolNames = (value: unknown): ReadonlyArray<unknown> =>
  (Array.isArray(value) ? value : []).map((tool: unknown) => Predicate.isRecord(tool) ? tool["name"] : undefined)

/** A choice names tools of the request. */
const unknownChoice = ({ tool_choice, tools }: Json): Problem | undefined => {
  if (!Predicate.isRecord(tool_choice)) return undefined
  const names = toolNames(tool_choice["type"] === "allowed_tools" ? tool_choice["tools"] : [tool_choice])
  const wrong = names.filter(Predicate.isString).find((name) => !toolNames(tools).includes(name))
  return wrong === undefined
    ? undefined
    : invalid(null, `Tool choice '${wrong}' not found in 'tools' parameter.`, "tool_choice")
}

const problem = (body: Json, transport: Transport): Problem | undefined => {
  const { conversation, model, previous_response_id, prompt } = body
  // A stored prompt brings its model.
  if (Predicate.isNullable(model) && Predicate.isNullable(prompt)) return missing("model")
  if (model === "") return wrongType("model", "a non-empty string", model)
  const other = misplaced[transport].find((field) => field in body)
  if (other !== undefined) return unknown(other)
  for (const [name, value] of Object.entries(body)) {
    if (!isField(name)) return unknown(name)
    const found = Predicate.isNullable(value) ? undefined : fields[name](value, name)
    if (found !== undefined) return found
  }
  if (Predicate.isNotNullable(previous_response_id) && Predicate.isNotNullable(conversation)) {
    return invalid(
      "mutually_exclusive_parameters",
      "'previous_response_id' and 'conversation' cannot be used together.",
      "previous_response_id"
    )
  }
  return unknownChoice(body)
}

/** The one place where a body becomes a request. */
export const validate = (body: Json, transport: Transport): Either.Either<ResponseRequest.ResponseRequest, Problem> => {
  // The vendor's own Agents SDK sends `stream: true` on the socket, where it can mean nothing else.
  const { stream, ...rest } = body
  const checked = transport === "websocket" && stream === true ? rest : body
  const found = problem(checked, transport)
  return found === undefined ? Either.right(checked) : Either.left(found)
}

/** Every tool output needs its call, and the model goes on only when every call has its output that is not async. */
export const unpaired = (
  items: ReadonlyArray<ResponseItem.ResponseItem>,
  generate: boolean,
  tools?: ResponseRequest.ResponseRequest["tools"]
): Problem | undefined => {
  const open = new Map<string, string>()
  const known = new Set<string>()
  for (const item of items) {
    switch (item.type) {
      case "function_call":
      case "custom_tool_call":
        known.add(item.call_id)
        if (isAsync(item, tools)) break
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
