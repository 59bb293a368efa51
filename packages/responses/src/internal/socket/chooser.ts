/**
 * Which head a request continues from. Who names the lanes decides how it is found: `namedHeads.ts` where callers do,
 * `foundHeads.ts` where the Layer does.
 */
import type { ResponseItem } from "../../ResponseItem.ts"
import type * as ResponseRequest from "../../ResponseRequest.ts"
import type * as Continuation from "../compare/continuation.ts"
import type * as Fingerprint from "../compare/fingerprint.ts"
import type { Kept } from "./head.ts"
import type { Loss, Losses } from "./headIndex.ts"
import type { Lane } from "./lane.ts"
import type { Place } from "./place.ts"

/** The latest response of its lane, the same on another lane of the connection, or a stored one of anywhere. */
export type Origin = "latest" | "fork" | "stored"

/** A head that the request fits. */
export interface Found {
  readonly kept: Kept
  readonly plan: Continuation.Delta
}

/** What to send on a lane, and what it continues. */
export interface Choice {
  readonly plan: Continuation.Plan
  readonly parent: Kept | undefined
  /** Where the head of a delta was kept. */
  readonly origin: Origin | undefined
  /** Of what the request says, and what it continues. */
  readonly fingerprint: Fingerprint.Fingerprint
  readonly root: number | undefined
  /** The lane of the response that it branches off, where it goes on another one and the server keeps it for its lane only. */
  readonly source?: Lane | undefined
  /** The head of the request's own conversation, whether or not it is continued: on its lane it gives way to nobody else. */
  readonly own: Kept | undefined
  /** The lane that the conversation has left, and what is lost with it. */
  readonly left?: { readonly lane: Lane; readonly loss?: Loss } | undefined
}

export interface Stats {
  readonly forks: number
  readonly affineHits: number
  readonly headsLost: Losses
}

export interface Chooser {
  /** The heads that a request fits, the best first. */
  readonly find: (request: ResponseRequest.ResponseRequest) => ReadonlyArray<Found>
  readonly choose: (
    place: Place,
    request: ResponseRequest.ResponseRequest,
    found: ReadonlyArray<Found>
  ) => Choice
  /** Of a history and the items after it, where heads are found by what they contain. */
  readonly extend: (
    before: Fingerprint.Fingerprint,
    items: ReadonlyArray<ResponseItem>
  ) => Fingerprint.Fingerprint
  /** For how long the conversation was not asked for when it lost its place, if it did. */
  readonly idleFor: (request: ResponseRequest.ResponseRequest) => number | undefined
  /** A head was put out, and is on its lane. */
  readonly add: (kept: Kept, place: Place) => void
  /** A head is gone from its lane. One that was continued is gone without a loss. */
  readonly remove: (kept: Kept, loss?: Loss) => void
  /** A head that gave way to another conversation has not, as nothing was sent. */
  readonly putBack: (kept: Kept, place: Place) => void
  /** A turn failed that continued nothing. */
  readonly failed: (root: number | undefined) => void
  readonly stats: () => Stats
}
