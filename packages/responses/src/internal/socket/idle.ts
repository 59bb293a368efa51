/** Connections beyond the first close when they have had nothing to do for long. */
import * as Timers from "../effect/timers.ts"
import type { Connection } from "./connection.ts"

export class Idle {
  private timer: Timers.Timer | undefined
  private readonly timers: Timers.Timers
  private readonly timeToLive: number
  private readonly serving: () => ReadonlyArray<Connection>

  constructor(timers: Timers.Timers, timeToLive: number, serving: () => ReadonlyArray<Connection>) {
    this.timers = timers
    this.timeToLive = timeToLive
    this.serving = serving
  }

  /** Something has ended. */
  look(): void {
    if (this.timer !== undefined || this.timeToLive === Infinity || this.serving().length < 2) return
    this.timer = Timers.timer(this.timers.time.now() + this.timeToLive, () => this.ring())
    this.timers.add(this.timer)
  }

  private ring(): void {
    this.timer = undefined
    const now = this.timers.time.now()
    const idle = this.serving()
      .filter((connection) => connection.lanes.busy() === 0 && now - connection.usedAt >= this.timeToLive)
      .toSorted((one, other) => one.usedAt - other.usedAt)
    const spared = this.serving().length === idle.length ? 1 : 0
    for (const connection of idle.slice(0, idle.length - spared)) connection.end()
    this.look()
  }
}
