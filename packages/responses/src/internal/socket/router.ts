/** Finds the exchange that a frame belongs to, and remembers what `belonging` has to know of the server for that. */
import * as ResponseEvent from "../../ResponseEvent.ts"
import type { Exchange } from "../exchange/exchange.ts"
import * as Belonging from "./belonging.ts"
import type { Lane, Lanes } from "./lane.ts"

export interface Router {
  /**
   * - a lane: the frame is to be offered to what runs on it.
   * - `dropped`: the frame belongs to a response that is over, or that nobody here asked for.
   * - `unclaimed`: no request is known that the frame could belong to.
   */
  readonly route: (event: ResponseEvent.ServerEvent) => Lane | "dropped" | "unclaimed"
  /** The exchange's response has ended with this frame. */
  readonly settle: (exchange: Exchange, event: ResponseEvent.ServerEvent) => void
}

/** How many responses that are over are told from one that runs. */
const maxOver = 256

const announcements: Readonly<Partial<Record<Belonging.Kind, Belonging.Announcement>>> = {
  created: "created",
  progress: "progress"
}

const runningOf = (exchange: Exchange | undefined): Belonging.Running => {
  if (exchange === undefined) return "free"
  // One that was ended from this side still learns its name, and nothing else.
  if (exchange.responseId() !== undefined) return "named"
  return exchange.hasBegun() ? "unnamed" : "waiting"
}

export const make = (lanes: Lanes): Router => {
  let announces: Belonging.Announcement = "nothing"
  /** Responses that have ended, or that are a stranger's, the oldest first. */
  const over = new Set<string>()

  const remember = (id: string | undefined) => {
    if (id === undefined) return
    over.add(id)
    const [oldest] = over
    if (over.size > maxOver && oldest !== undefined) over.delete(oldest)
  }

  /**
   * By the response's id where the frame's lane does not tell. Failures are often sent without the name of their lane: such a
   * one is that of the response whose events it numbers on, or of the only request that the server has not begun to answer. Any
   * other frame is that of the only request.
   */
  const otherLane = (event: ResponseEvent.ServerEvent, id: string | undefined): Lane | "dropped" | undefined => {
    const all = [...lanes].filter(({ exchange }) => exchange !== undefined)
    const named = id === undefined ? undefined : all.find(({ exchange }) => exchange?.responseId() === id)
    if (named !== undefined) return named
    const isFailure = ResponseEvent.isFailure(event)
    // A lane that was used and is free has no frames to come.
    const isLate = lanes.find(event.stream_id ?? "") !== undefined && (event.stream_id !== undefined || !isFailure)
    if (isLate) return undefined
    const next = isFailure && typeof event.sequence_number === "number"
      ? all.filter(({ exchange }) => exchange?.latestNumber === Number(event.sequence_number) - 1)
      : []
    // Of several that it could be the one that has failed will stall.
    if (next.length > 0) return next.length === 1 ? next[0] : "dropped"
    const [waiting, another] = isFailure && event.stream_id === undefined
      ? all.filter(({ exchange }) => exchange?.hasBegun() === false)
      : all
    if (waiting !== undefined) return another === undefined ? waiting : undefined
    return all.length > 1 ? undefined : all[0]
  }

  const idOf = (exchange: Exchange | undefined, id: string | undefined): Belonging.Id => {
    if (id === undefined) return "none"
    if (exchange?.responseId() === id) return "own"
    return over.has(id) ? "over" : "new"
  }

  const judge = (lane: Lane, event: ResponseEvent.ServerEvent, id: string | undefined): Lane | "dropped" => {
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
      return exchange === undefined ? "dropped" : lane
    }
    return "dropped"
  }

  return {
    route: (event) => {
      const own = lanes.find(event.stream_id ?? "")
      const exchange = own?.exchange
      const id = ResponseEvent.responseId(event)
      const type: string | undefined = event.type
      // Most frames: part of the output of the response that runs on their lane.
      if (
        own !== undefined && id === undefined && exchange?.responseId() !== undefined && own.stranger === undefined &&
        type !== "response.done"
      ) return own
      const lane = exchange === undefined ? otherLane(event, id) ?? own : own
      if (lane === "dropped") return lane
      if (lane?.exchange !== undefined) return judge(lane, event, id)
      if (lane !== undefined) judge(lane, event, id)
      return idOf(undefined, id) === "over" ? "dropped" : "unclaimed"
    },
    settle: (exchange, event) => {
      remember(exchange.responseId())
      remember(ResponseEvent.responseId(event))
    }
  }
}
