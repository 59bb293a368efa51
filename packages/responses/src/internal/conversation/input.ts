/** What a caller gives a conversation to send. */
import * as Predicate from "effect/Predicate"
import type { ResponseItem } from "../../ResponseItem.ts"
import { user } from "../../ResponseItem.ts"
import * as Writable from "../wire/writable.ts"
import * as Calls from "./calls.ts"

type Items = ReadonlyArray<ResponseItem>

export const toItems = (input: string | ResponseItem | Items): Items =>
  typeof input === "string" ? [user(input)] : isList(input) ? input : [input]

const isList = (input: ResponseItem | Items): input is Items => Array.isArray(input)

export const notRecords = "has something in it that is no item"

export const isRecords = (items: Items): boolean => items.every(Predicate.isRecord)

export const problemOfHistory = (items: Items): string | undefined => {
  if (!isRecords(items)) return notRecords
  if (!Writable.isWritable(items)) {
    return `cannot be written as JSON: it has a BigInt in it, refers to itself, or is nested more than ${Writable.maxDepth} deep`
  }
  return undefined
}

export const problemOf = (
  all: Items,
  added: Items,
  /** Whether the conversation answers the call of this id itself. */
  isTaken: (callId: string) => boolean = () => false
): string | undefined => {
  if (!isRecords(all)) return notRecords
  const problem = problemOfHistory(added)
  if (problem !== undefined) return problem
  const second = added.find((item) => Calls.isOutput(item) && isTaken(item.call_id))
  if (second !== undefined && Calls.isOutput(second)) {
    return `has an output for the call ${second.call_id}, which its async tool answers`
  }
  const [pending] = Calls.waiting(all)
  return pending && `has no output for the call ${pending.call_id} of ${pending.name}`
}
