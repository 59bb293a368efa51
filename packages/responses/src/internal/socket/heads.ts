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
import * as Fingerprint from "../compare/fingerprint.ts"
import type { Answer } from "../exchange/life.ts"
import * as ChainRefusal from "../wire/chainRefusal.ts"
import type { Connection } from "./connection.ts"
import * as Explain from "./explain.ts"
import * as Head from "./head.ts"
import { HeadIndex, type Loss } from "./headIndex.ts"
import type { Lane } from "./lane.ts"
import type { Naming } from "./naming.ts"
import type { Place } from "./place.ts"
import * as Refusals from "./refusals.ts"
import * as Served from "./served.ts"
import * as StoredHeads from "./storedHeads.ts"

/** A head that the request fits. */
export interface Found {
  readonly kept: Head.Kept
  readonly plan: Continuation.Delta
}

export interface Planned {
  readonly plan: Continuation.Plan
  /** About what a delta spares. */
  readonly bytesSaved: number
  readonly parent: Head.Kept | undefined
  /** As the caller gave it, then. */
  readonly asked: ResponseRequest.ResponseRequest
  /** Of what the request says, and what it continues. */
  readonly fingerprint: Fingerprint.Fingerprint
  readonly root: number
  /** Where the head of a delta was kept. */
  readonly origin: Origin | undefined
  /** The lane of the response that it branches off, where it goes on another one and the server keeps it for its lane only. */
  readonly source?: Lane | undefined
  /** Where the head of the delta was kept that the server refused before. */
  readonly refused?: Origin | undefined
}

/** The latest response of its lane, the same on another lane of the connection, or a stored one of anywhere. */
type Origin = "latest" | "fork" | "stored"

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

export interface Options {
  readonly rule: Continuation.Rule
  readonly naming: Pick<Naming, "by">
  /** Whether the server takes `instructions` beside `previous_response_id`. */
  readonly continuesWithInstructions: boolean
  /** Whether an id names one response alone, on every connection. */
  readonly uniqueIds: boolean
  /** How many conversations that were served last are kept, so that they can be told to another connection. */
  readonly keepsServed: number
  /** In milliseconds. */
  readonly now: () => number
}

const isUsed = ({ memory }: Lane): boolean => memory._tag !== "Unused"

/** Where callers name the lanes there may be any number, and the server keeps so many heads. */
const maxHeads = 33

export class Heads {
  private readonly index = new HeadIndex()
  private readonly stored = StoredHeads.make()
  private readonly refusals: Readonly<Record<Origin, Refusals.Refusals>>
  private readonly served: Served.ServedLast
  /** By their ids: where responses are that left no head, too. */
  private readonly places = new Map<string, Place>()
  private deltasRefused = 0
  private forks = 0
  private affineHits = 0
  private any = false
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
    const { now } = options
    this.refusals = { latest: Refusals.make(now), fork: Refusals.make(now), stored: Refusals.make(now) }
    this.served = new Served.ServedLast(options.keepsServed)
  }

  /** What would be sent on a new connection. */
  preview(request: ResponseRequest.ResponseRequest): Continuation.Plan {
    return this.planFrom(this.stored.newestFirst(), request, () => "stored").plan
  }

  /** The heads that a request fits, the best first. Reads what the caller may change: to be used in the same step. */
  find(request: ResponseRequest.ResponseRequest): ReadonlyArray<Found> {
    const { naming, rule } = this.options
    if (naming.by === "callers" || Continuation.isExplicit(request)) return []
    const fitting = (kept: Head.Kept | undefined): ReadonlyArray<Found> => {
      if (kept === undefined) return []
      const plan = rule.plan([kept.head], request)
      return plan._tag === "Delta" ? [{ kept, plan }] : []
    }
    // Most often it is the one, and nothing need be looked up.
    const recent = this.index.recent()
    const first = recent?.name === request.stream_id ? fitting(recent) : []
    if (first.length > 0) return first
    const items = ResponseRequest.items(request)
    const byContent = this.index.find(items)
    const found = byContent.length > 0 ? byContent : this.index.ofRoot(Fingerprint.root(items))
    return found.flatMap(fitting).toSorted((one, other) =>
      other.plan.sharedItems - one.plan.sharedItems ||
      Number(other.kept.name === request.stream_id) - Number(one.kept.name === request.stream_id)
    )
  }

  /** The connection that has the conversation. */
  homeOf(request: ResponseRequest.ResponseRequest): object | undefined {
    const id = request.previous_response_id ?? undefined
    if (id !== undefined) return this.placeOf(id)?.connection
    const found = Either.getOrElse(Either.try(() => this.find(request)), () => [])
    return found[0]?.kept.place.connection
  }

  /** Where the response is that a caller named. */
  placeOf(id: string): Place | undefined {
    const place = this.places.get(id)
    return place?.connection.isOpen() === true ? place : undefined
  }

  /** For how long the conversation was not asked for when it lost its place, if it did. */
  idleFor(request: ResponseRequest.ResponseRequest): number | undefined {
    const trace = this.index.lastTrace(Fingerprint.root(ResponseRequest.items(request)))
    return trace?._tag === "Gone" && trace.loss === "Displaced" ? this.options.now() - trace.usedAt : undefined
  }

  /** A copy of a head that another turn continues may be gone, and is not asked for again and again. */
  mayFork(): boolean {
    return this.options.uniqueIds && !this.isPaused("fork")
  }

  /** What to send on this lane. Its head is given up with it: a failure has no head. */
  take(
    place: Place,
    request: ResponseRequest.ResponseRequest,
    found: ReadonlyArray<Found> = []
  ): Planned {
    const { naming } = this.options
    const { fingerprint, parent, ...planned } = naming.by === "callers"
      ? this.takeNamed(place, request)
      : this.takeFound(place, request, found)
    const items = ResponseRequest.items(request)
    this.occupy(place, planned.origin === "latest" ? parent : undefined)
    return {
      ...planned,
      parent,
      source: this.sourceOf(place, planned.plan, parent),
      fingerprint: naming.by === "callers"
        ? Fingerprint.empty
        : fingerprint ?? Fingerprint.extend(Fingerprint.empty, items),
      root: naming.by === "callers" ? 0 : parent?.root ?? Fingerprint.root(items),
      asked: asOfNow(request),
      bytesSaved: planned.plan._tag === "Delta" ? parent?.inputBytes ?? 0 : 0
    }
  }

  /** Everything, because the server has just refused a delta. */
  takeFull(
    place: Place,
    request: ResponseRequest.ResponseRequest,
    refused: Planned,
    error: ResponsesError
  ): Planned {
    this.deltasRefused++
    this.occupy(place)
    return {
      plan: Continuation.full(request, {
        _tag: error._tag === "PreviousResponseNotFound" ? "Forgotten" : "ChainingRefused"
      }),
      asked: asOfNow(request),
      fingerprint: this.options.naming.by === "callers"
        ? Fingerprint.empty
        : Fingerprint.extend(Fingerprint.empty, ResponseRequest.items(request)),
      root: refused.root,
      bytesSaved: 0,
      parent: undefined,
      origin: undefined,
      refused: refused.origin
    }
  }

  /** Nothing was sent: the lane is as it was. */
  putBack({ lane }: Place): void {
    if (lane.memory._tag === "Continued") lane.memory = { _tag: "Head", kept: lane.memory.kept }
  }

  /** Gives up the heads that may be why a request failed: asked again, it goes out in full. */
  fail(place: Place, planned: Planned, error: ResponsesError): void {
    const { asked, origin, plan, root } = planned
    if (place.lane.memory._tag === "Continued") {
      this.drop(place.lane, "AfterFailure")
    } else if (this.options.naming.by === "layer" && plan._tag === "Full") {
      this.index.lost(root, "AfterFailure", this.options.now())
    }
    const id = plan.request.previous_response_id ?? undefined
    if (id === undefined) return
    const isNamed = ({ head }: Head.Kept) => head.responseId === id
    // A fork that fails leaves its parent: the server may continue it on its own lane only.
    if (origin === "fork") return
    if (ChainRefusal.isRefusal(error, id)) return this.forget(place.connection, isNamed)
    if (!ChainRefusal.isSuspected(error)) return
    // Without the older heads of the conversation too, or each of them would be tried, and fail, in turn.
    this.forget(place.connection, (kept) => isNamed(kept) || this.fits(kept, asked))
  }

  commit(place: Place, planned: Planned, answer: Answer, frameSize: number): void {
    const { asked, origin, parent, plan, refused } = planned
    const { connection, lane } = place
    const { keepsServed, naming, now, rule, uniqueIds } = this.options
    this.remember(place, answer.response.id)
    const head = rule.commit(plan, answer)
    if (head === undefined) return this.drop(lane)
    this.any = true
    if (origin !== undefined) this.refusals[origin].accepted()
    // Counted now: where everything is refused as well, the reason was not the delta.
    if (refused !== undefined) this.refusals[refused].refused()
    if (!uniqueIds) this.forget(connection, (kept) => kept.head.responseId === head.responseId)
    const isKnownElsewhere = head.stored && uniqueIds
    if (isKnownElsewhere || Predicate.isNotNullable(asked.previous_response_id)) this.served.delete(place)
    else if (keepsServed > 0) {
      this.served.set(place, { request: asked, output: answer.output, isComplete: head.pendingCalls.length === 0 })
    }
    const otherBytes = parent?.otherBytes ?? sizeWithoutInput(plan.request)
    const kept: Head.Kept = {
      head,
      otherBytes,
      inputBytes: (parent?.inputBytes ?? 0) + Math.max(0, frameSize - otherBytes) +
        sizeOf(answer.output),
      place,
      fingerprint: naming.by === "callers"
        ? planned.fingerprint
        : Fingerprint.extend(planned.fingerprint, answer.output),
      root: planned.root,
      name: asked.stream_id ?? undefined,
      isContinuation: parent !== undefined,
      at: now()
    }
    this.drop(lane)
    lane.memory = { _tag: "Head", kept }
    if (naming.by === "callers") this.limit(place)
    else this.index.add(kept)
    if (isKnownElsewhere) this.stored.add(kept)
  }

  /** The connection, and with it what the server knew on it, is gone. */
  ended(connection: Connection): void {
    for (const lane of connection.lanes) {
      this.drop(lane, "NewConnection")
      if (lane.latestId !== undefined) this.places.delete(lane.latestId)
    }
  }

  /** The conversations that a connection served last, the latest first, if a new one has to be told all of them. */
  latest(connection: Connection): ReadonlyArray<Served.Served> {
    return this.isPaused("latest") ? [] : this.served.latest(connection)
  }

  stats() {
    return {
      deltasRefused: this.deltasRefused,
      chaining: !this.isPaused("latest"),
      forks: this.forks,
      affineHits: this.affineHits,
      headsLost: { ...this.index.losses }
    }
  }

  /** Callers name the lanes: a request's own lane first, then the others, then what is stored from the newest on. */
  private takeNamed({ connection, lane }: Place, request: ResponseRequest.ResponseRequest) {
    const own = Head.keptOn(lane)
    const all = this.options.uniqueIds
      ? [own, ...[...connection.lanes].map(Head.keptOn), ...this.stored.newestFirst(connection.identity)]
      : [own]
    const found = this.planFrom(
      [...new Set(all.filter((kept) => kept !== undefined))],
      request,
      (parent) => [...connection.lanes].some((lane) => Head.keptOn(lane) === parent) ? "latest" : "stored"
    )
    return { ...found, fingerprint: undefined, plan: Explain.byLane(found.plan, { connection, lane, any: this.any }) }
  }

  private takeFound(place: Place, request: ResponseRequest.ResponseRequest, found: ReadonlyArray<Found>) {
    if (Continuation.isExplicit(request)) {
      const id = request.previous_response_id ?? undefined
      const parent = id === undefined ? undefined : this.keptOf(id, place.connection)
      return { plan: this.options.rule.plan(parent === undefined ? [] : [parent.head], request), parent, ...none }
    }
    const own = found.find(({ kept }) => kept.place.lane === place.lane)
    const beside = found.find(({ kept }) => kept.place.connection === place.connection)
    const chosen = own ?? (this.options.uniqueIds ? beside : undefined) ?? this.storedFor(place, request)
    if (chosen === undefined) {
      // The conversation goes on elsewhere: its lane is free for another one.
      const left = found[0] && this.placeOf(found[0].kept.head.responseId)
      if (left?.lane.tag === "Free") this.drop(left.lane, "Displaced")
      const reason = this.explain(request)
      return { plan: Continuation.full(request, reason), parent: undefined, ...none }
    }
    const { kept, plan } = chosen
    const origin: Origin = chosen === own ? "latest" : chosen === beside ? "fork" : "stored"
    const reason = this.withheld(request, origin)
    if (reason !== undefined) return { plan: Continuation.full(request, reason), parent: undefined, ...none }
    if (origin !== "stored" || kept.place.connection === place.connection) this.affineHits++
    return {
      plan,
      parent: kept,
      origin,
      fingerprint: Fingerprint.extend(kept.fingerprint, ResponseRequest.items(plan.request))
    }
  }

  /** Counts the fork, if it is one. */
  private sourceOf(
    { connection, lane }: Place,
    { request }: Continuation.Plan,
    parent: Head.Kept | undefined
  ): Lane | undefined {
    const id = request.previous_response_id ?? undefined
    const at = id === undefined || this.options.naming.by === "callers" ? undefined : this.places.get(id)
    if (at === undefined || at.connection !== connection || at.lane === lane) return undefined
    this.forks++
    return parent?.head.stored ?? request.store !== false ? undefined : at.lane
  }

  private storedFor({ connection }: Place, request: ResponseRequest.ResponseRequest): Found | undefined {
    if (!this.options.uniqueIds) return undefined
    for (const kept of this.stored.newestFirst(connection.identity)) {
      const plan = this.options.rule.plan([kept.head], request)
      if (plan._tag === "Delta") return { kept, plan }
    }
    return undefined
  }

  private explain(request: ResponseRequest.ResponseRequest): FullReason {
    const own = this.options.rule.plan([], request)
    if (own._tag === "Full" && own.reason._tag !== "First") return own.reason
    const trace = this.index.lastTrace(Fingerprint.root(ResponseRequest.items(request)))
    return Explain.byTrace(trace, request, this.options.rule)
  }

  private keptOf(id: string, connection: Connection): Head.Kept | undefined {
    const place = this.placeOf(id)
    const kept = place === undefined ? undefined : Head.keptOn(place.lane)
    return kept?.head.responseId === id
      ? kept
      : this.stored.newestFirst(connection.identity).find(({ head }) => head.responseId === id)
  }

  private planFrom(
    kept: ReadonlyArray<Head.Kept>,
    request: ResponseRequest.ResponseRequest,
    originOf: (parent: Head.Kept | undefined) => Origin
  ): Pick<Planned, "origin" | "parent" | "plan"> {
    const plan = this.options.rule.plan(kept.map(({ head }) => head), request)
    const parent = plan.snapshot === undefined
      ? undefined
      : kept.find(({ head }) => head.responseId === plan.request.previous_response_id)
    if (plan._tag === "Full") return { plan, parent, origin: undefined }
    const origin = originOf(parent)
    const reason = this.withheld(request, origin)
    return reason === undefined
      ? { plan, parent, origin }
      : { plan: Continuation.full(request, reason), parent: undefined, origin: undefined }
  }

  /** A server that does not continue its latest response continues none. */
  private isPaused(origin: Origin): boolean {
    return this.refusals.latest.isPaused() || this.refusals[origin].isPaused()
  }

  /** Why a delta that fits is not sent. */
  private withheld(request: ResponseRequest.ResponseRequest, origin: Origin): FullReason | undefined {
    if (!this.options.continuesWithInstructions && Predicate.isNotNullable(request.instructions)) {
      return { _tag: "Instructions" }
    }
    return this.isPaused(origin) ? { _tag: "ChainingRefused" } : undefined
  }

  /** What cannot be compared any more does not fit. */
  private fits({ head }: Head.Kept, request: ResponseRequest.ResponseRequest): boolean {
    return Either.getOrElse(Either.try(() => this.options.rule.plan([head], request)._tag === "Delta"), () => false)
  }

  private forget(connection: Connection, isGivenUp: (kept: Head.Kept) => boolean): void {
    this.stored.remove(isGivenUp)
    for (const lane of connection.lanes) {
      const { memory } = lane
      if ((memory._tag === "Head" || memory._tag === "Continued") && isGivenUp(memory.kept)) {
        this.drop(lane, "Forgotten")
      }
    }
  }

  /** A turn takes the lane. `parent`: the head on it that it continues; any other one gives way. */
  private occupy({ lane }: Place, parent?: Head.Kept): void {
    if (parent !== undefined && Head.keptOn(lane) === parent) lane.memory = { _tag: "Continued", kept: parent }
    else this.drop(lane, lane.memory._tag === "Head" ? "Displaced" : undefined)
  }

  private drop(lane: Lane, loss?: Loss): void {
    const { memory } = lane
    lane.memory = Head.spent
    if (this.options.naming.by === "layer" && (memory._tag === "Head" || memory._tag === "Continued")) {
      this.index.remove(memory.kept, loss)
    }
  }

  private remember(place: Place, id: string): void {
    const before = place.lane.latestId
    if (before !== undefined) this.places.delete(before)
    place.lane.latestId = id
    this.places.set(id, place)
  }

  /** The lane that was used longest ago gives way: more heads than that the server does not keep. */
  private limit({ connection: { lanes } }: Place): void {
    if (lanes.size <= maxHeads) return
    const used = [...lanes].filter(isUsed)
    if (used.length > maxHeads && used[0] !== undefined) used[0].memory = Head.unused
  }
}

const none = { fingerprint: undefined, origin: undefined }
