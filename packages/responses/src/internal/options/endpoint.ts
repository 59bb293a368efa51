/** The options of an endpoint, which are its URL and its credentials, checked once. */
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Profile from "../../Profile.ts"
import { ConnectionError } from "../../ResponsesError.ts"
import type * as ResponsesOptions from "../../ResponsesOptions.ts"
import * as ServerUrl from "../wire/serverUrl.ts"
import * as Credentials from "./credentials.ts"

export interface Endpoint {
  /** The one of the options, checked. */
  readonly profile: Profile.Profile
  /** `wss://…/responses` */
  readonly socketUrl: string
  /** `https://…/responses` */
  readonly httpUrl: string
  /** Computed anew each time, if `apiKey` or `headers` is an Effect. */
  readonly credentials: Effect.Effect<Credentials.Credentials, ConnectionError>
  /** The key that credentials would be made with now: runs the Effect that was given as `apiKey`, and nothing else. */
  readonly key: Effect.Effect<Credentials.Key, ConnectionError>
  /** Whether `key` can change: `apiKey` is an Effect. */
  readonly canRotate: boolean
}

const optional = (name: string): Config.Config<string | undefined> => Config.withDefault(Config.string(name), undefined)

/** Options with what the environment has in place of each `Config`. */
export const fromConfig = <O extends ResponsesOptions.FromConfig & Pick<ResponsesOptions.Endpoint, "profile">>(
  { apiKey, baseUrl, organization, project, ...rest }: O
): Effect.Effect<Omit<O, keyof ResponsesOptions.FromConfig> & ResponsesOptions.Endpoint, ConfigError.ConfigError> =>
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

/** Where requests go, for a platform that has to know it before there is a connection. */
export const urls = (
  { baseUrl, profile = Profile.openAi }: Pick<ResponsesOptions.Endpoint, "baseUrl" | "profile">
): Effect.Effect<Pick<Endpoint, "httpUrl" | "socketUrl">, ConfigError.ConfigError> => {
  if (baseUrl !== undefined) return ServerUrl.parse("baseUrl", baseUrl)
  return profile.baseUrl === undefined
    ? Effect.fail(ConfigError.MissingData(["baseUrl"], `is needed with the profile ${JSON.stringify(profile.name)}`))
    : ServerUrl.parse("profile.baseUrl", profile.baseUrl)
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

/**
 * Checks the options and, once, the credentials, so that a mistake shows when the Layer is built and not at the first
 * request. Fails with a `ConfigError` that names the option.
 */
export const make = Effect.fnUntraced(function*(options: ResponsesOptions.Endpoint) {
  const profile = yield* Profile.validate(options.profile ?? Profile.openAi)
  const { httpUrl, socketUrl } = yield* urls(options)
  const currentKey = yield* Credentials.keyOf(options.apiKey)
  const canRotate = Effect.isEffect(options.apiKey)
  const canChange = canRotate || Effect.isEffect(options.headers)
  const compute = Credentials.compute(options, profile, httpUrl, currentKey).pipe(canChange ? inTime : identity)
  const first = yield* compute
  const endpoint: Endpoint = {
    httpUrl,
    socketUrl,
    profile,
    // Where they cannot change, nothing is kept of how they are made. A function that is printed shows no key.
    credentials: canChange ? Effect.mapError(compute, toConnectionError) : Effect.sync(() => first),
    key: Effect.mapError(currentKey, toConnectionError),
    canRotate
  }
  return endpoint
})
