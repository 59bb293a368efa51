/**
 * Heads, where the Layer names the lanes: a request continues the head that its history begins with, whoever asks and wherever
 * the head is. What became of those that are gone is kept, too, so that a request in full can say why.
 */
import type { FullReason } from "../../Continuation.ts"
import type { ResponseItem } from "../../ResponseItem.ts"
import * as ResponseRequest from "../../ResponseRequest.ts"
import * as Continuation from "../compare/continuation.ts"
import * as Fingerprint from "../compare/fingerprint.ts"
import type { Chaining } from "./chaining.ts"
import type { Choice, Chooser, Found, Origin } from "./chooser.ts"
import type { Connection } from "./connection.ts"
import * as Explain from "./explain.ts"
import * as Head from "./head.ts"
import { HeadIndex, type Trace } from "./headIndex.ts"
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

type Request = ResponseRequest.ResponseRequest

type Chosen = Pick<Choice, "left" | "origin" | "own" | "parent" | "plan">

const inFull = (request: Request, reason: FullReason, own?: Head.Kept, left?: Choice["left"]): Chosen => ({
  plan: Continuation.full(request, reason),
  parent: undefined,
  origin: undefined,
  own,
  left
})

const isOfModel = (item: ResponseItem): boolean =>
  "role" in item ? item.role === "assistant" : item.type === "function_call" || item.type === "custom_tool_call"

export const make = ({ chaining, now, places, rule, stored, uniqueIds }: Options): Chooser => {
  const index = new HeadIndex()
  let forks = 0
  let affineHits = 0

  const storedFor = ({ connection }: Place, request: Request): Found | undefined => {
    if (!uniqueIds) return undefined
    for (const kept of stored.newestFirst(connection.identity)) {
      const found = chaining.match(kept, request)
      if (found !== undefined) return found
    }
    return undefined
  }

  const keptOf = (id: string, connection: Connection): Head.Kept | undefined => {
    const place = places.open(id)
    const kept = place === undefined ? undefined : Head.keptOn(place.lane)
    return kept?.head.responseId === id
      ? kept
      : stored.newestFirst(connection.identity).find(({ head }) => head.responseId === id)
  }

  const traceOf = (request: Request): Trace | undefined =>
    index.lastTrace(Fingerprint.root(ResponseRequest.items(request)))

  const explain = (request: Request, trace = traceOf(request)): FullReason => {
    const own = rule.plan([], request)
    return own._tag === "Full" && own.reason._tag !== "First" ? own.reason : Explain.byTrace(trace, request, rule)
  }

  /** The caller says what the request continues. */
  const named = ({ connection }: Place, request: Request): Chosen => {
    const id = request.previous_response_id ?? undefined
    const parent = id === undefined ? undefined : keptOf(id, connection)
    return {
      plan: rule.plan(parent === undefined ? [] : [parent.head], request),
      parent,
      origin: undefined,
      own: parent
    }
  }

  /** Nothing can be continued here. `kept`: what the request would have continued in another place, whose lane it leaves. */
  const elsewhere = (request: Request, kept: Head.Kept | undefined): Chosen => {
    if (kept === undefined) return inFull(request, explain(request))
    // What would have travelled whole on its own lane, too, is not whole because of others.
    const withheld = chaining.withheld(request, "latest")
    const at = places.open(kept.head.responseId)
    const lane = at?.lane
    if (lane?.tag !== "Free" || Head.keptOn(lane) !== kept) return inFull(request, withheld ?? explain(request))
    const loss = at?.connection.admits() === true ? "Displaced" : "NewConnection"
    return withheld === undefined
      ? inFull(request, explain(request, { _tag: "Gone", loss, usedAt: kept.at }), undefined, { lane, loss })
      : inFull(request, withheld, undefined, { lane })
  }

  const continued = (place: Place, request: Request, found: ReadonlyArray<Found>): Chosen => {
    const own = found.find(({ kept }) => kept.place.lane === place.lane)
    const beside = uniqueIds ? found.find(({ kept }) => kept.place.connection === place.connection) : undefined
    const chosen = own ?? beside ?? storedFor(place, request)
    if (chosen === undefined) return elsewhere(request, found[0]?.kept)
    const { kept, plan } = chosen
    const origin: Origin = chosen === own ? "latest" : chosen === beside ? "fork" : "stored"
    const reason = chaining.withheld(request, origin)
    if (reason !== undefined) return inFull(request, reason, own?.kept)
    if (origin !== "stored" || kept.place.connection === place.connection) affineHits++
    return { plan, parent: kept, origin, own: own?.kept }
  }

  /** Counts the fork, if it is one. */
  const sourceOf = ({ connection, lane }: Place, { parent, plan: { request } }: Chosen): Lane | undefined => {
    const id = request.previous_response_id ?? undefined
    const at = id === undefined ? undefined : places.get(id)
    if (at === undefined || at.connection !== connection || at.lane === lane) return undefined
    forks++
    return parent?.head.stored ?? request.store !== false ? undefined : at.lane
  }

  return {
    find: (request) => {
      if (Continuation.isExplicit(request)) return []
      const fitting = (kept: Head.Kept): ReadonlyArray<Found> => {
        const found = chaining.match(kept, request)
        return found === undefined ? [] : [found]
      }
      // Most often it is the one, and nothing need be looked up.
      const recent = index.recent()
      const first = recent !== undefined && recent.name === request.stream_id ? fitting(recent) : []
      // With an answer among what is new there may be a longer one.
      if (first[0] !== undefined && !ResponseRequest.items(first[0].plan.request).some(isOfModel)) return first
      const items = ResponseRequest.items(request)
      const byContent = index.find(items)
      const found = byContent.length > 0 ? byContent : index.ofRoot(Fingerprint.root(items))
      return found.flatMap(fitting).toSorted((one, other) =>
        other.plan.sharedItems - one.plan.sharedItems ||
        Number(other.kept.name === request.stream_id) - Number(one.kept.name === request.stream_id)
      )
    },
    choose: (place, request, found) => {
      const chosen = Continuation.isExplicit(request) ? named(place, request) : continued(place, request, found)
      const { parent, plan } = chosen
      return {
        ...chosen,
        fingerprint: Fingerprint.extend(
          parent?.fingerprint ?? Fingerprint.empty,
          ResponseRequest.items(plan.request)
        ),
        root: parent?.root ?? Fingerprint.root(ResponseRequest.items(request)),
        source: sourceOf(place, chosen)
      }
    },
    extend: Fingerprint.extend,
    idleFor: (request) => {
      const trace = traceOf(request)
      return trace?._tag === "Gone" && trace.loss === "Displaced" ? now() - trace.usedAt : undefined
    },
    add: (kept) => index.add(kept),
    remove: (kept, loss) => index.remove(kept, loss),
    putBack: (kept) => index.putBack(kept),
    failed: (root) => index.lost(root, "AfterFailure", now()),
    stats: () => ({ forks, affineHits, headsLost: { ...index.losses } })
  }
}
