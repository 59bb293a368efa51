/** This library, as its users use it: the public Layer, the public functions, telemetry as it comes. */
import * as NodeResponsesHttp from "effect-responses-node/NodeResponsesHttp"
import * as NodeResponsesSocket from "effect-responses-node/NodeResponsesSocket"
import * as Continuation from "effect-responses/Continuation"
import type { ResponseEvent } from "effect-responses/ResponseEvent"
import type { ResponseItem } from "effect-responses/ResponseItem"
import type { ResponseRequest } from "effect-responses/ResponseRequest"
import * as Responses from "effect-responses/Responses"
import type { ResponsesError } from "effect-responses/ResponsesError"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { firstItem, outputItem, settings } from "./conversation.ts"
import * as Sink from "./sink.ts"
import { apiKey, type Open } from "./way.ts"

type Consume = (
  request: ResponseRequest,
  onEvent: (event: ResponseEvent) => void
) => Effect.Effect<unknown, ResponsesError, Responses.Responses>

const forEach: Consume = (request, onEvent) =>
  Stream.runForEach(Responses.stream(request), (event) => Effect.sync(() => onEvent(event)))

const fold: Consume = (request, onEvent) =>
  Stream.runFold(Responses.stream(request), 0, (count, event) => {
    onEvent(event)
    return count + 1
  })

const ask = (consume: Consume, model: string, onText: (text: string) => void) =>
  consume({ model, input: "Go", store: false }, (event) => {
    if (event.type === "response.output_text.delta") onText(event.delta)
  })

const loop = Effect.fnUntraced(
  function*(consume: Consume, model: string, turns: number, onText: (text: string) => void) {
    const input: Array<ResponseItem> = [firstItem]
    for (let turn = 1; turn <= turns; turn++) {
      let output: ReadonlyArray<ResponseItem> = []
      yield* consume({ model, ...settings, input }, (event) => {
        if (event.type === "response.function_call_arguments.delta") onText(event.delta)
        else if (event.type === "response.completed") output = event.response.output ?? []
      })
      for (const item of output) {
        input.push(item)
        if (item.type === "function_call") input.push(outputItem(item.call_id, turn))
      }
    }
  }
)

/** As a program does it that has many: a scope for each Layer, and not a `ManagedRuntime`, of which a program needs one. */
const make = (
  consume: Consume,
  layer: (url: string) => Layer.Layer<Responses.Responses, ConfigError.ConfigError>
): Open =>
async (url) => {
  const scope = await Effect.runPromise(Scope.make())
  const run = Runtime.runPromise(await Effect.runPromise(Scope.extend(Layer.toRuntime(layer(url)), scope)))
  return {
    ask: async (model, onText) => {
      await run(ask(consume, model, onText))
    },
    loop: (model, turns, onText) => run(loop(consume, model, turns, onText)),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const key = Redacted.make(apiKey)
const socket = (baseUrl: string) => NodeResponsesSocket.layer({ apiKey: key, baseUrl })

export const openStream = make(forEach, socket)
export const openFold = make(fold, socket)
export const openSink = make(Sink.forEach, socket)

/** Sends everything, every turn. */
export const openFull = make(
  Sink.forEach,
  (baseUrl) => NodeResponsesSocket.layer({ apiKey: key, baseUrl, continuation: Continuation.off })
)

export const openHttp = make(Sink.forEach, (baseUrl) => NodeResponsesHttp.layer({ apiKey: key, baseUrl }))
