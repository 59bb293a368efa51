/** The clocks of responses: they fail when their first event, a sign of life or their end is overdue. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ConnectionError, type Delivery } from "../../ResponsesError.ts"
import type * as Timers from "../effect/timers.ts"
import type { Timeouts } from "../options/timeouts.ts"
import type { Exchange } from "./exchange.ts"

/** Its times are those of `Time.now`. */
export interface Watched {
  readonly exchange: Exchange
  /** When the response got its turn. */
  readonly granted: number
  /** For the whole of it, in place of the turn's. */
  readonly timeout?: Duration.Duration | undefined
  readonly host: Host
}

/** What a connection does for all its responses. */
export interface Host {
  readonly timers: Timers.Timers
  readonly timeouts: Timeouts
  /** When the other side last gave the exchange a sign of life; `undefined` while nobody listens because consumers are behind. */
  readonly heardAt: (exchange: Exchange) => number | undefined
  /** Must end the exchange. */
  readonly onOverdue: (exchange: Exchange, error: (delivery: Delivery) => ConnectionError) => void
}

type Clocked = Extract<ConnectionError["reason"], "FirstEventTimeout" | "Stalled" | "TurnTimeout">

const texts: Readonly<Record<Clocked, (limit: string) => string>> = {
  FirstEventTimeout: (limit) => `The server did not begin to answer within ${limit}`,
  Stalled: (limit) => `The server gave no sign of life for ${limit}`,
  TurnTimeout: (limit) => `The response did not end within ${limit}`
}

const overdue = (reason: Clocked, limit: Duration.Duration) => (delivery: Delivery): ConnectionError =>
  new ConnectionError({ reason, delivery, description: texts[reason](Duration.format(limit)) })

interface Due {
  readonly reason: Clocked
  readonly limit: Duration.Duration
  readonly at: number
}

const due = (reason: Clocked, limit: Duration.Duration, since: number): Due => ({
  reason,
  limit,
  at: since + Duration.toMillis(limit)
})

/** What is due next. A consumer that is behind stops the clock of the server. */
const next = ({ exchange, granted, host: { heardAt, timeouts }, timeout }: Watched, now: number): Due => {
  const turn = due("TurnTimeout", timeout ?? timeouts.turn, granted)
  const sent = exchange.sentAt()
  if (sent === undefined && !exchange.hasBegun()) return turn
  const other = sent === undefined
    ? due("Stalled", timeouts.stall, heardAt(exchange) ?? now)
    : due("FirstEventTimeout", timeouts.firstEvent, sent)
  return other.at < turn.at ? other : turn
}

/** In milliseconds: how late an overdue response may be found when the machine has slept. */
const longestWait = 30_000

/** The timer of one response. It is its own entry in the heap of timers, as there is one for each response that runs. */
export class Deadline implements Timers.Timer {
  at = 0
  order = 0
  place = -1
  private readonly watched: Watched

  constructor(watched: Watched) {
    this.watched = watched
  }

  ring(): void {
    const { timers, timeouts, onOverdue } = this.watched.host
    const now = timers.time.now()
    const { at, limit, reason } = next(this.watched, now)
    if (at <= now) return onOverdue(this.watched.exchange, overdue(reason, limit))
    // What happens meanwhile is due no earlier than the shorter of the two times that begin when something happens.
    const soonest = Math.min(at, now + Duration.toMillis(Duration.min(timeouts.firstEvent, timeouts.stall)))
    this.at = Math.ceil(soonest === Infinity ? soonest : Math.min(soonest, now + longestWait))
    timers.add(this)
  }

  stop(): void {
    this.watched.host.timers.remove(this)
  }
}

/** Looks at the clocks of a response from now on, until it is stopped. */
export const watch = (watched: Watched): Deadline => {
  const deadline = new Deadline(watched)
  deadline.ring()
  return deadline
}

/** The deadline before there is an exchange: while the head of an answer over HTTP is awaited. */
export const beforeFirstEvent =
  ({ firstEvent, turn }: Timeouts) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | ConnectionError, R> => {
    const [reason, limit] = Duration.lessThan(turn, firstEvent)
      ? ["TurnTimeout", turn] as const
      : ["FirstEventTimeout", firstEvent] as const
    return Duration.isFinite(limit)
      ? Effect.timeoutFail(self, { duration: limit, onTimeout: () => overdue(reason, limit)("unacknowledged") })
      : self
  }
