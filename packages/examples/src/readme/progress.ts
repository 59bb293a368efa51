import { Console, Duration, Effect, Stream } from "effect"
import type { Conversation } from "effect-responses"

export const show = <R, E>(conversation: Conversation.Conversation<R, E>, question: string) =>
  Stream.runForEach(conversation.run(question), (event) => {
    switch (event.type) {
      case "response.output_text.delta":
        return Console.log(event.delta)
      case "conversation.tool.started":
        return Console.log(`${event.name} …`)
      case "conversation.tool.ended":
        return Console.log(`${event.name}: ${event.result._tag} after ${Duration.format(event.duration)}`)
      case "conversation.round.ended":
        return Console.log(`round ${event.round}: ${event.usage?.total_tokens} tokens`)
      default:
        return Effect.void
    }
  })
