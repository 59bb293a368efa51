/**
 * Where a request is served: on which connection, and on which lane of it. A pure function of what there is, so that its rules
 * can be read, and tested, in their order.
 */
import type { Home, Kept } from "./head.ts"
import type { Lane } from "./lane.ts"

/** What placement looks at of a connection: the pool's own records, read and not copied. */
export interface Candidate {
  /** How many responses more could run on it now. */
  readonly room: () => number
  /** How many could run on it if nothing else did. */
  readonly places: () => number
  readonly lanes: Iterable<Lane>
  /** A lane without a head, under an old name or a new one. */
  readonly unusedLane: () => Lane | undefined
  readonly laneNamed: (name: string) => Lane
  /** Bytes that are on their way out. */
  readonly uploading: () => number
}

export interface View<C extends Candidate> {
  /** Connections that take new turns, the oldest first. */
  readonly connections: ReadonlyArray<C>
  /** A connection, or lanes of one, will be there soon, or can be asked for. */
  readonly mayGrow: boolean
  readonly now: number
}

export interface Wish<C extends Candidate> {
  /** Heads that the request fits, the longest first. */
  readonly heads: ReadonlyArray<Kept>
  /** The name that the caller gave the conversation. */
  readonly name: string | undefined
  /** The lane that the caller chose, where one response is served at a time. */
  readonly lane: string | undefined
  /** Where the response is that the caller named. */
  readonly named: Home | undefined
  /** The whole of it is more than the server takes in one message. */
  readonly onlyAsDelta: () => boolean
  /** The caller may be sent a copy of a head that another turn continues, by its id. */
  readonly mayFork: boolean
  /** Has just failed the request. */
  readonly excluded: C | undefined
  /** When the conversation lost its place to another one, if it did, and for how long it had been idle then. */
  readonly idleFor: number | undefined
}

export type Placement<C extends Candidate> =
  | { readonly _tag: "Use"; readonly connection: C; readonly lane: Lane }
  /** Until a connection is opened, or has shown that it has lanes. */
  | { readonly _tag: "Grow" }
  | { readonly _tag: "Wait" }

/** In bytes: what is on its way out stands before every other request of its connection. */
const largeUpload = 1024 * 1024

/** In milliseconds. After that the server's cache of the prompt has most often gone, too. */
const longIdle = 10 * 60_000

const wait = { _tag: "Wait" } as const
const grow = { _tag: "Grow" } as const

const isAt = (connection: Candidate, at: Home): boolean => Object.is(connection, at.connection)

const isHead = (lane: Lane): boolean => lane.memory._tag === "Head"

const isFree = (lane: Lane): boolean => lane.tag === "Free" && lane.pins === 0

const conversations = ({ lanes }: Candidate): number => {
  let count = 0
  for (const lane of lanes) if (lane.tag !== "Free" || isHead(lane)) count++
  return count
}

const idleSince = (lane: Lane): number => lane.memory._tag === "Head" ? lane.memory.kept.at : -Infinity

/** Of the lanes that have a head and are free, the one whose conversation gives way. */
export const givesWay = (lanes: ReadonlyArray<Lane>, now: number, idleFor: number | undefined): Lane | undefined => {
  const free = lanes.filter((lane) => isFree(lane) && isHead(lane)).toSorted((one, other) =>
    idleSince(one) - idleSince(other)
  )
  const [oldest] = free
  if (oldest === undefined) return undefined
  const idle = now - idleSince(oldest)
  if (idle > longIdle) return oldest
  // A conversation that was displaced displaces only one that was idle for longer. Else conversations that take turns would
  // displace each other, and none would find its head.
  if (idleFor !== undefined && idle > 1.5 * idleFor) return oldest
  // Of those that have had one turn only, the oldest of the latest four: most of them never come again.
  const once = free.filter(({ memory }) => memory._tag === "Head" && !memory.kept.isContinuation)
  return once.at(-4) ?? once[0] ?? oldest
}

export const place = <C extends Candidate>(
  { connections, mayGrow, now }: View<C>,
  { excluded, heads, idleFor, lane: chosen, mayFork, name, named, onlyAsDelta }: Wish<C>
): Placement<C> => {
  const isExcluded = excluded !== undefined && (mayGrow || connections.length > 1)
  const others = isExcluded ? connections.filter((connection) => connection !== excluded) : connections
  const open = others.filter((connection) => connection.room() > 0)

  if (chosen !== undefined) {
    const [connection] = open
    if (connection === undefined) return mayGrow ? grow : wait
    const lane = connection.laneNamed(chosen)
    return lane.tag === "Free" ? { _tag: "Use", connection, lane } : wait
  }

  /** On the lane of a head, or on another lane of its connection. `owner`: the name of the conversation that it is of. */
  const beside = (at: Home, owner?: string): Placement<C> | undefined => {
    const connection = open.find((connection) => isAt(connection, at))
    if (connection === undefined) return undefined
    const own = [...connection.lanes].find((lane) => lane === at.lane)
    if (own !== undefined && isFree(own)) {
      // Who has another name branches off: the lane is left to the conversation that may go on there.
      const isBranch = mayFork && name !== undefined && owner !== undefined && name !== owner
      return { _tag: "Use", connection, lane: (isBranch ? connection.unusedLane() : undefined) ?? own }
    }
    if (!mayFork) return undefined
    const lane = connection.unusedLane() ?? givesWay([...connection.lanes], now, idleFor)
    return lane === undefined ? undefined : { _tag: "Use", connection, lane }
  }

  // 1. Where the response is that the caller has named.
  // 2. Where a head of it is: on its lane, or as a fork of it on another lane of the connection.
  if (named !== undefined) {
    const found = beside(named)
    if (found !== undefined) return found
  }
  for (const kept of named === undefined ? heads : []) {
    const found = beside(kept.place, kept.name)
    if (found !== undefined) return found
  }
  // 3. As a whole it could not be sent anywhere.
  if (heads.some(({ place }) => others.some((connection) => isAt(connection, place))) && onlyAsDelta()) return wait
  // 4. Where nobody's head is given up: on the connection that has the fewest conversations, as all of them may come at once.
  const quiet = open.filter((connection) => connection.uploading() < largeUpload)
  for (
    const connection of (quiet.length > 0 ? quiet : open).toSorted((one, other) =>
      conversations(one) - conversations(other)
    )
  ) {
    // More than can run at once would have to leave it then: not while there can be more connections.
    if (mayGrow && conversations(connection) >= connection.places()) break
    const lane = connection.unusedLane()
    if (lane !== undefined) return { _tag: "Use", connection, lane }
  }
  // 5. There could be more connections.
  if (mayGrow) return grow
  // 6. In the place of another conversation.
  const lane = givesWay(open.flatMap((connection) => [...connection.lanes]), now, idleFor)
  const connection = lane && open.find((connection) => [...connection.lanes].includes(lane))
  return connection === undefined || lane === undefined ? wait : { _tag: "Use", connection, lane }
}
