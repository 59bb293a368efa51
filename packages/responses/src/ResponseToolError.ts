/**
 * What can go wrong with a tool: with a call of it, and where it is made.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Retryability } from "./ResponsesError.ts"

/**
 * A tool could not answer a call.
 *
 * - `UnknownTool`: there is no tool of that name.
 * - `BadArguments`: what the model wrote does not fit the parameters. The handler did not run.
 * - `HandlerFailed`: the handler failed, with `cause`.
 * - `HandlerDied`: the handler has thrown `cause`, or died of it.
 * - `HandlerInterrupted`: the handler interrupted itself, or waited for a fiber that was interrupted.
 * - `TimedOut`: the handler had no result within the `timeout` of the tool, and was interrupted.
 * - `BadOutput`: the handler has ended, and its result cannot be sent.
 *
 * The response with the call has been delivered (`delivery` is `partial`), and `resume` of a `Conversation` runs the tool again,
 * unless its outcome is unknown: then it does what `onUnknownOutcome` says. Whether to run it again can help (`retryable`) the
 * handler's own error tells, if it has a `retryable` that is `true`.
 *
 * @since 0.1.0
 * @category errors
 */
export class ToolFailed extends Schema.TaggedError<ToolFailed>("effect-responses/ToolFailed")("ToolFailed", {
  name: Schema.String,
  callId: Schema.String,
  reason: Schema.Literal(
    "UnknownTool",
    "BadArguments",
    "HandlerFailed",
    "HandlerDied",
    "HandlerInterrupted",
    "TimedOut",
    "BadOutput"
  ),
  /** What the model is told by default: short, without stack traces, values and internals. */
  description: Schema.String,
  /** What happened, with all its details: the error of the handler, or that of the parameters' schema. */
  cause: Schema.optional(Schema.Defect)
}) implements Retryability {
  get delivery(): "partial" {
    return "partial"
  }

  get retryable(): boolean {
    return this.reason === "HandlerFailed" && Predicate.hasProperty(this.cause, "retryable") &&
      this.cause.retryable === true
  }

  get retryAfter(): undefined {
    return undefined
  }

  /**
   * Whether the tool may have done its work or a part of it. `false` where it did not run, and for `HandlerFailed`: there
   * the handler itself says that it has failed.
   */
  get isOutcomeUnknown(): boolean {
    return this.reason !== "UnknownTool" && this.reason !== "BadArguments" && this.reason !== "HandlerFailed"
  }

  override get message(): string {
    return `The tool ${this.name} could not answer call ${this.callId}: ${this.description}`
  }
}

/**
 * A tool that no request could offer, or whose options make no sense. It is thrown where the tool is made, as only a change
 * of the program helps.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidTool extends Schema.TaggedError<InvalidTool>("effect-responses/InvalidTool")("InvalidTool", {
  name: Schema.String,
  description: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `The tool "${this.name}" cannot be offered to a model: ${this.description}`
  }
}
