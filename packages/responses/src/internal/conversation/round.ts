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
 * the outputs of a round. `Loaded`, the first entry if there is one, leads to where the history by itself leads. `Compacted`
 * stays in `Idle` or `Asking`, with another history: there are no open calls then.
 */
import type { Entry } from "../../ConversationJournal.ts"
import type { ResponseItem } from "../../ResponseItem.ts"
import * as Calls from "./calls.ts"
import * as Past from "./past.ts"

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
  readonly past: Past.Past
}

/** The model is to speak next. Without `input` it has the outputs of a round to answer, which end the history. */
export interface Asking {
  readonly _tag: "Asking"
  readonly history: Items
  readonly past: Past.Past
  readonly input: Items
}

/** Calls have no output yet. */
export interface Answering {
  readonly _tag: "Answering"
  readonly history: Items
  readonly past: Past.Past
  /** The input and the output that join the history together with the outputs of the calls. */
  readonly said: Items
  readonly calls: ReadonlyArray<Pending>
}

export type State = Idle | Asking | Answering

type Known = Pick<Answering, "history" | "past">

const answering = ({ history, past }: Known, said: Items, calls: ReadonlyArray<Calls.Call>): Answering => ({
  _tag: "Answering",
  history,
  past,
  said,
  calls: calls.map((call) => ({ call, attempt: 0, isBegun: false, output: undefined }))
})

/** What a history says by itself. */
export const fromHistory = (history: Items, past = Past.none): State => {
  const open = Calls.unanswered(history)
  if (open.length > 0) return answering({ history, past }, [], open)
  const last = history.at(-1)
  return last !== undefined && Calls.isOutput(last)
    ? { _tag: "Asking", history, past, input: [] }
    : { _tag: "Idle", history, past }
}

/** Everything that is known, also of a round that is not complete. */
export const items = (state: State): Items =>
  state._tag === "Answering"
    ? [...state.history, ...state.said, ...state.calls.flatMap(({ output }) => output ?? [])]
    : state.history

export const open = (state: State): ReadonlyArray<Pending> =>
  state._tag === "Answering" ? state.calls.filter(({ output }) => output === undefined) : []

/** Whether a new question would leave something behind. One that was never answered does not: the new one takes its place. */
export const isUnfinished = (state: State): state is Asking | Answering =>
  state._tag === "Answering" || (state._tag === "Asking" && state.input.length === 0)

/** Names a call in the whole conversation. Some servers number the calls of each response anew. */
export const keyOf = ({ history, past, said }: Answering, call: Calls.Call): string =>
  `${past.dropped + [...history, ...said].lastIndexOf(call)}:${call.call_id}`

const withCall = (
  state: State,
  callId: string,
  change: (pending: Pending) => Pending | undefined
): Answering | undefined => {
  if (state._tag !== "Answering") return undefined
  const found = state.calls.find(({ call, output }) => call.call_id === callId && output === undefined)
  const changed = found && change(found)
  return changed && { ...state, calls: state.calls.map((pending) => pending === found ? changed : pending) }
}

const ended = (state: State, output: Calls.CallOutput): State | undefined => {
  const next = withCall(state, output.call_id, (pending) => ({ ...pending, isBegun: false, output }))
  return next !== undefined && open(next).length === 0
    ? { _tag: "Asking", history: items(next), past: next.past, input: [] }
    : next
}

const known = ({ history, past }: State): Known => ({ history, past })

const whole = ({ history, past, said }: ReturnType<typeof Past.grow>): Known => ({
  history: [...history, ...said],
  past
})

/** `undefined`: this cannot happen in that state. */
export const step = (state: State, entry: Entry): State | undefined => {
  switch (entry._tag) {
    case "Loaded":
      return state._tag === "Idle" && state.history.length === 0 ? fromHistory(entry.history) : undefined
    case "Asked":
      return state._tag === "Answering" ? undefined : { ...known(state), _tag: "Asking", input: entry.input }
    case "Withdrawn":
      return state._tag === "Asking" ? fromHistory(state.history, state.past) : undefined
    case "Answered": {
      if (state._tag !== "Asking") return undefined
      const calls = Calls.unanswered(entry.output)
      const grown = Past.grow(state, state.input, entry)
      return calls.length > 0 ? answering(grown, grown.said, calls) : { _tag: "Idle", ...whole(grown) }
    }
    case "Sent": {
      const grown = whole(Past.grow({ history: items(state), past: state.past }, entry.input, entry))
      const calls = Calls.unanswered(grown.history)
      return calls.length > 0 ? answering(grown, [], calls) : { _tag: "Idle", ...grown }
    }
    case "Compacted":
      return state._tag === "Answering"
        ? undefined
        : { ...state, history: entry.history, past: Past.replace(state, entry.history, entry.response) }
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
