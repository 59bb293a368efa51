/**
 * The heads that can be continued from, kept where the server keeps them: the latest response of each lane with its
 * connection, and stored responses beyond it.
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type { FullReason } from "../../Continuation.ts"
import * as ResponseRequest from "../../ResponseRequest.ts"
import type { FinalResponse } from "../../Responses.ts"
import type { ResponsesError } from "../../ResponsesError.ts"
import * as Continuation from "../compare/continuation.ts"
import type { Answer } from "../exchange/exchange.ts"
import * as ChainRefusal from "../wire/chainRefusal.ts"
import type { Connection } from "./connection.ts"
import * as Refusals from "./refusals.ts"

export interface Heads {
  /** What would be sent on a new connection. */
  readonly preview: (request: ResponseRequest.ResponseRequest) => Continuation.Plan
  /** What to send on this connection. The head of the request's lane is given up with it: a failure has no head. */
  readonly take: (connection: Connection, request: ResponseRequest.ResponseRequest) => Planned
  /** Everything, because the server has just refused a delta. */
  readonly takeFull: (
    connection: Connection,
    request: ResponseRequest.ResponseRequest,
    refused: Planned,
    error: ResponsesError
  ) => Planned
  readonly commit: (connection: Connection, planned: Planned, answer: Answer, frameSize: number) => void
  /** Gives up the heads that may be why a request failed: asked again, it goes out in full. */
  readonly fail: (connection: Connection, planned: Planned, error: ResponsesError) => void
  /** The conversation that a connection served last, if a new one has to be told all of it. */
  readonly latest: (connection: Connection) => Served | undefined
  readonly stats: () => { readonly deltasRefused: number; readonly chaining: boolean }
}

export interface Served {
  readonly request: ResponseRequest.ResponseRequest
  readonly output: FinalResponse["output"]
  readonly isComplete: boolean
}

export interface Planned {
  readonly plan: Continuation.Plan
  /** About what a delta spares. */
  readonly bytesSaved: number
  readonly parent: Kept | undefined
  /** As the caller gave it, then. */
  readonly asked: ResponseRequest.ResponseRequest
  /** Where the head of a delta was kept. */
  readonly origin: Origin | undefined
  /** Where the head of the delta was kept that the server refused before. */
  readonly refused?: Origin | undefined
}

/** The latest response of a lane of the same connection, or an older one, or one of another connection. */
type Origin = "latest" | "stored"

interface Kept {
  readonly head: Continuation.Head
  /** Sizes of what a full request would hold, in bytes, as far as they are known without writing it. */
  readonly inputBytes: number
  readonly otherBytes: number
}

const laneOf = (request: ResponseRequest.ResponseRequest): string => request.stream_id ?? ""

/** The list is the caller's, who may go on to change it; the items in it stay. */
const asOfNow = (request: ResponseRequest.ResponseRequest): ResponseRequest.ResponseRequest => ({
  ...request,
  input: [...ResponseRequest.items(request)]
})

/** A server can nest its output deeper than it can be written. Nothing continues from there, so its size is not needed. */
const sizeOf = (output: FinalResponse["output"]): number =>
  Either.getOrElse(Either.try(() => JSON.stringify(output).length), () => 0)

const sizeWithoutInput = (request: ResponseRequest.ResponseRequest): number =>
  Either.match(ResponseRequest.toFrame({ ...request, input: [] }), {
    onLeft: () => 0,
    onRight: (frame) => frame.length
  })

/** What is remembered of stored responses at the most. A forgotten one costs one request in full. */
const maxStored = { count: 64, bytes: 32 * 1024 * 1024 }

/** A connection has this many named lanes, and the unnamed one. */
const maxLanes = 33

export interface Options {
  readonly rule: Continuation.Rule
  /** Whether the server takes `instructions` beside `previous_response_id`. */
  readonly continuesWithInstructions: boolean
  /** Whether an id names one response alone, on every connection. */
  readonly uniqueIds: boolean
  /** In milliseconds. */
  readonly now: () => number
}

/** What is known of a connection. A lane whose last turn has not ended well has no head. */
interface Memory {
  readonly lanes: Map<string, Kept | undefined>
  served: Served | undefined
}

export const make = ({ continuesWithInstructions, now, rule, uniqueIds }: Options): Heads => {
  const memories = new WeakMap<Connection, Memory>()
  const stored = new Map<string, Kept>()
  const refusals: Readonly<Record<Origin, Refusals.Refusals>> = {
    latest: Refusals.make(now),
    stored: Refusals.make(now)
  }
  let deltasRefused = 0
  let any = false
  let owner: string | undefined

  const memoryOf = (connection: Connection): Memory => {
    let found = memories.get(connection)
    if (found === undefined) memories.set(connection, found = { lanes: new Map(), served: undefined })
    return found
  }

  /** The latest comes last, and the oldest goes first. */
  const setLane = (connection: Connection, request: ResponseRequest.ResponseRequest, kept: Kept | undefined) => {
    const { lanes } = memoryOf(connection)
    lanes.delete(laneOf(request))
    lanes.set(laneOf(request), kept)
    const [oldest] = lanes.keys()
    if (lanes.size > maxLanes && oldest !== undefined) lanes.delete(oldest)
  }

  const store = (kept: Kept) => {
    stored.delete(kept.head.responseId)
    stored.set(kept.head.responseId, kept)
    let bytes = 0
    for (const [index, { head, inputBytes }] of [...stored.values()].toReversed().entries()) {
      bytes += inputBytes
      if (index >= maxStored.count || bytes > maxStored.bytes) stored.delete(head.responseId)
    }
  }

  const forget = (connection: Connection, isGivenUp: (kept: Kept) => boolean) => {
    for (const kept of stored.values()) {
      if (isGivenUp(kept)) stored.delete(kept.head.responseId)
    }
    const { lanes } = memoryOf(connection)
    for (const [lane, kept] of lanes) {
      if (kept !== undefined && isGivenUp(kept)) lanes.set(lane, undefined)
    }
  }

  /** The request's own lane first, then the others, then what is stored from the newest on. */
  const candidates = (connection: Connection, request: ResponseRequest.ResponseRequest): ReadonlyArray<Kept> => {
    const { lanes } = memoryOf(connection)
    const own = lanes.get(laneOf(request))
    const all = uniqueIds ? [own, ...lanes.values(), ...[...stored.values()].toReversed()] : [own]
    return [...new Set(all.filter((kept) => kept !== undefined))]
  }

  /** Why there is nothing to continue from, which only this place knows. */
  const explained = (
    plan: Continuation.Plan,
    connection: Connection,
    request: ResponseRequest.ResponseRequest
  ): Continuation.Plan => {
    if (plan._tag === "Delta" || plan.reason._tag !== "First") return plan
    const { lanes } = memoryOf(connection)
    if (lanes.has(laneOf(request))) return { ...plan, reason: { _tag: "AfterFailure" } }
    return any && lanes.size === 0 ? { ...plan, reason: { _tag: "NewConnection" } } : plan
  }

  /** A server that does not continue its latest response continues none. */
  const isPaused = (origin: Origin): boolean => refusals.latest.isPaused() || refusals[origin].isPaused()

  /** Why a delta that fits is not sent. */
  const withheld = (request: ResponseRequest.ResponseRequest, origin: Origin): FullReason | undefined => {
    if (!continuesWithInstructions && Predicate.isNotNullable(request.instructions)) return { _tag: "Instructions" }
    return isPaused(origin) ? { _tag: "ChainingRefused" } : undefined
  }

  const planFrom = (
    kept: ReadonlyArray<Kept>,
    request: ResponseRequest.ResponseRequest,
    originOf: (parent: Kept | undefined) => Origin
  ): Pick<Planned, "origin" | "parent" | "plan"> => {
    const plan = rule.plan(kept.map(({ head }) => head), request)
    const parent = plan.snapshot === undefined
      ? undefined
      : kept.find(({ head }) => head.responseId === plan.request.previous_response_id)
    if (plan._tag === "Full") return { plan, parent, origin: undefined }
    const origin = originOf(parent)
    const reason = withheld(request, origin)
    return reason === undefined
      ? { plan, parent, origin }
      : { plan: Continuation.full(request, reason), parent: undefined, origin: undefined }
  }

  /** What cannot be compared any more does not fit. */
  const fits = ({ head }: Kept, request: ResponseRequest.ResponseRequest): boolean =>
    Either.getOrElse(Either.try(() => rule.plan([head], request)._tag === "Delta"), () => false)

  return {
    preview: (request) => planFrom([...stored.values()].toReversed(), request, () => "stored").plan,
    latest: (connection) => isPaused("latest") ? undefined : memories.get(connection)?.served,
    stats: () => ({ deltasRefused, chaining: !isPaused("latest") }),
    take: (connection, request) => {
      // What one caller stored is unknown, and none of the business, of another.
      if (owner !== connection.identity) stored.clear()
      owner = connection.identity
      const { lanes } = memoryOf(connection)
      const found = planFrom(
        candidates(connection, request),
        request,
        (parent) => [...lanes.values()].includes(parent) ? "latest" : "stored"
      )
      const plan = explained(found.plan, connection, request)
      setLane(connection, request, undefined)
      return {
        ...found,
        plan,
        asked: asOfNow(request),
        bytesSaved: plan._tag === "Delta" ? found.parent?.inputBytes ?? 0 : 0
      }
    },
    takeFull: (connection, request, refused, error) => {
      deltasRefused++
      setLane(connection, request, undefined)
      return {
        plan: Continuation.full(request, {
          _tag: error._tag === "PreviousResponseNotFound" ? "Forgotten" : "ChainingRefused"
        }),
        asked: asOfNow(request),
        bytesSaved: 0,
        parent: undefined,
        origin: undefined,
        refused: refused.origin
      }
    },
    fail: (connection, { asked, plan }, error) => {
      const id = plan.request.previous_response_id ?? undefined
      if (id === undefined) return
      const isNamed = ({ head }: Kept) => head.responseId === id
      if (ChainRefusal.isRefusal(error, id)) return forget(connection, isNamed)
      // Without the older heads of the conversation too, or each of them would be tried, and fail, in turn.
      if (ChainRefusal.isSuspected(error)) forget(connection, (kept) => isNamed(kept) || fits(kept, asked))
    },
    commit: (connection, { asked, origin, parent, plan, refused }, answer, frameSize) => {
      const head = rule.commit(plan, answer)
      if (head === undefined) return
      any = true
      if (origin !== undefined) refusals[origin].accepted()
      // Counted now: where everything is refused as well, the reason was not the delta.
      if (refused !== undefined) refusals[refused].refused()
      if (!uniqueIds) forget(connection, (kept) => kept.head.responseId === head.responseId)
      const isKnownElsewhere = head.stored && uniqueIds
      memoryOf(connection).served = isKnownElsewhere || Predicate.isNotNullable(asked.previous_response_id)
        ? undefined
        : { request: asked, output: answer.output, isComplete: head.pendingCalls.length === 0 }
      const otherBytes = parent?.otherBytes ?? sizeWithoutInput(plan.request)
      const kept: Kept = {
        head,
        otherBytes,
        inputBytes: (parent?.inputBytes ?? 0) + Math.max(0, frameSize - otherBytes) +
          sizeOf(answer.output)
      }
      setLane(connection, plan.request, kept)
      if (isKnownElsewhere) store(kept)
    }
  }
}
