/**
 * What of a request has to travel: only what is new, where the server provably has the rest, and everything otherwise.
 *
 * A caller hands over its whole history each turn. `plan` compares it with what the server has (the head), by meaning and
 * never by count, position or identity, and `commit` makes the next head. Nothing here remembers anything: where heads
 * are kept, and when they are given up, is for the transport to decide.
 */
import * as Arr from "effect/Array"
import * as Predicate from "effect/Predicate"
import type { FullReason } from "../../Continuation.ts"
import type * as ResponseEvent from "../../ResponseEvent.ts"
import type { ResponseItem } from "../../ResponseItem.ts"
import * as ResponseRequest from "../../ResponseRequest.ts"
import * as ChainFields from "./chainFields.ts"
import * as History from "./history.ts"
import * as PendingCalls from "./pendingCalls.ts"
import type * as Told from "./told.ts"

/**
 * A response to continue from, and what the server has in it: a snapshot, so that a caller may go on to change its items
 * in place. `fields`, `items`, `tools` and `window` are for this module only.
 */
export interface Head {
  readonly responseId: string
  /** `store` was not `false`: the response outlives its connection. */
  readonly stored: boolean
  /** Nothing was put out: the request may come again as it is. */
  readonly warmUp: boolean
  /** The calls of the response that wait for the caller's output. */
  readonly pendingCalls: ReadonlyArray<string>
  readonly fields: ChainFields.ChainFields
  readonly tools: PendingCalls.Tools
  /** The whole context, from the beginning of the conversation. */
  readonly items: History.History
  /** Where in it the latest compaction is that the server made. It stands for what is before it. 0: there is none. */
  readonly window: number
}

/** What `commit` has to know of a request: a snapshot like the head, and for this module only. */
export interface Snapshot extends Pick<Head, "fields" | "stored" | "tools" | "warmUp" | "window"> {
  /** What the server had. */
  readonly before: Head["items"]
  readonly added: Head["items"]
}

export interface Delta {
  readonly _tag: "Delta"
  /** What to send: `previous_response_id`, the new items as the caller gave them, and every other field. */
  readonly request: ResponseRequest.ResponseRequest
  /** How many items at the beginning of the caller's input need not travel. */
  readonly sharedItems: number
  readonly snapshot: Snapshot
}

export interface Full {
  readonly _tag: "Full"
  /** What to send: the request as the caller gave it. */
  readonly request: ResponseRequest.ResponseRequest
  readonly reason: FullReason
  /** Absent where the server's context is not known: nothing can be continued from there but by the caller itself. */
  readonly snapshot: Snapshot | undefined
}

export type Plan = Delta | Full

/** `prewarm` overrides `generate`. */
const isWarmUp = ({ generate, prompt_cache_options }: ResponseRequest.ResponseRequest): boolean =>
  generate === false || Predicate.isRecord(prompt_cache_options) && prompt_cache_options["prewarm"] === true

const takeSnapshot = (
  request: ResponseRequest.ResponseRequest,
  { fields, tools, window }: Settings,
  before: Head["items"],
  added: ReadonlyArray<ResponseItem>
): Snapshot => ({
  stored: request.store !== false,
  warmUp: isWarmUp(request),
  fields,
  tools,
  window,
  before,
  added: History.make(added)
})

type Settings = Pick<Head, "fields" | "tools" | "window">

const settingsOf = (request: ResponseRequest.ResponseRequest, parent?: Head): Settings => ({
  fields: ChainFields.make(request),
  tools: PendingCalls.tools(request.tools),
  window: parent?.window ?? 0
})

/** The caller says what the request continues. */
export const isExplicit = (request: ResponseRequest.ResponseRequest): boolean =>
  Predicate.isNotNullable(request.previous_response_id) || Predicate.isNotNullable(request.conversation)

const explicit = (parent: Head | undefined, request: ResponseRequest.ResponseRequest): Full => ({
  _tag: "Full",
  request,
  reason: { _tag: "Explicit" },
  snapshot: parent !== undefined && parent.responseId === request.previous_response_id &&
      Predicate.isNullable(request.conversation)
    ? takeSnapshot(request, settingsOf(request, parent), parent.items, ResponseRequest.items(request))
    : undefined
})

const everything = (
  request: ResponseRequest.ResponseRequest,
  reason: FullReason
): Full => ({
  _tag: "Full",
  request,
  reason,
  snapshot: takeSnapshot(request, settingsOf(request), [], ResponseRequest.items(request))
})

/** The plan of sending everything, for a transport that knows why there is nothing (any more) to continue from. */
export const full = (request: ResponseRequest.ResponseRequest, reason: FullReason): Full =>
  isExplicit(request) ? explicit(undefined, request) : everything(request, reason)

/**
 * What to send for a request after `head`. Never throws, sends nothing and remembers nothing.
 *
 * With an explicit `previous_response_id`, `head` is the head of that response, if it is known.
 */
export const plan = (head: Head | undefined, request: ResponseRequest.ResponseRequest): Plan =>
  planFrom(head === undefined ? [] : [head], request)

const match = (
  head: Head,
  request: ResponseRequest.ResponseRequest,
  items: ReadonlyArray<ResponseItem>
): Delta | FullReason => {
  const changed = ChainFields.changed(head.fields, request)
  if (Arr.isNonEmptyReadonlyArray(changed)) return { _tag: "FieldsChanged", fields: changed }
  const shared = History.shared(head.items, items, head.window)
  if (!shared.complete) return { _tag: "HistoryChanged", index: shared.count }
  const input = items.slice(shared.count)
  if (input.length === 0 && !head.warmUp) return { _tag: "NothingNew" }
  const pending = PendingCalls.unanswered(head.pendingCalls, input)
  if (Arr.isNonEmptyReadonlyArray(pending)) return { _tag: "PendingCalls", callIds: pending }
  return {
    _tag: "Delta",
    request: { ...request, previous_response_id: head.responseId, input },
    sharedItems: shared.count,
    snapshot: takeSnapshot(request, head, shared.history, input)
  }
}

/**
 * `plan`, where the server has several responses to continue from: the first that fits is taken. If none does, the
 * reason is the first one's.
 */
export const planFrom = (heads: ReadonlyArray<Head>, request: ResponseRequest.ResponseRequest): Plan => {
  if (isExplicit(request)) {
    return explicit(heads.find((head) => head.responseId === request.previous_response_id), request)
  }
  const items = ResponseRequest.items(request)
  let reason: FullReason | undefined
  for (const head of heads) {
    const found = match(head, request, items)
    if (found._tag === "Delta") return found
    reason ??= found
  }
  return everything(request, reason ?? { _tag: "First" })
}

/**
 * The head that a response leaves behind, given the plan its request was sent by; `undefined` where nothing can be
 * continued from it, because it did not end `completed` or `incomplete` or because the caller alone knows what came before.
 */
export const commit = (
  plan: Plan,
  result: {
    readonly response: ResponseEvent.Response
    /** All of it, also where the server left it out of `response`. */
    readonly output: ReadonlyArray<ResponseItem>
    /**
     * Items of the output as they came in other events, found by their ids: servers encrypt reasoning and compaction anew
     * for the last event, and a caller echoes one ciphertext or the other.
     */
    readonly alternatives?: ReadonlyArray<ResponseItem> | undefined
  }
): Head | undefined => {
  const { alternatives, output, response: { id, status } } = result
  const { snapshot } = plan
  const hasEnded = status === undefined || status === "completed" || status === "incomplete"
  if (snapshot === undefined || !hasEnded) return undefined
  const { added, before, fields, stored, tools, warmUp, window } = snapshot
  const compaction = output.findLastIndex((item: unknown) => Predicate.isRecord(item) && item["type"] === "compaction")
  return {
    responseId: id,
    stored,
    warmUp: warmUp && output.length === 0,
    pendingCalls: PendingCalls.make(output, tools),
    fields,
    tools,
    items: before.concat(added, History.make(output, alternatives)),
    window: compaction === -1 ? window : before.length + added.length + compaction
  }
}

/** The head of a stored response that nothing else is known of: what a caller says that it has, and when it was asked for. */
export const told = (
  request: ResponseRequest.ResponseRequest,
  { items: count, responseId }: Told.Told
): Head => {
  const items = ResponseRequest.items(request).slice(0, count)
  const settings = settingsOf(request)
  return {
    ...settings,
    responseId,
    stored: true,
    warmUp: false,
    pendingCalls: PendingCalls.make(items, settings.tools),
    items: History.make(items)
  }
}

/** How a transport decides what travels. */
export interface Rule {
  readonly plan: (heads: ReadonlyArray<Head>, request: ResponseRequest.ResponseRequest) => Plan
  readonly commit: typeof commit
}

export const automatic: Rule = { plan: planFrom, commit }

export const off: Rule = {
  plan: (_, request) =>
    isExplicit(request)
      ? explicit(undefined, request)
      : { _tag: "Full", request, reason: { _tag: "Off" }, snapshot: undefined },
  commit: () => undefined
}
