/** The clocks of responses: they fail when their first event, a sign of life or their end is overdue. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ConnectionError, type Delivery } from "../../ResponsesError.ts"
import * as Timers from "../effect/timers.ts"
import type { Timeouts } from "../options/timeouts.ts"
import type { Exchange } from "./exchange.ts"

/** Its times are those of `Time.now`. */
export interface Watched {
  readonly exchange: Exchange
  /** When the response got its turn. */
  readonly granted: number
  /** When the request was on its way; `undefined` while it is being written. */
  readonly sent: () => number | undefined
  /** When the other side last gave a sign of life; `undefined` while nobody listens because the consumer is behind. */
  readonly heard: () => number | undefined
  /** Must end the exchange. */
  readonly fail: (error: (delivery: Delivery) => ConnectionError) => void
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
const next = (timeouts: Timeouts, watched: Watched, now: number): Due => {
  const turn = due("TurnTimeout", timeouts.turn, watched.granted)
  const sent = watched.sent()
  if (sent === undefined) return turn
  const other = !watched.exchange.hasBegun()
    ? due("FirstEventTimeout", timeouts.firstEvent, sent)
    : due("Stalled", timeouts.stall, watched.heard() ?? now)
  return other.at < turn.at ? other : turn
}

/** In milliseconds: how late an overdue response may be found when the machine has slept. */
const longestWait = 30_000

/** Looks at the clocks of a response from now on. The function that this gives stops it, when the response has ended. */
export const watch = (timers: Timers.Timers, timeouts: Timeouts, watched: Watched): () => void => {
  const shortest = Duration.toMillis(Duration.min(timeouts.firstEvent, timeouts.stall))
  let timer: Timers.Timer | undefined

  const look = () => {
    const now = timers.time.now()
    const { at, limit, reason } = next(timeouts, watched, now)
    if (at <= now) return watched.fail(overdue(reason, limit))
    // What happens meanwhile is due no earlier than the shorter of the two times that begin when something happens.
    const due = Math.min(at, now + shortest)
    timer = Timers.timer(due === Infinity ? due : Math.min(due, now + longestWait), look)
    timers.add(timer)
  }

  look()
  return () => timers.remove(timer)
}

/** For what comes before there is an exchange: the head of an answer over HTTP. */
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
