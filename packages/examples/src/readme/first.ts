import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { Responses } from "effect-responses"
import { NodeResponses } from "effect-responses-node"

Responses.stream({ model: "gpt-5.5", input: "Say hello in five languages." }).pipe(
  Stream.runForEach((event) => event.type === "response.output_text.delta" ? Console.log(event.delta) : Effect.void),
  Effect.provide(NodeResponses.layerConfig()),
  NodeRuntime.runMain
)
