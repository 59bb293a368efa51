/**
 * The calls of async tools, which a conversation goes on without: those that run or are to run, and behind them, in the order
 * in which they have ended, those whose output the model has not been told.
 */
import type { Entry } from "../../ConversationJournal.ts"
import type { ResponseItem } from "../../ResponseItem.ts"
import * as Calls from "./calls.ts"

type Items = ReadonlyArray<ResponseItem>

export interface Call {
  readonly call: Calls.Call
  /** Names the call in the whole conversation. */
  readonly key: string
  /** How often its tool was started. */
  readonly attempt: number
  /** Its tool was started, and nothing is known of how that ended. */
  readonly isBegun: boolean
  readonly output: Calls.CallOutput | undefined
}

export type Background = ReadonlyArray<Call>

const isOpen = ({ output }: Call): boolean => output === undefined

/** The calls without an output. */
export const open = (background: Background): Background => background.filter(isOpen)

/** The outputs that the next request tells. */
export const untold = (background: Background): ReadonlyArray<Calls.CallOutput> =>
  background.flatMap(({ output }) => output ?? [])

const isAsync = (call: Calls.Call): boolean => call.async === true

/**
 * A history does not say whether a tool was started. It most probably was, as a call of an async tool is started at once: it
 * does not run again without being asked to.
 */
export const fromHistory = (history: Items): Background =>
  Calls.unanswered(history).filter(isAsync).map((call) => ({
    call,
    key: `${history.lastIndexOf(call)}:${call.call_id}`,
    attempt: 1,
    isBegun: true,
    output: undefined
  }))

/** With the calls that a request and its response have made. */
export const add = (background: Background, said: Items, keyOf: (call: Calls.Call) => string): Background => {
  const calls = Calls.unanswered(said).filter(isAsync)
  return calls.length === 0
    ? background
    : [
      ...background,
      ...calls.map((call) => ({ call, key: keyOf(call), attempt: 0, isBegun: false, output: undefined }))
    ]
}

/** Without the first `count` outputs, and without the calls that the caller has answered in the input. */
export const tell = (background: Background, count: number, input: Items): Background => {
  if (background.length === 0) return background
  const told = new Set(background.filter((call) => !isOpen(call)).slice(0, count))
  const answered = new Set(input.filter(Calls.isOutput).map((output) => output.call_id))
  return background.filter((call) => !told.has(call) && !(isOpen(call) && answered.has(call.call.call_id)))
}

type Change = Extract<Entry, { readonly _tag: "Started" | "Failed" | "Ended" }>

/** The open call that is meant. */
const isMeant = (callId: string, { key }: Change) => (call: Call): boolean =>
  isOpen(call) && call.call.call_id === callId && (key === undefined || call.key === key)

const replace = (
  background: Background,
  entry: Extract<Change, { readonly callId: string }>,
  change: (call: Call) => ReadonlyArray<Call>
): Background | undefined => {
  const at = background.findIndex(isMeant(entry.callId, entry))
  const found = background[at]
  const changed = found === undefined ? [] : change(found)
  return changed.length === 0 ? undefined : [...background.slice(0, at), ...changed, ...background.slice(at + 1)]
}

/** `undefined`: this cannot happen. */
export const step = (
  background: Background,
  entry: Change
): Background | undefined => {
  switch (entry._tag) {
    case "Started":
      return replace(
        background,
        entry,
        (call) => entry.attempt === call.attempt + 1 ? [{ ...call, isBegun: true, attempt: entry.attempt }] : []
      )
    case "Failed":
      return replace(background, entry, (call) => call.isBegun ? [{ ...call, isBegun: false }] : [])
    case "Ended": {
      const { output } = entry
      const found = background.find(isMeant(output.call_id, entry))
      return found && [...background.filter((call) => call !== found), { ...found, isBegun: false, output }]
    }
  }
}
