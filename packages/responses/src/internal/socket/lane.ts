/**
 * A lane of a connection: one response runs on it at a time, and the server keeps the context of the latest one.
 *
 * ```
 * Free ──hold──▶ Held ──run──▶ Running ──the server ends the response──▶ Held ──release──▶ Free
 *                              Running ──its caller leaves, or a clock ends it here──▶ Draining ──the rest has come──▶ Free
 *                                                                                      Draining ──it does not come──▶ Lost
 * ```
 *
 * A turn holds its lane between two tries, so that no other turn gets in between. A lane that is not `Free` takes one of the
 * connection's slots. A response that owes a successor (steering) will keep its lane in a state of its own.
 */
import type { Exchange } from "../exchange/exchange.ts"
import * as Head from "./head.ts"

export type State =
  | { readonly _tag: "Free" }
  | { readonly _tag: "Held" }
  | { readonly _tag: "Running"; readonly exchange: Exchange }
  /** Nobody waits for the rest of the response, which is thrown away. */
  | { readonly _tag: "Draining"; readonly exchange: Exchange }
  /** The rest of a response never came. The server may still be at it, so nothing is sent here any more. */
  | { readonly _tag: "Lost"; readonly exchange: Exchange }

const free: State = { _tag: "Free" }
const held: State = { _tag: "Held" }

/** A turn. */
export interface Holder {
  /** The fiber that asks. */
  readonly asker?: unknown
}

const nobody: Holder = {}

export class Lane {
  private state: State = free
  memory: Head.Memory = Head.unused
  /** A response that nobody here asked for, and that has begun on the lane and not ended. */
  stranger: string | undefined
  /** The server has named the running response by more than one id. */
  idsVary = false
  /** An event has told whether the server gives events the name of their lane. */
  isNameKnown = false
  /** Forks of its head that the server has not begun to work on. What is sent on the lane could drop the head under them. */
  pins = 0
  /** The lane that what runs here was forked from, as long as that is pinned for it. */
  private source: Lane | undefined
  /** Who took the lane, until it is free again. */
  private holder: Holder | undefined
  /** The response that ended well last, with a head or without. */
  latestId: string | undefined
  /** Empty: the lane that has none. */
  name: string

  constructor(name: string) {
    this.name = name
  }

  get tag(): State["_tag"] {
    return this.state._tag
  }

  /** What the server works on, whether or not its caller is still there. */
  get exchange(): Exchange | undefined {
    return this.state._tag === "Free" || this.state._tag === "Held" ? undefined : this.state.exchange
  }

  /** The fiber whose turn has it. */
  get asker(): unknown {
    return this.holder?.asker
  }

  isHeldBy(holder: Holder): boolean {
    return this.holder === holder
  }

  /** A turn takes the lane. */
  hold(holder: Holder = nobody): void {
    if (this.state._tag !== "Free") throw this.impossible("hold")
    this.state = held
    this.holder = holder
  }

  /** The request of the turn that holds the lane is sent. `source`: the lane whose head it forks, and which it pins. */
  run(exchange: Exchange, source?: Lane): void {
    if (this.state._tag !== "Held") throw this.impossible("run")
    this.state = { _tag: "Running", exchange }
    if (source === undefined) return
    this.source = source
    source.pins++
  }

  /** Whether what runs here pins the lane that it was forked from. */
  hasPinned(): boolean {
    return this.source !== undefined
  }

  /** The server has begun to work on the fork, or never will. */
  unpin(): void {
    if (this.source !== undefined) this.source.pins--
    this.source = undefined
  }

  /** An exchange has ended. That of a request that was not sent never ran here. */
  ended(exchange: Exchange): void {
    if (this.exchange !== exchange) return
    this.unpin()
    if (this.state._tag === "Running") this.state = held
    else this.free()
    this.stranger = undefined
    this.idsVary = false
  }

  /** The exchange was ended from this side, and the server goes on. */
  drain(exchange: Exchange): void {
    if (this.state._tag === "Running" && this.state.exchange === exchange) this.state = { _tag: "Draining", exchange }
  }

  /**
   * The turn that holds the lane is over, or goes on elsewhere. What was ended from this side may have left the lane, and
   * another turn may have it: then nothing happens.
   */
  release(holder: Holder = nobody): void {
    if (this.holder !== holder) return
    if (this.state._tag === "Held") this.free()
    else if (this.state._tag === "Running") this.state = { _tag: "Draining", exchange: this.state.exchange }
  }

  /** Nobody waits any longer for the rest of what drains here. */
  lose(): void {
    if (this.state._tag !== "Draining") throw this.impossible("lose")
    this.unpin()
    this.state = { _tag: "Lost", exchange: this.state.exchange }
  }

  private free(): void {
    this.state = free
    this.holder = undefined
  }

  private impossible(happening: string): Error {
    return new Error(`BUG: ${happening} on a lane that is ${this.state._tag}`)
  }
}

/** The lanes of one connection by their names, in the order of their latest use. */
export class Lanes implements Iterable<Lane> {
  private readonly byName = new Map<string, Lane>()

  get size(): number {
    return this.byName.size
  }

  [Symbol.iterator](): Iterator<Lane> {
    return this.byName.values()
  }

  find(name: string): Lane | undefined {
    return this.byName.get(name)
  }

  /** The lane of this name becomes the one that was used last. */
  use(name: string): Lane {
    return this.put(this.byName.get(name) ?? new Lane(name))
  }

  /** The lane, which may be a new one, becomes the one that was used last. */
  put(lane: Lane): Lane {
    this.byName.delete(lane.name)
    this.byName.set(lane.name, lane)
    return lane
  }

  remove(lane: Lane): void {
    this.byName.delete(lane.name)
  }

  /** The server has shown that it gives this lane no name. */
  unname(lane: Lane): void {
    this.byName.delete(lane.name)
    lane.name = ""
    this.byName.set("", lane)
  }

  /** How many are not free. */
  busy(): number {
    let count = 0
    for (const lane of this.byName.values()) if (lane.tag !== "Free") count++
    return count
  }

  /** How many have a turn. */
  withTurns(): number {
    let count = 0
    for (const { tag } of this.byName.values()) if (tag === "Held" || tag === "Running") count++
    return count
  }

  /** What runs, in the order of its lanes. */
  running(): ReadonlyArray<Exchange> {
    return [...this.byName.values()].flatMap(({ exchange }) => exchange === undefined ? [] : [exchange])
  }

  /** Whether the socket has not said yet of a request whether it went out. */
  isWriting(): boolean {
    return this.running().some((exchange) => exchange.isWriting())
  }
}
