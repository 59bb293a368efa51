/**
 * The state of a conversation, from what was written down of it. The same function makes it while the conversation goes on
 * and when its journal is read again.
 *
 * ```
 *          ┌──── Withdrawn, Sent ─────┐
 *          ↓                          │
 *        Idle ────── Asked ───────→ Asking ←── Ended, Decided (the last) ┐
 *          ↑                        │    │                               │
 *          ├── Answered (no calls) ─┘    └── Answered (with calls) ─→ Answering ⟲ Held, Approved, Started, Failed,
 *          │                                                             │        Ended, Decided
 *          └────────────────────────── Sent ─────────────────────────────┘
 *
 *   a call:  notAsked ─── Held ───→ held ─── Approved ───→ approved
 *                │                   │                        │
 *                ├─ Started, Ended   └─ Ended                 └─ Started, Ended
 * ```
 *
 * `Sent` whose output has calls leads to `Answering` from each state. `Withdrawn` stays in `Asking` where the history ends in
 * the outputs of a round. `Loaded`, the first entry if there is one, leads to where the history by itself leads. Requests of an
 * MCP server's are open like calls. Where nothing else is open, `Asked`, `Answered` and `Withdrawn` pass them over: the API has
 * no need of an answer, and an older journal has none.
 */
import type { Entry } from "../../ConversationJournal.ts"
import type { McpApprovalRequest, McpApprovalResponse, ResponseItem } from "../../ResponseItem.ts"
import * as Calls from "./calls.ts"
import * as McpRequests from "./mcpRequests.ts"

type Items = ReadonlyArray<ResponseItem>

/** Whether a call needs an approval. Which do not is not written down: they stay `notAsked`. */
export type Approval = "notAsked" | "held" | "approved"

/** A call of the latest response. */
export interface Pending {
  readonly call: Calls.Call
  /** How often its tool was started. */
  readonly attempt: number
  /** Its tool was started, and nothing is known of how that ended. */
  readonly isBegun: boolean
  readonly approval: Approval
  readonly output: Calls.CallOutput | undefined
}

/** What the latest response asks for on behalf of an MCP server. */
export interface Request {
  readonly request: McpApprovalRequest
  readonly response: McpApprovalResponse | undefined
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

/** Calls have no output yet, or requests no response. */
export interface Answering {
  readonly _tag: "Answering"
  readonly history: Items
  /** The input and the output that join the history together with the outputs of the calls. */
  readonly said: Items
  readonly calls: ReadonlyArray<Pending>
  readonly requests: ReadonlyArray<Request>
}

export type State = Idle | Asking | Answering

/** Where the output leads that ends `said`, or the history if nothing else was said. */
const after = (history: Items, said: Items, output: Items): Answering | undefined => {
  const calls = Calls.unanswered(output)
  const requests = McpRequests.unanswered(output)
  return calls.length + requests.length === 0 ? undefined : {
    _tag: "Answering",
    history,
    said,
    calls: calls.map((call) => ({ call, attempt: 0, isBegun: false, approval: "notAsked", output: undefined })),
    requests: requests.map((request) => ({ request, response: undefined }))
  }
}

/** What a history says by itself. */
export const fromHistory = (history: Items): State => {
  const open = after(history, [], history)
  if (open !== undefined) return open
  const last = history.at(-1)
  return last !== undefined && (Calls.isOutput(last) || McpRequests.isResponse(last))
    ? { _tag: "Asking", history, input: [] }
    : { _tag: "Idle", history }
}

/** What answers the calls and the requests of a round that is not complete. */
export const answers = (state: State): Items =>
  state._tag === "Answering"
    ? [
      ...state.calls.flatMap(({ output }) => output ?? []),
      ...state.requests.flatMap(({ response }) => response ?? [])
    ]
    : []

/** Everything that is known, also of a round that is not complete. */
export const items = (state: State): Items =>
  state._tag === "Answering" ? [...state.history, ...state.said, ...answers(state)] : state.history

export const open = (state: State): ReadonlyArray<Pending> =>
  state._tag === "Answering" ? state.calls.filter(({ output }) => output === undefined) : []

export const openRequests = (state: State): ReadonlyArray<McpApprovalRequest> =>
  state._tag === "Answering"
    ? state.requests.flatMap(({ request, response }) => response === undefined ? [request] : [])
    : []

/** Whether a new question would leave something behind. One that was never answered does not: the new one takes its place. */
export const isUnfinished = (state: State): state is Asking | Answering =>
  state._tag === "Answering" || (state._tag === "Asking" && state.input.length === 0)

/** Names a call in the whole conversation. Some servers number the calls of each response anew. */
export const keyOf = ({ history, said }: Answering, call: Calls.Call): string =>
  `${[...history, ...said].lastIndexOf(call)}:${call.call_id}`

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

/** The round is complete when nothing of it is open. */
const closing = (state: Answering | undefined): State | undefined =>
  state !== undefined && open(state).length + openRequests(state).length === 0
    ? { _tag: "Asking", history: items(state), input: [] }
    : state

const decided = (state: State, response: McpApprovalResponse): State | undefined => {
  if (state._tag !== "Answering") return undefined
  const isMeant = (asked: Request) => asked.response === undefined && asked.request.id === response.approval_request_id
  return state.requests.some(isMeant)
    ? closing({ ...state, requests: state.requests.map((asked) => isMeant(asked) ? { ...asked, response } : asked) })
    : undefined
}

/** The model may be asked: it is, or nothing but requests is open. */
const asking = (state: State): Asking | undefined => {
  if (state._tag === "Asking") return state
  return state._tag === "Answering" && open(state).length === 0
    ? { _tag: "Asking", history: items(state), input: [] }
    : undefined
}

/** `undefined`: this cannot happen in that state. */
export const step = (state: State, entry: Entry): State | undefined => {
  switch (entry._tag) {
    case "Loaded":
      return state._tag === "Idle" && state.history.length === 0 ? fromHistory(entry.history) : undefined
    case "Asked":
      return open(state).length > 0 ? undefined : { _tag: "Asking", history: items(state), input: entry.input }
    case "Withdrawn":
      return asking(state) && fromHistory(items(state))
    case "Answered": {
      const asked = asking(state)
      const said = asked && [...asked.input, ...entry.output]
      return said &&
        (after(asked.history, said, entry.output) ?? { _tag: "Idle", history: [...asked.history, ...said] })
    }
    case "Sent": {
      const history = [...items(state), ...entry.input, ...entry.output]
      return after(history, [], history) ?? { _tag: "Idle", history }
    }
    case "Started":
      return withCall(
        state,
        entry.callId,
        (pending) =>
          entry.attempt === pending.attempt + 1 && pending.approval !== "held"
            ? { ...pending, isBegun: true, attempt: entry.attempt }
            : undefined
      )
    case "Failed":
      return withCall(state, entry.callId, (pending) => pending.isBegun ? { ...pending, isBegun: false } : undefined)
    case "Ended":
      return closing(
        withCall(state, entry.output.call_id, (pending) => ({ ...pending, isBegun: false, output: entry.output }))
      )
    case "Held":
      return withCall(
        state,
        entry.callId,
        (pending) =>
          pending.approval === "notAsked" && pending.attempt === 0 ? { ...pending, approval: "held" } : undefined
      )
    case "Approved":
      return withCall(
        state,
        entry.callId,
        (pending) => pending.approval === "held" ? { ...pending, approval: "approved" } : undefined
      )
    case "Decided":
      return decided(state, entry.response)
  }
}
