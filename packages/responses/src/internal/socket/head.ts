/** A response that can be continued from, and what a full request would have to send in its place. */
import type * as Continuation from "../compare/continuation.ts"

export interface Kept {
  readonly head: Continuation.Head
  /** Sizes of what a full request would hold, in bytes, as far as they are known without writing it. */
  readonly inputBytes: number
  readonly otherBytes: number
}

/** What can be continued from on a lane. */
export type Memory =
  /** No request has used the lane. */
  | { readonly _tag: "Unused" }
  /** The latest turn of the lane did not end well, or has not ended. */
  | { readonly _tag: "Spent" }
  | { readonly _tag: "Head"; readonly kept: Kept }

export const unused: Memory = { _tag: "Unused" }
export const spent: Memory = { _tag: "Spent" }
