/**
 * What can go wrong with a conversation, beside what can go wrong with each of its requests.
 *
 * These errors have the same fields as those of a request (`ResponsesError.Retryability`). Where `delivery` depends on the step
 * that failed, it is the furthest step that is possible. Call `resume` instead of asking again: the conversation knows which step
 * it was.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { Approval } from "./ConversationApproval.ts"
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
  /**
   * The calls without an output, and the requests of MCP servers without an answer. `isBegun`: the tool was started, and
   * nothing is known of how that ended. `isHeld`: it waits for an approval.
   */
  calls: Schema.Array(
    Schema.Struct({ callId: Schema.String, name: Schema.String, isBegun: Schema.Boolean, isHeld: Schema.Boolean })
  )
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
    const inWords = (calls: PendingRound["calls"]) => calls.map(({ callId, name }) => `${name} ${callId}`).join(", ")
    const held = this.calls.filter(({ isHeld }) => isHeld)
    const what = this.calls.length === 0
      ? "outputs that the model has not seen"
      : `calls without an output (${inWords(this.calls)})`
    const choice = held.length === 0
      ? "resume it, or run with { pending: \"resume\" } or { pending: \"discard\" }"
      : `approve or reject ${inWords(held)}, then resume, or run with { pending: "discard" }`
    return `The round before ended with ${what}: ${choice}`
  }
}

const inWords = (approvals: ReadonlyArray<Approval>): string =>
  approvals.map(({ callId, name }) => `${name} ${callId}`).join(", ") || "none"

/**
 * `ask` has come to calls that need an approval. Everything else of the round was done, and the history is whole: `approve`
 * or `reject` each of them, also in another process, and `resume`.
 *
 * @since 0.1.0
 * @category errors
 */
export class ApprovalRequired
  extends Schema.TaggedError<ApprovalRequired>("effect-responses/ApprovalRequired")("ApprovalRequired", {
    approvals: Schema.Array(Approval)
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
    return `Calls wait for an approval (${inWords(this.approvals)}): approve or reject each by its callId, then resume`
  }
}

/**
 * Nothing was approved or rejected.
 *
 * - `Unknown`: no call of this id waits. It needs no approval, `resume` has not come to it yet, or there is no such call.
 * - `Approved`: it is approved already. This cannot be taken back, as it may have run.
 * - `Answered`: it has its output, because it was rejected or has run, or the caller is sending one.
 *
 * @since 0.1.0
 * @category errors
 */
export class ApprovalNotPending
  extends Schema.TaggedError<ApprovalNotPending>("effect-responses/ApprovalNotPending")("ApprovalNotPending", {
    callId: Schema.String,
    reason: Schema.Literal("Unknown", "Approved", "Answered"),
    /** What can be approved or rejected. */
    approvals: Schema.Array(Approval)
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
    const waiting = `These do: ${inWords(this.approvals)}`
    switch (this.reason) {
      case "Unknown":
        return `No call ${this.callId} waits for an approval. ${waiting}`
      case "Approved":
        return `The call ${this.callId} is approved already, and runs with the next resume. ${waiting}`
      case "Answered":
        return `The call ${this.callId} waits for no approval any more: it has its output. ${waiting}`
    }
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

/** The reasons of a `PlatformError` that stay until somebody does something. */
const lasting: ReadonlySet<unknown> = new Set([
  "AlreadyExists",
  "BadResource",
  "InvalidData",
  "NotFound",
  "PermissionDenied"
])

const mayPass = (cause: unknown): boolean => {
  if (Predicate.hasProperty(cause, "retryable")) return cause.retryable === true
  if (Predicate.isTagged(cause, "SystemError")) {
    return !(Predicate.hasProperty(cause, "reason") && lasting.has(cause.reason))
  }
  return !Predicate.isTagged(cause, "BadArgument")
}

/**
 * The journal cannot be used.
 *
 * - `Unreachable`: it could not be read or written. What was to be written may have been: `resume` writes it once more.
 *   This is `retryable` unless the `cause` does not pass by itself: a `BadArgument` of `@effect/platform`, or a `SystemError`
 *   that is `NotFound`, `PermissionDenied`, `AlreadyExists`, `BadResource` (a directory that is a file) or `InvalidData`, and
 *   any error with a `retryable` that is not `true`.
 * - `Malformed`: what it holds is no journal of a conversation. Never `retryable`.
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
    return this.reason === "Unreachable" && mayPass(this.cause)
  }

  get retryAfter(): undefined {
    return undefined
  }

  override get message(): string {
    return `The journal of the conversation ${this.id} cannot be used: ${this.description}`
  }
}
