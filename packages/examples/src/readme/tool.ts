import { Data, Effect, Schedule, Schema } from "effect"
import { ResponseTool } from "effect-responses"

class Busy extends Data.TaggedError("Busy") {}

class NoTable extends Data.TaggedError("NoTable")<{ readonly message: string }> {}

const reserve = (guests: number): Effect.Effect<void, Busy | NoTable> =>
  guests > 8 ? Effect.fail(new NoTable({ message: "the largest table has 8 seats" })) : Effect.fail(new Busy())

export const booking = ResponseTool.make({
  name: "book_table",
  parameters: Schema.Struct({ guests: Schema.Int }),
  handler: ({ guests }, { idempotencyKey }) => Effect.as(reserve(guests), `Booked as ${idempotencyKey}`),
  // Of errors of the handler. All its runs have one `attempt` and one `idempotencyKey`.
  retry: { times: 2, schedule: Schedule.spaced("1 second"), while: (error) => error._tag === "Busy" },
  // For all of that together. Then the handler is interrupted, and the call is not tried again.
  timeout: "30 seconds",
  // Runs alone: it waits for the calls before it, and those behind it wait.
  exclusive: true,
  // What the model is told. `description` is what it would be told otherwise.
  onFailure: ({ description }) => `${description}. Ask the user for another time.`
})
