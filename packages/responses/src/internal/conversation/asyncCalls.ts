/** Which calls the conversation goes on without. */
import * as Predicate from "effect/Predicate"
import type { ResponseRequest } from "../../ResponseRequest.ts"
import type * as ResponseTool from "../../ResponseTool.ts"
import type * as Calls from "./calls.ts"

type Fields = Readonly<Record<string, unknown>>

const isNamed = (tool: Fields, namespace: unknown, call: Fields): boolean =>
  tool["name"] === call["name"] && (namespace ?? "") === (call["namespace"] ?? "")

/** The tools of the call's name, also in namespaces. */
const toolsOf = (given: unknown, call: Fields, namespace?: unknown): ReadonlyArray<Fields> =>
  Array.isArray(given)
    ? given.filter(Predicate.isRecord).flatMap((tool: Fields) =>
      tool["type"] === "namespace"
        ? toolsOf(tool["tools"], call, tool["name"])
        : isNamed(tool, namespace, call)
        ? [tool]
        : []
    )
    : []

/** A tool of the conversation runs beside it only if it was made so. For others the call may say it itself. */
export const isAsync = (
  call: Calls.Call,
  tools: ReadonlyArray<ResponseTool.Any>,
  others: ResponseRequest["tools"]
): boolean => {
  const own = tools.find(({ name }) => name === call.name)
  if (own !== undefined) return own.async === true && call.async !== false
  const [other] = toolsOf(others, { ...call })
  return other !== undefined && (Predicate.isBoolean(call.async) ? call.async : other["async"] === true)
}
