/** Runs the handler of a tool as its options say. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { CustomToolCall, FunctionCall } from "../../ResponseItem.ts"
import type { ToolFailed } from "../../ResponseToolError.ts"
import type { CallOptions, Retry } from "../../ResponseToolOptions.ts"
import * as ToolFailure from "./toolFailure.ts"

type Call = FunctionCall | CustomToolCall

const problemOfTimeout = (timeout: unknown): string | undefined =>
  Option.match(Duration.decodeUnknown(timeout), {
    onNone: () => "its timeout must be a duration, such as \"30 seconds\"",
    onSome: (duration) =>
      Duration.greaterThan(duration, Duration.zero) ? undefined : "its timeout must be longer than 0"
  })

/** Why no call could be run so. */
export const problemOf = ({ retry, timeout }: CallOptions<never, unknown>): string | undefined => {
  const problem = timeout === undefined ? undefined : problemOfTimeout(timeout)
  if (problem !== undefined) return problem
  if (retry === undefined || Schedule.isSchedule(retry)) return undefined
  return Number.isInteger(retry.times) && retry.times >= 0
    ? undefined
    : "its retry.times must be 0 or a whole number above"
}

export const retried = <A, E, R, R2>(
  handler: () => Effect.Effect<A, E, R>,
  retry: Retry<E, R2> | undefined
): Effect.Effect<A, E, R | R2> => {
  const attempt = Effect.suspend(handler)
  if (retry === undefined) return attempt
  if (Schedule.isSchedule(retry)) return Effect.retry(attempt, retry)
  const { schedule = Schedule.forever, times, while: isPassing = () => true } = retry
  return Effect.retry(attempt, { schedule, times, while: isPassing })
}

export const within = <A, E, R>(
  call: Call,
  timeout: Duration.DurationInput | undefined,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | ToolFailed, R> =>
  timeout === undefined ? effect : Effect.timeoutFail(effect, {
    duration: timeout,
    onTimeout: () => ToolFailure.ofTimeout(call, Duration.format(timeout))
  })
