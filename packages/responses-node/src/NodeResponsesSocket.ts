/**
 * Responses over a WebSocket on Node, without HTTP behind it.
 *
 * @since 0.1.0
 */
import { Connector } from "effect-responses/Connector"
import * as Endpoint from "effect-responses/Endpoint"
import type { Responses } from "effect-responses/Responses"
import * as ResponsesSocket from "effect-responses/ResponsesSocket"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Agent from "./internal/agent.ts"
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

const makeContext = (options: Options) =>
  Effect.gen(function*() {
    const { socketUrl } = yield* Endpoint.urls(options)
    yield* Agent.check(options.agent, socketUrl)
    const connect = yield* NodeConnector.make(options)
    return yield* Effect.provideService(ResponsesSocket.makeContext(options), Connector, connect)
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options
): Layer.Layer<ResponsesSocket.ResponsesSocket | Responses, ConfigError.ConfigError> =>
  Layer.scopedContext(makeContext(options))

/**
 * `layer` with the key, and where to find the server, from the environment: `OPENAI_API_KEY`, `OPENAI_BASE_URL`, …
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: ConfigOptions = {}
): Layer.Layer<ResponsesSocket.ResponsesSocket | Responses, ConfigError.ConfigError> =>
  Layer.scopedContext(Effect.flatMap(Endpoint.fromConfig(options), makeContext))
