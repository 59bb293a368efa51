/**
 * How many responses may run on a connection, and on which lanes: what the server has shown of that, and what is taken.
 *
 * | the server has shown             | places     | places that are hoped for |
 * | -------------------------------- | ---------- | ------------------------- |
 * | nothing yet                      | 1          | the others                |
 * | the name of a lane in an event   | `maxLanes` | none                      |
 * | that it runs one at a time       | 1          | none                      |
 *
 * An `Effect.Semaphore` has as many permits as it was made with. Here their number is learnt while some are taken, and who
 * takes one gives it back only when the server is done with the lane.
 */
import type { Time } from "../effect/time.ts"
import { Lane, type Lanes } from "./lane.ts"
import * as Naming from "./naming.ts"
import type { Phase } from "./phase.ts"

/** The connection. */
export interface Host {
  readonly lanes: Lanes
  readonly phase: Pick<Phase, "admits" | "foundRoom">
  /** Places that are granted to turns which have not taken a lane yet. */
  readonly reserved: number
  /** When a turn last took, or gave up, a lane, or when it was opened. */
  readonly usedAt: number
}

/** In milliseconds: how long others wait for the first event of a connection, which says whether there are lanes. */
export const hopeTimeout = 1000

export class Capacity {
  /** An event has come back with the name of its lane. */
  private isProven = false
  /** The server has said that it runs one response at a time. */
  private isServingOne = false
  private names = Naming.maxNames
  private readonly host: Host
  private readonly naming: Naming.Naming
  private readonly time: Time

  constructor(host: Host, naming: Naming.Naming, time: Time) {
    this.host = host
    this.naming = naming
    this.time = time
  }

  /** How many responses more could run now. */
  room(): number {
    const { lanes, phase, reserved } = this.host
    if (!phase.admits()) return 0
    // Callers who name the lanes wait for what drains on their own.
    const busy = this.naming.by === "callers" ? lanes.withTurns() : lanes.busy()
    return Math.max(0, this.slots() - busy - reserved)
  }

  /** How many more there would be, once an event has shown that the server has lanes. */
  hopedFor(): number {
    const { lanes, phase, usedAt } = this.host
    if (!phase.admits() || this.isProven || this.isServingOne) return 0
    if (lanes.busy() > 0 && this.time.now() - usedAt > hopeTimeout) return 0
    return Math.max(0, this.naming.hopedFor - Math.max(1, lanes.busy()))
  }

  /** How many places there would be then. */
  places(): number {
    return this.naming.by === "callers" || this.isServingOne ? 1 : this.naming.hopedFor
  }

  /** Most of the places are taken by lanes that nobody has a turn on. */
  isStuck(): boolean {
    const stuck = [...this.host.lanes].filter(({ tag }) => tag === "Draining" || tag === "Lost").length
    return 2 * stuck > this.slots()
  }

  /** A lane without a head, for a request that has none. */
  unusedLane(): Lane | undefined {
    const lanes = [...this.host.lanes]
    const unused = lanes.find((lane) => lane.tag === "Free" && lane.memory._tag !== "Head" && lane.pins === 0)
    if (unused !== undefined) return unused
    if (!this.naming.sendsNames) return lanes.length === 0 ? new Lane("") : undefined
    return lanes.length < this.names ? new Lane(String(lanes.length + 1)) : undefined
  }

  /** Whether the server has given an event the name of its lane. */
  namesLanes(): boolean {
    return this.isProven
  }

  /** An event has come with the name of its lane, or without. */
  onNamed(lane: Lane, isNamed: boolean): void {
    lane.isNameKnown = true
    if (!this.naming.sendsNames || lane.name === "") return
    if (!isNamed) return this.nameRefused(lane)
    if (this.isProven) return
    this.isProven = true
    this.host.phase.foundRoom()
  }

  /** The server takes no names, or gives its events none. */
  nameRefused(lane: Lane): void {
    this.naming.refused()
    this.host.lanes.unname(lane)
  }

  /** The server takes no more names than it has seen. The one of this lane it has not taken. */
  noMoreNames(lane: Lane): void {
    const { lanes } = this.host
    lanes.remove(lane)
    this.names = Math.max(1, [...lanes].filter(({ isNameKnown }) => isNameKnown).length)
  }

  /** The server runs one response at a time here. */
  runOne(): void {
    this.isServingOne = true
  }

  private slots(): number {
    return this.naming.by === "callers" || this.isServingOne ? 1 : this.naming.slots(this.isProven)
  }
}
