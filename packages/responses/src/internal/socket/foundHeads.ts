/**
 * Heads, where the Layer names the lanes: a request continues the head that its history begins with, whoever asks and wherever
 * the head is. What became of those that are gone is kept, too, so that a request in full can say why.
 */
import type { FullReason } from "../../Continuation.ts"
import * as ResponseRequest from "../../ResponseRequest.ts"
import * as Continuation from "../compare/continuation.ts"
import * as Fingerprint from "../compare/fingerprint.ts"
import type { Chaining } from "./chaining.ts"
import type { Choice, Chooser, Found, Origin, Stats } from "./chooser.ts"
import type { Connection } from "./connection.ts"
import * as Explain from "./explain.ts"
import * as Head from "./head.ts"
import { HeadIndex, type Loss, type Trace } from "./headIndex.ts"
import type { Lane } from "./lane.ts"
import type { Place } from "./place.ts"
import type { ResponsePlaces } from "./responsePlaces.ts"
import type { StoredHeads } from "./storedHeads.ts"

export interface Options {
  readonly chaining: Chaining
  readonly places: ResponsePlaces
  readonly stored: StoredHeads
  readonly rule: Continuation.Rule
  readonly uniqueIds: boolean
  readonly now: () => number
}

type Chosen = Pick<Choice, "left" | "origin" | "own" | "parent" | "plan">

const inFull = (
  request: ResponseRequest.ResponseRequest,
  reason: FullReason,
  own?: Head.Kept,
  left?: Choice["left"]
): Chosen => ({ plan: Continuation.full(request, reason), parent: undefined, origin: undefined, own, left })

export class FoundHeads implements Chooser {
  readonly extend = Fingerprint.extend
  private readonly index = new HeadIndex()
  private forks = 0
  private affineHits = 0
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
  }

  find(request: ResponseRequest.ResponseRequest): ReadonlyArray<Found> {
    if (Continuation.isExplicit(request)) return []
    const { chaining } = this.options
    const fitting = (kept: Head.Kept): ReadonlyArray<Found> => {
      const found = chaining.match(kept, request)
      return found === undefined ? [] : [found]
    }
    // Most often it is the one, and nothing need be looked up.
    const recent = this.index.recent()
    const first = recent !== undefined && recent.name === request.stream_id ? fitting(recent) : []
    if (first.length > 0) return first
    const items = ResponseRequest.items(request)
    const byContent = this.index.find(items)
    const found = byContent.length > 0 ? byContent : this.index.ofRoot(Fingerprint.root(items))
    return found.flatMap(fitting).toSorted((one, other) =>
      other.plan.sharedItems - one.plan.sharedItems ||
      Number(other.kept.name === request.stream_id) - Number(one.kept.name === request.stream_id)
    )
  }

  choose(place: Place, request: ResponseRequest.ResponseRequest, found: ReadonlyArray<Found>): Choice {
    const chosen = Continuation.isExplicit(request)
      ? this.named(place, request)
      : this.chooseFrom(place, request, found)
    const { parent, plan } = chosen
    return {
      ...chosen,
      fingerprint: this.extend(parent?.fingerprint ?? Fingerprint.empty, ResponseRequest.items(plan.request)),
      root: parent?.root ?? Fingerprint.root(ResponseRequest.items(request)),
      source: this.sourceOf(place, plan, parent)
    }
  }

  idleFor(request: ResponseRequest.ResponseRequest): number | undefined {
    const trace = this.traceOf(request)
    return trace?._tag === "Gone" && trace.loss === "Displaced" ? this.options.now() - trace.usedAt : undefined
  }

  add(kept: Head.Kept): void {
    this.index.add(kept)
  }

  remove(kept: Head.Kept, loss?: Loss): void {
    this.index.remove(kept, loss)
  }

  failed(root: number | undefined): void {
    this.index.lost(root, "AfterFailure", this.options.now())
  }

  stats(): Stats {
    return { forks: this.forks, affineHits: this.affineHits, headsLost: { ...this.index.losses } }
  }

  /** The caller says what the request continues. */
  private named({ connection }: Place, request: ResponseRequest.ResponseRequest): Chosen {
    const id = request.previous_response_id ?? undefined
    const parent = id === undefined ? undefined : this.keptOf(id, connection)
    const plan = this.options.rule.plan(parent === undefined ? [] : [parent.head], request)
    return { plan, parent, origin: undefined, own: parent }
  }

  private chooseFrom(
    place: Place,
    request: ResponseRequest.ResponseRequest,
    found: ReadonlyArray<Found>
  ): Chosen {
    const { chaining, uniqueIds } = this.options
    const own = found.find(({ kept }) => kept.place.lane === place.lane)
    const beside = uniqueIds ? found.find(({ kept }) => kept.place.connection === place.connection) : undefined
    const chosen = own ?? beside ?? this.storedFor(place, request)
    if (chosen === undefined) return this.elsewhere(request, found[0]?.kept)
    const { kept, plan } = chosen
    const origin: Origin = chosen === own ? "latest" : chosen === beside ? "fork" : "stored"
    const reason = chaining.withheld(request, origin)
    if (reason !== undefined) return inFull(request, reason, own?.kept)
    if (origin !== "stored" || kept.place.connection === place.connection) this.affineHits++
    return { plan, parent: kept, origin, own: own?.kept }
  }

  /** Nothing can be continued here. `kept`: what the request would have continued in another place, whose lane it leaves. */
  private elsewhere(request: ResponseRequest.ResponseRequest, kept: Head.Kept | undefined): Chosen {
    if (kept === undefined) return inFull(request, this.explain(request))
    const withheld = this.options.chaining.withheld(request, "latest")
    const lane = this.options.places.open(kept.head.responseId)?.lane
    if (lane?.tag !== "Free" || Head.keptOn(lane) !== kept) {
      return inFull(request, withheld ?? this.explain(request))
    }
    // What would have travelled whole on its own lane, too, is not whole because of others.
    const loss = withheld === undefined ? "Displaced" : undefined
    const reason = withheld ?? this.explain(request, { _tag: "Gone", loss: "Displaced", usedAt: kept.at })
    return inFull(request, reason, undefined, { lane, loss })
  }

  /** Counts the fork, if it is one. */
  private sourceOf(
    { connection, lane }: Place,
    { request }: Continuation.Plan,
    parent: Head.Kept | undefined
  ): Lane | undefined {
    const id = request.previous_response_id ?? undefined
    const at = id === undefined ? undefined : this.options.places.get(id)
    if (at === undefined || at.connection !== connection || at.lane === lane) return undefined
    this.forks++
    return parent?.head.stored ?? request.store !== false ? undefined : at.lane
  }

  private storedFor({ connection }: Place, request: ResponseRequest.ResponseRequest): Found | undefined {
    const { chaining, stored, uniqueIds } = this.options
    if (!uniqueIds) return undefined
    for (const kept of stored.newestFirst(connection.identity)) {
      const found = chaining.match(kept, request)
      if (found !== undefined) return found
    }
    return undefined
  }

  private traceOf(request: ResponseRequest.ResponseRequest): Trace | undefined {
    return this.index.lastTrace(Fingerprint.root(ResponseRequest.items(request)))
  }

  private explain(request: ResponseRequest.ResponseRequest, trace = this.traceOf(request)): FullReason {
    const own = this.options.rule.plan([], request)
    return own._tag === "Full" && own.reason._tag !== "First"
      ? own.reason
      : Explain.byTrace(trace, request, this.options.rule)
  }

  private keptOf(id: string, connection: Connection): Head.Kept | undefined {
    const { places, stored } = this.options
    const place = places.open(id)
    const kept = place === undefined ? undefined : Head.keptOn(place.lane)
    return kept?.head.responseId === id
      ? kept
      : stored.newestFirst(connection.identity).find(({ head }) => head.responseId === id)
  }
}
