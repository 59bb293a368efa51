/** The headers of a connect or an HTTP request, and what hides their secrets in a text. */
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Profile from "../../Profile.ts"
import type * as ResponsesOptions from "../../ResponsesOptions.ts"
import * as HttpHeader from "../wire/httpHeader.ts"
import { makeRedact } from "../wire/secrets.ts"

/** Keys are compared with `Equal.equals`, by their text. `undefined`: no `apiKey` was given. */
export type Key = Redacted.Redacted | undefined

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

/** Servers that are known to answer nobody without a key. */
const keyed: ReadonlySet<string | undefined> = new Set([Profile.openAi.baseUrl, Profile.xAi.baseUrl])

const plain = (value: string | Redacted.Redacted): string => Redacted.isRedacted(value) ? Redacted.value(value) : value

const checkKey = (key: Redacted.Redacted): Effect.Effect<Redacted.Redacted, ConfigError.ConfigError> =>
  Effect.map(HttpHeader.checkValue("apiKey", Redacted.value(key)), Redacted.make)

/** A key that cannot change is checked only once. */
export const keyOf = (
  apiKey: ResponsesOptions.Endpoint["apiKey"]
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

/** With the headers of one request, which win. All their values are secrets. */
export const withHeaders = (credentials: Credentials, headers: Credentials["headers"]): Credentials => {
  const secrets = Object.values(headers)
  if (secrets.length === 0) return credentials
  const redact = makeRedact(secrets.flatMap(quotable))
  return {
    ...credentials,
    headers: { ...credentials.headers, ...headers },
    redact: (text) => redact(credentials.redact(text))
  }
}

export const compute = Effect.fnUntraced(function*(
  options: ResponsesOptions.Endpoint,
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
