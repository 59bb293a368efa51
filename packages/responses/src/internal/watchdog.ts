/** The clocks of responses: they fail when their first event, a sign of life or their end is overdue. */
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

export class Watchdog {
  readonly #timeouts: Timeouts
  #all: ReadonlyArray<Watched> = []
  /** When the fiber wakes up. */
  #wakes = Infinity
  /** What happens while it sleeps is due no earlier than this from then on. */
  readonly #longest: number

  constructor(timeouts: Timeouts) {
    this.#timeouts = timeouts
    this.#longest = Math.min(Duration.toMillis(timeouts.firstEvent), Duration.toMillis(timeouts.stall))
  }

  add(watched: Watched): void {
    if (!watched.exchange.hasEnded()) this.#all = [...this.#all, watched]
  }

  remove(exchange: Exchange): void {
    this.#all = this.#all.filter((watched) => watched.exchange !== exchange)
  }

  /**
   * Makes sure that what was added is looked after, by one fiber, which ends when it finds nothing to look after. Most
   * requests find it asleep, and cost nothing. To start one is to end the one before, which sleeps for too long.
   */
  run<R>(start: (look: Effect.Effect<void>) => Effect.Effect<unknown, never, R>): Effect.Effect<void, never, R> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (this.#all.length === 0) return Effect.void
      const wakes = this.#nextWake(now)
      if (wakes >= this.#wakes) return Effect.void
      // From now on, not from its first step on: until then another request would start another one.
      this.#wakes = wakes
      return Effect.asVoid(start(this.#look()))
    })
  }

  #nextWake(now: number): number {
    return Math.min(now + this.#longest, ...this.#all.map((watched) => next(this.#timeouts, watched, now).at))
  }

  #look(): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      for (const watched of this.#all) {
        const { at, limit, reason } = next(this.#timeouts, watched, now)
        if (at <= now) watched.fail(overdue(reason, limit))
      }
      this.#all = this.#all.filter(({ exchange }) => !exchange.hasEnded())
      this.#wakes = this.#all.length === 0 ? Infinity : this.#nextWake(now)
      return Number.isFinite(this.#wakes)
        ? Effect.zipRight(Effect.sleep(this.#wakes - now), Effect.suspend(() => this.#look()))
        : Effect.void
    })
  }
}

export const make = (timeouts: Timeouts): Watchdog => new Watchdog(timeouts)

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
