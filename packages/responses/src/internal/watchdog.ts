/** The clocks of responses: they fail when their first event, a sign of life or their end is overdue. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ConnectionError, type Delivery } from "../ResponsesError.ts"
import type { Timeouts } from "../Timeouts.ts"
import type { Alarm, Timed } from "./alarm.ts"
import type { Exchange } from "./exchange.ts"

/** In milliseconds of the Clock. */
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

/** Looks at the clocks of a response from now on, until it has ended. Whoever ends it calls what this gives. */
export const watch = (alarm: Alarm, timeouts: Timeouts, watched: Watched): () => void => {
  let timed: Timed | undefined

  const look = () => {
    const now = alarm.now()
    const { at, limit, reason } = next(timeouts, watched, now)
    if (at <= now) return watched.fail(overdue(reason, limit))
    // What happens until then is due no earlier than the shorter of the two times that begin when something happens.
    timed = {
      at: Math.min(at, now + Duration.toMillis(Duration.min(timeouts.firstEvent, timeouts.stall))),
      ring: look
    }
    alarm.add(timed)
  }

  look()
  return () => alarm.remove(timed)
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
