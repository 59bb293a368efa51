/**
 * Responses over HTTP on Node: what the socket falls back to, and a transport of its own.
 *
 * @since 0.1.0
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import type { Responses } from "effect-responses/Responses"
import * as ResponsesHttp from "effect-responses/ResponsesHttp"
import type * as ConfigError from "effect/ConfigError"
import * as Layer from "effect/Layer"
import type * as Http from "node:http"
import type * as Https from "node:https"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends ResponsesHttp.Options {
  /** For a proxy, or a certificate authority of one's own. */
  readonly agent?: Http.Agent | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ConfigOptions extends ResponsesHttp.ConfigOptions {
  /** For a proxy, or a certificate authority of one's own. */
  readonly agent?: Http.Agent | undefined
}

/** Connections are kept alive: an agent without that dials for every turn. */
const client = (agent: Http.Agent | undefined): Layer.Layer<HttpClient.HttpClient> =>
  agent === undefined
    ? Layer.provide(NodeHttpClient.layerWithoutAgent, NodeHttpClient.makeAgentLayer({ keepAlive: true }))
    : Layer.provide(
      NodeHttpClient.layerWithoutAgent,
      Layer.succeed(NodeHttpClient.HttpAgent, {
        [NodeHttpClient.HttpAgentTypeId]: NodeHttpClient.HttpAgentTypeId,
        http: agent,
        https: agent as Https.Agent
      })
    )

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Responses, ConfigError.ConfigError> =>
  Layer.provide(ResponsesHttp.layer(options), client(options.agent))

/**
 * `layer` with the key, and where to find the server, from the environment: `OPENAI_API_KEY`, `OPENAI_BASE_URL`, …
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (options: ConfigOptions = {}): Layer.Layer<Responses, ConfigError.ConfigError> =>
  Layer.provide(ResponsesHttp.layerConfig(options), client(options.agent))
