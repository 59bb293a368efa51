/**
 * What can go wrong with a conversation, beside what can go wrong with each of its requests.
 *
 * The errors have the face of those of a request (`ResponsesError.Retryability`). Where `delivery` depends on the step that
 * failed it is the furthest that is possible, so that nobody asks again for what may have been answered: `resume` knows.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { Retryability } from "./ResponsesError.ts"

/**
 * The model went on calling tools for longer than allowed. What was done so far is in the history, and the next round was not
 * asked for.
 *
 * @since 0.1.0
 * @category errors
 */
export class TooManyRounds
  extends Schema.TaggedError<TooManyRounds>("effect-responses/TooManyRounds")("TooManyRounds", {
    rounds: Schema.Number
  })
  implements Retryability
{
  get delivery(): "unsent" {
    return "unsent"
  }

  get retryable(): false {
    return false
  }

  get retryAfter(): undefined {
    return undefined
  }

  override get message(): string {
    return `The model still called tools after ${this.rounds} rounds: raise maxRounds, or look at what it is missing`
  }
}

/**
 * The responses of this run have used as many tokens as `tokenBudget` allows, and the model was to be asked again. It was
 * not. What was done so far is in the history: `resume` goes on, with a budget of its own.
 *
 * @since 0.1.0
 * @category errors
 */
export class BudgetSpent extends Schema.TaggedError<BudgetSpent>("effect-responses/BudgetSpent")("BudgetSpent", {
  /** In tokens. */
  budget: Schema.Number,
  /** In tokens. It may be more than the budget, as a response is not broken off. */
  spent: Schema.Number,
  /** How often the model was asked. */
  rounds: Schema.Number
}) implements Retryability {
  get delivery(): "unsent" {
    return "unsent"
  }

  get retryable(): false {
    return false
  }

  get retryAfter(): undefined {
    return undefined
  }

  override get message(): string {
    return `The run has used ${this.spent} of ${this.budget} tokens in ${this.rounds} rounds, and was not at its end: ` +
      "resume it, which has a budget of its own, or raise tokenBudget"
  }
}

/**
 * The conversation has calls that were not answered, or outputs that the model has not seen. Nothing was asked: `resume`
 * first, or say with `pending` what is to become of them.
 *
 * @since 0.1.0
 * @category errors
 */
export class PendingRound extends Schema.TaggedError<PendingRound>("effect-responses/PendingRound")("PendingRound", {
  /** The calls without an output. `isBegun`: the tool was started, and nothing is known of how that ended. */
  calls: Schema.Array(Schema.Struct({ callId: Schema.String, name: Schema.String, isBegun: Schema.Boolean }))
}) implements Retryability {
  get delivery(): "unsent" {
    return "unsent"
  }

  get retryable(): false {
    return false
  }

  get retryAfter(): undefined {
    return undefined
  }

  override get message(): string {
    const what = this.calls.length === 0
      ? "outputs that the model has not seen"
      : `calls without an output (${this.calls.map(({ callId, name }) => `${name} ${callId}`).join(", ")})`
    return `The round before ended with ${what}: resume it, or run with { pending: "resume" } or { pending: "discard" }`
  }
}

/**
 * Another owner has loaded the conversation since. Nothing was written: stop, or load it again to take it back.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConversationTaken
  extends Schema.TaggedError<ConversationTaken>("effect-responses/ConversationTaken")("ConversationTaken", {
    id: Schema.String,
    epoch: Schema.Number
  })
  implements Retryability
{
  get delivery(): "partial" {
    return "partial"
  }

  get retryable(): false {
    return false
  }

  get retryAfter(): undefined {
    return undefined
  }

  override get message(): string {
    return `The conversation ${this.id} was taken over by another owner, after epoch ${this.epoch}: only that one may go on`
  }
}

/**
 * The journal cannot be used.
 *
 * - `Unreachable`: it could not be read or written. What was to be written may have been: `resume` writes it once more.
 *   This is `retryable`.
 * - `Malformed`: what it holds is no journal of a conversation.
 *
 * @since 0.1.0
 * @category errors
 */
export class JournalFailed
  extends Schema.TaggedError<JournalFailed>("effect-responses/JournalFailed")("JournalFailed", {
    id: Schema.String,
    reason: Schema.Literal("Unreachable", "Malformed"),
    description: Schema.String,
    cause: Schema.optional(Schema.Defect)
  })
  implements Retryability
{
  get delivery(): "partial" {
    return "partial"
  }

  get retryable(): boolean {
    return this.reason === "Unreachable"
  }

  get retryAfter(): undefined {
    return undefined
  }

  override get message(): string {
    return `The journal of the conversation ${this.id} cannot be used: ${this.description}`
  }
}
