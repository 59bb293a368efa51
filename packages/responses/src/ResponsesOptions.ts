/**
 * The options that transports have in common: the server, the credentials, and how long a request may wait. And those of
 * one request.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import type * as Profile from "./Profile.ts"
import type { ConnectionError, Delivery, ResponseFailed } from "./ResponsesError.ts"

/**
 * Where the server is, and with which credentials it is asked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Endpoint {
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

/**
 * Options of one request, beside those of its Layer.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestOptions {
  /**
   * For the whole of the response, from its turn on a connection on, in place of the Layer's `turnTimeout`. The other clocks go
   * on. The wait for a place has one of its own (`queueTimeout`): to limit all of it, use `Effect.timeout`.
   */
  readonly timeout?: Duration.DurationInput | undefined
  /**
   * Headers of this request; they win over the Layer's. On a WebSocket headers belong to the upgrade, so a request with
   * some goes over HTTP, and fails with `InvalidRequest` where the Layer has no HTTP. Their values are taken out of errors
   * and spans, `Redacted` or not.
   */
  readonly headers?: Headers | undefined
  /**
   * The only transport that may serve the request: `http` is no outage of the socket, `websocket` never falls back. Fails
   * with `InvalidRequest` where the Layer does not have it. Default: what the Layer does
   */
  readonly transport?: Transport | undefined
  /**
   * Asks again where that may help, as `Responses.retry` does. `open` asks again only until the server has begun to answer.
   * `timeout` is for each try. Default: `false`, and the conversation's for requests of a `Conversation`
   */
  readonly retry?: RetryOptions | false | undefined
}

/**
 * What is asked again, how often and when. Only `retryable` errors are, and `retryAfter` is waited for.
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryOptions {
  /** How often, at the most: 3 are four tries. Default: 3, and with a `schedule` as often as that says */
  readonly times?: number | undefined
  /**
   * Up to which `delivery` an error may have come.
   *
   * - `unsent`: what is certain not to have run. Rate limits and overload (429, 503, 529) without output count as that.
   * - `unacknowledged`: also what the server may be working on, and which may then run, and be paid for, twice.
   * - `partial`: also what has shown output, which is void then.
   *
   * Default: `unsent`
   */
  readonly delivery?: Delivery | undefined
  /** When. Default: after 500 ms, and each time twice as long, up to 30 seconds; a fifth more or less, at random */
  readonly schedule?: Schedule.Schedule<unknown, ConnectionError | ResponseFailed> | undefined
  /** The longest delay. A request whose server asks for a longer one fails at once. Default: 1 minute */
  readonly maxDelay?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type Transport = "websocket" | "http"

/**
 * How long a request may wait, and for what. Each has a reason of its own in `ConnectionError`. `Infinity` switches one off.
 *
 * @since 0.1.0
 * @category models
 */
export interface Timeouts {
  /**
   * For a place on a connection, while as many responses run as may. Default: one minute, and one second where HTTP serves
   * after that; no limit with `maxConnections: 1, maxLanes: 1`
   */
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
