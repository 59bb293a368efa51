/** Sends a request on its lane, and tells the lane and the turn of its end. */
import type * as Duration from "effect/Duration"
import type { Socket } from "../../Connector.ts"
import type * as Timers from "../effect/timers.ts"
import * as Deadlines from "../exchange/deadlines.ts"
import * as Exchange from "../exchange/exchange.ts"
import type { Timeouts } from "../options/timeouts.ts"
import * as ForeignError from "../wire/foreignError.ts"
import * as Causes from "./causes.ts"
import type { Drains } from "./drains.ts"
import type { Flow } from "./flow.ts"
import type { Inbound } from "./inbound.ts"
import type { Lane } from "./lane.ts"
import type { Phase } from "./phase.ts"
import type { Signs } from "./signs.ts"

export interface Options {
  readonly timers: Timers.Timers
  readonly timeouts: Timeouts
  readonly maxOutputSize: number
  /** Whether the output of a response is of use when its caller has left. */
  readonly keepsOutput: boolean
}

/** The connection. */
export interface Host {
  readonly socket: Pick<Socket, "send">
  readonly redact: (text: string) => string
  readonly phase: Pick<Phase, "cause" | "end" | "released" | "written">
  readonly drains: Pick<Drains, "ended" | "giveUp">
  readonly flow: Flow
  readonly signs: Pick<Signs, "heardAt">
  readonly inbound: Pick<Inbound, "sent">
}

export interface Request {
  readonly frame: string
  /** The turn holds it. */
  readonly lane: Lane
  /** The lane whose head it forks, which nothing is sent on until the server works on the fork. */
  readonly source?: Lane | undefined
  readonly previousResponseId: string | undefined
  /** The name that the events of the response carry, where it is not that of the lane. */
  readonly renamed: { readonly streamId: string | undefined } | undefined
  /** When the request got its turn, as a time of `Time.now`. */
  readonly granted: number
  /** For the whole of the response, in place of the Layer's. */
  readonly timeout?: Duration.Duration | undefined
  /** The exchange has ended, and its lane is rid of it; told before anybody can take the end. */
  readonly onEnd: (exchange: Exchange.Exchange, hasBegun: boolean) => void
}

/** Sends a `response.create` frame, and gives its size. What keeps it from being sent is the failure of its exchange. */
export type Send = (request: Request) => { readonly exchange: Exchange.Exchange; readonly bytes: number }

export const make = ({ keepsOutput, maxOutputSize, timeouts, timers }: Options, host: Host): Send => {
  const { drains, flow, inbound, phase, redact, signs } = host

  const deadlines: Deadlines.Host = {
    timers,
    timeouts,
    heardAt: (exchange) => flow.isPaused() ? undefined : signs.heardAt(exchange),
    onOverdue: (exchange, failure) => drains.giveUp(exchange, failure)
  }

  /** The socket says whether a request went out. The connection may have ended meanwhile. */
  const onWritten = (exchange: Exchange.Exchange, error: Error | undefined): void => {
    if (error !== undefined) {
      // A socket that takes nothing any more may not have said so yet.
      const plain = ForeignError.plain(error, redact)
      phase.end(Causes.lost(`The request could not be sent: ${redact(error.message)}`, plain), "wait")
    }
    const cause = phase.cause()
    if (cause === undefined) return exchange.accepted(timers.time.now())
    exchange.fail(error === undefined ? cause : () => cause("unsent"))
    phase.written()
  }

  return ({ frame, granted, lane, onEnd, previousResponseId, renamed, source, timeout }) => {
    let deadline: Deadlines.Deadline | undefined
    const exchange = Exchange.make({
      previousResponseId,
      maxOutputSize,
      keepsOutput,
      redact,
      renamed,
      onBehind: flow.onBehind,
      onCaughtUp: flow.onCaughtUp,
      onEnd: (hasBegun) => {
        deadline?.stop()
        // What was ended from this side goes on at the server.
        const goesOn = !exchange.isFinished() && phase.cause() === undefined
        const hasTurn = lane.tag === "Running"
        if (goesOn) lane.drain(exchange)
        else drains.ended(lane, exchange)
        onEnd(exchange, hasBegun)
        if (!goesOn && !hasTurn) phase.released()
      }
    })
    // May find that the turn's time is over already.
    deadline = Deadlines.watch({ exchange, granted, timeout, host: deadlines })
    const cause = phase.cause()
    if (cause !== undefined) exchange.fail(() => cause("unsent"))
    if (exchange.hasEnded()) return { exchange, bytes: 0 }
    lane.run(exchange, source)
    flow.resume()
    const bytes = host.socket.send(frame, (error) => onWritten(exchange, error ?? undefined))
    exchange.frameBytes = bytes
    inbound.sent(bytes)
    return { exchange, bytes }
  }
}
