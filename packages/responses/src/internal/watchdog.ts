/** The clocks of responses: they fail when their first event, a sign of life or their end is overdue. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
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

export interface Watchdog {
  readonly add: (watched: Watched) => void
  readonly remove: (exchange: Exchange) => void
  /** Whether something is due before anybody looks, which most requests are not. Then `run` has to be run. */
  readonly isNeeded: (now: number) => boolean
  /** Looks after what was added, by one fiber in the given scope, which ends when it finds nothing to look after. */
  readonly run: (scope: Scope.Scope) => Effect.Effect<void>
}

export const make = (timeouts: Timeouts): Watchdog => {
  const all = new Map<Exchange, Watched>()
  /** When the fiber of this number wakes up. An older one that wakes up has nothing to do. */
  let fiber = 0
  let wakes = Infinity
  // What happens while it sleeps is due no earlier than this from then on.
  const longest = Math.min(...[timeouts.firstEvent, timeouts.stall].map(Duration.toMillis))

  const nextWake = (now: number): number => {
    let at = now + longest
    for (const watched of all.values()) at = Math.min(at, next(timeouts, watched, now).at)
    return at
  }

  const look = (number: number): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (number !== fiber) return Effect.void
      for (const watched of all.values()) {
        if (watched.exchange.hasEnded()) {
          all.delete(watched.exchange)
          continue
        }
        const { at, limit, reason } = next(timeouts, watched, now)
        if (at <= now) watched.fail(overdue(reason, limit))
      }
      wakes = all.size === 0 ? Infinity : nextWake(now)
      return Number.isFinite(wakes) ? Effect.zipRight(Effect.sleep(wakes - now), look(number)) : Effect.void
    })

  return {
    add: (watched) => {
      if (!watched.exchange.hasEnded()) all.set(watched.exchange, watched)
    },
    remove: (exchange) => all.delete(exchange),
    isNeeded: (now) => all.size > 0 && nextWake(now) < wakes,
    run: (scope) => Effect.suspend(() => look(++fiber)).pipe(Effect.interruptible, Effect.forkIn(scope), Effect.asVoid)
  }
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
