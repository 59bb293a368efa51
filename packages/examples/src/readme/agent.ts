import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schema, Stream } from "effect"
import { Conversation, ResponseItem, ResponseTool } from "effect-responses"
import { NodeResponses } from "effect-responses-node"

const weather = ResponseTool.make({
  name: "get_weather",
  description: "The weather in a city, in degrees Celsius",
  parameters: Schema.Struct({ city: Schema.String }),
  handler: ({ city }) => Effect.succeed({ city, celsius: city.length })
})

const program = Effect.gen(function*() {
  const conversation = yield* Conversation.make({
    model: "gpt-5.5",
    instructions: "Look things up before you answer.",
    store: false,
    tools: [weather]
  })
  yield* Stream.runDrain(conversation.run("Where is it warmer, in Oslo or in Reykjavik?"))
  const { text, usage } = yield* conversation.ask("And in Rome?")
  yield* Console.log(text, usage?.total_tokens)
  yield* Effect.forEach(yield* conversation.history, (item) => Console.log(item.type, ResponseItem.text(item)))
})

program.pipe(Effect.provide(NodeResponses.layerConfig()), NodeRuntime.runMain)
