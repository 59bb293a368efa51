/** Where a request is served. A pure function of what there is, so that its rules can be read, and tested, in their order. */
import type { ConnectionError } from "../../ResponsesError.ts"

export interface Limits {
  readonly connections: number
  /** Responses at once on one connection. */
  readonly lanes: number
}

/** One permit: the request that holds it is served, and later requests wait. */
export const oneAtATime: Limits = { connections: 1, lanes: 1 }

/** What placement looks at. The pool's own records, read and not copied. */
export interface View<C> {
  readonly limits: Limits
  /** Connections that take new turns. */
  readonly connections: ReadonlyArray<C>
  /** Requests that were asked before this one, and are waiting or being served. */
  readonly ahead: number
  /** The latest dial that failed, and the number of the last request that was there then. */
  readonly failure: { readonly error: ConnectionError; readonly upTo: number } | undefined
}

export interface Wish<C> {
  /** Requests are numbered in the order in which they were asked. */
  readonly number: number
  /** A connection that was opened with another key does not suit. */
  readonly suits: (connection: C) => boolean
}

export type Placement<C> =
  | { readonly _tag: "Wait" }
  | { readonly _tag: "Use"; readonly connection: C }
  | { readonly _tag: "Fail"; readonly error: ConnectionError }
  | { readonly _tag: "Dial" }

export const place = <C>({ ahead, connections, failure, limits }: View<C>, wish: Wish<C>): Placement<C> => {
  // 1. As many are served as may be.
  if (ahead >= limits.connections * limits.lanes) return { _tag: "Wait" }
  // 2. A connection that is open and suits.
  const connection = connections.find(wish.suits)
  if (connection !== undefined) return { _tag: "Use", connection }
  // 3. A dial failed for one of those who waited: the others do not try one after the other.
  if (failure !== undefined && wish.number <= failure.upTo) return { _tag: "Fail", error: failure.error }
  // 4. A new connection. Those that do not suit retire when it is open, so they are not counted.
  return { _tag: "Dial" }
}
