/** What callers have not read yet, of all responses of a Layer, and who has to go when it is too much. */
import type { Exchange } from "../exchange/exchange.ts"

/** In characters that wait. */
export interface Limits {
  readonly response: number
  readonly connection: number
  readonly layer: number
}

const mebi = 1024 * 1024

/** The longest text that a model of today writes (128,000 tokens of some 230 characters of JSON) is below that of a response. */
export const defaults: Limits = { response: 32 * mebi, connection: 64 * mebi, layer: 256 * mebi }

const names: Readonly<Record<keyof Limits, string>> = {
  response: "one response",
  connection: "all responses on a connection",
  layer: "all responses of a Layer"
}

const description = (exchange: Exchange, budget: keyof Limits, limit: number): string =>
  `The reader of the response is ${exchange.size()} characters behind, and more than ${limit} wait for ${
    names[budget]
  } (maxUnread.${budget}). ` +
  "Read faster, use forEach, or ask over HTTP, where the network waits for each reader by itself"

export class Backlog {
  /** Responses that are behind, with their connections. Others are not counted. */
  private readonly behind = new Map<Exchange, object>()
  private readonly limits: Limits
  private readonly onOverrun: () => void

  constructor(limits: Limits, onOverrun: () => void) {
    this.limits = limits
    this.onOverrun = onOverrun
  }

  /** The response has become behind, or more so. While its connection is paused no more of it comes. */
  add(exchange: Exchange, connection: object, isPaused: boolean): void {
    this.behind.set(exchange, connection)
    if (isPaused) return
    if (exchange.size() > this.limits.response) return this.overrun(exchange, "response")
    if (this.total(connection) > this.limits.connection) return this.overrun(this.largest(connection), "connection")
    if (this.total() > this.limits.layer) this.overrun(this.largest(), "layer")
  }

  remove(exchange: Exchange): void {
    this.behind.delete(exchange)
  }

  private total(connection?: object): number {
    let total = 0
    for (const [exchange, own] of this.behind) {
      if (connection === undefined || connection === own) total += exchange.size()
    }
    return total
  }

  private largest(connection?: object): Exchange | undefined {
    let largest: Exchange | undefined
    for (const [exchange, own] of this.behind) {
      if (connection !== undefined && connection !== own) continue
      if (largest === undefined || exchange.size() > largest.size()) largest = exchange
    }
    return largest
  }

  private overrun(exchange: Exchange | undefined, budget: keyof Limits): void {
    if (exchange === undefined) return
    this.behind.delete(exchange)
    this.onOverrun()
    exchange.fellBehind(description(exchange, budget, this.limits[budget]))
  }
}
