/**
 * What a request continues from. A head is the latest response of a conversation, as the delta rule knows it. It is kept
 * where the server keeps it: with its lane, and stored ones beyond their connection.
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as ResponseRequest from "../../ResponseRequest.ts"
import type { ResponsesError } from "../../ResponsesError.ts"
import * as Continuation from "../compare/continuation.ts"
import * as Fingerprint from "../compare/fingerprint.ts"
import * as Told from "../compare/told.ts"
import type { Answer } from "../exchange/life.ts"
import * as ChainRefusal from "../wire/chainRefusal.ts"
import * as Chaining from "./chaining.ts"
import type { Choice, Chooser, Found, Origin } from "./chooser.ts"
import type { Connection } from "./connection.ts"
import * as FoundHeads from "./foundHeads.ts"
import * as Head from "./head.ts"
import type { Loss } from "./headIndex.ts"
import type { Lane } from "./lane.ts"
import * as NamedHeads from "./namedHeads.ts"
import type { Naming } from "./naming.ts"
import type { Place } from "./place.ts"
import * as ResponsePlaces from "./responsePlaces.ts"
import * as Served from "./served.ts"
import * as StoredHeads from "./storedHeads.ts"

export type { Found } from "./chooser.ts"

export interface Planned extends Omit<Choice, "left" | "own"> {
  /** About what a delta spares. */
  readonly bytesSaved: number
  /** As the caller gave it, then. */
  readonly asked: ResponseRequest.ResponseRequest
  /** Where the head of the delta was kept that the server refused before. */
  readonly refused?: Origin | undefined
  /** The head of another conversation that gave way to the request. */
  readonly displaced: Head.Kept | undefined
}

/** The list is the caller's, who may go on to change it; the items in it stay. */
const asOfNow = (request: ResponseRequest.ResponseRequest): ResponseRequest.ResponseRequest => ({
  ...request,
  input: [...ResponseRequest.items(request)]
})

export interface Options extends Chaining.Options {
  readonly naming: Pick<Naming, "by">
  /** How many conversations that were served last are kept, so that they can be told to another connection. */
  readonly keepsServed: number
}

export class Heads {
  private readonly chooser: Chooser
  private readonly chaining: Chaining.Chaining
  private readonly places = ResponsePlaces.make()
  private readonly stored = StoredHeads.make()
  private readonly served: Served.ServedLast
  /** Those that have had a response. */
  private readonly connections = new Set<Connection>()
  private deltasRefused = 0
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
    this.chaining = Chaining.make(options)
    const { chaining, places, stored } = this
    const parts = { ...options, chaining, places, stored }
    this.chooser = options.naming.by === "callers" ? NamedHeads.make(parts) : FoundHeads.make(parts)
    this.served = new Served.ServedLast(options.keepsServed)
  }

  /** What would be sent on a new connection. */
  preview(request: ResponseRequest.ResponseRequest): Continuation.Plan {
    const stored = [...this.stored.newestFirst(), ...this.told(request, "")]
    return this.chaining.planFrom(stored, request, () => "stored").plan
  }

  /** The heads that a request fits, the best first. Reads what the caller may change: to be used in the same step. */
  find(request: ResponseRequest.ResponseRequest): ReadonlyArray<Found> {
    return this.chooser.find(request)
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
    return this.places.open(id)
  }

  /** For how long the conversation was not asked for when it lost its place, if it did. */
  idleFor(request: ResponseRequest.ResponseRequest): number | undefined {
    return this.chooser.idleFor(request)
  }

  mayFork(): boolean {
    return this.chaining.mayFork()
  }

  /** What to send on this lane. Its head is given up with it: a failure has no head. */
  take(
    place: Place,
    request: ResponseRequest.ResponseRequest,
    found: ReadonlyArray<Found> = []
  ): Planned {
    if (found.length === 0) this.told(request, place.connection.identity).forEach(this.stored.add)
    const { left, own, ...choice } = this.chooser.choose(place, request, found)
    if (left !== undefined) this.drop(left.lane, left.loss)
    return {
      ...choice,
      displaced: this.occupy(place, (kept) => kept === own, choice.origin === "latest"),
      asked: asOfNow(request),
      bytesSaved: choice.plan._tag === "Delta" ? choice.parent?.inputBytes ?? 0 : 0
    }
  }

  /** A caller may know of a stored response that the Layer has not seen, or has forgotten. */
  private told(request: ResponseRequest.ResponseRequest, identity: string): ReadonlyArray<Head.Kept> {
    const told = Told.of(request)
    const { now, uniqueIds } = this.options
    if (told === undefined || !uniqueIds || this.stored.isKnown(told.responseId)) return []
    return [Head.told(request, told, { connection: { identity }, lane: {} }, now())]
  }

  /** Everything, because the server has just refused a delta. */
  takeFull(
    place: Place,
    request: ResponseRequest.ResponseRequest,
    refused: Planned,
    error: ResponsesError
  ): Planned {
    this.deltasRefused++
    return {
      displaced: this.occupy(place, (kept) => this.chaining.fits(kept, request)),
      plan: Continuation.full(request, {
        _tag: error._tag === "PreviousResponseNotFound" ? "Forgotten" : "ChainingRefused"
      }),
      asked: asOfNow(request),
      fingerprint: this.chooser.extend(Fingerprint.empty, ResponseRequest.items(request)),
      root: refused.root,
      bytesSaved: 0,
      parent: undefined,
      origin: undefined,
      refused: refused.origin
    }
  }

  /** Nothing was sent: the lane is as it was. */
  putBack(place: Place, { displaced }: Planned): void {
    const { lane } = place
    if (lane.memory._tag === "Continued") lane.memory = { _tag: "Head", kept: lane.memory.kept }
    if (displaced === undefined) return
    lane.memory = { _tag: "Head", kept: displaced }
    this.chooser.putBack(displaced, place)
  }

  /** Gives up the heads that may be why a request failed: asked again, it goes out in full. */
  fail(place: Place, planned: Planned, error: ResponsesError): void {
    const { asked, origin, plan, root } = planned
    if (place.lane.memory._tag === "Continued") this.drop(place.lane, "AfterFailure")
    else if (plan._tag === "Full") this.chooser.failed(root)
    const id = plan.request.previous_response_id ?? undefined
    if (id === undefined) return
    const isNamed = ({ head }: Head.Kept) => head.responseId === id
    // A fork that fails leaves its parent: the server may continue it on its own lane only.
    if (origin === "fork") return
    if (ChainRefusal.isRefusal(error, id)) return this.forget(place.connection, isNamed)
    if (!ChainRefusal.isSuspected(error)) return
    // Without the older heads of the conversation too, or each of them would be tried, and fail, in turn.
    this.forget(place.connection, (kept) => isNamed(kept) || this.chaining.fits(kept, asked))
  }

  commit(place: Place, planned: Planned, answer: Answer, frameSize: number): void {
    const { asked, origin, parent, plan, refused, root } = planned
    const { connection, lane } = place
    const { output } = answer
    const { keepsServed, now, rule, uniqueIds } = this.options
    this.places.set(place, answer.response.id)
    const head = rule.commit(plan, answer)
    if (head === undefined) return this.drop(lane)
    if (origin !== undefined) this.chaining.accepted(origin)
    // Counted now: where everything is refused as well, the reason was not the delta.
    if (refused !== undefined) this.chaining.refused(refused)
    this.connections.add(connection)
    if (!uniqueIds) {
      // What the server stores under an id it may give to every connection that has lost a response of that id.
      const namesAnother = head.stored ? this.connections : [connection]
      for (const other of namesAnother) this.forget(other, (kept) => kept.head.responseId === head.responseId)
    }
    const isKnownElsewhere = head.stored && uniqueIds
    if (isKnownElsewhere || Predicate.isNotNullable(asked.previous_response_id)) this.served.delete(place)
    else if (keepsServed > 0) {
      this.served.set(place, { request: asked, output, isComplete: head.pendingCalls.length === 0 })
    }
    const kept: Head.Kept = {
      ...Head.sizes(parent, plan.request, frameSize, output),
      head,
      place,
      fingerprint: this.chooser.extend(planned.fingerprint, output),
      root: root ?? Fingerprint.root(output),
      name: asked.stream_id ?? undefined,
      isContinuation: parent !== undefined,
      at: now()
    }
    this.drop(lane)
    lane.memory = { _tag: "Head", kept }
    this.chooser.add(kept, place)
    if (isKnownElsewhere) this.stored.add(kept)
  }

  /** The connection, and with it what the server knew on it, is gone. */
  ended(connection: Connection): void {
    this.connections.delete(connection)
    for (const lane of connection.lanes) {
      this.drop(lane, "NewConnection")
      this.places.delete(lane)
    }
  }

  /** The conversations that a connection served last, the latest first, if a new one has to be told all of them. */
  latest(connection: Connection): ReadonlyArray<Served.Served> {
    return this.chaining.isPaused("latest") ? [] : this.served.latest(connection)
  }

  stats() {
    return {
      deltasRefused: this.deltasRefused,
      chaining: !this.chaining.isPaused("latest"),
      ...this.chooser.stats()
    }
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

  /** A turn takes the lane. A head on it that is not of its own conversation gives way. */
  private occupy(
    { lane }: Place,
    isOwn: (kept: Head.Kept) => boolean,
    isContinued = false
  ): Head.Kept | undefined {
    const kept = Head.keptOn(lane)
    const isOthers = kept !== undefined && !isOwn(kept)
    if (kept !== undefined && isContinued && !isOthers) lane.memory = { _tag: "Continued", kept }
    else this.drop(lane, isOthers ? "Displaced" : undefined)
    return isOthers ? kept : undefined
  }

  private drop(lane: Lane, loss?: Loss): void {
    const { memory } = lane
    lane.memory = Head.spent
    if (memory._tag === "Head" || memory._tag === "Continued") this.chooser.remove(memory.kept, loss)
  }
}
