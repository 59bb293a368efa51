/** Which exchange a frame belongs to. */
import * as ResponseEvent from "../ResponseEvent.ts"
import type { Exchange } from "./exchange.ts"

/** Deltas and the like, which do not say of which response they are. */
const isPartOfOutput = (event: ResponseEvent.ServerEvent): boolean =>
  ResponseEvent.isOutput(event) && !ResponseEvent.isFailure(event) && !ResponseEvent.isUnknown(event)

/** How many responses that are over are told from the one that runs. */
const maxOver = 256

export class Router {
  /** Every lane that was used, with what runs on it. */
  readonly #lanes = new Map<string, Exchange | undefined>()
  #running = 0
  /** The server announces its responses, so what comes before that is of no response that is to come. */
  #announces = false
  /** The responses that have ended, the oldest first. */
  readonly #over = new Set<string>()

  /** What comes from now on is the answer to a request on this lane. */
  add(lane: string, exchange: Exchange): void {
    if (this.onLane(lane) === undefined) this.#running++
    this.#lanes.set(lane, exchange)
  }

  onLane(lane: string): Exchange | undefined {
    return this.#lanes.get(lane)
  }

  /** Where only one request runs, what names no lane that was ever used can only be its own. */
  find(event: ResponseEvent.ServerEvent): Exchange | undefined {
    const lane = event.stream_id ?? ""
    const found = this.#lanes.get(lane)
    if (found !== undefined || this.#running !== 1) return found
    const isStray = this.#lanes.has(lane) && (event.stream_id !== undefined || !ResponseEvent.isFailure(event))
    return isStray ? undefined : this.#all().at(0)
  }

  /**
   * The frame comes after the end of the response it speaks of, or before the beginning of any. Some servers send a
   * `response.done` or a second end after the end, at once or later: it is not the next one's.
   */
  isLate(event: ResponseEvent.ServerEvent, exchange: Exchange): boolean {
    const type: string | undefined = event.type
    if (exchange.responseId() === undefined) {
      if (type === "response.done") return true
      if (type === "response.created") this.#announces = true
      else if (this.#announces && isPartOfOutput(event)) return true
    }
    const id = this.#over.size === 0 ? undefined : ResponseEvent.responseId(event)
    if (id === undefined) return false
    // Some servers give every response the same id.
    if (type === "response.created") this.#over.delete(id)
    return this.#over.has(id)
  }

  /** The server has said its last word: the lane is free. */
  settle(exchange: Exchange): void {
    for (const [lane, running] of this.#lanes) {
      if (running !== exchange) continue
      this.#lanes.set(lane, undefined)
      this.#running--
    }
    const id = exchange.responseId()
    if (id !== undefined) this.#remember(id)
  }

  /** Nothing more comes for anybody. */
  takeAll(): ReadonlyArray<Exchange> {
    const running = this.#all()
    this.#lanes.clear()
    this.#running = 0
    return running
  }

  #all(): ReadonlyArray<Exchange> {
    return [...this.#lanes.values()].filter((exchange) => exchange !== undefined)
  }

  #remember(id: string): void {
    this.#over.add(id)
    const [oldest] = this.#over
    if (this.#over.size > maxOver && oldest !== undefined) this.#over.delete(oldest)
  }
}
