/** Heads that the server keeps with `store: true`: they can be continued from on any lane, and outlive their connection. */
import type { Kept } from "./head.ts"

/** What is remembered at the most. A forgotten head costs one request in full. */
const max = { count: 64, bytes: 32 * 1024 * 1024 }

const nowhere = {}

export interface StoredHeads {
  readonly add: (kept: Kept) => void
  /** It is there, or was given up: a caller who names it says nothing new. */
  readonly isKnown: (responseId: string) => boolean
  /** What one caller stored is not known to another. Without an identity: those of all. */
  readonly newestFirst: (identity?: string) => ReadonlyArray<Kept>
  readonly remove: (isGivenUp: (kept: Kept) => boolean) => void
}

export const make = (): StoredHeads => {
  /** By the ids of their responses, the oldest first. */
  const stored = new Map<string, Kept>()
  /** The latest that were given up, so that nobody brings them back: what failed with one of them would fail for ever. */
  const givenUp = new Set<string>()
  const newestFirst = (identity?: string) => {
    const all = [...stored.values()].toReversed()
    return identity === undefined ? all : all.filter(({ place }) => place.connection.identity === identity)
  }

  const add = (kept: Kept) => {
    const { connection: { identity } } = kept.place
    stored.delete(kept.head.responseId)
    // It outlives its connection, and would keep all of that in memory.
    stored.set(kept.head.responseId, { ...kept, place: { connection: { identity }, lane: nowhere } })
    let bytes = 0
    for (const [index, { head, inputBytes }] of newestFirst().entries()) {
      bytes += inputBytes
      if (index >= max.count || bytes > max.bytes) stored.delete(head.responseId)
    }
  }

  return {
    newestFirst,
    add,
    isKnown: (responseId) => stored.has(responseId) || givenUp.has(responseId),
    remove: (isGivenUp) => {
      for (const kept of stored.values()) {
        if (!isGivenUp(kept)) continue
        stored.delete(kept.head.responseId)
        givenUp.add(kept.head.responseId)
      }
      for (const id of givenUp) {
        if (givenUp.size <= max.count) break
        givenUp.delete(id)
      }
    }
  }
}
