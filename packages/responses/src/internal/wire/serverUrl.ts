/** Where requests go, from the base URL that people know: with either transport's scheme, to `/responses`. */
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"

export interface ServerUrl {
  readonly socketUrl: string
  readonly httpUrl: string
}

const schemes: Readonly<Record<string, readonly [http: string, socket: string]>> = {
  "http:": ["http:", "ws:"],
  "https:": ["https:", "wss:"],
  "ws:": ["http:", "ws:"],
  "wss:": ["https:", "wss:"]
}

export const parse = (option: string, baseUrl: string): Either.Either<ServerUrl, ConfigError.ConfigError> => {
  const invalid = (problem: string) => Either.left(ConfigError.InvalidData([option], problem))
  if (!URL.canParse(baseUrl)) return invalid("is not a URL")
  const url = new URL(baseUrl)
  const scheme = schemes[url.protocol]
  if (scheme === undefined) return invalid(`must begin with http:, https:, ws: or wss:, not with ${url.protocol}`)
  if (url.username !== "" || url.password !== "") {
    return invalid("must not hold a user or password, use apiKey or headers")
  }
  const rest = `//${url.host}${url.pathname.replace(/\/+$/, "")}/responses${url.search}`
  return Either.right({ httpUrl: scheme[0] + rest, socketUrl: scheme[1] + rest })
}
