/**
 * What a request continues from. A head is the latest response of a conversation, as the delta rule knows it. It is kept
 * where the server keeps it: with its lane, and stored ones beyond their connection.
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type { FullReason } from "../../Continuation.ts"
import * as ResponseRequest from "../../ResponseRequest.ts"
import type { FinalResponse } from "../../Responses.ts"
import type { ResponsesError } from "../../ResponsesError.ts"
import * as Continuation from "../compare/continuation.ts"
import type { Answer } from "../exchange/life.ts"
import * as ChainRefusal from "../wire/chainRefusal.ts"
import type { Connection } from "./connection.ts"
import * as Head from "./head.ts"
import type { Lane } from "./lane.ts"
import * as Refusals from "./refusals.ts"
import * as StoredHeads from "./storedHeads.ts"

export interface Heads {
  /** What would be sent on a new connection. */
  readonly preview: (request: ResponseRequest.ResponseRequest) => Continuation.Plan
  /** What to send on this lane. Its head is given up with it: a failure has no head. */
  readonly take: (place: Place, request: ResponseRequest.ResponseRequest) => Planned
  /** Everything, because the server has just refused a delta. */
  readonly takeFull: (
    place: Place,
    request: ResponseRequest.ResponseRequest,
    refused: Planned,
    error: ResponsesError
  ) => Planned
  readonly commit: (place: Place, planned: Planned, answer: Answer, frameSize: number) => void
  /** Gives up the heads that may be why a request failed: asked again, it goes out in full. */
  readonly fail: (connection: Connection, planned: Planned, error: ResponsesError) => void
  /** The conversation that a connection served last, if a new one has to be told all of it. */
  readonly latest: (connection: Connection) => Served | undefined
  readonly stats: () => { readonly deltasRefused: number; readonly chaining: boolean }
}

export interface Place {
  readonly connection: Connection
  readonly lane: Lane
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
  readonly parent: Head.Kept | undefined
  /** As the caller gave it, then. */
  readonly asked: ResponseRequest.ResponseRequest
  /** Where the head of a delta was kept. */
  readonly origin: Origin | undefined
  /** Where the head of the delta was kept that the server refused before. */
  readonly refused?: Origin | undefined
}

/** The latest response of a lane of the same connection, or an older one, or one of another connection. */
type Origin = "latest" | "stored"

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

/** A connection has this many named lanes, and the unnamed one. */
const maxHeads = 33

export interface Options {
  readonly rule: Continuation.Rule
  /** Whether the server takes `instructions` beside `previous_response_id`. */
  readonly continuesWithInstructions: boolean
  /** Whether an id names one response alone, on every connection. */
  readonly uniqueIds: boolean
  /** Whether the conversation that was served last is kept, so that it can be told to another connection. */
  readonly keepsServed: boolean
  /** In milliseconds. */
  readonly now: () => number
}

const keptOn = ({ memory }: Lane): Head.Kept | undefined => memory._tag === "Head" ? memory.kept : undefined

const isUsed = ({ memory }: Lane): boolean => memory._tag !== "Unused"

/** The lane that was used longest ago gives way: more heads than that the server does not keep. */
const remember = ({ connection: { lanes }, lane }: Place, memory: Head.Memory) => {
  lane.memory = memory
  if (lanes.size <= maxHeads) return
  const used = [...lanes].filter(isUsed)
  if (used.length > maxHeads && used[0] !== undefined) used[0].memory = Head.unused
}

export const make = ({ continuesWithInstructions, keepsServed, now, rule, uniqueIds }: Options): Heads => {
  const served = new WeakMap<Connection, Served>()
  const stored = StoredHeads.make()
  const refusals: Readonly<Record<Origin, Refusals.Refusals>> = {
    latest: Refusals.make(now),
    stored: Refusals.make(now)
  }
  let deltasRefused = 0
  let any = false
  let owner: string | undefined

  const forget = (connection: Connection, isGivenUp: (kept: Head.Kept) => boolean) => {
    stored.remove(isGivenUp)
    for (const lane of connection.lanes) {
      const kept = keptOn(lane)
      if (kept !== undefined && isGivenUp(kept)) lane.memory = Head.spent
    }
  }

  /** The request's own lane first, then the others, then what is stored from the newest on. */
  const candidates = ({ connection, lane }: Place): ReadonlyArray<Head.Kept> => {
    const all = uniqueIds
      ? [keptOn(lane), ...[...connection.lanes].map(keptOn), ...stored.newestFirst()]
      : [keptOn(lane)]
    return [...new Set(all.filter((kept) => kept !== undefined))]
  }

  /** Why there is nothing to continue from, which only this place knows. */
  const explained = (plan: Continuation.Plan, { connection, lane }: Place): Continuation.Plan => {
    if (plan._tag === "Delta" || plan.reason._tag !== "First") return plan
    if (isUsed(lane)) return { ...plan, reason: { _tag: "AfterFailure" } }
    return any && ![...connection.lanes].some(isUsed) ? { ...plan, reason: { _tag: "NewConnection" } } : plan
  }

  /** A server that does not continue its latest response continues none. */
  const isPaused = (origin: Origin): boolean => refusals.latest.isPaused() || refusals[origin].isPaused()

  /** Why a delta that fits is not sent. */
  const withheld = (request: ResponseRequest.ResponseRequest, origin: Origin): FullReason | undefined => {
    if (!continuesWithInstructions && Predicate.isNotNullable(request.instructions)) return { _tag: "Instructions" }
    return isPaused(origin) ? { _tag: "ChainingRefused" } : undefined
  }

  const planFrom = (
    kept: ReadonlyArray<Head.Kept>,
    request: ResponseRequest.ResponseRequest,
    originOf: (parent: Head.Kept | undefined) => Origin
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
  const fits = ({ head }: Head.Kept, request: ResponseRequest.ResponseRequest): boolean =>
    Either.getOrElse(Either.try(() => rule.plan([head], request)._tag === "Delta"), () => false)

  return {
    preview: (request) => planFrom(stored.newestFirst(), request, () => "stored").plan,
    latest: (connection) => isPaused("latest") ? undefined : served.get(connection),
    stats: () => ({ deltasRefused, chaining: !isPaused("latest") }),
    take: (place, request) => {
      const { identity, lanes } = place.connection
      // What one caller stored is not known to another.
      if (owner !== identity) stored.clear()
      owner = identity
      const found = planFrom(
        candidates(place),
        request,
        (parent) => [...lanes].some((lane) => keptOn(lane) === parent) ? "latest" : "stored"
      )
      const plan = explained(found.plan, place)
      remember(place, Head.spent)
      return {
        ...found,
        plan,
        asked: asOfNow(request),
        bytesSaved: plan._tag === "Delta" ? found.parent?.inputBytes ?? 0 : 0
      }
    },
    takeFull: (place, request, refused, error) => {
      deltasRefused++
      remember(place, Head.spent)
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
      const isNamed = ({ head }: Head.Kept) => head.responseId === id
      if (ChainRefusal.isRefusal(error, id)) return forget(connection, isNamed)
      // Without the older heads of the conversation too, or each of them would be tried, and fail, in turn.
      if (ChainRefusal.isSuspected(error)) forget(connection, (kept) => isNamed(kept) || fits(kept, asked))
    },
    commit: (place, { asked, origin, parent, plan, refused }, answer, frameSize) => {
      const { connection } = place
      const head = rule.commit(plan, answer)
      if (head === undefined) return
      any = true
      if (origin !== undefined) refusals[origin].accepted()
      // Counted now: where everything is refused as well, the reason was not the delta.
      if (refused !== undefined) refusals[refused].refused()
      if (!uniqueIds) forget(connection, (kept) => kept.head.responseId === head.responseId)
      const isKnownElsewhere = head.stored && uniqueIds
      if (isKnownElsewhere || Predicate.isNotNullable(asked.previous_response_id)) served.delete(connection)
      else if (keepsServed) {
        served.set(connection, { request: asked, output: answer.output, isComplete: head.pendingCalls.length === 0 })
      }
      const otherBytes = parent?.otherBytes ?? sizeWithoutInput(plan.request)
      const kept: Head.Kept = {
        head,
        otherBytes,
        inputBytes: (parent?.inputBytes ?? 0) + Math.max(0, frameSize - otherBytes) +
          sizeOf(answer.output)
      }
      remember(place, { _tag: "Head", kept })
      if (isKnownElsewhere) stored.add(kept)
    }
  }
}
