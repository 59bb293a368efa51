import { Console, Duration, Stream } from "effect"
import { Responses } from "effect-responses"

export const program = Responses.stream({ model: "gpt-5.5", input: "Say hello." }, {
  onOpen: ({ bytesSaved, bytesSent, firstEvent, input, reason, recoveries, transport }) =>
    Console.log(
      `${transport}, ${input} (${reason?._tag ?? "continued"}): ${bytesSent} bytes sent, ${bytesSaved} saved,`,
      `first event after ${Duration.format(firstEvent)},`,
      `repaired: ${recoveries.map((recovery) => recovery._tag).join(", ") || "nothing"}`
    )
}).pipe(Stream.runDrain)
