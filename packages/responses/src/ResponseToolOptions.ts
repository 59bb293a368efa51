/**
 * How the calls of a tool are run, and what becomes of those that fail.
 *
 * @since 0.1.0
 */
import type { DurationInput } from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type { ToolFailed } from "./ResponseToolError.ts"

/**
 * What a `Conversation` does with a call whose tool was started, and of which no output was written, as the run was
 * interrupted or the process died.
 *
 * - `report`: the tool is not run again. The model is told that the outcome is unknown.
 * - `rerun`: the tool runs again, with the same `idempotencyKey`.
 *
 * @since 0.1.0
 * @category models
 */
export type OnUnknownOutcome = "report" | "rerun"

/**
 * What becomes of a call that could not be answered.
 *
 * - `output`: the model is told, as the output of the call: `Error: ` and the `description` of the failure, at most 1,000
 *   characters. The whole failure goes to the log: a handler that died as a warning, everything else at the level debug.
 * - `fail`: `run` fails with `ToolFailed`, and the model is told nothing.
 * - a function: writes what the model is told. It must not fail. If it throws, a warning is logged, and the model is told
 *   what it is told with `output`.
 *
 * @since 0.1.0
 * @category models
 */
export type OnFailure = "output" | "fail" | ((failure: ToolFailed) => string | Effect.Effect<string>)

/**
 * Which failures of a handler are tried again, how often, and how long after the one before. `E` is what the schedule takes,
 * `R` what it needs, and `EWhile` what `while` takes.
 *
 * @since 0.1.0
 * @category models
 */
export type Retry<E, R, EWhile = E> = Schedule.Schedule<unknown, E, R> | {
  /** How often after the first time, at the most. */
  readonly times: number
  /**
   * May look at the errors: `Schedule.whileInput((error: Busy) => …)`. A handler that can fail with others is refused then.
   * Default: at once
   */
  readonly schedule?: Schedule.Schedule<unknown, E, R> | undefined
  /**
   * Which errors are tried again. TypeScript knows their type where `handler` is a function that stands before it. Behind
   * `Effect.fn` it does not: write the type there, `while: (error: Busy) => …`. Default: all
   */
  readonly while?: ((error: EWhile) => boolean) | undefined
}

/**
 * Which calls of a tool a `Conversation` holds until they are approved: all, none, or those for whose arguments this is so. A
 * call is asked about once, before it runs for the first time. One whose arguments do not fit, or for which this fails, is
 * answered with the failure.
 *
 * @since 0.1.0
 * @category models
 */
export type NeedsApproval<A, E = never, R = never> = boolean | ((args: A) => boolean | Effect.Effect<boolean, E, R>)

/**
 * How the calls of one tool are run. `EWhile` is what `while` of `retry` takes.
 *
 * @example
 * ```ts
 * import { Effect, Schedule, Schema } from "effect"
 * import { ResponseTool } from "effect-responses"
 *
 * export const pay = ResponseTool.make({
 *   name: "pay",
 *   parameters: Schema.Struct({ cents: Schema.Number }),
 *   handler: ({ cents }) => cents > 0 ? Effect.succeed("paid") : Effect.fail("no such amount"),
 *   retry: Schedule.exponential("1 second").pipe(Schedule.intersect(Schedule.recurs(2))),
 *   timeout: "30 seconds",
 *   exclusive: true,
 *   onFailure: ({ description }) => `${description}: nothing was paid`
 * })
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export interface CallOptions<in E = never, out R = never, in EWhile = E> {
  /**
   * How long a call may take, with all attempts of `retry` and the waits between them. Then the handler is interrupted, and
   * the call fails with the reason `TimedOut`; it is not tried again, as it may have done its work. A handler that cannot be
   * interrupted is waited for. The wait for an `exclusive` call does not count. Default: no limit
   */
  readonly timeout?: DurationInput | undefined
  /**
   * Whether a call runs alone. It begins when the calls of the conversation that run have ended, and those that come later
   * begin when it has ended: calls begin in their order, so none waits for ever. Other tools run beside each other. A call
   * that waits has not been started, and counts in `concurrency`. A `fork` is another conversation. Default: `false`
   */
  readonly exclusive?: boolean | undefined
  /**
   * Runs the handler again when it has failed with an error of its own. Arguments that do not fit, a result that cannot be
   * sent and a handler that dies are not tried again. All of this is one attempt at the call: the handler gets the same
   * `attempt` and `idempotencyKey` each time. Default: not at all
   */
  readonly retry?: Retry<E, R, EWhile> | undefined
  /** Default: the `onToolFailure` of the conversation */
  readonly onFailure?: OnFailure | undefined
  /** Default: `report` */
  readonly onUnknownOutcome?: OnUnknownOutcome | undefined
}
