/** What a server remembers of responses: the stored ones for everybody, the latest of each lane for one connection. */
import type { ResponseItem } from "effect-responses"

type Items = ReadonlyArray<ResponseItem.ResponseItem>

export interface Kept {
  readonly id: string
  /** What the model saw. */
  readonly input: Items
  /** What a continuation begins with. */
  readonly items: Items
  /** As it ended. */
  readonly response: Readonly<Record<string, unknown>>
  /** Size of the context, in bytes of JSON. */
  readonly bytes: number
}

/** As one lane of one connection, or one HTTP request, sees it. */
export interface Memory {
  readonly find: (id: string) => Kept | undefined
  readonly findItem: (id: string) => ResponseItem.ResponseItem | undefined
  readonly keep: (kept: Kept, stored: boolean) => void
  /** A continuation from this response failed. */
  readonly evict: (id: string) => void
}

export interface Store extends Memory {
  /** Whether there was one. */
  readonly remove: (id: string) => boolean
  readonly forget: (which: (id: string) => boolean) => void
  readonly size: () => { readonly responses: number; readonly bytes: number }
}

const itemIn = (kept: Iterable<Kept | undefined>, id: string): ResponseItem.ResponseItem | undefined => {
  for (const one of kept) {
    const found = one?.items.find((item) => "id" in item && item.id === id)
    if (found !== undefined) return found
  }
  return undefined
}

/** The oldest go first. A context that is part of several counts for each, so the real size is smaller. */
export const makeStore = (limit: { readonly responses: number; readonly bytes: number }): Store => {
  const responses = new Map<string, Kept>()
  let bytes = 0
  const remove = (id: string): boolean => {
    bytes -= responses.get(id)?.bytes ?? 0
    return responses.delete(id)
  }
  return {
    find: (id) => responses.get(id),
    findItem: (id) => itemIn(responses.values(), id),
    keep: (kept, stored) => {
      if (!stored) return
      responses.set(kept.id, kept)
      bytes += kept.bytes
      for (const id of responses.keys()) {
        if (responses.size <= 1 || (responses.size <= limit.responses && bytes <= limit.bytes)) break
        remove(id)
      }
    },
    // A stored response outlives what continues from it.
    evict: () => {},
    remove,
    forget: (which) => {
      for (const id of responses.keys()) if (which(id)) remove(id)
    },
    size: () => ({ responses: responses.size, bytes })
  }
}

export interface Lane {
  latest: Kept | undefined
  /** The latest one, given up already for all but the request that runs on the lane, or is about to. */
  parent: Kept | undefined
}

/** The lane goes on: only what runs next on it may continue from the latest response. */
export const advance = (lane: Lane): void => {
  if (lane.latest === undefined) return
  lane.parent = lane.latest
  lane.latest = undefined
}

/** Whether a request continues what this lane does not have. */
export const isFork = ({ latest, parent }: Lane, previousId: unknown): boolean =>
  previousId !== undefined && previousId !== null && previousId !== latest?.id && previousId !== parent?.id

/** A lane finds what any lane of its connection has, and only ever replaces its own. */
export const makeLaneMemory = (lane: Lane, lanes: () => Iterable<Lane>, store: Store): Memory => ({
  find: (id) => {
    if (lane.parent?.id === id) return lane.parent
    for (const { latest } of lanes()) if (latest?.id === id) return latest
    return store.find(id)
  },
  findItem: (id) => itemIn([lane.parent, ...Array.from(lanes(), ({ latest }) => latest)], id) ?? store.findItem(id),
  keep: (kept, stored) => {
    lane.latest = kept
    store.keep(kept, stored)
  },
  evict: (id) => {
    if (lane.latest?.id === id) lane.latest = undefined
  }
})
