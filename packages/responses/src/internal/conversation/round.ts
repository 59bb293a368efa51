/**
 * The state of a conversation, from what was written down of it. The same function makes it while the conversation goes on
 * and when its journal is read again.
 *
 * ```
 *          ┌──── Withdrawn, Sent ─────┐
 *          ↓                          │
 *        Idle ────── Asked ───────→ Asking ←─── Ended (the last call) ───┐
 *          ↑                        │    │                               │
 *          ├── Answered (no calls) ─┘    └── Answered (with calls) ─→ Answering ⟲ Started, Failed, Ended
 *          │                                                             │
 *          └────────────────────────── Sent ─────────────────────────────┘
 * ```
 *
 * `Sent` whose output has calls leads to `Answering` from each state. `Withdrawn` stays in `Asking` where the history ends in
 * the outputs of a round. `Loaded`, the first entry if there is one, leads to where the history by itself leads.
 *
 * Calls of async tools are in the background, in each of the states: `Started`, `Failed` and `Ended` of such a call change
 * nothing else. `Answered` and `Sent` put the outputs that the request has told in front of its input.
 */
import type { Entry } from "../../ConversationJournal.ts"
import type { ResponseItem } from "../../ResponseItem.ts"
import * as Background from "./background.ts"
import * as Calls from "./calls.ts"

type Items = ReadonlyArray<ResponseItem>

/** A call of the latest response. */
export interface Pending {
  readonly call: Calls.Call
  /** How often its tool was started. */
  readonly attempt: number
  /** Its tool was started, and nothing is known of how that ended. */
  readonly isBegun: boolean
  readonly output: Calls.CallOutput | undefined
}

/** Nothing is left to do. */
export interface Idle {
  readonly _tag: "Idle"
  readonly history: Items
}

/** The model is to speak next. Without `input` it has the outputs of a round to answer, which end the history. */
export interface Asking {
  readonly _tag: "Asking"
  readonly history: Items
  readonly input: Items
}

/** Calls have no output yet. */
export interface Answering {
  readonly _tag: "Answering"
  readonly history: Items
  /** The input and the output that join the history together with the outputs of the calls. */
  readonly said: Items
  readonly calls: ReadonlyArray<Pending>
}

type Turn = Idle | Asking | Answering

export type State = Turn & { readonly background: Background.Background }

const answering = (history: Items, said: Items, calls: ReadonlyArray<Calls.Call>): Answering => ({
  _tag: "Answering",
  history,
  said,
  calls: calls.map((call) => ({ call, attempt: 0, isBegun: false, output: undefined }))
})

const turnOf = (history: Items): Turn => {
  const open = Calls.waiting(history)
  if (open.length > 0) return answering(history, [], open)
  const last = history.at(-1)
  return last !== undefined && Calls.isOutput(last) ? { _tag: "Asking", history, input: [] } : { _tag: "Idle", history }
}

/** What a history says by itself. */
export const fromHistory = (history: Items): State => ({
  ...turnOf(history),
  background: Background.fromHistory(history)
})

/**
 * A conversation of its own with the same past. Calls that run in the background are answered in the one that has started
 * them, and stay without an output here.
 */
export const fork = ({ background, history }: State): State => ({
  ...turnOf(history),
  background: background.filter(({ call, output }) => output !== undefined && history.includes(call))
})

/** Everything that is known, also of a round that is not complete. */
export const items = (state: Turn): Items =>
  state._tag === "Answering"
    ? [...state.history, ...state.said, ...state.calls.flatMap(({ output }) => output ?? [])]
    : state.history

export const open = (state: Turn): ReadonlyArray<Pending> =>
  state._tag === "Answering" ? state.calls.filter(({ output }) => output === undefined) : []

/** Whether a new question would leave something behind. One that was never answered does not: the new one takes its place. */
export const isUnfinished = (state: State): boolean =>
  state._tag === "Answering" ||
  (state._tag === "Asking" && state.input.length === 0 && turnOf(state.history)._tag !== "Idle")

/** Names a call in the whole conversation. Some servers number the calls of each response anew. */
export const keyOf = (state: Turn, call: Calls.Call): string =>
  `${[...state.history, ...(state._tag === "Answering" ? state.said : [])].lastIndexOf(call)}:${call.call_id}`

const withCall = (
  state: Turn,
  callId: string,
  change: (pending: Pending) => Pending | undefined
): Answering | undefined => {
  if (state._tag !== "Answering") return undefined
  const found = state.calls.find(({ call, output }) => call.call_id === callId && output === undefined)
  const changed = found && change(found)
  return changed && { ...state, calls: state.calls.map((pending) => pending === found ? changed : pending) }
}

const ended = (state: Turn, output: Calls.CallOutput): Turn | undefined => {
  const next = withCall(state, output.call_id, (pending) => ({ ...pending, isBegun: false, output }))
  return next !== undefined && open(next).length === 0
    ? { _tag: "Asking", history: items(next), input: [] }
    : next
}

/** What becomes of the state, but for its background. */
const advance = (state: Turn, entry: Entry): Turn | undefined => {
  switch (entry._tag) {
    case "Loaded":
      return state._tag === "Idle" && state.history.length === 0 ? turnOf(entry.history) : undefined
    case "Asked":
      return state._tag === "Answering" ? undefined : { _tag: "Asking", history: state.history, input: entry.input }
    case "Withdrawn":
      return state._tag === "Asking" ? turnOf(state.history) : undefined
    case "Answered": {
      if (state._tag !== "Asking") return undefined
      const calls = Calls.waiting(entry.output)
      const said = [...state.input, ...entry.output]
      return calls.length > 0
        ? answering(state.history, said, calls)
        : { _tag: "Idle", history: [...state.history, ...said] }
    }
    case "Sent": {
      const history = [...items(state), ...entry.input, ...entry.output]
      const calls = Calls.waiting(history)
      return calls.length > 0 ? answering(history, [], calls) : { _tag: "Idle", history }
    }
    case "Started":
      return withCall(state, entry.callId, (pending) =>
        entry.attempt === pending.attempt + 1
          ? { ...pending, isBegun: true, attempt: entry.attempt }
          : undefined)
    case "Failed":
      return withCall(state, entry.callId, (pending) => pending.isBegun ? { ...pending, isBegun: false } : undefined)
    case "Ended":
      return ended(state, entry.output)
  }
}

const isOpen = (state: Turn, callId: string): boolean => open(state).some(({ call }) => call.call_id === callId)

/** A request has gone through, and has told outputs of the background. */
const told = (
  state: State,
  entry: Extract<Entry, { readonly _tag: "Answered" | "Sent" }>
): State | undefined => {
  const outputs = Background.untold(state.background).slice(0, entry.told ?? 0)
  if (outputs.length < (entry.told ?? 0)) return undefined
  const input = entry._tag === "Sent" ? entry.input : state._tag === "Asking" ? state.input : []
  const next = entry._tag === "Sent"
    ? advance(state, { ...entry, input: [...outputs, ...input] })
    : advance(state._tag === "Asking" ? { ...state, input: [...outputs, ...input] } : state, entry)
  if (next === undefined) return undefined
  const rest = Background.tell(state.background, outputs.length, input)
  const background = Background.add(rest, [...input, ...entry.output], (call) => keyOf(next, call))
  return { ...next, background }
}

/** `undefined`: this cannot happen in that state. */
export const step = (state: State, entry: Entry): State | undefined => {
  const { background } = state
  switch (entry._tag) {
    case "Answered":
    case "Sent":
      return told(state, entry)
    case "Started":
    case "Failed":
    case "Ended": {
      const callId = entry._tag === "Ended" ? entry.output.call_id : entry.callId
      if (isOpen(state, callId)) break
      const changed = Background.step(background, entry)
      return changed && { ...state, background: changed }
    }
    default:
  }
  const next = advance(state, entry)
  return next && { ...next, background: entry._tag === "Loaded" ? Background.fromHistory(entry.history) : background }
}
