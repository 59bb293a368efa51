/**
 * The calls of a tool: what the model asks for, what it is answered, and what a handler is told of it.
 *
 * @since 0.1.0
 */
import type { CustomToolCall, CustomToolCallOutput, FunctionCall, FunctionCallOutput } from "./ResponseItem.ts"

/**
 * What the model asks a program to run.
 *
 * @since 0.1.0
 * @category models
 */
export type Call = FunctionCall | CustomToolCall

/**
 * @since 0.1.0
 * @category models
 */
export type CallOutput = FunctionCallOutput | CustomToolCallOutput

/**
 * Which of the runs for one call this is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attempt {
  /** 1 for the first run. A later one follows a failure, or an end that nobody has seen. */
  readonly attempt: number
  /**
   * The same for each attempt at this call, and for no other call of the conversation, nor of another one whose `id`
   * differs. Give it to a service that does a thing once per key.
   */
  readonly idempotencyKey: string
}

/**
 * What a handler is told of the call that it answers.
 *
 * @since 0.1.0
 * @category models
 */
export interface Invocation extends Attempt {
  readonly callId: string
  readonly call: Call
}
