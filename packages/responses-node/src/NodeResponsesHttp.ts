/**
 * Responses over HTTP on Node: what the socket falls back to, and a transport of its own.
 *
 * @since 0.1.0
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type { Responses } from "effect-responses/Responses"
import * as ResponsesHttp from "effect-responses/ResponsesHttp"
import * as Endpoint from "effect-responses/unstable/Endpoint"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Http from "node:http"
import type * as Https from "node:https"
import * as Agent from "./internal/agent.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends ResponsesHttp.Options {
  /** For a proxy, or a certificate authority of one's own: one for `https:` where the server's URL is `https:` or `wss:`. */
  readonly agent?: Http.Agent | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ConfigOptions extends ResponsesHttp.ConfigOptions {
  /** For a proxy, or a certificate authority of one's own: one for `https:` where the server's URL is `https:` or `wss:`. */
  readonly agent?: Http.Agent | undefined
}

/** Node throws where an agent throws: while it makes the request, before anything is sent. */
const thrown = (client: HttpClient.HttpClient): HttpClient.HttpClient =>
  HttpClient.transform(
    client,
    (answer, request) =>
      Effect.catchAllDefect(answer, (cause) =>
        Effect.fail(new HttpClientError.RequestError({ request, reason: "Encode", cause })))
  )

const withAgent = (agent: Http.Agent) =>
  Layer.succeed(NodeHttpClient.HttpAgent, {
    [NodeHttpClient.HttpAgentTypeId]: NodeHttpClient.HttpAgentTypeId,
    http: agent,
    https: agent as Https.Agent
  })

/** Connections are kept alive: an agent without that dials for every turn. */
const client = (agent: Http.Agent | undefined): Layer.Layer<HttpClient.HttpClient> =>
  Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, thrown)).pipe(
    Layer.provide(NodeHttpClient.layerWithoutAgent),
    Layer.provide(agent === undefined ? NodeHttpClient.makeAgentLayer({ keepAlive: true }) : withAgent(agent))
  )

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Responses, ConfigError.ConfigError> =>
  Layer.unwrapEffect(Effect.map(
    Effect.flatMap(Endpoint.urls(options), ({ httpUrl }) => Agent.check(options.agent, httpUrl)),
    (agent) => Layer.provide(ResponsesHttp.layer(options), client(agent))
  ))

/**
 * `layer` with the key, and where to find the server, from the environment: `OPENAI_API_KEY`, `OPENAI_BASE_URL`, …
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (options: ConfigOptions = {}): Layer.Layer<Responses, ConfigError.ConfigError> =>
  Layer.unwrapEffect(Effect.map(Endpoint.fromConfig(options), layer))
