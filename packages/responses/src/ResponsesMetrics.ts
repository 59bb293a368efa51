/**
 * The numbers of a Layer as metrics, beside those of each response in `ResponsesTelemetry`: its connections and lanes, who
 * waits, and what became of its conversations.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Meter from "./internal/effect/meter.ts"

/**
 * The numbers of a Layer that metrics show: `stats` of `ResponsesSocket` are such.
 *
 * @since 0.1.0
 * @category models
 */
export interface LayerNumbers {
  readonly serving: number
  readonly retiring: number
  readonly opening: number
  readonly running: number
  readonly waiting: number
  readonly affineHits: number
  readonly forks: number
  readonly overruns: number
  readonly headsLost: Readonly<Record<"AfterFailure" | "Displaced" | "Forgotten" | "NewConnection", number>>
}

/**
 * Connections now, tagged with `state`: `serving`, `retiring` or `opening`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const connections = Metric.gauge("effect_responses_connections", { description: "Connections" })

/**
 * @since 0.1.0
 * @category metrics
 */
export const running = Metric.gauge("effect_responses_running", { description: "Lanes that are in use" })

/**
 * @since 0.1.0
 * @category metrics
 */
export const waiting = Metric.gauge("effect_responses_waiting", { description: "Requests that wait for a place" })

/**
 * @since 0.1.0
 * @category metrics
 */
export const affineHits = Metric.counter("effect_responses_affine_hits", {
  description: "Turns that were sent where their conversation is",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const forks = Metric.counter("effect_responses_forks", {
  description: "Turns that branched off a response that another turn had just continued",
  incremental: true
})

/**
 * Conversations that the server no longer has, tagged with `reason`, as in `stats.headsLost`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const headsLost = Metric.counter("effect_responses_heads_lost", {
  description: "Conversations that the server no longer has",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const overruns = Metric.counter("effect_responses_overruns", {
  description: "Responses whose readers fell too far behind",
  incremental: true
})

const states = ["serving", "retiring", "opening"] as const
const losses = ["AfterFailure", "Displaced", "Forgotten", "NewConnection"] as const

const meter: Meter.Meter<LayerNumbers> = {
  gauges: [
    ...states.map((state) =>
      [Metric.tagged(connections, "state", state), (numbers: LayerNumbers) => numbers[state]] as const
    ),
    [running, (numbers) => numbers.running],
    [waiting, (numbers) => numbers.waiting]
  ],
  counters: [
    [affineHits, (numbers) => numbers.affineHits],
    [forks, (numbers) => numbers.forks],
    [overruns, (numbers) => numbers.overruns],
    ...losses.map((reason) =>
      [Metric.tagged(headsLost, "reason", reason), (numbers: LayerNumbers) => numbers.headsLost[reason]] as const
    )
  ]
}

/**
 * Has the numbers of a Layer shown in the metrics: at once, by the schedule, and at last when the scope is closed. Where
 * several Layers are watched, the metrics are their sums. A Layer that nobody watches pays nothing for it.
 *
 * @since 0.1.0
 * @category metrics
 */
export const watch = (
  numbers: Effect.Effect<LayerNumbers>,
  schedule: Schedule.Schedule<unknown> = Schedule.spaced("5 seconds")
): Effect.Effect<void, never, Scope.Scope> => Meter.run(meter, numbers, schedule)
