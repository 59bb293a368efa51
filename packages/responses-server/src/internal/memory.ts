/** What a server remembers of responses: the stored ones for everybody, the latest of each lane for one connection. */
import type { ResponseItem } from "effect-responses"

export interface Kept {
  readonly id: string
  /** The whole context: what the model saw and what it put out. */
  readonly items: ReadonlyArray<ResponseItem.ResponseItem>
}

/** As one lane of one connection, or one HTTP request, sees it. */
export interface Memory {
  readonly find: (id: string) => Kept | undefined
  readonly keep: (kept: Kept, stored: boolean) => void
  /** A continuation from this response failed. */
  readonly evict: (id: string) => void
}

export interface Store extends Memory {
  readonly forget: (which: (id: string) => boolean) => void
}

/** The oldest go first. */
export const makeStore = (limit: number): Store => {
  const responses = new Map<string, Kept>()
  return {
    find: (id) => responses.get(id),
    keep: (kept, stored) => {
      if (!stored) return
      responses.set(kept.id, kept)
      for (const id of responses.keys()) {
        if (responses.size <= limit) break
        responses.delete(id)
      }
    },
    // A stored response outlives what continues from it.
    evict: () => {},
    forget: (which) => {
      for (const id of responses.keys()) if (which(id)) responses.delete(id)
    }
  }
}

export interface Lane {
  latest: Kept | undefined
}

/** A lane finds what any lane of its connection has, and only ever replaces its own. */
export const makeLaneMemory = (lane: Lane, lanes: () => Iterable<Lane>, store: Store): Memory => ({
  find: (id) => {
    for (const { latest } of lanes()) if (latest?.id === id) return latest
    return store.find(id)
  },
  keep: (kept, stored) => {
    lane.latest = kept
    store.keep(kept, stored)
  },
  evict: (id) => {
    if (lane.latest?.id === id) lane.latest = undefined
  }
})
