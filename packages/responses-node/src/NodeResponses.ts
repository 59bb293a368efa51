/**
 * What most programs on Node want: responses over a WebSocket, with HTTP where no socket can be had.
 *
 * @since 0.1.0
 */
import * as Responses from "effect-responses/Responses"
import type { ResponsesSocket } from "effect-responses/ResponsesSocket"
import type * as ConfigError from "effect/ConfigError"
import type * as Layer from "effect/Layer"
import * as NodeResponsesHttp from "./NodeResponsesHttp.ts"
import * as NodeResponsesSocket from "./NodeResponsesSocket.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends NodeResponsesSocket.Options {}

/**
 * @since 0.1.0
 * @category models
 */
export interface ConfigOptions extends NodeResponsesSocket.ConfigOptions {}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options
): Layer.Layer<ResponsesSocket | Responses.Responses, ConfigError.ConfigError> =>
  Responses.layerOrElse(NodeResponsesSocket.layer(options), NodeResponsesHttp.layer(options))

/**
 * `layer` with the key, and where to find the server, from the environment: `OPENAI_API_KEY`, and, if they are set,
 * `OPENAI_BASE_URL`, `OPENAI_ORG_ID` and `OPENAI_PROJECT_ID`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: ConfigOptions = {}
): Layer.Layer<ResponsesSocket | Responses.Responses, ConfigError.ConfigError> =>
  Responses.layerOrElse(NodeResponsesSocket.layerConfig(options), NodeResponsesHttp.layerConfig(options))
