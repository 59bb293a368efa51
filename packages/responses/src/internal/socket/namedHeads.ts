/**
 * Heads, where callers name the lanes and one response runs at a time: a request continues the head of its own lane first, then
 * of the others, then what is stored. Nothing is looked up by what it contains.
 */
import * as Fingerprint from "../compare/fingerprint.ts"
import type { Chaining } from "./chaining.ts"
import type { Chooser } from "./chooser.ts"
import * as Explain from "./explain.ts"
import * as Head from "./head.ts"
import { noLosses } from "./headIndex.ts"
import type { Lane } from "./lane.ts"
import type { StoredHeads } from "./storedHeads.ts"

export interface Options {
  readonly chaining: Chaining
  readonly stored: StoredHeads
  readonly uniqueIds: boolean
}

/** Callers may name any number of lanes, and the server keeps so many heads. */
const maxHeads = 33

const isUsed = ({ memory }: Lane): boolean => memory._tag !== "Unused"

const stats = { forks: 0, affineHits: 0, headsLost: noLosses }

export const make = ({ chaining, stored, uniqueIds }: Options): Chooser => {
  /** Some response could be continued from. */
  let any = false

  return {
    find: () => [],
    choose: ({ connection, lane }, request) => {
      const own = Head.keptOn(lane)
      const onLanes = [...connection.lanes].map(Head.keptOn)
      const all = uniqueIds ? [own, ...onLanes, ...stored.newestFirst(connection.identity)] : [own]
      const found = chaining.planFrom(
        [...new Set(all.filter((kept) => kept !== undefined))],
        request,
        (parent) => onLanes.includes(parent) ? "latest" : "stored"
      )
      return {
        ...found,
        plan: Explain.byLane(found.plan, { connection, lane, any }),
        fingerprint: Fingerprint.empty,
        root: undefined,
        own: found.parent
      }
    },
    extend: (before) => before,
    idleFor: () => undefined,
    add: (_, { connection: { lanes } }) => {
      any = true
      if (lanes.size <= maxHeads) return
      // The lane that was used longest ago gives way.
      const used = [...lanes].filter(isUsed)
      if (used.length > maxHeads && used[0] !== undefined) used[0].memory = Head.unused
    },
    remove: () => {},
    putBack: () => {},
    failed: () => {},
    stats: () => stats
  }
}
