/** A chat in the terminal, with tools. Nothing in it but the last lines knows how the model is reached. */
import { Chat, type Prompt, Tool, Toolkit } from "@effect/ai"
import { OpenAiClient, OpenAiLanguageModel } from "@effect/ai-openai"
import { FetchHttpClient, Terminal } from "@effect/platform"
import { Config, Effect, identity, Layer, Schema, Stream } from "effect"
import { ResponsesOpenAiClient } from "effect-responses-ai"
import { NodeResponses } from "effect-responses-node"

const stock = new Map([["lamp", 2], ["chair", 14]])

const shop = Toolkit.make(
  Tool.make("get_stock", {
    description: "How many of an article there are",
    parameters: { article: Schema.String },
    success: Schema.Number
  }),
  Tool.make("reserve", {
    description: "Reserves articles for the customer",
    parameters: { article: Schema.String, count: Schema.Number },
    success: Schema.String,
    failure: Schema.String,
    failureMode: "return"
  })
)

const Shop = shop.toLayer({
  get_stock: ({ article }) => Effect.succeed(stock.get(article) ?? 0),
  reserve: ({ article, count }) =>
    Effect.suspend(() => {
      const left = (stock.get(article) ?? 0) - count
      if (left < 0) return Effect.fail(`There are only ${left + count} left.`)
      stock.set(article, left)
      return Effect.succeed(`Reserved ${count}.`)
    })
})

/** Shows the answer as it comes, runs the tools that it calls, and says whether there were any. */
const step = Effect.fnUntraced(function*(chat: Chat.Service, prompt: Prompt.RawInput) {
  const terminal = yield* Terminal.Terminal
  let called = false
  yield* chat.streamText({ prompt, toolkit: shop, concurrency: "unbounded" }).pipe(
    Stream.runForEach((part) => {
      if (part.type === "finish") called = part.reason === "tool-calls"
      return part.type === "text-delta" ? terminal.display(part.delta) : Effect.void
    })
  )
  if (!called) yield* terminal.display("\n")
  return called
})

const say = (chat: Chat.Service, line: string) =>
  Effect.flatMap(step(chat, line), (called) => Effect.iterate(called, { while: identity, body: () => step(chat, []) }))

export const agent = Effect.gen(function*() {
  const terminal = yield* Terminal.Terminal
  const chat = yield* Chat.fromPrompt([{ role: "system", content: "You sell furniture. Look into the stock first." }])
  yield* terminal.readLine.pipe(
    Effect.flatMap((line) => say(chat, line)),
    Effect.forever,
    Effect.catchTag("QuitException", () => terminal.display("Good-bye.\n"))
  )
}).pipe(Effect.provide(Shop))

const Http = OpenAiClient.layerConfig({
  apiKey: Config.redacted("OPENAI_API_KEY"),
  apiUrl: Config.withDefault(Config.string("OPENAI_BASE_URL"), undefined)
}).pipe(Layer.provide(FetchHttpClient.layer))

const Socket = ResponsesOpenAiClient.layer.pipe(Layer.provide([NodeResponses.layerConfig(), Http]))

export const modelOver = (transport: "http" | "socket") =>
  OpenAiLanguageModel.layer({ model: "gpt-5.5" }).pipe(Layer.provide(transport === "http" ? Http : Socket))
