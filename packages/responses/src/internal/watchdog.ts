/** The clocks of one response: it fails when its first event, a sign of life or its end is overdue. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ConnectionError, type Delivery } from "../ResponsesError.ts"
import type { Timeouts } from "../Timeouts.ts"
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
  const other = watched.exchange.responseId() === undefined
    ? due("FirstEventTimeout", timeouts.firstEvent, sent)
    : due("Stalled", timeouts.stall, watched.heard() ?? now)
  return other.at < turn.at ? other : turn
}

/** Ends with the exchange, at the latest when the next thing would have been due. */
export const watch = (timeouts: Timeouts, watched: Watched): Effect.Effect<void> => {
  // What happens meanwhile is due no earlier than this from then on, so no sleep is too long.
  const longest = Math.min(Duration.toMillis(timeouts.firstEvent), Duration.toMillis(timeouts.stall))
  const look: Effect.Effect<void> = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    if (watched.exchange.hasEnded()) return Effect.void
    const { at, limit, reason } = next(timeouts, watched, now)
    if (at <= now) return Effect.sync(() => watched.fail(overdue(reason, limit)))
    const wait = Math.min(at - now, longest)
    return Number.isFinite(wait) ? Effect.zipRight(Effect.sleep(wait), look) : Effect.void
  })
  return look
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
