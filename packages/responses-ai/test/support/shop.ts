/** The program that runs over both transports: nothing in it knows of either. */
import * as Chat from "@effect/ai/Chat"
import type * as Response from "@effect/ai/Response"
import * as Tool from "@effect/ai/Tool"
import * as Toolkit from "@effect/ai/Toolkit"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const shop = Toolkit.make(
  Tool.make("get_price", { parameters: { item: Schema.String }, success: Schema.Number }),
  Tool.make("get_stock", { parameters: { item: Schema.String }, success: Schema.Number }),
  Tool.make("reserve", {
    parameters: { item: Schema.String, count: Schema.Number },
    failure: Schema.Struct({ reason: Schema.String }),
    failureMode: "return"
  })
)

/** Each of the two looks-up waits for the other to have begun: one after the other they would never end. */
const handlers = shop.toLayer(Effect.gen(function*() {
  const priceAsked = yield* Deferred.make<void>()
  const stockAsked = yield* Deferred.make<void>()
  const meet = (mine: Deferred.Deferred<void>, other: Deferred.Deferred<void>) =>
    Effect.zipRight(Deferred.succeed(mine, undefined), Deferred.await(other))
  return {
    get_price: () => Effect.as(meet(priceAsked, stockAsked), 12.5),
    get_stock: () => Effect.as(meet(stockAsked, priceAsked), 2),
    reserve: ({ count }) => Effect.fail({ reason: `only 2 left, not ${count}` })
  }
}))

const { reasoning, text, toolCall, turn } = ResponseScript

/** Said by the server: its own count grows with what it knows, and over HTTP it does not know the reasoning. */
const usage = {
  input_tokens: 30,
  output_tokens: 20,
  total_tokens: 50,
  input_tokens_details: { cached_tokens: 10 },
  output_tokens_details: { reasoning_tokens: 5 }
}

const turns: ReadonlyArray<ResponseScript.Turn> = [
  turn([
    reasoning("Price and stock."),
    toolCall({ name: "get_price", arguments: { item: "lamp" } }),
    toolCall({ name: "get_stock", arguments: { item: "lamp" } })
  ]),
  turn([text("Let me reserve three."), toolCall({ name: "reserve", arguments: { count: 3, item: "lamp" } })]),
  text("There are only two lamps left, at 12.50 each."),
  text(JSON.stringify({ item: "lamp", count: 2 })),
  turn([reasoning("Say goodbye."), text("Two lamps are yours. Good-bye!")])
]

export const script: ResponseScript.Script = turns.map((one) => turn([one], { usage }))

const Order = Schema.Struct({ item: Schema.String, count: Schema.Number })

export const program = Effect.gen(function*() {
  const chat = yield* Chat.fromPrompt([{ role: "system", content: "You run a shop." }])
  const streamed = (prompt: string | []) =>
    chat.streamText({ prompt, toolkit: shop, concurrency: 2 }).pipe(
      Stream.runCollect,
      Effect.map(Chunk.toReadonlyArray)
    )

  const first = yield* chat.generateText({ prompt: "Three lamps, please.", toolkit: shop, concurrency: 2 })
  const second = yield* chat.generateText({ prompt: [], toolkit: shop })
  const third = yield* streamed([])
  const order = yield* chat.generateObject({ prompt: "What is my order now?", schema: Order, objectName: "order" })
  const last = yield* streamed("Thank you.")
  const parts: ReadonlyArray<ReadonlyArray<Response.AnyPart>> = [
    first.content,
    second.content,
    third,
    order.content,
    last
  ]
  return { parts, order: order.value, history: (yield* Ref.get(chat.history)).content }
}).pipe(Effect.provide(handlers))
