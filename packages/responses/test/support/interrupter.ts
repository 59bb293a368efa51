/** Interrupts a fiber at a chosen operation. */
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Scheduler from "effect/Scheduler"

/**
 * Interrupts the fiber that first runs on it before the nth operation, and counts them. Operations of the fibers that it starts
 * count too: a Stream is run in a fiber of its own.
 */
export const make = (at: number) => {
  let target: Fiber.RuntimeFiber<unknown, unknown> | undefined
  let count = 0
  const scheduler: Scheduler.Scheduler = {
    scheduleTask: (task, priority) => Scheduler.defaultScheduler.scheduleTask(task, priority),
    shouldYield: (fiber) => {
      target ??= fiber
      if (count++ === at) target.unsafeInterruptAsFork(FiberId.none)
      return Scheduler.defaultScheduler.shouldYield(fiber)
    }
  }
  return { scheduler, count: () => count }
}

/**
 * The same before the nth step: what runs until it waits, or lets others run. An interruption from elsewhere comes between
 * two steps, so they are all the moments that such a one can have.
 */
export const betweenSteps = (at: number) => {
  let target: Fiber.RuntimeFiber<unknown, unknown> | undefined
  let count = 0
  const scheduler: Scheduler.Scheduler = {
    scheduleTask: (task, priority) =>
      Scheduler.defaultScheduler.scheduleTask(() => {
        if (count++ === at) target?.unsafeInterruptAsFork(FiberId.none)
        task()
      }, priority),
    shouldYield: (fiber) => {
      target ??= fiber
      return Scheduler.defaultScheduler.shouldYield(fiber)
    }
  }
  return { scheduler, count: () => count }
}
