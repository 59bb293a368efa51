/** Interrupts a fiber at a chosen operation. */
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Scheduler from "effect/Scheduler"

/** Interrupts the fiber that first runs on it before its nth operation, and counts them. */
export const make = (at: number) => {
  let target: Fiber.RuntimeFiber<unknown, unknown> | undefined
  let count = 0
  const scheduler: Scheduler.Scheduler = {
    scheduleTask: (task, priority) => Scheduler.defaultScheduler.scheduleTask(task, priority),
    shouldYield: (fiber) => {
      target ??= fiber
      if (fiber === target && count++ === at) fiber.unsafeInterruptAsFork(FiberId.none)
      return Scheduler.defaultScheduler.shouldYield(fiber)
    }
  }
  return { scheduler, count: () => count }
}
