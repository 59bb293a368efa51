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

interface Link {
  before: Link | undefined
  after: Link | undefined
  readonly grant: () => void
}

/** The places are linked in order of arrival; the first one holds the permit. With nobody in it, the queue is two variables. */
export const make = (): FairSemaphore => {
  let first: Link | undefined
  let last: Link | undefined

  const remove = ({ after, before }: Link) => {
    if (before === undefined) first = after
    else before.after = after
    if (after === undefined) last = before
    else after.before = before
  }

  return {
    enter: () => {
      let resume: ((effect: Effect.Effect<void>) => void) | undefined
      let hasLeft = false
      const link: Link = { before: last, after: undefined, grant: () => resume?.(Effect.void) }
      if (last === undefined) first = link
      else last.after = link
      last = link
      return {
        isGranted: () => first === link,
        granted: Effect.async<void>((callback) => {
          if (first === link) callback(Effect.void)
          else resume = callback
        }),
        // Granting a second time does nothing, so it need not matter who leaves.
        leave: () => {
          if (hasLeft) return
          hasLeft = true
          remove(link)
          first?.grant()
        }
      }
    }
  }
}
