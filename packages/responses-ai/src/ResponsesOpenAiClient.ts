/**
 * `OpenAiClient` of `@effect/ai-openai` over `Responses`: language models, chats and toolkits stay as they are, and go
 * over a WebSocket.
 *
 * @since 0.1.0
 */
import * as OpenAiClient from "@effect/ai-openai/OpenAiClient"
import * as AiError from "@effect/ai/AiError"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type { ResponseRequest } from "effect-responses/ResponseRequest"
import * as Responses from "effect-responses/Responses"
import { ResponsesSocket } from "effect-responses/ResponsesSocket"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ReadAhead from "./internal/readAhead.ts"
import * as Reader from "./internal/reader.ts"
import * as Schemas from "./internal/schemas.ts"
import * as ResponsesAiConfig from "./ResponsesAiConfig.ts"
import { fromResponsesError } from "./ResponsesAiError.ts"

type Options = Parameters<OpenAiClient.Service["createResponse"]>[0]

/** `fileIdPrefixes` is a setting of the language model's that it forgets to take out. */
const toRequest = (
  { fileIdPrefixes: _prefixes, stream: _stream, ...body }: Options & { readonly fileIdPrefixes?: unknown },
  config: ResponsesAiConfig.Service
): ResponseRequest => ({
  ...Schemas.mend(body as unknown as ResponseRequest),
  ...config.previousResponseId === undefined ? {} : { previous_response_id: config.previousResponseId },
  ...config.warmUp === true ? { generate: false } : {}
})

const refused = (method: string, description: string) =>
  new AiError.MalformedInput({ module: "ResponsesOpenAiClient", method, description })

/** `undefined`: the HTTP client of `@effect/ai-openai`. */
type Route = Responses.Service | undefined

interface Transports {
  readonly auto: Responses.Service
  readonly socket: Option.Option<Responses.Service>
}

/** A socket runs nothing in the background. */
const routeOf = (
  { auto, socket }: Transports,
  config: ResponsesAiConfig.Service,
  { background }: Options,
  method: string
): Effect.Effect<Route, AiError.AiError> => {
  const { headers, timeout, transport = background === true ? "http" : "auto", warmUp } = config
  if (transport === "http") {
    if (warmUp === true) return Effect.fail(refused(method, "A warm-up over HTTP would be an ordinary, paid request"))
    return headers === undefined && timeout === undefined
      ? Effect.succeed(undefined)
      : Effect.fail(
        refused(
          method,
          "The HTTP client of @effect/ai-openai knows no headers and no timeout of a call: use another transport"
        )
      )
  }
  if (background === true) return Effect.fail(refused(method, "A socket cannot run a response in the background"))
  if (transport === "auto") return Effect.succeed(auto)
  return Effect.mapError(socket, () => refused(method, "There is no ResponsesSocket for the transport \"socket\""))
}

/** The route decides over the rest. */
const optionsOf = (
  { headers, timeout, transport }: ResponsesAiConfig.Service
): Responses.RequestOptions | undefined =>
  headers === undefined && timeout === undefined && transport !== "socket"
    ? undefined
    : { headers, timeout, transport: transport === "socket" ? "websocket" : undefined }

const open = (
  service: Responses.Service,
  request: ResponseRequest,
  config: ResponsesAiConfig.Service,
  method: string
) =>
  Responses.open(request, optionsOf(config)).pipe(
    Effect.provideService(Responses.Responses, service),
    Effect.mapError((error) => fromResponsesError(error, method)),
    Effect.tap((response) => config.onOpen?.(response) ?? Effect.void)
  )

const readerOf = (
  { model, tools }: ResponseRequest,
  { redact }: Responses.OpenResponse
): Effect.Effect<Reader.Options> =>
  Effect.map(Clock.currentTimeMillis, (now) => ({
    model: model ?? "",
    createdAt: Math.floor(now / 1000),
    redact,
    tools: new Set((tools ?? []).flatMap((tool) => "name" in tool ? [String(tool.name)] : []))
  }))

/** By its type only: the rest is content. */
const logUnknown = (
  { redact = identity }: Responses.OpenResponse
): NonNullable<ResponsesAiConfig.Service["onUnknownEvent"]> =>
(event) =>
  Effect.logDebug("An event that @effect/ai-openai does not know", redact(event.type)).pipe(
    Effect.annotateLogs({ package: "effect-responses-ai", module: "ResponsesOpenAiClient" })
  )

/** 64 Mi characters, as much as a transport keeps of the output of one response. */
const defaultMaxUnreadSize = 64 * 1024 * 1024

/** The response has a scope of its own: it is over when it was read, and not when its consumer has taken all of it. */
const streamOf = Effect.fnUntraced(function*(
  service: Responses.Service,
  options: Options,
  config: ResponsesAiConfig.Service
): Effect.fn.Return<
  Stream.Stream<OpenAiClient.ResponseStreamEvent, AiError.AiError>,
  AiError.AiError,
  Scope.Scope
> {
  const method = "createResponseStream"
  const { maxUnreadSize = defaultMaxUnreadSize } = config
  const request = toRequest(options, config)
  const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
  const response = yield* Scope.extend(open(service, request, config, method), scope)
  const { onUnknownEvent = logUnknown(response) } = config
  const read = Reader.make(yield* readerOf(request, response))
  const events = yield* ReadAhead.make(response, maxUnreadSize, (exit) => Scope.close(scope, exit))
  return events.pipe(
    Stream.mapError((error) => fromResponsesError(error, method)),
    Stream.mapChunksEffect((chunk) =>
      Effect.as(
        Effect.forEach(Chunk.filter(chunk, Reader.isUnknown), onUnknownEvent, { discard: true }),
        read(chunk)
      )
    )
  )
})

const responseOf = Effect.fnUntraced(
  function*(service: Responses.Service, options: Options, config: ResponsesAiConfig.Service) {
    const method = "createResponse"
    const request = toRequest(options, config)
    const response = yield* open(service, request, config, method)
    const final = yield* Effect.mapError(Responses.collect(response), (error) => fromResponsesError(error, method))
    return Reader.response(final, yield* readerOf(request, response))
  },
  Effect.scoped
)

const overHttp = (options: Options, { previousResponseId }: ResponsesAiConfig.Service): Options =>
  previousResponseId === undefined ? options : { ...options, previous_response_id: previousResponseId }

const config = Effect.map(ResponsesAiConfig.ResponsesAiConfig.getOrUndefined, (config) => config ?? {})

/**
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  OpenAiClient.Service,
  never,
  OpenAiClient.OpenAiClient | Responses.Responses
> = Effect.gen(function*() {
  const http = yield* OpenAiClient.OpenAiClient
  const transports: Transports = {
    auto: yield* Responses.Responses,
    socket: yield* Effect.serviceOption(ResponsesSocket)
  }
  const routed = (options: Options, method: string) =>
    Effect.flatMap(
      config,
      (config) => Effect.map(routeOf(transports, config, options, method), (route) => ({ config, route }))
    )

  return OpenAiClient.OpenAiClient.of({
    ...http,
    createResponse: (options) =>
      Effect.flatMap(routed(options, "createResponse"), ({ config, route }) =>
        route === undefined
          ? http.createResponse(overHttp(options, config))
          : responseOf(route, options, config)),
    createResponseStream: (options) =>
      Stream.unwrapScoped(
        Effect.flatMap(routed(options, "createResponseStream"), ({ config, route }) =>
          route === undefined
            ? Effect.succeed(http.createResponseStream(overHttp(options, config)))
            : streamOf(route, options, config))
      )
  })
})

/**
 * Responses go over `Responses`. Everything else of the client (embeddings, `client`, `streamRequest`), and calls with the
 * transport `http`, go over the `OpenAiClient` that this Layer is given.
 *
 * @example
 * ```ts
 * import { OpenAiClient, OpenAiLanguageModel } from "@effect/ai-openai"
 * import { FetchHttpClient } from "@effect/platform"
 * import { ResponsesOpenAiClient } from "effect-responses-ai"
 * import { NodeResponses } from "effect-responses-node"
 * import { Config, Layer } from "effect"
 *
 * const Http = OpenAiClient.layerConfig({ apiKey: Config.redacted("OPENAI_API_KEY") }).pipe(
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * const Socket = ResponsesOpenAiClient.layer.pipe(Layer.provide([NodeResponses.layerConfig(), Http]))
 *
 * export const Model = OpenAiLanguageModel.layer({ model: "gpt-5.5" }).pipe(Layer.provide(Socket))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<
  OpenAiClient.OpenAiClient,
  never,
  OpenAiClient.OpenAiClient | Responses.Responses
> = Layer.effect(OpenAiClient.OpenAiClient, make)

const noHttp = HttpClient.make((request) =>
  Effect.fail(
    new HttpClientError.RequestError({
      request,
      reason: "Transport",
      description: "ResponsesOpenAiClient.layerWithoutHttp goes over Responses only"
    })
  )
)

/**
 * For programs that ask for responses only, and for tests with `ResponsesTest`: whatever would go over HTTP fails.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWithoutHttp: Layer.Layer<OpenAiClient.OpenAiClient, never, Responses.Responses> = Layer.provide(
  layer,
  Layer.provide(OpenAiClient.layer({}), Layer.succeed(HttpClient.HttpClient, noHttp))
)
