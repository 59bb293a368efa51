/**
 * How long a request may wait, and for what: the options that every transport shares.
 *
 * @since 0.1.0
 */
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * Each has a reason of its own in `ConnectionError`. `Infinity` switches one off.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** For the responses that were asked for before, on the same connection. Default: no limit, as each of them has one */
  readonly queueTimeout?: Duration.DurationInput | undefined
  /** From the sending of the request to the first event of its response. Default: 2 minutes */
  readonly firstEventTimeout?: Duration.DurationInput | undefined
  /**
   * For the next sign of life while a response runs: an event, or any other frame, pings too. Models think for minutes
   * without a word. Default: 10 minutes
   */
  readonly stallTimeout?: Duration.DurationInput | undefined
  /** For the whole of a response, from its turn on the connection to its last event. Default: 20 minutes */
  readonly turnTimeout?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Timeouts {
  readonly queue: Duration.Duration
  readonly firstEvent: Duration.Duration
  readonly stall: Duration.Duration
  readonly turn: Duration.Duration
}

/**
 * @since 0.1.0
 * @category defaults
 */
export const defaults: Timeouts = {
  queue: Duration.infinity,
  firstEvent: Duration.minutes(2),
  stall: Duration.minutes(10),
  turn: Duration.minutes(20)
}

/**
 * Refuses what is no duration, or none that anything could keep.
 *
 * @since 0.1.0
 * @category constructors
 */
export const positive = (
  option: string,
  input: Duration.DurationInput
): Effect.Effect<Duration.Duration, ConfigError.ConfigError> =>
  Duration.decodeUnknown(input).pipe(
    Effect.filterOrFail((duration) => Duration.greaterThan(duration, Duration.zero)),
    Effect.mapError(() => ConfigError.InvalidData([option], "is not a duration above zero"))
  )

/**
 * Fails with a `ConfigError` that names the option.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<Timeouts, ConfigError.ConfigError> =>
  Effect.all({
    queue: positive("queueTimeout", options.queueTimeout ?? defaults.queue),
    firstEvent: positive("firstEventTimeout", options.firstEventTimeout ?? defaults.firstEvent),
    stall: positive("stallTimeout", options.stallTimeout ?? defaults.stall),
    turn: positive("turnTimeout", options.turnTimeout ?? defaults.turn)
  })
