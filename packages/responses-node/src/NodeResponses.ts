/**
 * What most programs on Node want: responses over a WebSocket, with HTTP where no socket can be had.
 *
 * @since 0.1.0
 */
import type { Responses } from "effect-responses/Responses"
import * as ResponsesFallback from "effect-responses/ResponsesFallback"
import type { ResponsesSocket } from "effect-responses/ResponsesSocket"
import type * as ConfigError from "effect/ConfigError"
import type * as Layer from "effect/Layer"
import * as NodeResponsesHttp from "./NodeResponsesHttp.ts"
import * as NodeResponsesSocket from "./NodeResponsesSocket.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends NodeResponsesSocket.Options, ResponsesFallback.Options {}

/** HTTP serves those that would wait longer. */
const withQueueTimeout = <O extends Pick<Options, "maxConnections" | "maxLanes" | "queueTimeout">>(options: O): O =>
  options.maxConnections === 1 && options.maxLanes === 1
    ? options
    : { ...options, queueTimeout: options.queueTimeout ?? "1 second" }

/**
 * @since 0.1.0
 * @category models
 */
export interface ConfigOptions extends NodeResponsesSocket.ConfigOptions, ResponsesFallback.Options {}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options
): Layer.Layer<ResponsesFallback.ResponsesFallback | ResponsesSocket | Responses, ConfigError.ConfigError> =>
  ResponsesFallback.layer(
    NodeResponsesSocket.layer(withQueueTimeout(options)),
    NodeResponsesHttp.layer(options),
    options
  )

/**
 * `layer` with the key, and where to find the server, from the environment: `OPENAI_API_KEY`, and, if they are set,
 * `OPENAI_BASE_URL`, `OPENAI_ORG_ID` and `OPENAI_PROJECT_ID`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: ConfigOptions = {}
): Layer.Layer<ResponsesFallback.ResponsesFallback | ResponsesSocket | Responses, ConfigError.ConfigError> =>
  ResponsesFallback.layer(
    NodeResponsesSocket.layerConfig(withQueueTimeout(options)),
    NodeResponsesHttp.layerConfig(options),
    options
  )
