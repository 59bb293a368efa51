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
 * the outputs of a round. `Loaded`, the first entry if there is one, leads to where the history by itself leads. `Compacted`
 * stays in `Idle` or `Asking`, with another history: there are no open calls then. Requests of an MCP server's are open like
 * calls. Where nothing else is open, `Asked`, `Answered` and `Withdrawn` pass them over: the API has no need of an answer, and an
 * older journal has none.
 *
 * Calls of async tools are in the background, in each of the states: `Started`, `Failed` and `Ended` of such a call change
 * nothing else. `Answered` and `Sent` put the outputs that the request has told in front of its input.
 */
import type { Entry } from "../../ConversationJournal.ts"
import type { McpApprovalRequest, McpApprovalResponse, ResponseItem } from "../../ResponseItem.ts"
import * as Background from "./background.ts"
import * as Calls from "./calls.ts"
import * as McpRequests from "./mcpRequests.ts"
import * as Past from "./past.ts"

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
  readonly past: Past.Past
}

/** The model is to speak next. Without `input` it has the outputs of a round to answer, which end the history. */
export interface Asking {
  readonly _tag: "Asking"
  readonly history: Items
  readonly past: Past.Past
  readonly input: Items
}

/** Calls have no output yet, or requests no response. */
export interface Answering {
  readonly _tag: "Answering"
  readonly history: Items
  readonly past: Past.Past
  /** The input and the output that join the history together with the outputs of the calls. */
  readonly said: Items
  readonly calls: ReadonlyArray<Pending>
  readonly requests: ReadonlyArray<Request>
}

type Turn = Idle | Asking | Answering

export type State = Turn & { readonly background: Background.Background }

type Known = Pick<Answering, "history" | "past">

const known = ({ history, past }: Known): Known => ({ history, past })

/** Where the output leads that ends `said`, or the history if nothing else was said. */
const after = (before: Known, said: Items, output: Items): Answering | undefined => {
  const calls = Calls.waiting(output)
  const requests = McpRequests.unanswered(output)
  return calls.length + requests.length === 0 ? undefined : {
    ...known(before),
    _tag: "Answering",
    said,
    calls: calls.map((call) => ({ call, attempt: 0, isBegun: false, approval: "notAsked", output: undefined })),
    requests: requests.map((request) => ({ request, response: undefined }))
  }
}

const turnOf = (history: Items, past = Past.none): Turn => {
  const open = after({ history, past }, [], history)
  if (open !== undefined) return open
  const last = history.at(-1)
  return last !== undefined && (Calls.isOutput(last) || McpRequests.isResponse(last))
    ? { _tag: "Asking", history, past, input: [] }
    : { _tag: "Idle", history, past }
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
export const fork = ({ background, history, past }: State): State => ({
  ...turnOf(history, past),
  background: background.filter(({ call, output }) => output !== undefined && history.includes(call))
})

const isAnswer = (item: ResponseItem): boolean => Calls.isOutput(item) || McpRequests.isResponse(item)

/** What answers the calls and the requests of a round that the model has not seen. */
export const answers = (state: Turn): Items => {
  if (state._tag === "Answering") {
    return [
      ...state.calls.flatMap(({ output }) => output ?? []),
      ...state.requests.flatMap(({ response }) => response ?? [])
    ]
  }
  return state._tag === "Asking" && state.input.length === 0
    ? state.history.slice(state.history.findLastIndex((item) => !isAnswer(item)) + 1)
    : []
}

/** Everything that is known, also of a round that is not complete. */
export const items = (state: Turn): Items =>
  state._tag === "Answering" ? [...state.history, ...state.said, ...answers(state)] : state.history

export const open = (state: Turn): ReadonlyArray<Pending> =>
  state._tag === "Answering" ? state.calls.filter(({ output }) => output === undefined) : []

export const openRequests = (state: Turn): ReadonlyArray<McpApprovalRequest> =>
  state._tag === "Answering"
    ? state.requests.flatMap(({ request, response }) => response === undefined ? [request] : [])
    : []

/** Whether a new question would leave something behind. One that was never answered does not: the new one takes its place. */
export const isUnfinished = (state: State): boolean =>
  state._tag === "Answering" ||
  (state._tag === "Asking" && state.input.length === 0 && turnOf(state.history, state.past)._tag !== "Idle")

/** Names a call in the whole conversation. Some servers number the calls of each response anew. */
export const keyOf = (state: Turn, call: Calls.Call): string => {
  const all = [...state.history, ...(state._tag === "Answering" ? state.said : [])]
  return `${state.past.dropped + all.lastIndexOf(call)}:${call.call_id}`
}

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

const nextAsked = (state: Answering): Asking => ({ _tag: "Asking", history: items(state), past: state.past, input: [] })

/** The round is complete when nothing of it is open. */
const closing = (state: Answering | undefined): Turn | undefined =>
  state !== undefined && open(state).length + openRequests(state).length === 0 ? nextAsked(state) : state

const decided = (state: Turn, response: McpApprovalResponse): Turn | undefined => {
  if (state._tag !== "Answering") return undefined
  const isMeant = (asked: Request) => asked.response === undefined && asked.request.id === response.approval_request_id
  return state.requests.some(isMeant)
    ? closing({ ...state, requests: state.requests.map((asked) => isMeant(asked) ? { ...asked, response } : asked) })
    : undefined
}

/** The model may be asked: it is, or nothing but requests is open. */
const asking = (state: Turn): Asking | undefined => {
  if (state._tag === "Asking") return state
  return state._tag === "Answering" && open(state).length === 0 ? nextAsked(state) : undefined
}

const whole = ({ history, past, said }: ReturnType<typeof Past.grow>): Known => ({
  history: [...history, ...said],
  past
})

/** What becomes of the state, but for its background. */
const advance = (state: Turn, entry: Entry): Turn | undefined => {
  switch (entry._tag) {
    case "Loaded":
      return state._tag === "Idle" && state.history.length === 0 ? turnOf(entry.history) : undefined
    case "Asked":
      return open(state).length > 0
        ? undefined
        : { _tag: "Asking", history: items(state), past: state.past, input: entry.input }
    case "Withdrawn":
      return asking(state) && turnOf(items(state), state.past)
    case "Answered": {
      const asked = asking(state)
      if (asked === undefined) return undefined
      const grown = Past.grow(asked, asked.input, entry)
      return after(grown, grown.said, entry.output) ?? { _tag: "Idle", ...whole(grown) }
    }
    case "Sent": {
      const grown = whole(Past.grow({ history: items(state), past: state.past }, entry.input, entry))
      return after(grown, [], grown.history) ?? { _tag: "Idle", ...grown }
    }
    case "Compacted":
      return state._tag === "Answering"
        ? undefined
        : { ...state, history: entry.history, past: Past.replace(state, entry.history, entry.response) }
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

const isOpen = (state: Turn, callId: string): boolean => open(state).some(({ call }) => call.call_id === callId)

/** What an entry needs to say that it means this call of the background, and no other of the same `call_id`. */
export const which = (state: State, { call, key }: Pick<Background.Call, "call" | "key">): { readonly key?: string } =>
  isOpen(state, call.call_id) ||
    Background.open(state.background).some((other) => other.key !== key && other.call.call_id === call.call_id)
    ? { key }
    : {}

/** A request has gone through, and has told outputs of the background. */
const told = (
  state: State,
  entry: Extract<Entry, { readonly _tag: "Answered" | "Sent" }>
): State | undefined => {
  const outputs = Background.untold(state.background).slice(0, entry.told ?? 0)
  if (outputs.length < (entry.told ?? 0)) return undefined
  const asked = entry._tag === "Answered" ? asking(state) : undefined
  const input = entry._tag === "Sent" ? entry.input : asked?.input ?? []
  const next = entry._tag === "Sent"
    ? advance(state, { ...entry, input: [...outputs, ...input] })
    : asked && advance({ ...asked, input: [...outputs, ...input] }, entry)
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
      if (entry.key === undefined && isOpen(state, callId)) break
      const changed = Background.step(background, entry)
      return changed && { ...state, background: changed }
    }
    default:
  }
  const next = advance(state, entry)
  return next && { ...next, background: entry._tag === "Loaded" ? Background.fromHistory(entry.history) : background }
}
