/**
 * Who may use which resource now: one holder at a time, a resource that is opened when it is needed, replaced when the
 * schedule says so, and closed when it has ended. Knows nothing of WebSockets.
 */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type * as Schedule from "effect/Schedule"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import * as Scope from "effect/Scope"
import * as FairSemaphore from "../effect/fairSemaphore.ts"
import * as Finalizer from "../effect/finalizer.ts"
import * as Timers from "../effect/timers.ts"

export interface Resource {
  isOpen(): boolean
  end(): void
  /** Has a function called when it has ended, by itself or by `end`; at once if it has. */
  onEnd(ended: () => void): void
}

export interface Options<A extends Resource, E> {
  readonly timers: Timers.Timers
  readonly open: () => Effect.Effect<A, E, Scope.Scope>
  /** Its first step is the age at which a resource is replaced, the further ones when to try again if that failed. */
  readonly recycle: Schedule.Schedule<unknown, unknown>
  /** Makes a successor ready before it takes over. `false`: that used it up, and a fresh one takes over as it is. */
  readonly prepare: (successor: A, old: A) => Effect.Effect<boolean>
  readonly onReplaced: () => void
  /** What a caller gets once the lease is closed. */
  readonly onClosed: () => E
}

export interface Lease<A extends Resource, E> {
  /** Takes a place at the end of the queue, at once. Whoever enters has to `release`, granted or not. */
  readonly enter: () => Held<A, E>
  /** Whether there is a resource that lives. */
  readonly isOpen: () => boolean
  /** Fails when the lease is closed meanwhile. */
  readonly whileOpen: <B, E2>(effect: Effect.Effect<B, E2>) => Effect.Effect<B, E | E2>
}

export interface Held<A extends Resource, E> {
  readonly isGranted: () => boolean
  /** Waits until nobody else holds the lease. Only then the rest may be used. */
  readonly granted: Effect.Effect<void>
  /** The resource, if there is one that suits. */
  readonly current: (suits: (resource: A) => boolean) => A | undefined
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
  recycling: Timers.Timer | undefined
}

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export const make = <A extends Resource, E>(
  { onClosed, onReplaced, open, prepare, recycle, timers }: Options<A, E>
): Effect.Effect<Lease<A, E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const semaphore = FairSemaphore.make()
    let current: Entry<A> | undefined
    let entered = 0
    let failure: { readonly error: E; readonly upTo: number } | undefined
    let closed = false
    // What a resource does by itself is none of the business of whoever asked for it.
    const runtime = yield* Effect.runtime<never>()
    const owner = yield* Scope.make()
    yield* Finalizer.add(Effect.suspend(() => {
      closed = true
      return Scope.close(owner, Exit.void)
    }))

    /**
     * In a fiber of the owner's, whose end interrupts it. Not `raceFirst`: whoever is interrupted in the step before it starts
     * its fibers waits for them for ever.
     */
    const inOwner = <B, E2>(effect: Effect.Effect<B, E2>, restore: Restore): Effect.Effect<B, E | E2> =>
      Effect.flatMap(Effect.forkIn(Effect.interruptible(effect), owner), (fiber) =>
        Effect.flatMap(
          Effect.onInterrupt(restore(Fiber.await(fiber)), () => Fiber.interrupt(fiber)),
          (exit): Exit.Exit<B, E | E2> => Exit.isFailure(exit) && closed ? Exit.fail(onClosed()) : exit
        ))

    /** Not at once: whoever is told that a resource has ended, or that it is time, goes on first. */
    const fork = (effect: Effect.Effect<unknown>, scope: Scope.Scope) => {
      Runtime.runFork(runtime, Effect.interruptible(effect), { scope, immediate: false })
    }

    /**
     * In a fiber that does nothing else: one that runs a finalizer of Effect 3.22 forgets an interruption that arrives
     * meanwhile, and a recycler that forgets it goes on for ever.
     */
    const discard = (scope: Scope.CloseableScope) => fork(Effect.uninterruptible(Scope.close(scope, Exit.void)), owner)

    /** To be run uninterruptibly: between the opening and the keeping an interruption would leave a resource to nobody. */
    const openEntry = (restore: Restore): Effect.Effect<Entry<A>, E> =>
      Effect.gen(function*() {
        if (closed) return yield* Effect.fail(onClosed())
        const scope = yield* Scope.fork(owner, ExecutionStrategy.sequential)
        const resource = yield* inOwner(Scope.extend(open(), scope), restore).pipe(
          Effect.onError(() => Effect.sync(() => discard(scope)))
        )
        return { resource, scope, users: 0, retired: false, recycling: undefined }
      })

    const endUnused = (entry: Entry<A>) => {
      if (entry.retired && entry.users === 0) entry.resource.end()
    }

    const leave = (entry: Entry<A>) => {
      entry.users--
      endUnused(entry)
    }

    /** What runs on the old one runs on; what comes goes to the new one. */
    const install = (entry: Entry<A>) => {
      const old = current
      current = entry
      if (old !== undefined) {
        old.retired = true
        endUnused(old)
      }
      entry.resource.onEnd(() => {
        if (current === entry) current = undefined
        timers.remove(entry.recycling)
        discard(entry.scope)
      })
      fork(recycler(entry, recycle.initial), entry.scope)
    }

    /** If no successor can be had the old one serves on. */
    const replace = (entry: Entry<A>): Effect.Effect<void> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const prepared = yield* openEntry(restore)
          const isReady = yield* restore(prepare(prepared.resource, entry.resource)).pipe(
            Effect.onInterrupt(() => Effect.sync(() => discard(prepared.scope)))
          )
          if (!isReady) discard(prepared.scope)
          const successor = isReady ? prepared : yield* openEntry(restore)
          if (current !== entry || !successor.resource.isOpen()) {
            return discard(successor.scope)
          }
          install(successor)
          onReplaced()
        })
      ).pipe(
        Effect.catchAll((error) => Effect.logDebug("The old connection serves on: no successor could be opened", error))
      )

    /** As `Effect.schedule` does it, but without a fiber that waits. */
    const recycler = (entry: Entry<A>, state: unknown): Effect.Effect<void> =>
      Effect.map(recycle.step(timers.time.now(), undefined, state), ([next, , decision]) => {
        if (decision._tag === "Done" || current !== entry) return
        const again = Effect.suspend(() => recycler(entry, next))
        entry.recycling = Timers.timer(
          ScheduleIntervals.start(decision.intervals),
          () => fork(Effect.zipRight(replace(entry), again), entry.scope)
        )
        timers.add(entry.recycling)
      })

    const isOpen = () => current !== undefined && current.resource.isOpen()

    const opened = () =>
      Effect.uninterruptibleMask((restore) =>
        openEntry(restore).pipe(
          Effect.tapError((error) =>
            Effect.sync(() => {
              failure = { error, upTo: entered }
            })
          ),
          Effect.tap((entry) => Effect.sync(() => install(entry)))
        )
      )

    const enter = (): Held<A, E> => {
      const place = semaphore.enter()
      const number = ++entered
      let used: Entry<A> | undefined

      const use = (entry: Entry<A>): A => {
        entry.users++
        if (used !== undefined) leave(used)
        used = entry
        return entry.resource
      }

      const found = (suits: (resource: A) => boolean) =>
        current !== undefined && isOpen() && suits(current.resource) ? use(current) : undefined

      return {
        isGranted: place.isGranted,
        granted: place.granted,
        current: found,
        get: (suits) =>
          Effect.suspend(() => {
            const resource = found(suits)
            if (resource !== undefined) return Effect.succeed(resource)
            return failure !== undefined && number <= failure.upTo
              ? Effect.fail(failure.error)
              : Effect.map(opened(), use)
          }),
        release: () => {
          place.leave()
          if (used === undefined) return
          const entry = used
          used = undefined
          leave(entry)
        }
      }
    }

    return {
      isOpen,
      enter,
      whileOpen: (effect) => Effect.uninterruptibleMask((restore) => inOwner(effect, restore))
    }
  })
