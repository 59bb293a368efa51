/**
 * Responses over a WebSocket on Node, without HTTP behind it.
 *
 * @since 0.1.0
 */
import type { Responses } from "effect-responses/Responses"
import * as ResponsesSocket from "effect-responses/ResponsesSocket"
import type * as ConfigError from "effect/ConfigError"
import * as Layer from "effect/Layer"
import * as NodeConnector from "./NodeConnector.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends ResponsesSocket.Options, NodeConnector.Options {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ConfigOptions extends ResponsesSocket.ConfigOptions, NodeConnector.Options {}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options
): Layer.Layer<ResponsesSocket.ResponsesSocket | Responses, ConfigError.ConfigError> =>
  Layer.provide(ResponsesSocket.layer(options), NodeConnector.layer(options))

/**
 * `layer` with the key, and where to find the server, from the environment: `OPENAI_API_KEY`, `OPENAI_BASE_URL`, …
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: ConfigOptions = {}
): Layer.Layer<ResponsesSocket.ResponsesSocket | Responses, ConfigError.ConfigError> =>
  Layer.provide(ResponsesSocket.layerConfig(options), NodeConnector.layer(options))
