/** The two Layers that a program switches between: the HTTP client of `@effect/ai-openai`, and ours. */
import * as OpenAiClient from "@effect/ai-openai/OpenAiClient"
import * as OpenAiLanguageModel from "@effect/ai-openai/OpenAiLanguageModel"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as NodeResponses from "effect-responses-node/NodeResponses"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import type * as ResponseScript from "effect-responses/ResponseScript"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as ResponsesOpenAiClient from "../../src/ResponsesOpenAiClient.ts"

export const apiKey = Redacted.make("sk-language-model")

export type Way = (server: ResponsesServer.Service) => Layer.Layer<OpenAiClient.OpenAiClient>

export const overHttp: Way = ({ url }) =>
  OpenAiClient.layer({ apiKey, apiUrl: url }).pipe(Layer.provide(FetchHttpClient.layer))

const overResponsesWith = (options: Partial<NodeResponses.Options>): Way => (server) =>
  ResponsesOpenAiClient.layer.pipe(
    Layer.provide(NodeResponses.layer({ apiKey, baseUrl: server.url, reconnect: Schedule.stop, ...options })),
    Layer.provide(overHttp(server)),
    Layer.orDie
  )

export const overResponses: Way = overResponsesWith({})

/** Lanes have no names but those of the caller's, and what travels is the request to the letter. */
export const oneAtATime: Way = overResponsesWith({ maxConnections: 1, maxLanes: 1 })

export const model = OpenAiLanguageModel.layer({ model: "gpt-5.5" })

/** A server of one's own, and a language model that asks it. */
export const layer = (way: Way, script: ResponseScript.Script, options: { readonly idPrefix?: string } = {}) =>
  ResponsesServer.layer({ apiKey, script, idPrefix: "", ...options }).pipe(
    Layer.flatMap((context) =>
      Layer.merge(
        Layer.succeedContext(context),
        Layer.provideMerge(model, way(Context.get(context, ResponsesServer.ResponsesServer)))
      )
    ),
    Layer.orDie
  )

/** What travelled, as far as it differs between turns. */
export const sent = Effect.flatMap(
  ResponsesServer.ResponsesServer,
  ({ requests }) =>
    Effect.map(requests, (requests) =>
      requests.map(({ body, transport }) => ({
        transport,
        previous: body.previous_response_id ?? null,
        input: body.input
      })))
)
