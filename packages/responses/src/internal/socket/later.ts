/** Something that is to be done once, at the earliest of the times that it is asked for. */
import * as Timers from "../effect/timers.ts"

export class Later {
  private timer: Timers.Timer | undefined
  private readonly timers: Timers.Timers
  private readonly ring: () => void

  constructor(timers: Timers.Timers, ring: () => void) {
    this.timers = timers
    this.ring = ring
  }

  isSet(): boolean {
    return this.timer !== undefined
  }

  /** In milliseconds from now. */
  after(duration: number): void {
    const at = this.timers.time.now() + duration
    if (this.timer !== undefined && this.timer.at <= at) return
    this.timers.remove(this.timer)
    this.timer = Timers.timer(at, () => {
      this.timer = undefined
      this.ring()
    })
    this.timers.add(this.timer)
  }
}
