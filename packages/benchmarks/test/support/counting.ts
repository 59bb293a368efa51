/** Counts what an effect does, in numbers that do not depend on the machine or its mood. */
import { Effect, RuntimeFlags, RuntimeFlagsPatch, Supervisor } from "effect"
import { createHook } from "node:async_hooks"

export interface Counts {
  /** Fibers started. */
  readonly fibers: number
  /** Instructions that Effect's interpreter carried out. */
  readonly instructions: number
  readonly promises: number
  readonly timers: number
  /** How often a fiber that waited went on. */
  readonly wakeUps: number
}

class Counter extends Supervisor.AbstractSupervisor<void> {
  override readonly value = Effect.void
  fibers = 0
  instructions = 0
  wakeUps = 0
  override onStart() {
    this.fibers++
  }
  override onEffect() {
    this.instructions++
  }
  override onResume() {
    this.wakeUps++
  }
}

const watched = RuntimeFlagsPatch.enable(RuntimeFlags.OpSupervision)

const once = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Counts, E, R> =>
  Effect.suspend(() => {
    const counter = new Counter()
    let promises = 0
    let timers = 0
    const hook = createHook({
      init: (_, type) => {
        if (type === "PROMISE") promises++
        if (type === "Timeout") timers++
      }
    }).enable()
    return effect.pipe(
      Effect.supervised(counter),
      Effect.withRuntimeFlagsPatch(watched),
      Effect.ensuring(Effect.sync(() => hook.disable())),
      Effect.map(() => {
        const { fibers, instructions, wakeUps } = counter
        return { fibers, instructions, promises, timers, wakeUps }
      })
    )
  })

const combine = (a: Counts, b: Counts, f: (a: number, b: number) => number): Counts => ({
  fibers: f(a.fibers, b.fibers),
  instructions: f(a.instructions, b.instructions),
  promises: f(a.promises, b.promises),
  timers: f(a.timers, b.timers),
  wakeUps: f(a.wakeUps, b.wakeUps)
})

/** Of several times the least: the test runner makes promises of its own in between. The first time opens the connection. */
export const costs = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Counts, E, R> =>
  Effect.zipRight(
    effect,
    Effect.reduce(
      Array.from({ length: 5 }),
      {
        fibers: Infinity,
        instructions: Infinity,
        promises: Infinity,
        timers: Infinity,
        wakeUps: Infinity
      },
      (least: Counts) => Effect.map(once(effect), (found) => combine(least, found, Math.min))
    )
  )

/** What one more of something costs, where `few` or twice as many are made. */
export const perMore = <A, E, R>(effect: (count: number) => Effect.Effect<A, E, R>, few: number) =>
  Effect.zipWith(
    costs(effect(few)),
    costs(effect(2 * few)),
    (less, more) => combine(more, less, (more, less) => (more - less) / few)
  )
