/**
 * One permit, given in the order of arrival.
 *
 * Effect's `Semaphore(1)` is not fair: a release frees the permit first and wakes the waiters later. A fiber that asks in
 * between takes the permit, so that one busy loop starves the others, and each release wakes every waiter. A
 * `PartitionedSemaphore` with one key and a `Queue` that holds one token are fair, but lose the permit if a waiter is
 * interrupted between the grant and its next step.
 *
 * ```
 * enter ─→ waiting ─ the places before have left ─→ granted
 *             │                                        │
 *             └─────── leave, interruption ────────────┴─→ left, and the next place is granted
 * ```
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Finalizer from "./finalizer.ts"

export interface FairSemaphore {
  /** Takes a place at the end of the queue, without waiting. The caller must `leave` it, granted or not. */
  readonly enter: () => Place
  /** Runs the effect while it holds the permit. A caller that is interrupted while it waits leaves the queue. */
  readonly withPermit: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * Waits for the permit, and holds it until the scope closes or the place is left. A caller that is interrupted while it
   * waits leaves the queue at once.
   */
  readonly permitScoped: Effect.Effect<Place, never, Scope.Scope>
}

export interface Place {
  readonly isGranted: () => boolean
  /** Waits until this place is the first one. An interruption of the wait does not leave the queue. */
  readonly granted: Effect.Effect<void>
  /** Gives the permit to the next place, or leaves the queue. Only the first call counts. */
  readonly leave: () => void
}

interface Node {
  state: "waiting" | "granted" | "left"
  before: Node | undefined
  after: Node | undefined
  resume: ((effect: Effect.Effect<void>) => void) | undefined
}

const grant = (node: Node): void => {
  node.state = "granted"
  node.resume?.(Effect.void)
}

export const make = (): FairSemaphore => {
  // A linked list, and not a `Set`: to find the first entry V8 looks at those that were deleted before it.
  let last: Node | undefined

  const enter = (): Place => {
    const node: Node = { state: "waiting", before: last, after: undefined, resume: undefined }
    if (last === undefined) grant(node)
    else last.after = node
    last = node

    const leave = () => {
      const { after, before, state } = node
      if (state === "left") return
      node.state = "left"
      if (before !== undefined) before.after = after
      if (after === undefined) last = before
      else after.before = before
      // A place that is kept after it was left must not keep its neighbours.
      node.before = node.after = undefined
      if (state === "granted" && after !== undefined) grant(after)
    }

    return {
      isGranted: () => node.state === "granted",
      granted: Effect.async<void>((callback) => {
        if (node.state === "granted") callback(Effect.void)
        else node.resume = callback
      }),
      leave
    }
  }

  return {
    enter,
    withPermit: (effect) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          const { granted, leave } = enter()
          return Effect.ensuring(restore(Effect.zipRight(granted, effect)), Effect.sync(leave))
        })
      ),
    // Made when it is used: there may be thousands that nobody waits for.
    get permitScoped() {
      return Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          const place = enter()
          const leave = Effect.sync(place.leave)
          return restore(place.granted).pipe(
            Effect.onInterrupt(() => leave),
            Effect.zipRight(Finalizer.add(leave)),
            Effect.as(place)
          )
        })
      )
    }
  }
}
