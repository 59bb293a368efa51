/** Finds the exchange that a frame belongs to, and remembers what `belonging` has to know of the server for that. */
import * as ResponseEvent from "../../ResponseEvent.ts"
import type { Exchange } from "../exchange/exchange.ts"
import * as Belonging from "./belonging.ts"

export interface Router {
  /** The lane's next response answers this request. */
  readonly add: (lane: string, exchange: Exchange) => void
  readonly onLane: (lane: string) => Exchange | undefined
  /**
   * - an exchange: the frame is to be offered to it.
   * - `dropped`: the frame belongs to a response that is over, or that nobody here asked for.
   * - `unclaimed`: no request is known that the frame could belong to.
   */
  readonly route: (event: ResponseEvent.ServerEvent) => Exchange | "dropped" | "unclaimed"
  /** Frees the lane. `event` is the last frame of the exchange's response. */
  readonly settle: (exchange: Exchange, event: ResponseEvent.ServerEvent) => void
  /** Ends the routing, and gives the exchanges that still run. */
  readonly takeAll: () => ReadonlyArray<Exchange>
}

interface Lane {
  exchange: Exchange | undefined
  /** A response that nobody here asked for, and that has begun on the lane and not ended. */
  stranger: string | undefined
  /** The server has named the running response by more than one id. */
  idsVary: boolean
}

/** How many responses that are over are told from one that runs. */
const maxOver = 256

const announcements: Readonly<Partial<Record<Belonging.Kind, Belonging.Announcement>>> = {
  created: "created",
  progress: "progress"
}

const runningOf = (exchange: Exchange | undefined): Belonging.Running => {
  if (exchange === undefined) return "free"
  if (!exchange.hasBegun()) return "waiting"
  return exchange.responseId() === undefined ? "unnamed" : "named"
}

export const make = (): Router => {
  /** Every lane that was used. */
  const lanes = new Map<string, Lane>()
  let announces: Belonging.Announcement = "nothing"
  /** Responses that have ended, or that are a stranger's, the oldest first. */
  const over = new Set<string>()

  const remember = (id: string | undefined) => {
    if (id === undefined) return
    over.add(id)
    const [oldest] = over
    if (over.size > maxOver && oldest !== undefined) over.delete(oldest)
  }

  const running = () => [...lanes.values()].filter(({ exchange }) => exchange !== undefined)

  /** By the response's id where the frame's lane does not tell, and where only one request runs, that one. */
  const otherLane = (event: ResponseEvent.ServerEvent, id: string | undefined): Lane | undefined => {
    const all = running()
    const named = id === undefined ? undefined : all.find(({ exchange }) => exchange?.responseId() === id)
    if (named !== undefined) return named
    // A lane that was used and is free has no frames to come. Failures are often sent without the name of their lane.
    const isLate = lanes.has(event.stream_id ?? "") &&
      (event.stream_id !== undefined || !ResponseEvent.isFailure(event))
    return isLate || all.length > 1 ? undefined : all[0]
  }

  const idOf = (exchange: Exchange | undefined, id: string | undefined): Belonging.Id => {
    if (id === undefined) return "none"
    if (exchange?.responseId() === id) return "own"
    return over.has(id) ? "over" : "new"
  }

  const judge = (lane: Lane, event: ResponseEvent.ServerEvent, id: string | undefined): Exchange | "dropped" => {
    const { exchange } = lane
    const state = runningOf(exchange)
    const kind = Belonging.kindOf(event)
    const traits = {
      announces,
      hasOneId: over.size === 1,
      hasStranger: lane.stranger !== undefined,
      idsVary: lane.idsVary
    }
    const verdict = Belonging.decide(state, kind, idOf(exchange, id), traits)
    if (verdict === "stranger") {
      lane.stranger = id
      remember(id)
    } else if (verdict === "dropped") {
      if (id === lane.stranger && (kind === "end" || kind === "failed")) lane.stranger = undefined
      if (kind === "end") remember(id)
    } else {
      if (verdict === "renames") lane.idsVary = true
      if (state === "waiting" && announces !== "created") announces = announcements[kind] ?? announces
      if (state === "unnamed" && kind === "created") announces = "created"
      if (id !== undefined) over.delete(id)
      return exchange ?? "dropped"
    }
    return "dropped"
  }

  return {
    add: (name, exchange) => {
      const lane = lanes.get(name)
      if (lane === undefined) lanes.set(name, { exchange, stranger: undefined, idsVary: false })
      else lane.exchange = exchange
    },
    onLane: (name) => lanes.get(name)?.exchange,
    route: (event) => {
      const own = lanes.get(event.stream_id ?? "")
      const id = ResponseEvent.responseId(event)
      const type: string | undefined = event.type
      // Most frames: part of the output of the response that runs on their lane.
      if (
        id === undefined && own?.exchange?.responseId() !== undefined && own.stranger === undefined &&
        type !== "response.done"
      ) return own.exchange
      const lane = own?.exchange === undefined ? otherLane(event, id) ?? own : own
      if (lane?.exchange !== undefined) return judge(lane, event, id)
      if (lane !== undefined) judge(lane, event, id)
      return idOf(undefined, id) === "over" ? "dropped" : "unclaimed"
    },
    settle: (exchange, event) => {
      for (const lane of lanes.values()) {
        if (lane.exchange !== exchange) continue
        lane.exchange = undefined
        lane.stranger = undefined
        lane.idsVary = false
      }
      remember(exchange.responseId())
      remember(ResponseEvent.responseId(event))
    },
    takeAll: () => {
      const exchanges = running().flatMap(({ exchange }) => exchange === undefined ? [] : [exchange])
      lanes.clear()
      return exchanges
    }
  }
}
