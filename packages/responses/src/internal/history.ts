/** The items of a conversation: how many of a caller's the server has, and which of its calls wait for an output. */
import * as Predicate from "effect/Predicate"
import type { ResponseItem } from "../ResponseItem.ts"
import * as ItemMeaning from "./itemMeaning.ts"
import * as Meaning from "./meaning.ts"

export type History = ReadonlyArray<ItemMeaning.ItemMeaning>

export const make = (items: ReadonlyArray<ResponseItem>): History => {
  const draft = new Meaning.Draft()
  return items.map((item) => ItemMeaning.make(draft, item))
}

/**
 * How many of the caller's items the server has. Reasoning that the caller's history lacks is no difference: SDKs drop
 * it, and the model does better with it. But then none may come later: it could be the same, and be seen twice.
 */
export const shared = (
  had: History,
  items: ReadonlyArray<ResponseItem>
): { readonly count: number; readonly complete: boolean } => {
  const draft = new Meaning.Draft()
  let count = 0
  let skipped = false
  for (const known of had) {
    const item = items[count]
    if (item !== undefined && ItemMeaning.isSame(known, item, draft)) count++
    else if (ItemMeaning.isReasoning(known)) skipped = true
    else return { count, complete: false }
  }
  const rest = skipped ? items.findIndex((item, index) => index >= count && item.type === "reasoning") : -1
  return rest === -1 ? { count, complete: true } : { count: rest, complete: false }
}

/** The id by which calls and their outputs find each other, whatever the kind of tool. */
const callIds = (items: ReadonlyArray<ResponseItem>, suffix: "_call" | "_output"): ReadonlyArray<string> =>
  items.flatMap((item) => {
    if (!Predicate.isRecord(item) || !Predicate.isString(item.type) || !item.type.endsWith(suffix)) return []
    const { call_id, id }: Readonly<Record<string, unknown>> = item
    const callId = suffix === "_output" ? call_id ?? id : call_id
    return Predicate.isString(callId) ? [callId] : []
  })

/** Those of the calls that the items have no output for. */
export const unanswered = (calls: ReadonlyArray<string>, items: ReadonlyArray<ResponseItem>): ReadonlyArray<string> => {
  if (calls.length === 0) return calls
  const answered = new Set(callIds(items, "_output"))
  return calls.filter((callId) => !answered.has(callId))
}

/** The calls that a response ended with and the server did not answer itself. */
export const pendingCalls = (output: ReadonlyArray<ResponseItem>): ReadonlyArray<string> =>
  unanswered(callIds(output, "_call"), output)
