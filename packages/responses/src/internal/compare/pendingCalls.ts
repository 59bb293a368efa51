/** The calls of a response that the caller has to answer before the conversation can go on. */
import * as Predicate from "effect/Predicate"
import type { ResponseItem } from "../../ResponseItem.ts"

type Fields = Readonly<Record<string, unknown>>

/**
 * The caller's own tools by name, and whether the output of a call may come in any later request (`async: true`).
 */
export type Tools = ReadonlyMap<string, boolean>

/** What is no text names nothing. It may have a `toString` of its own, which is no function. */
const textOf = (value: unknown): string => Predicate.isString(value) ? value : ""

const nameOf = ({ name, namespace }: Fields): string =>
  Predicate.isString(namespace) && namespace !== "" ? `${namespace}.${textOf(name)}` : textOf(name)

const isRecord = (value: unknown): value is Fields => Predicate.isRecord(value)

const listTools = (given: unknown, namespace?: unknown): ReadonlyArray<readonly [name: string, isAsync: boolean]> =>
  Array.isArray(given)
    ? given.filter(isRecord).flatMap((tool) =>
      tool["type"] === "namespace"
        ? listTools(tool["tools"], tool["name"])
        : [[nameOf({ name: tool["name"], namespace }), tool["async"] === true] as const]
    )
    : []

export const tools = (given: unknown): Tools => new Map(listTools(given))

/** Kinds of call that a server runs itself, whatever ids it gives them: OpenAI's, then xAI's. */
const hosted: ReadonlySet<string> = new Set([
  "web_search_call",
  "file_search_call",
  "code_interpreter_call",
  "image_generation_call",
  "mcp_call",
  "x_search_call",
  "code_execution_call",
  "collections_search_call",
  "view_image_call",
  "view_x_video_call"
])

/** xAI's search on X comes as calls of custom tools with these names, which no caller has declared. */
const hostedNames: ReadonlySet<string> = new Set([
  "x_keyword_search",
  "x_semantic_search",
  "x_user_search",
  "x_thread_fetch"
])

/** Kinds of call that are run by the server or by the caller, as the call says. */
const hostedIf: ReadonlyMap<string, (call: Fields, tools: Tools) => boolean> = new Map([
  [
    "custom_tool_call",
    (call: Fields, tools: Tools) => hostedNames.has(textOf(call["name"])) && !tools.has(nameOf(call))
  ],
  ["shell_call", ({ environment }: Fields) => isRecord(environment) && environment["type"] === "container_reference"],
  ["tool_search_call", ({ execution }: Fields) => execution === "server"]
])

const isHosted = (type: string, call: Fields, tools: Tools): boolean =>
  hosted.has(type) || hostedIf.get(type)?.(call, tools) === true

/** The call itself says so on some servers, its tool on all. */
const isAsync = (call: Fields, tools: Tools): boolean =>
  Predicate.isBoolean(call["async"]) ? call["async"] : tools.get(nameOf(call)) === true

/**
 * Whether a call waits for the caller. A kind of call that is not known waits if it has a `call_id`, by which a caller
 * would answer: a wrong yes costs one request in full, a wrong no a request that the server refuses.
 *
 * An `mcp_approval_request` is no call and does not wait: a caller may go on without an answer to it.
 */
const isWaiting = (type: string, call: Fields, tools: Tools): boolean =>
  type.endsWith("_call") && Predicate.isString(call["call_id"]) && call["call_id"] !== "" &&
  !isHosted(type, call, tools) && !isAsync(call, tools)

const withType = (items: ReadonlyArray<ResponseItem>): ReadonlyArray<readonly [type: string, item: Fields]> =>
  items.flatMap((item) => {
    const type: unknown = isRecord(item) ? item["type"] : undefined
    return Predicate.isString(type) ? [[type, item as Fields] as const] : []
  })

/** Those of the calls that the items have no output for, whatever the kind of tool. */
export const unanswered = (calls: ReadonlyArray<string>, items: ReadonlyArray<ResponseItem>): ReadonlyArray<string> => {
  if (calls.length === 0) return calls
  const answered = new Set(
    withType(items)
      .filter(([type]) => type.endsWith("_output"))
      .map(([, { call_id, id }]) => call_id ?? id)
  )
  return calls.filter((callId) => !answered.has(callId))
}

/** The `call_id`s of a response's calls that wait for the caller, each once. */
export const make = (output: ReadonlyArray<ResponseItem>, tools: Tools): ReadonlyArray<string> => {
  const calls = withType(output)
    .filter(([type, call]) => isWaiting(type, call, tools))
    .map(([, { call_id }]) => call_id as string)
  return unanswered([...new Set(calls)], output)
}
