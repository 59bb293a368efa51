/**
 * When the server last gave one response a sign of life. Where several run on a connection, the events of one are no sign of
 * life of another. `liveness.ts` has the signs of the connection itself.
 *
 * The time is taken when somebody asks, and not with each event: an event counts only.
 */
import type { Time } from "../effect/time.ts"
import type { Exchange } from "../exchange/exchange.ts"
import type { Lanes } from "./lane.ts"
import type { Liveness } from "./liveness.ts"

export interface Signs {
  /** A sign of life that is nobody's frame. */
  readonly add: () => void
  /** As a time of `Time.now`: no earlier than the sign, and no later than this was asked first after it. */
  readonly heardAt: (exchange: Pick<Exchange, "heard">) => number
}

export const make = (
  lanes: Pick<Lanes, "busy">,
  liveness: Pick<Liveness, "heardAt">,
  time: Pick<Time, "now">
): Signs => {
  let signs = 0
  const lives = new WeakMap<object, { readonly beats: number; readonly at: number }>()

  return {
    add: () => void signs++,
    heardAt: (exchange) => {
      if (lanes.busy() < 2) return liveness.heardAt()
      const beats = exchange.heard + signs
      const before = lives.get(exchange)
      if (before?.beats === beats) return before.at
      const life = { beats, at: time.now() }
      lives.set(exchange, life)
      return life.at
    }
  }
}
