/** How long a request may wait: the durations of the options, checked once. */
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as ResponsesOptions from "../../ResponsesOptions.ts"

export interface Timeouts {
  readonly queue: Duration.Duration
  readonly firstEvent: Duration.Duration
  readonly stall: Duration.Duration
  readonly turn: Duration.Duration
}

export const defaults: Timeouts = {
  queue: Duration.infinity,
  firstEvent: Duration.minutes(2),
  stall: Duration.minutes(10),
  turn: Duration.minutes(20)
}

/** Refuses what is no duration, or none above zero. Fails with a `ConfigError` that names the option. */
export const positive = (
  option: string,
  input: Duration.DurationInput
): Effect.Effect<Duration.Duration, ConfigError.ConfigError> =>
  Duration.decodeUnknown(input).pipe(
    Effect.filterOrFail((duration) => Duration.greaterThan(duration, Duration.zero)),
    Effect.mapError(() => ConfigError.InvalidData([option], "is not a duration above zero"))
  )

/** Refuses what is no duration. */
export const zeroOrMore = (
  option: string,
  input: Duration.DurationInput
): Effect.Effect<Duration.Duration, ConfigError.ConfigError> =>
  Effect.mapError(Duration.decodeUnknown(input), () => ConfigError.InvalidData([option], "is not a duration"))

/** Fails with a `ConfigError` that names the option. */
export const make = (options: ResponsesOptions.Timeouts): Effect.Effect<Timeouts, ConfigError.ConfigError> =>
  Effect.all({
    queue: positive("queueTimeout", options.queueTimeout ?? defaults.queue),
    firstEvent: positive("firstEventTimeout", options.firstEventTimeout ?? defaults.firstEvent),
    stall: positive("stallTimeout", options.stallTimeout ?? defaults.stall),
    turn: positive("turnTimeout", options.turnTimeout ?? defaults.turn)
  })
