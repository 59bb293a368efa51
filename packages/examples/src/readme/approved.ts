import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { Conversation, ConversationJournal, ResponseItem, ResponseTool } from "effect-responses"
import { NodeResponses } from "effect-responses-node"

const pay = ResponseTool.make({
  name: "pay",
  description: "Pays an invoice",
  parameters: Schema.Struct({ invoice: Schema.String }),
  needsApproval: true,
  handler: ({ invoice }) => Effect.as(Console.log(`pay ${invoice}`), `${invoice} is paid`)
})

const answer = process.env["ANSWER"]

const program = Effect.gen(function*() {
  const conversation = yield* Conversation.open({ id: "order-18", model: "gpt-5.5", store: false, tools: [pay] })
  for (const { callId } of answer === undefined ? [] : yield* conversation.approvals) {
    yield* answer === "yes" ? conversation.approve(callId) : conversation.reject(callId, "not this month")
  }
  yield* Stream.runDrain(conversation.resume)
  const isNew = (yield* conversation.history).length + (yield* conversation.approvals).length === 0
  if (isNew) yield* Stream.runDrain(conversation.run("Pay the invoice A-1."))
  for (const { arguments: given, name } of yield* conversation.approvals) {
    yield* Console.log(`waits for ANSWER=yes or ANSWER=no: ${name}`, given)
  }
  yield* Effect.forEach(yield* conversation.history, (item) => Console.log(item.type, ResponseItem.text(item)))
})

const journal = ConversationJournal.layerFile({ directory: process.env["JOURNAL"] ?? "conversations" })

program.pipe(
  Effect.provide(Layer.merge(NodeResponses.layerConfig(), Layer.provide(journal, NodeContext.layer))),
  NodeRuntime.runMain
)
