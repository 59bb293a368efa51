/** What a header can carry. Its value is never quoted in a mistake: it may be a key. */
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"

/** A token of RFC 9110, as the name of a header and the scheme of an authorization are. */
export const isToken = (text: string): boolean => /^[\w!#$%&'*+.^`|~-]+$/.test(text)

/** Visible ASCII, spaces and Latin-1: whatever else would make a header end early or throw. */
const carried = /^[\t\x20-\x7e\x80-\xff]+$/

export const checkValue = (option: string, value: string): Either.Either<string, ConfigError.ConfigError> => {
  if (value.trim() === "") return Either.left(ConfigError.MissingData([option], "is empty"))
  return carried.test(value)
    ? Either.right(value)
    : Either.left(ConfigError.InvalidData([option], "has a character that no header can carry"))
}

/** Checks one of the `headers` of an option, and gives its value. */
export const check = (name: string, value: string): Either.Either<string, ConfigError.ConfigError> =>
  isToken(name)
    ? checkValue(`headers.${name}`, value)
    : Either.left(ConfigError.InvalidData(["headers"], `has the name ${JSON.stringify(name)}`))
