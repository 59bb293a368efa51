/**
 * Which calls of a conversation run beside each other: an exclusive one runs alone. Calls begin in the order in which they
 * enter, so an exclusive one waits for those before it, and those behind it wait for it.
 *
 * ```
 * enter ─→ in the queue ─ first ─→ shared: running, and the next one is first
 *                             └──→ exclusive: nothing runs ─→ running ─→ ended, and the next one is first
 * ```
 */
import * as Effect from "effect/Effect"
import * as FairSemaphore from "../effect/fairSemaphore.ts"

export interface Exclusive {
  readonly run: <A, E, R>(isExclusive: boolean, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const make = (): Exclusive => {
  const queue = FairSemaphore.make()
  const nobody = Effect.unsafeMakeLatch(true)
  let running = 0

  const enter = (): void => {
    if (running++ === 0) nobody.unsafeClose()
  }
  const leave = Effect.sync(() => {
    if (--running === 0) nobody.unsafeOpen()
  })

  const shared = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const place = queue.enter()
        const begin = Effect.suspend(() => {
          // It counts before its place is left: the next one may be exclusive.
          enter()
          place.leave()
          return Effect.ensuring(restore(effect), leave)
        })
        return Effect.zipRight(Effect.onInterrupt(restore(place.granted), () => Effect.sync(place.leave)), begin)
      })
    )

  return {
    run: (isExclusive, effect) => isExclusive ? queue.withPermit(Effect.zipRight(nobody.await, effect)) : shared(effect)
  }
}
