/**
 * Checks options that are sizes. The error names the option, as the errors of all options do: a filter of `Schema` would
 * fail with a `ParseError`, and `Config.validate` checks what is read from a `ConfigProvider` and not an argument.
 */
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"

/** Takes whole numbers above zero, and `Infinity` for no limit. */
export const positive = (option: string, value: number): Effect.Effect<number, ConfigError.ConfigError> =>
  value === Infinity || (Number.isSafeInteger(value) && value > 0)
    ? Effect.succeed(value)
    : Effect.fail(ConfigError.InvalidData([option], "is not a whole number above zero"))
