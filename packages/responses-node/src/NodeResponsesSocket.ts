/**
 * Responses over a WebSocket on Node, without HTTP behind it.
 *
 * @since 0.1.0
 */
import { Connector } from "effect-responses/Connector"
import { Responses } from "effect-responses/Responses"
import * as ResponsesSocket from "effect-responses/ResponsesSocket"
import * as Endpoint from "effect-responses/unstable/Endpoint"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
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

/** One Layer from the options to both services: each Layer in between would stay in memory as long as the connection. */
const makeContext = (options: Options) =>
  Effect.gen(function*() {
    const { socketUrl } = yield* Endpoint.urls(options)
    yield* Agent.check(options.agent, socketUrl)
    const connect = yield* NodeConnector.make(options)
    const service = yield* Effect.provideService(ResponsesSocket.make(options), Connector, connect)
    return Context.make(ResponsesSocket.ResponsesSocket, service).pipe(Context.add(Responses, service))
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
