/**
 * What one server does differently from another, as data.
 *
 * A profile of one's own is a ready one with other values:
 *
 * @example
 * ```ts
 * import { Profile } from "effect-responses"
 *
 * export const gateway: Profile.Profile = {
 *   ...Profile.strict,
 *   name: "gateway",
 *   baseUrl: "https://llm.example.com/v1",
 *   maxAge: "10 minutes"
 * }
 *
 * // Azure OpenAI with a token of Entra in place of a key.
 * export const entra: Profile.Profile = { ...Profile.azure, auth: Profile.openAi.auth }
 * ```
 *
 * @since 0.1.0
 */
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as HttpHeader from "./internal/wire/httpHeader.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Profile {
  /** For people: errors name it. Nothing depends on it. */
  readonly name: string
  /**
   * Where the server is if the option `baseUrl` does not say so: `http(s)://` or `ws(s)://`, up to and without
   * `/responses`. `undefined`: the option must be given.
   */
  readonly baseUrl: string | undefined
  /** How the key goes out. */
  readonly auth: Auth
  /** Sent with every connect and every HTTP request. The key and the headers of the options win over them. */
  readonly headers: Readonly<Record<string, string>>
  /** How old the server lets a connection become. The library replaces it before that, between two responses. */
  readonly maxAge: Duration.DurationInput
  /** Whether the server knows `stream_id`. If not, it is left out of what is sent. */
  readonly lanes: boolean
  /**
   * Whether the server goes on serving a connection on which it has sent an `error` frame. If not, the library opens
   * another one for the next request, which then goes out in full.
   */
  readonly usableAfterError: boolean
  /** The largest message the server takes, in bytes of UTF-8. A larger request does not go over the socket. */
  readonly maxFrameBytes: number
  /**
   * Whether the server takes `instructions` beside `previous_response_id`. If not, a request that has `instructions` is
   * sent in full, without the id.
   */
  readonly continuesWithInstructions: boolean
  /**
   * Whether the id of a response names that response alone, on every connection. If not, the library continues only from
   * the response that ended last on the lane and connection in use: elsewhere the id could stand for another state of the
   * conversation. A new connection then gets the first request of a conversation in full, stored or not.
   */
  readonly uniqueIds: boolean
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Auth {
  /** The header that carries the key, in either case. */
  readonly header: string
  /** The word before the key, as in `Bearer`. `undefined`: the key stands alone. */
  readonly scheme: string | undefined
}

const bearer: Auth = { header: "authorization", scheme: "Bearer" }

/** One backend closes the connection at 16 MiB. What is below is for what a proxy may count on top. */
const maxFrameBytes = 15 * 1024 * 1024

/**
 * api.openai.com
 *
 * @since 0.1.0
 * @category profiles
 */
export const openAi: Profile = {
  name: "openAi",
  baseUrl: "https://api.openai.com/v1",
  auth: bearer,
  headers: {},
  maxAge: "60 minutes",
  lanes: true,
  usableAfterError: true,
  maxFrameBytes,
  continuesWithInstructions: true,
  uniqueIds: true
}

/**
 * Azure OpenAI, with a key of the resource. `baseUrl` is `https://{resource}.openai.azure.com/openai/v1`.
 *
 * @since 0.1.0
 * @category profiles
 */
export const azure: Profile = {
  ...openAi,
  name: "azure",
  baseUrl: undefined,
  auth: { header: "api-key", scheme: undefined },
  lanes: false
}

/**
 * Assumes of a server only what every server grants: for gateways and whatever else is not known.
 *
 * @since 0.1.0
 * @category profiles
 */
export const strict: Profile = {
  name: "strict",
  baseUrl: undefined,
  auth: bearer,
  headers: {},
  maxAge: "25 minutes",
  lanes: false,
  usableAfterError: false,
  maxFrameBytes,
  continuesWithInstructions: false,
  uniqueIds: false
}

/**
 * api.x.ai. Connections are reported to live for about 25 minutes. Whether one serves on after an error is not known: to
 * open another one costs a handshake, to trust a dead one costs a turn. One id can serve several responses of a
 * connection, and a new connection restores the first of them.
 *
 * @since 0.1.0
 * @category profiles
 */
export const xAi: Profile = {
  ...strict,
  name: "xAi",
  baseUrl: "https://api.x.ai/v1"
}

const switches = ["lanes", "usableAfterError", "continuesWithInstructions", "uniqueIds"] as const

const refuse = (trait: string, problem: string) => Either.left(ConfigError.InvalidData([trait], problem))

/**
 * Fails with a `ConfigError` that names the trait. A Layer does it with its profile when it is built.
 *
 * @since 0.1.0
 * @category validation
 */
export const validate = (profile: Profile): Either.Either<Profile, ConfigError.ConfigError> =>
  Either.gen(function*() {
    const { auth, headers, maxAge, maxFrameBytes } = profile
    if (!HttpHeader.isToken(auth.header)) yield* refuse("auth.header", "is not the name of a header")
    if (auth.scheme !== undefined && !HttpHeader.isToken(auth.scheme)) yield* refuse("auth.scheme", "is not one word")
    for (const [name, value] of Object.entries(headers)) yield* HttpHeader.check(name, value)
    if (!Option.exists(Duration.decodeUnknown(maxAge), (age) => Duration.toMillis(age) > 0)) {
      yield* refuse("maxAge", "is not a duration above zero")
    }
    if (!Number.isSafeInteger(maxFrameBytes) || maxFrameBytes <= 0) {
      yield* refuse("maxFrameBytes", "is not a whole number above zero")
    }
    for (const trait of switches) {
      if (typeof profile[trait] !== "boolean") yield* refuse(trait, "is neither true nor false")
    }
    return profile
  }).pipe(Either.mapLeft(ConfigError.prefixed(["profile"])))
