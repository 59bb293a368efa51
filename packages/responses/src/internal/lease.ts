/**
 * Who may use which resource now: one holder at a time, a resource that is opened when it is needed, replaced when the
 * schedule says so, and forgotten when it has ended. Knows nothing of WebSockets.
 */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as FairSemaphore from "./fairSemaphore.ts"

export interface Options<A, E> {
  readonly open: Effect.Effect<A, E, Scope.Scope>
  readonly isOpen: (resource: A) => boolean
  readonly ended: (resource: A) => Effect.Effect<void>
  /** Its first step is the age at which a resource is replaced, the further ones when to try again if that failed. */
  readonly recycle: Schedule.Schedule<unknown, unknown>
  readonly onReplaced: () => void
  /** What a caller gets once the lease is closed. */
  readonly onClosed: () => E
}

export interface Lease<A, E> {
  /** Takes a place at the end of the queue, at once. Whoever enters has to `release`, granted or not. */
  readonly enter: () => Held<A, E>
  /** Whether there is a resource that lives. */
  readonly isOpen: () => boolean
}

export interface Held<A, E> {
  /** Waits until nobody else holds the lease. Only then the rest may be used. */
  readonly granted: Effect.Effect<void>
  /** The resource, opened if there is none. */
  readonly get: Effect.Effect<A, E>
  /** Gives a resource up, without waiting for it to be closed: the next `get` opens another one. */
  readonly evict: (resource: A) => Effect.Effect<void>
  /** Only the first time counts. */
  readonly release: () => void
}

interface Entry<A> {
  readonly resource: A
  readonly scope: Scope.CloseableScope
}

export const make = <A, E>(options: Options<A, E>): Effect.Effect<Lease<A, E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const semaphore = FairSemaphore.make()
    let current: Entry<A> | undefined
    let closed = false
    const owner = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => {
      closed = true
      return Scope.close(scope, exit)
    })

    const openEntry: Effect.Effect<Entry<A>, E> = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        if (closed) return yield* Effect.fail(options.onClosed())
        const scope = yield* Scope.fork(owner, ExecutionStrategy.sequential)
        const resource = yield* restore(options.open).pipe(
          Scope.extend(scope),
          Effect.onExit((exit) => Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))
        )
        return { resource, scope }
      })
    )

    const close = (entry: Entry<A>) =>
      Effect.suspend(() => {
        if (current === entry) current = undefined
        return Scope.close(entry.scope, Exit.void)
      })

    /** The successor is opened first, so that no request waits for it; if that fails the old one serves on. */
    const replace = (entry: Entry<A>): Effect.Effect<boolean> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const successor = yield* restore(openEntry)
          const place = semaphore.enter()
          yield* restore(place.granted).pipe(
            Effect.onInterrupt(() => {
              place.leave()
              return close(successor)
            })
          )
          if (current === entry || current === undefined) {
            yield* install(successor)
            options.onReplaced()
          } else {
            yield* close(successor)
          }
          place.leave()
          yield* close(entry)
          return true
        })
      ).pipe(
        Effect.catchAll((error) =>
          Effect.as(Effect.logDebug("The old connection serves on: no successor could be opened", error), false)
        )
      )

    /** In the owner's scope: a fiber that closes a scope must not live in it. */
    const watch = (entry: Entry<A>): Effect.Effect<void> =>
      Effect.gen(function*() {
        const recycler = yield* replace(entry).pipe(
          Effect.schedule(Schedule.whileInput(options.recycle, (replaced: boolean | undefined) => replaced !== true)),
          Effect.interruptible,
          Effect.forkIn(owner)
        )
        yield* options.ended(entry.resource).pipe(
          Effect.zipRight(Fiber.interruptFork(recycler)),
          Effect.zipRight(close(entry)),
          Effect.interruptible,
          Effect.forkIn(owner)
        )
      })

    const install = (entry: Entry<A>) => {
      current = entry
      return watch(entry)
    }

    const isOpen = () => current !== undefined && options.isOpen(current.resource)

    const get = Effect.suspend(() => {
      if (current !== undefined && options.isOpen(current.resource)) return Effect.succeed(current.resource)
      return Effect.uninterruptibleMask((restore) =>
        restore(openEntry).pipe(
          Effect.tap(install),
          Effect.map((entry) => entry.resource)
        )
      )
    })

    const evict = (resource: A) =>
      Effect.suspend(() => {
        if (current?.resource !== resource) return Effect.void
        const { scope } = current
        current = undefined
        return Effect.forkIn(Scope.close(scope, Exit.void), owner)
      })

    return {
      isOpen,
      enter: () => {
        const { granted, leave } = semaphore.enter()
        return { granted, get, evict, release: leave }
      }
    }
  })
