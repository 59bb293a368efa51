/**
 * Where the server is and who asks: the options that the socket and HTTP share.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { ConnectionError } from "./ResponsesError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Sent as `Authorization: Bearer`. An Effect is run for every connect, so a key can rotate. May be left out only with
   * a `baseUrl` of one's own.
   */
  readonly apiKey?: Redacted.Redacted | Effect.Effect<Redacted.Redacted, ConfigError.ConfigError> | undefined
  /** `http(s)://` or `ws(s)://`, up to and without `/responses`. Default: `https://api.openai.com/v1` */
  readonly baseUrl?: string | undefined
  /** Sent as `OpenAI-Organization`. */
  readonly organization?: string | undefined
  /** Sent as `OpenAI-Project`. */
  readonly project?: string | undefined
  /** Further headers; they win over the ones above. An Effect is run for every connect. */
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
  /** `wss://…/responses` */
  readonly socketUrl: string
  /** `https://…/responses` */
  readonly httpUrl: string
  /** Computed anew each time. */
  readonly credentials: Effect.Effect<Credentials, ConnectionError>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Credentials {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /**
   * Takes the secrets among the headers out of a text that came from outside and may quote them. Shorter than 8
   * characters is a placeholder (`none`, `EMPTY`) that would only make the text unreadable.
   */
  readonly scrub: (text: string) => string
}

/**
 * The options that are read from the environment, each with its usual name unless another `Config` is given:
 * `OPENAI_API_KEY`, and, if they are set, `OPENAI_BASE_URL`, `OPENAI_ORG_ID` and `OPENAI_PROJECT_ID`. With a `baseUrl` of
 * one's own nothing else is read: a vendor's key must not go to another server because it happens to be there.
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

/**
 * @since 0.1.0
 * @category defaults
 */
export const defaultBaseUrl = "https://api.openai.com/v1"

const optional = (name: string): Config.Config<string | undefined> => Config.withDefault(Config.string(name), undefined)

/**
 * @since 0.1.0
 * @category constructors
 */
export const fromConfig = <O extends FromConfig>(
  { apiKey, baseUrl, organization, project, ...rest }: O
): Effect.Effect<Omit<O, keyof FromConfig> & Options, ConfigError.ConfigError> =>
  Effect.map(
    Config.all(
      baseUrl === undefined
        ? {
          apiKey: apiKey ?? Config.redacted("OPENAI_API_KEY"),
          baseUrl: optional("OPENAI_BASE_URL"),
          organization: organization ?? optional("OPENAI_ORG_ID"),
          project: project ?? optional("OPENAI_PROJECT_ID")
        }
        : {
          apiKey: apiKey ?? Config.succeed(undefined),
          baseUrl,
          organization: organization ?? Config.succeed(undefined),
          project: project ?? Config.succeed(undefined)
        }
    ),
    (read) => ({ ...rest, ...read })
  )

const schemes: Readonly<Record<string, readonly [http: string, socket: string]>> = {
  "http:": ["http:", "ws:"],
  "https:": ["https:", "wss:"],
  "ws:": ["http:", "ws:"],
  "wss:": ["https:", "wss:"]
}

const invalid = (problem: string) => Effect.fail(ConfigError.InvalidData(["baseUrl"], problem))

const parseUrl = (baseUrl: string): Effect.Effect<Pick<Endpoint, "socketUrl" | "httpUrl">, ConfigError.ConfigError> => {
  if (!URL.canParse(baseUrl)) return invalid("is not a URL")
  const url = new URL(baseUrl)
  const scheme = schemes[url.protocol]
  if (scheme === undefined) return invalid(`must begin with http:, https:, ws: or wss:, not with ${url.protocol}`)
  if (url.username !== "" || url.password !== "") {
    return invalid("must not hold a user or password, use apiKey or headers")
  }
  const rest = `//${url.host}${url.pathname.replace(/\/+$/, "")}/responses${url.search}`
  return Effect.succeed({ httpUrl: scheme[0] + rest, socketUrl: scheme[1] + rest })
}

/** Visible ASCII, spaces and Latin-1: whatever else would make a header end early or throw. */
const headerValue = /^[\t\x20-\x7e\x80-\xff]+$/

const headerName = /^[\w!#$%&'*+.^`|~-]+$/

const checked = (name: string, value: string): Effect.Effect<string, ConfigError.ConfigError> => {
  if (value.trim() === "") return Effect.fail(ConfigError.MissingData([name], "is empty"))
  return headerValue.test(value)
    ? Effect.succeed(value)
    : Effect.fail(ConfigError.InvalidData([name], "has a character that no header can carry"))
}

const plain = (value: string | Redacted.Redacted): string => Redacted.isRedacted(value) ? Redacted.value(value) : value

const secret = (name: string): boolean => /authorization|cookie|key|token|secret/.test(name)

/**
 * Checks the options and, once, the credentials, so that a mistake shows when the Layer is built and not at the first
 * request. Fails with a `ConfigError` that names the option.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function*(options: Options) {
  const urls = yield* parseUrl(options.baseUrl ?? defaultBaseUrl)

  const credentials = Effect.gen(function*() {
    const own = Effect.isEffect(options.headers) ? yield* options.headers : options.headers ?? {}
    const headers: Record<string, string> = {}
    const secrets: Array<string> = []
    const set = Effect.fnUntraced(
      function*(name: string, option: string, value: string | Redacted.Redacted, prefix = "") {
        const text = yield* checked(option, plain(value))
        headers[name] = prefix + text
        if (secret(name) || Redacted.isRedacted(value)) secrets.push(text)
      }
    )
    if (options.apiKey !== undefined) {
      const key = Effect.isEffect(options.apiKey) ? yield* options.apiKey : options.apiKey
      yield* set("authorization", "apiKey", key, "Bearer ")
    }
    if (options.organization !== undefined) yield* set("openai-organization", "organization", options.organization)
    if (options.project !== undefined) yield* set("openai-project", "project", options.project)
    for (const [name, value] of Object.entries(own)) {
      if (!headerName.test(name)) {
        return yield* Effect.fail(ConfigError.InvalidData(["headers"], `has the name ${JSON.stringify(name)}`))
      }
      yield* set(name.toLowerCase(), `headers.${name}`, value)
    }
    if (options.baseUrl === undefined && headers["authorization"] === undefined) {
      return yield* Effect.fail(ConfigError.MissingData(["apiKey"], "is needed for api.openai.com"))
    }
    const bare = secrets.map((value) => value.replace(/^Bearer +/i, "").trim()).filter(({ length }) => length >= 8)
    const scrub = (text: string) => bare.reduce((scrubbed, value) => scrubbed.replaceAll(value, "<redacted>"), text)
    return { headers, scrub } satisfies Credentials
  })

  yield* credentials
  const endpoint: Endpoint = {
    ...urls,
    credentials: Effect.mapError(
      credentials,
      (error) =>
        new ConnectionError({
          reason: "Credentials",
          delivery: "unsent",
          description: `No credentials: ${Cause.pretty(Cause.fail(error))}`
        })
    )
  }
  return endpoint
})
