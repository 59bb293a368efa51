/**
 * Calls that a response brings, and that are none of its own. Three servers have to be told apart:
 *
 * - One says each call twice, under two item ids and one `call_id`. Within a response one `call_id` is one call.
 * - One numbers the calls of each response anew. A call is a new one there, also when an earlier call had its `call_id` and its
 *   words: a tool without arguments that is asked again and again has no others.
 * - One says its earlier output again in front of what is new. Such a call was answered, and is not run again.
 *
 * The last two differ in the item's own id, which is the same only where the item is, and in what follows: what is said again
 * has something new behind it. A response that has nothing new asks again for what it says. Where either is missing the call is
 * a new one, as a call that is dropped without need leaves the question without an answer. The ids of items are not kept with
 * `store: false`: a process that goes on from a journal does not know them.
 *
 * A call whose `call_id` and words are those of one that is still open is that call: their outputs could not be told apart.
 */
import * as Predicate from "effect/Predicate"
import type { ResponseItem } from "../../ResponseItem.ts"
import * as Calls from "./calls.ts"

type Items = ReadonlyArray<ResponseItem>

/** Of items in a history that are kept without it. */
const ids = new WeakMap<ResponseItem, string>()

const idOf = (item: ResponseItem): string | undefined => {
  const { id } = item as { readonly id?: unknown }
  return Predicate.isString(id) && id !== "" ? id : ids.get(item)
}

/** `bare` is the item without its id. */
export const remember = (item: ResponseItem, bare: ResponseItem): ResponseItem => {
  const id = idOf(item)
  if (id !== undefined && bare !== item) ids.set(bare, id)
  return bare
}

const isSame = (left: Calls.Call, right: Calls.Call): boolean =>
  left.call_id === right.call_id && Calls.isSame(left, right)

/** The `call_id`s of the calls that the server has said before. */
const saidAgain = (output: Items, calls: ReadonlyArray<Calls.Call>, before: Items): ReadonlySet<string> => {
  const earlier = new Map(before.map((item) => [idOf(item), item]))
  const find = (item: ResponseItem) => {
    const id = idOf(item)
    return id === undefined ? undefined : earlier.get(id)
  }
  const known = new Set(
    calls.filter((call) => {
      const found = find(call)
      return found !== undefined && Calls.isCall(found) && isSame(found, call)
    }).map((call) => call.call_id)
  )
  const lastNew = output.findLastIndex((item) => {
    if (Calls.isCall(item)) return !known.has(item.call_id)
    return item.type !== "reasoning" && !Calls.isOutput(item) && find(item)?.type !== item.type
  })
  return new Set(
    output.slice(0, lastNew + 1).filter(Calls.isCall).map((call) => call.call_id).filter((callId) => known.has(callId))
  )
}

/** The output of a response without what is said again, and without outputs for no call. */
export const drop = (output: Items, before: Items): Items => {
  if (!output.some((item) => Calls.isCall(item) || Calls.isOutput(item))) return output
  const firsts = new Map<string, Calls.Call>()
  for (const call of output.filter(Calls.isCall)) if (!firsts.has(call.call_id)) firsts.set(call.call_id, call)
  const again = saidAgain(output, [...firsts.values()], before)
  const open = Calls.unanswered(before)
  const calls = new Set(
    [...firsts.values()].filter((call) => !again.has(call.call_id) && !open.some((other) => isSame(other, call)))
  )
  const pending = new Set([...open, ...calls].map((call) => call.call_id))
  return output.filter((item) => {
    if (Calls.isCall(item)) return calls.has(item)
    return !Calls.isOutput(item) || pending.delete(item.call_id)
  })
}
