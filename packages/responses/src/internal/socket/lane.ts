/**
 * A lane of a connection: one response runs on it at a time, and the server keeps the context of the latest one.
 *
 * ```
 * Free ──hold──▶ Held ──run──▶ Running ──the exchange ends──▶ Held ──release──▶ Free
 *                              Running ──release──▶ Draining ──the exchange ends──▶ Free
 * ```
 *
 * A turn holds its lane between two tries, so that no other turn gets in between.
 */
import type { Exchange } from "../exchange/exchange.ts"
import * as Head from "./head.ts"

export type State =
  | { readonly _tag: "Free" }
  | { readonly _tag: "Held" }
  | { readonly _tag: "Running"; readonly exchange: Exchange }
  /** Its caller has left. The rest of the response is thrown away. */
  | { readonly _tag: "Draining"; readonly exchange: Exchange }

const free: State = { _tag: "Free" }
const held: State = { _tag: "Held" }

export class Lane {
  private state: State = free
  memory: Head.Memory = Head.unused
  /** A response that nobody here asked for, and that has begun on the lane and not ended. */
  stranger: string | undefined
  /** The server has named the running response by more than one id. */
  idsVary = false
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  get tag(): State["_tag"] {
    return this.state._tag
  }

  /** What runs on the lane, whether or not its caller is still there. */
  get exchange(): Exchange | undefined {
    return this.state._tag === "Running" || this.state._tag === "Draining" ? this.state.exchange : undefined
  }

  /** A turn takes the lane. */
  hold(): void {
    if (this.state._tag !== "Free") throw this.impossible("hold")
    this.state = held
  }

  /** The request of the turn that holds the lane is sent. */
  run(exchange: Exchange): void {
    if (this.state._tag !== "Held") throw this.impossible("run")
    this.state = { _tag: "Running", exchange }
  }

  /** An exchange has ended. That of a request that was not sent never ran here. */
  ended(exchange: Exchange): void {
    if (this.exchange !== exchange) return
    this.state = this.state._tag === "Draining" ? free : held
    this.stranger = undefined
    this.idsVary = false
  }

  /** The turn that holds the lane is over, or goes on elsewhere. */
  release(): void {
    if (this.state._tag === "Held") this.state = free
    else if (this.state._tag === "Running") this.state = { _tag: "Draining", exchange: this.state.exchange }
    else throw this.impossible("release")
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
    const lane = this.byName.get(name) ?? new Lane(name)
    this.byName.delete(name)
    this.byName.set(name, lane)
    return lane
  }

  /** What runs, in the order of its lanes. */
  running(): ReadonlyArray<Exchange> {
    return [...this.byName.values()].flatMap(({ exchange }) => exchange === undefined ? [] : [exchange])
  }
}
