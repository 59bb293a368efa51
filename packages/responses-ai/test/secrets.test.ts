/** A key that a server repeats as the id or the model of a response, or as the type of an event, is not shown. */
import * as OpenAiLanguageModel from "@effect/ai-openai/OpenAiLanguageModel"
import * as LanguageModel from "@effect/ai/LanguageModel"
import { assert, describe, it } from "@effect/vitest"
import type { ResponseEvent } from "effect-responses/ResponseEvent"
import * as Responses from "effect-responses/Responses"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as ResponsesOpenAiClient from "../src/ResponsesOpenAiClient.ts"

const key = "sk-very-secret"

const response: Responses.FinalResponse = { id: key, model: key, status: "completed", output: [] }

const events = [
  { type: "response.created", response },
  { type: key, content: "of the caller" },
  { type: "response.completed", response }
] as ReadonlyArray<object> as ReadonlyArray<ResponseEvent>

const service: Responses.Service = {
  open: () =>
    Effect.succeed({
      id: key,
      transport: "websocket",
      input: "full",
      bytesSent: 1,
      bytesSaved: 0,
      queued: Duration.zero,
      firstEvent: Duration.zero,
      recoveries: [],
      events: Stream.fromIterable(events),
      forEach: (onEvent) => Effect.sync(() => events.forEach(onEvent)),
      result: () => response,
      redact: (text) => text.replaceAll(key, "<redacted>")
    })
}

const model = OpenAiLanguageModel.layer({ model: "m" }).pipe(
  Layer.provide(ResponsesOpenAiClient.layerWithoutHttp),
  Layer.provide(Layer.succeed(Responses.Responses, service))
)

describe("a key that a server repeats", () => {
  it.effect("is in no span and no log of the language model's", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const tracer = Tracer.make({
        context: (f) => f(),
        span: (name, parent, context, links, startTime, kind) => ({
          _tag: "Span",
          name,
          spanId: "1",
          traceId: "1",
          sampled: true,
          parent,
          context,
          links,
          kind,
          attributes: new Map(),
          status: { _tag: "Started", startTime },
          attribute: (name, value) => void seen.push([name, value]),
          event: () => {},
          addLinks: () => {},
          end: () => {}
        })
      })
      const logger = Logger.make<unknown, void>(({ message }) => void seen.push(message))
      yield* Effect.zipRight(
        LanguageModel.generateText({ prompt: "Hi" }),
        Stream.runDrain(LanguageModel.streamText({ prompt: "Hi" }))
      ).pipe(
        Effect.withTracer(tracer),
        Effect.provide([model, Logger.replace(Logger.defaultLogger, logger), Logger.minimumLogLevel(LogLevel.All)])
      )
      const shown = JSON.stringify(seen)
      assert.include(shown, JSON.stringify(["gen_ai.response.id", "<redacted>"]))
      assert.include(shown, JSON.stringify(["An event that @effect/ai-openai does not know", "<redacted>"]))
      assert.notInclude(shown, key)
      assert.notInclude(shown, "of the caller")
    }))
})
