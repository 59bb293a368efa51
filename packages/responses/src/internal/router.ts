/** Which exchange a frame belongs to. */
import * as ResponseEvent from "../ResponseEvent.ts"
import type { Exchange } from "./exchange.ts"

export interface Router {
  /** What comes from now on is the answer to a request on this lane. */
  readonly add: (lane: string, exchange: Exchange) => void
  readonly onLane: (lane: string) => Exchange | undefined
  readonly find: (event: ResponseEvent.ServerEvent) => Exchange | undefined
  /** The frame comes after the end of the response it speaks of, or before the beginning of any. */
  readonly isLate: (event: ResponseEvent.ServerEvent, exchange: Exchange) => boolean
  /** The server has said its last word: the lane is free. */
  readonly settle: (exchange: Exchange) => void
  /** Nothing more comes for anybody. */
  readonly takeAll: () => ReadonlyArray<Exchange>
}

/** Deltas and the like, which do not say of which response they are. */
const isPartOfOutput = (event: ResponseEvent.ServerEvent): boolean =>
  ResponseEvent.isOutput(event) && !ResponseEvent.isFailure(event) && !ResponseEvent.isUnknown(event)

/** How many responses that are over are told from the one that runs. */
const maxOver = 256

export const make = (): Router => {
  /** Every lane that was used, with what runs on it. */
  const lanes = new Map<string, Exchange | undefined>()
  /** The server announces its responses, so what comes before that is of no response that is to come. */
  let announces = false
  /** The responses that have ended, the oldest first. */
  const over = new Set<string>()

  const remember = (id: string) => {
    over.add(id)
    const [oldest] = over
    if (over.size > maxOver && oldest !== undefined) over.delete(oldest)
  }

  const all = () => [...lanes.values()].filter((exchange) => exchange !== undefined)

  return {
    add: (lane, exchange) => lanes.set(lane, exchange),
    onLane: (lane) => lanes.get(lane),
    // Where only one request runs, what names no lane that was ever used can only be its own.
    find: (event) => {
      const lane = event.stream_id ?? ""
      const found = lanes.get(lane)
      if (found !== undefined) return found
      const isStray = lanes.has(lane) && (event.stream_id !== undefined || !ResponseEvent.isFailure(event))
      const [only, ...others] = all()
      return isStray || others.length > 0 ? undefined : only
    },
    // Some servers send a `response.done` or a second end after the end, at once or later: it is not the next one's.
    isLate: (event, exchange) => {
      const type: string | undefined = event.type
      if (exchange.responseId() === undefined) {
        if (type === "response.done") return true
        if (type === "response.created") announces = true
        else if (announces && isPartOfOutput(event)) return true
      }
      const id = over.size === 0 ? undefined : ResponseEvent.responseId(event)
      if (id === undefined) return false
      // Some servers give every response the same id.
      if (type === "response.created") over.delete(id)
      return over.has(id)
    },
    settle: (exchange) => {
      for (const [lane, running] of lanes) {
        if (running === exchange) lanes.set(lane, undefined)
      }
      const id = exchange.responseId()
      if (id !== undefined) remember(id)
    },
    takeAll: () => {
      const running = all()
      lanes.clear()
      return running
    }
  }
}
