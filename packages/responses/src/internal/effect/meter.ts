/** Numbers that are kept anyway, put into metrics now and then: whoever counts knows nothing of metrics. */
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import type * as Metric from "effect/Metric"
import type * as MetricKeyType from "effect/MetricKeyType"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Finalizer from "./finalizer.ts"

export interface Meter<N> {
  /** Goes back to nothing at the end. Of several meters the metric is the sum. */
  readonly gauges: ReadonlyArray<readonly [gauge: Metric.Metric.Gauge<number>, of: (numbers: N) => number]>
  /** Totals, which only grow. */
  readonly counters: ReadonlyArray<
    readonly [
      counter: Metric.Metric<MetricKeyType.MetricKeyType.Counter<number>, number, unknown>,
      of: (numbers: N) => number
    ]
  >
}

/** At once, by the schedule, and when the scope is closed. */
export const run = <N>(
  { counters, gauges }: Meter<N>,
  numbers: Effect.Effect<N>,
  schedule: Schedule.Schedule<unknown>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.withFiberRuntime((fiber) => {
    // Whoever closes the scope has other labels.
    const labels = fiber.getFiberRef(FiberRef.currentMetricLabels)
    const shown = { gauges: gauges.map(() => 0), counters: counters.map(() => 0) }
    const show = (now: N, isLast: boolean) => {
      gauges.forEach(([gauge, of], index) => {
        const value = isLast ? 0 : of(now)
        gauge.unsafeModify(value - shown.gauges[index]!, labels)
        shown.gauges[index] = value
      })
      counters.forEach(([counter, of], index) => {
        const value = of(now)
        counter.unsafeUpdate(value - shown.counters[index]!, labels)
        shown.counters[index] = value
      })
    }
    const look = (isLast: boolean) => Effect.map(numbers, (now) => show(now, isLast))
    return Finalizer.add(look(true)).pipe(
      Effect.zipRight(look(false)),
      Effect.zipRight(look(false).pipe(Effect.schedule(schedule), Effect.interruptible, Effect.forkScoped)),
      Effect.asVoid
    )
  })
