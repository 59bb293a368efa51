/** `@effect/ai-openai` over HTTP: its client's typed stream, below the language model. */
import * as OpenAiClient from "@effect/ai-openai/OpenAiClient"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Conversation from "./conversation.ts"
import { apiKey, type Open } from "./way.ts"

type Request = Parameters<OpenAiClient.Service["createResponseStream"]>[0]

const loop = Effect.fnUntraced(function*(model: string, turns: number, onText: (text: string) => void) {
  const client = yield* OpenAiClient.OpenAiClient
  const input: Array<Extract<Request["input"], ReadonlyArray<unknown>>[number]> = [{
    role: "user",
    content: Conversation.question
  }]
  for (let turn = 1; turn <= turns; turn++) {
    const request: Request = { model, ...Conversation.settings, input }
    yield* Stream.runForEach(client.createResponseStream(request), (event) =>
      Effect.sync(() => {
        if (event.type === "response.function_call_arguments.delta") onText(event.delta)
        else if (event.type === "response.output_item.done" && event.item.type === "function_call") {
          const { arguments: text, call_id, name } = event.item
          input.push({ type: "function_call", call_id, name, arguments: text }, Conversation.outputItem(call_id, turn))
        }
      }))
  }
})

const ask = (model: string, onText: (text: string) => void) =>
  Effect.flatMap(
    OpenAiClient.OpenAiClient,
    (client) =>
      Stream.runForEach(client.createResponseStream({ model, input: "Go", store: false }), (event) =>
        Effect.sync(() => {
          if (event.type === "response.output_text.delta") {
            onText(event.delta)
          }
        }))
  )

export const open: Open = async (url) => {
  const runtime = ManagedRuntime.make(
    Layer.provide(OpenAiClient.layer({ apiKey: Redacted.make(apiKey), apiUrl: url }), FetchHttpClient.layer)
  )
  return {
    ask: (model, onText) => runtime.runPromise(ask(model, onText)),
    loop: (model, turns, onText) => runtime.runPromise(loop(model, turns, onText)),
    close: () => runtime.dispose()
  }
}
