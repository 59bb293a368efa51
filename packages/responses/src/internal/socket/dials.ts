/**
 * Connections in the making. Several requests may wait for one, which goes on as long as one of them does.
 *
 * One at a time until one has succeeded since the last failure: then as many as are needed. A failure while others serve stops
 * the growth for a while.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import type { ConnectionError } from "../../ResponsesError.ts"
import type { Owned, Owner } from "../effect/owner.ts"
import type { Timers } from "../effect/timers.ts"
import type { Connection } from "./connection.ts"

/** Somebody who waits for a connection. */
export interface Claim {
  readonly opened: () => void
  readonly failed: (cause: Cause.Cause<ConnectionError>) => void
}

export interface Options {
  readonly owner: Owner<ConnectionError>
  readonly timers: Timers
  readonly dial: Effect.Effect<Connection, ConnectionError, Scope.Scope>
  readonly onOpened: (connection: Owned<Connection>) => void
  readonly onFailed: (cause: Cause.Cause<ConnectionError>) => void
}

/** In milliseconds. */
const pauses = { first: 5000, max: 300_000 }

export class Dials {
  private readonly fibers = new Set<Fiber.RuntimeFiber<void>>()
  private waiting = new Set<Claim>()
  private hasSucceeded = false
  private pausedUntil = -Infinity
  private pauseFor = pauses.first
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
  }

  /** How many are under way. */
  count(): number {
    return this.fibers.size
  }

  claims(): number {
    return this.waiting.size
  }

  claim(claim: Claim): void {
    this.waiting.add(claim)
  }

  unclaim(claim: Claim): void {
    this.waiting.delete(claim)
  }

  /** Nobody waits any longer, until they look again. */
  takeClaims(): Iterable<Claim> {
    const taken = this.waiting
    this.waiting = new Set()
    return taken
  }

  /** The growth of those that serve may be paused. Where none serves there is always a dial. */
  mayStart(isServed: boolean): boolean {
    if (isServed && this.options.timers.time.now() < this.pausedUntil) return false
    return this.hasSucceeded || this.fibers.size === 0
  }

  /** There are to be no more connections for now. Gives the time until then. */
  pause(): number {
    const { pauseFor } = this
    this.pausedUntil = this.options.timers.time.now() + pauseFor
    this.pauseFor = Math.min(2 * pauseFor, pauses.max)
    return pauseFor
  }

  start(): void {
    const { dial, onFailed, onOpened, owner } = this.options
    const fiber = owner.fork(
      Effect.uninterruptibleMask((restore) =>
        Effect.map(Effect.exit(owner.open(dial, restore)), (exit) => {
          this.fibers.delete(fiber)
          if (Exit.isSuccess(exit)) {
            this.hasSucceeded = true
            this.pauseFor = pauses.first
            return onOpened(exit.value)
          }
          this.hasSucceeded = false
          // An interrupted dial fails nobody.
          if (!Cause.isInterruptedOnly(exit.cause)) onFailed(exit.cause)
        })
      )
    )
    this.fibers.add(fiber)
  }

  /** Nobody needs another connection. */
  stop(): void {
    for (const fiber of this.fibers) fiber.unsafeInterruptAsFork(FiberId.none)
    this.fibers.clear()
  }

  close(error: ConnectionError): void {
    for (const claim of this.takeClaims()) claim.failed(Cause.fail(error))
  }
}
