/** The options of one request, checked, and which transport they ask for. */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { InvalidRequest } from "../../ResponsesError.ts"
import type { RequestOptions, Transport } from "../../ResponsesOptions.ts"
import * as HttpHeader from "../wire/httpHeader.ts"

export interface Checked {
  /** For the whole of the response. */
  readonly timeout: Duration.Duration | undefined
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** The only transport that can serve the request. */
  readonly transport: Transport | undefined
}

const none: Either.Either<Checked> = Either.right({ timeout: undefined, headers: {}, transport: undefined })

const hasHeaders = ({ headers }: RequestOptions): boolean => headers !== undefined && Object.keys(headers).length > 0

/** Headers belong to the upgrade of a socket, which is made before there is a request. */
export const transportOf = (options: RequestOptions | undefined): Transport | undefined =>
  options === undefined ? undefined : options.transport ?? (hasHeaders(options) ? "http" : undefined)

interface Service {
  readonly transports?: ReadonlyArray<Transport> | undefined
}

/** Of two services, those that may serve the request. One of unknown transports may. */
export const serversOf = (
  first: Service,
  second: Service,
  options: RequestOptions | undefined
): "both" | "first" | "second" => {
  const transport = transportOf(options)
  const mayServe = ({ transports }: Service) =>
    transport === undefined || transports === undefined || transports.includes(transport)
  // Where neither may, the first says why.
  return mayServe(second) ? mayServe(first) ? "both" : "second" : "first"
}

const invalid = (field: keyof RequestOptions, description: string) => new InvalidRequest({ field, description })

const timeoutOf = ({ timeout }: RequestOptions): Either.Either<Duration.Duration | undefined, InvalidRequest> =>
  timeout === undefined
    ? Either.right(undefined)
    : Duration.decodeUnknown(timeout).pipe(
      Option.filter((duration) => Duration.greaterThan(duration, Duration.zero)),
      Either.fromOption(() => invalid("timeout", "is not a duration above zero"))
    )

/** What is wrong is told by the name of the header: its value may be a secret. */
const headersOf = ({ headers = {} }: RequestOptions): Either.Either<Record<string, string>, InvalidRequest> => {
  const checked: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const text: unknown = Redacted.isRedacted(value) ? Redacted.value(value) : value
    if (!HttpHeader.isToken(name)) return Either.left(invalid("headers", `has the name ${JSON.stringify(name)}`))
    if (!Predicate.isString(text) || Either.isLeft(HttpHeader.checkValue(name, text))) {
      return Either.left(invalid("headers", `has for ${name} no text that a header can carry`))
    }
    checked[name.toLowerCase()] = text
  }
  return Either.right(checked)
}

const needs: Readonly<Record<Transport, string>> = {
  websocket: "is \"websocket\", and this Layer has HTTP only: use NodeResponses.layer or ResponsesSocket.layer",
  http: "is \"http\", and this Layer has a WebSocket only: use NodeResponses.layer or ResponsesFallback.layer"
}

const transportProblem = (options: RequestOptions, own: Transport | undefined): InvalidRequest | undefined => {
  const { transport } = options
  if (transport !== undefined && !Object.hasOwn(needs, transport)) {
    return invalid("transport", "is neither \"websocket\" nor \"http\"")
  }
  if (transport === "websocket" && hasHeaders(options)) {
    return invalid("headers", "cannot be sent on a WebSocket: leave out one of headers and transport")
  }
  if (own === undefined) return undefined
  if (transport !== undefined && transport !== own) return invalid("transport", needs[transport])
  return own === "websocket" && hasHeaders(options)
    ? invalid(
      "headers",
      "cannot be sent on a WebSocket: give them to the Layer, or use NodeResponses.layer or ResponsesFallback.layer"
    )
    : undefined
}

/** `own`: the transport that is to serve the request; absent for one that stands in for both. */
export const check = (
  options: RequestOptions | undefined,
  own?: Transport
): Either.Either<Checked, InvalidRequest> => {
  if (options === undefined) return none
  const timeout = timeoutOf(options)
  if (Either.isLeft(timeout)) return Either.left(timeout.left)
  const headers = headersOf(options)
  if (Either.isLeft(headers)) return Either.left(headers.left)
  const problem = transportProblem(options, own)
  return problem === undefined
    ? Either.right({ timeout: timeout.right, headers: headers.right, transport: transportOf(options) })
    : Either.left(problem)
}
