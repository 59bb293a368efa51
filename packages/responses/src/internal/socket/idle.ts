/** Connections beyond the first close when they have had nothing to do for long. */
import type * as Timers from "../effect/timers.ts"
import type { Connection } from "./connection.ts"
import { Later } from "./later.ts"

export class Idle {
  private readonly later: Later
  private readonly timers: Timers.Timers
  private readonly timeToLive: number
  private readonly serving: () => ReadonlyArray<Connection>

  constructor(timers: Timers.Timers, timeToLive: number, serving: () => ReadonlyArray<Connection>) {
    this.timers = timers
    this.timeToLive = timeToLive
    this.serving = serving
    this.later = new Later(timers, () => this.ring())
  }

  /** Something has ended. */
  look(): void {
    if (this.later.isSet() || this.timeToLive === Infinity) return
    const idle = this.idle()
    if (idle[0] === undefined || this.serving().length < 2) return
    this.later.after(idle[0].usedAt + this.timeToLive - this.timers.time.now())
  }

  private ring(): void {
    const now = this.timers.time.now()
    const due = this.idle().filter((connection) => now - connection.usedAt >= this.timeToLive)
    const spared = this.serving().length === due.length ? 1 : 0
    for (const connection of due.slice(0, due.length - spared)) connection.end()
    this.look()
  }

  /** The one that was used longest ago first. */
  private idle(): ReadonlyArray<Connection> {
    return this.serving().filter(({ lanes }) => lanes.busy() === 0).toSorted((one, other) => one.usedAt - other.usedAt)
  }
}
