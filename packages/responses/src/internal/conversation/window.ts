/**
 * What is left of a history when the server has compacted it: the latest compaction and what is after it. Of what is before,
 * only what the compaction does not stand for stays.
 */
import * as Predicate from "effect/Predicate"
import type { ResponseItem } from "../../ResponseItem.ts"

type Items = ReadonlyArray<ResponseItem>

export const isCompaction = (item: ResponseItem): boolean => item.type === "compaction"

/** By what an output, or an approval, names what it answers. */
const answers: Readonly<Record<string, string>> = { mcp_approval_response: "approval_request_id" }

const textOf = (value: unknown): string | undefined => Predicate.isString(value) && value !== "" ? value : undefined

const fieldOf = (item: ResponseItem, name: string): string | undefined =>
  textOf((item as Readonly<Record<string, unknown>>)[name])

const typeOf = (item: ResponseItem): string => fieldOf(item, "type") ?? "message"

/** What the item asks of the caller, if it does. */
export const callIdOf = (item: ResponseItem): string | undefined => {
  const type = typeOf(item)
  if (type === "mcp_approval_request") return fieldOf(item, "id")
  return type.endsWith("_call") ? fieldOf(item, "call_id") : undefined
}

/** What the item answers, if it does. */
export const answerIdOf = (item: ResponseItem): string | undefined => {
  const type = typeOf(item)
  return type.endsWith("_output") || type in answers ? fieldOf(item, answers[type] ?? "call_id") : undefined
}

/** The calls that nothing after them answers, of whatever kind. Some servers number the calls of each response anew. */
export const openCalls = (items: Items): ReadonlySet<ResponseItem> => {
  const open = new Map<string, ResponseItem>()
  for (const item of items) {
    const callId = callIdOf(item)
    const answerId = answerIdOf(item)
    if (callId !== undefined) open.set(callId, item)
    if (answerId !== undefined) open.delete(answerId)
  }
  return new Set(open.values())
}

/** With the reasoning that led to them: servers that store responses refuse the one without the other. */
export const withReasoning = (items: Items, isKept: (item: ResponseItem, index: number) => boolean): Items => {
  const kept: Array<ResponseItem> = []
  let leads = false
  for (const [index, item] of [...items.entries()].toReversed()) {
    const isThought = item.type === "reasoning"
    const keeps = isKept(item, index)
    if (keeps || (leads && isThought)) kept.push(item)
    leads = callIdOf(item) !== undefined ? leads || keeps : leads && isThought
  }
  return kept.toReversed()
}

/** Where the updates are whose settings still hold. One item may be there several times. */
export const latestUpdates = (items: Items): ReadonlySet<number> =>
  new Set(
    (["reasoning", "text"] as const).map((name) =>
      items.findLastIndex((item) => item.type === "configuration_update" && Predicate.isNotNullable(item[name]))
    )
  )

/** Of a history that goes on from the latest compaction in it. */
export const make = (items: Items): Items => {
  const at = items.findLastIndex(isCompaction)
  if (at < 1) return items
  const before = items.slice(0, at)
  const open = openCalls(before)
  const updates = latestUpdates(before)
  return [...withReasoning(before, (item, index) => open.has(item) || updates.has(index)), ...items.slice(at)]
}
