/**
 * `Semaphore(1)`, first come, first served. Effect's own lets a late comer take the permit that a release has just
 * promised to somebody who waits, so that one busy loop starves another, and it wakes every waiter at each release.
 */
import * as Effect from "effect/Effect"

export interface FairSemaphore {
  /** Takes a place at the end of the queue, at once. Whoever enters has to leave. */
  readonly enter: () => Place
}

export interface Place {
  readonly isGranted: () => boolean
  /** Waits until this place is the first one. */
  readonly granted: Effect.Effect<void>
  /** Gives the permit to the next one, or leaves the queue. Only the first time counts. */
  readonly leave: () => void
}

export const make = (): FairSemaphore => {
  // In order of arrival; the first one holds the permit.
  const places = new Set<() => void>()
  const first = () => places.values().next().value

  return {
    enter: () => {
      let resume: ((effect: Effect.Effect<void>) => void) | undefined
      const grant = () => resume?.(Effect.void)
      places.add(grant)
      return {
        isGranted: () => first() === grant,
        granted: Effect.async<void>((callback) => {
          if (first() === grant) callback(Effect.void)
          else resume = callback
        }),
        // Granting a second time does nothing, so it need not matter who leaves.
        leave: () => {
          if (places.delete(grant)) first()?.()
        }
      }
    }
  }
}
