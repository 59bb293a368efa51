/**
 * Where the server is and who asks: the options that the socket and HTTP share.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Redacted from "effect/Redacted"
import * as HttpHeader from "./internal/wire/httpHeader.ts"
import { makeRedact } from "./internal/wire/secrets.ts"
import * as ServerUrl from "./internal/wire/serverUrl.ts"
import * as Profile from "./Profile.ts"
import { ConnectionError } from "./ResponsesError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** What the server does differently from others. Default: `Profile.openAi` */
  readonly profile?: Profile.Profile | undefined
  /**
   * Sent as the profile says: `Authorization: Bearer`, most often. Needed for api.openai.com and api.x.ai.
   *
   * An Effect lets the key rotate. It is run for every connect and every HTTP request, and before a turn on a connection
   * to notice a new key, so cache it with `Effect.cachedWithTTL` if it is expensive.
   */
  readonly apiKey?: Redacted.Redacted | Effect.Effect<Redacted.Redacted, ConfigError.ConfigError> | undefined
  /** `http(s)://` or `ws(s)://`, up to and without `/responses`. Default: the profile's */
  readonly baseUrl?: string | undefined
  /** Sent as `OpenAI-Organization`. */
  readonly organization?: string | undefined
  /** Sent as `OpenAI-Project`. */
  readonly project?: string | undefined
  /** Further headers; they win over all others. An Effect is run for every connect and every HTTP request. */
  readonly headers?: Headers | Effect.Effect<Headers, ConfigError.ConfigError> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type Headers = Readonly<Record<string, string | Redacted.Redacted>>

/**
 * @since 0.1.0
 * @category models
 */
export interface Endpoint {
  /** The one of the options, checked. */
  readonly profile: Profile.Profile
  /** `wss://…/responses` */
  readonly socketUrl: string
  /** `https://…/responses` */
  readonly httpUrl: string
  /** Computed anew each time, if `apiKey` or `headers` is an Effect. */
  readonly credentials: Effect.Effect<Credentials, ConnectionError>
  /** The key that credentials would be made with now: runs the Effect that was given as `apiKey`, and nothing else. */
  readonly key: Effect.Effect<Key, ConnectionError>
  /** Whether `key` can change: `apiKey` is an Effect. */
  readonly canRotate: boolean
}

/**
 * Keys are compared with `Equal.equals`, by their text. `undefined`: no `apiKey` was given.
 *
 * @since 0.1.0
 * @category models
 */
export type Key = Redacted.Redacted | undefined

/**
 * @since 0.1.0
 * @category models
 */
export interface Credentials {
  /** The `apiKey` they were made with, whether or not a header of the caller's stands in its place. */
  readonly key: Key
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /**
   * Takes the secrets of the headers and of the URL's query out of a text that came from outside and may quote them:
   * whole, percent-encoded, escaped as in JSON, and any 12 consecutive characters of them. A secret of less than 8
   * characters is a placeholder (`none`, `EMPTY`) and stays.
   */
  readonly redact: (text: string) => string
}

/**
 * The options that are read from the environment, each with its usual name unless another `Config` is given:
 * `OPENAI_API_KEY`, and, if they are set, `OPENAI_BASE_URL`, `OPENAI_ORG_ID` and `OPENAI_PROJECT_ID`. With a `baseUrl` of
 * one's own, or a profile that is not served at api.openai.com, nothing else is read: a vendor's key must not go to another
 * server because it happens to be there.
 *
 * @since 0.1.0
 * @category models
 */
export interface FromConfig {
  readonly apiKey?: Config.Config<Redacted.Redacted> | undefined
  readonly baseUrl?: Config.Config<string> | undefined
  readonly organization?: Config.Config<string | undefined> | undefined
  readonly project?: Config.Config<string | undefined> | undefined
}

const optional = (name: string): Config.Config<string | undefined> => Config.withDefault(Config.string(name), undefined)

/**
 * @since 0.1.0
 * @category constructors
 */
export const fromConfig = <O extends FromConfig & Pick<Options, "profile">>(
  { apiKey, baseUrl, organization, project, ...rest }: O
): Effect.Effect<Omit<O, keyof FromConfig> & Options, ConfigError.ConfigError> =>
  Effect.map(
    Config.all(
      baseUrl === undefined && (rest.profile ?? Profile.openAi).baseUrl === Profile.openAi.baseUrl
        ? {
          apiKey: apiKey ?? Config.redacted("OPENAI_API_KEY"),
          baseUrl: optional("OPENAI_BASE_URL"),
          organization: organization ?? optional("OPENAI_ORG_ID"),
          project: project ?? optional("OPENAI_PROJECT_ID")
        }
        : {
          apiKey: apiKey ?? Config.succeed(undefined),
          baseUrl: baseUrl ?? Config.succeed(undefined),
          organization: organization ?? Config.succeed(undefined),
          project: project ?? Config.succeed(undefined)
        }
    ),
    (read) => ({ ...rest, ...read })
  )

/**
 * Where requests go, for a platform that has to know it before there is a connection.
 *
 * @since 0.1.0
 * @category getters
 */
export const urls = (
  { baseUrl, profile = Profile.openAi }: Pick<Options, "baseUrl" | "profile">
): Effect.Effect<Pick<Endpoint, "httpUrl" | "socketUrl">, ConfigError.ConfigError> => {
  if (baseUrl !== undefined) return ServerUrl.parse("baseUrl", baseUrl)
  return profile.baseUrl === undefined
    ? Effect.fail(ConfigError.MissingData(["baseUrl"], `is needed with the profile ${JSON.stringify(profile.name)}`))
    : ServerUrl.parse("profile.baseUrl", profile.baseUrl)
}

/** Servers that are known to answer nobody without a key. */
const keyed: ReadonlySet<string | undefined> = new Set([Profile.openAi.baseUrl, Profile.xAi.baseUrl])

const plain = (value: string | Redacted.Redacted): string => Redacted.isRedacted(value) ? Redacted.value(value) : value

const checkKey = (key: Redacted.Redacted): Effect.Effect<Redacted.Redacted, ConfigError.ConfigError> =>
  Effect.map(HttpHeader.checkValue("apiKey", Redacted.value(key)), Redacted.make)

/** A key that cannot change is checked only once. */
const keyOf = (
  apiKey: Options["apiKey"]
): Effect.Effect<Effect.Effect<Key, ConfigError.ConfigError>, ConfigError.ConfigError> => {
  if (apiKey === undefined) return Effect.succeed(Effect.succeed(undefined))
  return Effect.isEffect(apiKey)
    ? Effect.succeed(Effect.flatMap(apiKey, checkKey))
    : Effect.map(checkKey(apiKey), Effect.succeed)
}

/** Headers and parts of a query that are secrets by their name. */
const isSecret = (name: string): boolean =>
  /authorization|cookie|credential|key|token|secret|password|signature|^(sig|code)$/i.test(name)

/** The user and password of HTTP's basic authentication, which a server reads in plain text. */
const basic = (value: string): ReadonlyArray<string> => {
  const encoded = /^basic +(\S+)$/i.exec(value)?.[1]
  try {
    const decoded = encoded === undefined ? "" : atob(encoded)
    return [decoded, decoded.slice(decoded.indexOf(":") + 1)]
  } catch {
    return []
  }
}

/** A server may quote the value of a header with the word before the secret (`Bearer …`) or without. */
const quotable = (secret: string): ReadonlyArray<string> => {
  const value = secret.trim()
  return [value, value.replace(/^[a-z][\w-]* +/i, ""), ...basic(value)]
}

const toConnectionError = (error: ConfigError.ConfigError) =>
  new ConnectionError({
    reason: "Credentials",
    delivery: "unsent",
    description: `No credentials: ${Cause.pretty(Cause.fail(error))}`
  })

/** What an Effect of the caller's may take. Everything else has a clock too. */
const credentialsTimeout = Duration.seconds(30)

const inTime = <A>(credentials: Effect.Effect<A, ConfigError.ConfigError>) =>
  Effect.timeoutFail(credentials, {
    duration: credentialsTimeout,
    onTimeout: () =>
      ConfigError.InvalidData(["apiKey"], `or headers: not there within ${Duration.format(credentialsTimeout)}`)
  })

const computeCredentials = Effect.fnUntraced(function*(
  options: Options,
  profile: Profile.Profile,
  url: string,
  currentKey: Effect.Effect<Key, ConfigError.ConfigError>
) {
  const own = Effect.isEffect(options.headers) ? yield* options.headers : options.headers ?? {}
  const key = yield* currentKey
  const keyHeader = profile.auth.header.toLowerCase()
  const headers: Record<string, string> = {}
  const secrets: Array<string> = []
  const set = (name: string, value: string) => {
    headers[name] = value
    if (name === keyHeader || isSecret(name)) secrets.push(value)
  }
  for (const [name, value] of new URL(url).searchParams) {
    if (isSecret(name)) secrets.push(value)
  }

  for (const [name, value] of Object.entries(profile.headers)) set(name.toLowerCase(), value)
  if (key !== undefined) {
    const text = Redacted.value(key)
    headers[keyHeader] = profile.auth.scheme === undefined ? text : `${profile.auth.scheme} ${text}`
    secrets.push(text)
  }
  for (const name of ["organization", "project"] as const) {
    const value = options[name]
    if (value !== undefined) set(`openai-${name}`, yield* HttpHeader.checkValue(name, value))
  }
  for (const [name, value] of Object.entries(own)) {
    const text = yield* HttpHeader.check(name, plain(value))
    if (Redacted.isRedacted(value)) secrets.push(text)
    set(name.toLowerCase(), text)
  }
  if (options.baseUrl === undefined && keyed.has(profile.baseUrl) && headers[keyHeader] === undefined) {
    return yield* Effect.fail(ConfigError.MissingData(["apiKey"], `is needed for ${new URL(url).host}`))
  }
  return { key, headers, redact: makeRedact(secrets.flatMap(quotable)) } satisfies Credentials
})

/**
 * Checks the options and, once, the credentials, so that a mistake shows when the Layer is built and not at the first
 * request. Fails with a `ConfigError` that names the option.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function*(options: Options) {
  const profile = yield* Profile.validate(options.profile ?? Profile.openAi)
  const { httpUrl, socketUrl } = yield* urls(options)
  const currentKey = yield* keyOf(options.apiKey)
  const canRotate = Effect.isEffect(options.apiKey)
  const canChange = canRotate || Effect.isEffect(options.headers)
  const compute = computeCredentials(options, profile, httpUrl, currentKey).pipe(canChange ? inTime : identity)
  const first = yield* compute
  const endpoint: Endpoint = {
    httpUrl,
    socketUrl,
    profile,
    // Where they cannot change, nothing is kept of how they are made. A function shows no key to whoever prints it.
    credentials: canChange ? Effect.mapError(compute, toConnectionError) : Effect.sync(() => first),
    key: Effect.mapError(currentKey, toConnectionError),
    canRotate
  }
  return endpoint
})
