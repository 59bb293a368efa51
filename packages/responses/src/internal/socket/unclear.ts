/**
 * Failures that are of one of several responses, and do not say of which. They are held. A response that goes on has not failed,
 * and the last one that is left gets the failure.
 */
import * as Timers from "../effect/timers.ts"
import type { Exchange } from "../exchange/exchange.ts"

interface Held<F> {
  readonly failure: F
  readonly candidates: Set<Exchange>
  readonly timer: Timers.Timer | undefined
}

export interface Options<F> {
  readonly timers: Timers.Timers
  /** It is that of this one. */
  readonly onFound: (exchange: Exchange, failure: F) => void
  /** Nothing has told in time: all that are left may be the one. */
  readonly onTimeout: (exchanges: ReadonlyArray<Exchange>, failure: F) => void
}

/** In milliseconds: what has not begun for so long after a failure that may be its own has no hope to. */
const limit = 5000

export class Unclear<F> {
  private held: ReadonlyArray<Held<F>> = []
  private readonly options: Options<F>

  constructor(options: Options<F>) {
    this.options = options
  }

  isEmpty(): boolean {
    return this.held.length === 0
  }

  /** Those that have begun are not given up by the clock: theirs tells when nothing more comes. */
  hold(failure: F, candidates: ReadonlyArray<Exchange>): void {
    const { timers } = this.options
    const timer = candidates.some((exchange) => exchange.hasBegun())
      ? undefined
      : Timers.timer(timers.time.now() + limit, () => this.ring(held))
    const held: Held<F> = { failure, candidates: new Set(candidates), timer }
    this.held = [...this.held, held]
    if (timer !== undefined) timers.add(timer)
    // As many failures as there are requests: each of them has failed.
    const left = new Set(this.held.flatMap(({ candidates }) => [...candidates]))
    if (left.size <= this.held.length) { for (const each of this.held) this.ring(each) }
  }

  /** An event of its own came, or it has ended. */
  strike(exchange: Exchange): void {
    for (const held of this.held) {
      if (!held.candidates.delete(exchange)) continue
      const [last, another] = held.candidates
      if (another !== undefined) continue
      this.release(held)
      if (last !== undefined) this.options.onFound(last, held.failure)
    }
  }

  /** The connection has ended. */
  clear(): void {
    for (const held of this.held) this.release(held)
  }

  private ring(held: Held<F>): void {
    this.release(held)
    this.options.onTimeout([...held.candidates], held.failure)
  }

  private release(held: Held<F>): void {
    this.held = this.held.filter((other) => other !== held)
    this.options.timers.remove(held.timer)
  }
}
