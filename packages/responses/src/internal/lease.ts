/**
 * Who may use which resource now: one holder at a time, a resource that is opened when it is needed, replaced when the
 * schedule says so, and closed when it has ended. Knows nothing of WebSockets.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import * as Scope from "effect/Scope"
import * as FairSemaphore from "./fairSemaphore.ts"
import * as Finalizer from "./finalizer.ts"

export interface Options<A, E> {
  readonly open: () => Effect.Effect<A, E, Scope.Scope>
  readonly isOpen: (resource: A) => boolean
  /** Has a function called when a resource has ended, by itself or by `end`; at once if it has. */
  readonly onEnd: (resource: A, ended: () => void) => void
  readonly end: (resource: A) => void
  /** Its first step is the age at which a resource is replaced, the further ones when to try again if that failed. */
  readonly recycle: Schedule.Schedule<unknown, unknown>
  /** Makes a successor ready before it takes over. */
  readonly prepare: (successor: A, old: A) => Effect.Effect<void>
  readonly onReplaced: () => void
  /** What a caller gets once the lease is closed. */
  readonly onClosed: () => E
}

export interface Held<A, E> {
  readonly isGranted: () => boolean
  /** Waits until nobody else holds the lease. Only then the rest may be used. */
  readonly granted: Effect.Effect<void>
  /**
   * The resource; another one is opened if there is none, or none that suits. If it cannot be opened, those who wait now
   * get the same error in their turn, instead of trying one after the other.
   */
  readonly get: (suits: (resource: A) => boolean) => Effect.Effect<A, E>
  /** Only the first time counts. */
  readonly release: () => void
}

interface Entry<A> {
  readonly resource: A
  readonly scope: Scope.CloseableScope
  users: number
  retired: boolean
}

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export class Lease<A, E> {
  readonly #options: Options<A, E>
  readonly #owner: Scope.CloseableScope
  /**
   * Of the owner. What waits as long as a resource lives must not be forked by whoever asked for the resource: a fiber
   * holds the one that forked it, and all that one had in its context.
   */
  readonly #runtime: Runtime.Runtime<never>
  readonly #semaphore = FairSemaphore.make()
  #current: Entry<A> | undefined
  #entered = 0
  #failure: { readonly error: E; readonly upTo: number } | undefined
  #closed = false

  constructor(options: Options<A, E>, owner: Scope.CloseableScope, runtime: Runtime.Runtime<never>) {
    this.#options = options
    this.#owner = owner
    this.#runtime = runtime
  }

  /** Takes a place at the end of the queue, at once. Whoever enters has to `release`, granted or not. */
  enter(): Held<A, E> {
    const place = this.#semaphore.enter()
    const number = ++this.#entered
    let used: Entry<A> | undefined

    const use = (entry: Entry<A>): A => {
      if (used !== entry) {
        entry.users++
        if (used !== undefined) this.#leave(used)
        used = entry
      }
      return entry.resource
    }

    return {
      isGranted: place.isGranted,
      granted: place.granted,
      get: (suits) =>
        Effect.suspend(() => {
          const current = this.#current
          if (current !== undefined && this.isOpen() && suits(current.resource)) return Effect.succeed(use(current))
          return this.#failure !== undefined && number <= this.#failure.upTo
            ? Effect.fail(this.#failure.error)
            : Effect.map(this.#open(), use)
        }),
      release: () => {
        place.leave()
        if (used === undefined) return
        const entry = used
        used = undefined
        this.#leave(entry)
      }
    }
  }

  /** Whether there is a resource that lives. */
  isOpen(): boolean {
    return this.#current !== undefined && this.#options.isOpen(this.#current.resource)
  }

  /** Fails when the lease is closed meanwhile. */
  whileOpen<B, E2>(effect: Effect.Effect<B, E2>): Effect.Effect<B, E | E2> {
    return Effect.uninterruptibleMask((restore) => this.#inOwner(effect, restore))
  }

  /** Ends everything. */
  close(): Effect.Effect<void> {
    this.#closed = true
    return Scope.close(this.#owner, Exit.void)
  }

  /**
   * In a fiber of the owner's, whose end interrupts it. Not `raceFirst`: whoever is interrupted in the step before it starts
   * its fibers waits for them for ever.
   */
  #inOwner<B, E2>(effect: Effect.Effect<B, E2>, restore: Restore): Effect.Effect<B, E | E2> {
    return Effect.flatMap(Effect.forkIn(Effect.interruptible(effect), this.#owner), (fiber) =>
      Effect.flatMap(
        Effect.onInterrupt(restore(Fiber.await(fiber)), () => Fiber.interrupt(fiber)),
        (exit): Exit.Exit<B, E | E2> =>
          Exit.isFailure(exit) && this.#closed ? Exit.fail(this.#options.onClosed()) : exit
      ))
  }

  #open(): Effect.Effect<Entry<A>, E> {
    return Effect.uninterruptibleMask((restore) =>
      this.#openEntry(restore).pipe(
        Effect.tapError((error) =>
          Effect.sync(() => {
            this.#failure = { error, upTo: this.#entered }
          })
        ),
        Effect.tap((entry) => this.#install(entry))
      )
    )
  }

  /** To be run uninterruptibly: between the opening and the keeping an interruption would leave a resource to nobody. */
  #openEntry(restore: Restore): Effect.Effect<Entry<A>, E> {
    return Effect.suspend(() =>
      this.#closed
        ? Effect.fail(this.#options.onClosed())
        : Effect.flatMap(Scope.fork(this.#owner, ExecutionStrategy.sequential), (scope) =>
          this.#inOwner(Scope.extend(this.#options.open(), scope), restore).pipe(
            Effect.onError(() =>
              Effect.sync(() => this.#close(scope))
            ),
            Effect.map((resource): Entry<A> => ({ resource, scope, users: 0, retired: false }))
          ))
    )
  }

  /**
   * In a fiber that does nothing else: one that runs a finalizer of Effect 3.22 forgets an interruption that arrives
   * meanwhile, and a recycler that forgets it goes on for ever. And not at once: whoever is told that a resource has ended
   * goes on first.
   */
  #close(scope: Scope.CloseableScope): void {
    Runtime.runFork(this.#runtime, Effect.uninterruptible(Scope.close(scope, Exit.void)), {
      scope: this.#owner,
      immediate: false
    })
  }

  #leave(entry: Entry<A>): void {
    entry.users--
    this.#endUnused(entry)
  }

  #endUnused(entry: Entry<A>): void {
    if (entry.retired && entry.users === 0) this.#options.end(entry.resource)
  }

  /** What runs on the old one runs on; what comes goes to the new one. */
  #install(entry: Entry<A>): Effect.Effect<void> {
    const old = this.#current
    this.#current = entry
    if (old !== undefined) {
      old.retired = true
      this.#endUnused(old)
    }
    const recycler = Runtime.runFork(this.#runtime, Effect.interruptible(this.#recycle(entry)), { immediate: false })
    this.#options.onEnd(entry.resource, () => {
      if (this.#current === entry) this.#current = undefined
      this.#close(entry.scope)
    })
    return Scope.addFinalizerExit(entry.scope, () => Fiber.interrupt(recycler))
  }

  /** As `Effect.schedule` does it, whose driver would stay in memory for as long as this waits. */
  #recycle(entry: Entry<A>, state: unknown = this.#options.recycle.initial): Effect.Effect<void> {
    return Effect.flatMap(
      Clock.currentTimeMillis,
      (now) =>
        Effect.flatMap(
          this.#options.recycle.step(now, undefined, state),
          ([next, , decision]) =>
            ScheduleDecision.isDone(decision)
              ? Effect.void
              : Effect.sleep(Math.max(0, ScheduleIntervals.start(decision.intervals) - now)).pipe(
                Effect.zipRight(Effect.suspend(() => this.#replace(entry))),
                Effect.flatMap((replaced) => replaced ? Effect.void : this.#recycle(entry, next))
              )
        )
    )
  }

  /** If no successor can be had the old one serves on. */
  #replace(entry: Entry<A>): Effect.Effect<boolean> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        this.#openEntry(restore),
        (successor) =>
          restore(this.#options.prepare(successor.resource, entry.resource)).pipe(
            Effect.onInterrupt(() => Effect.sync(() => this.#close(successor.scope))),
            Effect.flatMap(() => {
              if (this.#current !== entry || !this.#options.isOpen(successor.resource)) {
                this.#close(successor.scope)
                return Effect.succeed(false)
              }
              return Effect.as(this.#install(successor), true)
            }),
            Effect.tap((replaced) => Effect.sync(() => replaced && this.#options.onReplaced()))
          )
      )
    ).pipe(
      Effect.catchAll((error) =>
        Effect.as(Effect.logDebug("The old connection serves on: no successor could be opened", error), false)
      )
    )
  }
}

export const make = <A, E>(options: Options<A, E>): Effect.Effect<Lease<A, E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const lease = new Lease(options, yield* Scope.make(), yield* Effect.runtime<never>())
    yield* Finalizer.add(Effect.suspend(() => lease.close()))
    return lease
  })
