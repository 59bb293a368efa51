import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { Conversation, ConversationJournal, ResponseItem, ResponseTool } from "effect-responses"
import { NodeResponses } from "effect-responses-node"

const pay = ResponseTool.make({
  name: "pay",
  description: "Pays an invoice",
  parameters: Schema.Struct({ invoice: Schema.String }),
  // The bank takes a key once: to ask it again after a crash does no harm.
  onUnknownOutcome: "rerun",
  handler: ({ invoice }, { idempotencyKey }) =>
    Effect.as(Console.log(`pay ${invoice} as ${idempotencyKey}`), `${invoice} is paid`)
})

const program = Effect.gen(function*() {
  const conversation = yield* Conversation.open({ id: "order-17", model: "gpt-5.5", store: false, tools: [pay] })
  yield* Stream.runDrain(conversation.resume)
  if ((yield* conversation.history).length === 0) {
    yield* Stream.runDrain(conversation.run("Pay the invoice A-1."))
  }
  yield* Effect.forEach(yield* conversation.history, (item) => Console.log(item.type, ResponseItem.text(item)))
})

const journal = ConversationJournal.layerFile({ directory: process.env["JOURNAL"] ?? "conversations" })

program.pipe(
  Effect.provide(Layer.merge(NodeResponses.layerConfig(), Layer.provide(journal, NodeContext.layer))),
  NodeRuntime.runMain
)
