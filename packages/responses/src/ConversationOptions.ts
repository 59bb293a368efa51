/**
 * What a conversation is made with, what it is asked, and what it answers.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { Usage } from "./ResponseEvent.ts"
import type * as ResponseItem from "./ResponseItem.ts"
import type { ResponseRequest } from "./ResponseRequest.ts"
import type * as Responses from "./Responses.ts"
import type { ResponsesError } from "./ResponsesError.ts"
import type * as ResponseTool from "./ResponseTool.ts"

/**
 * With `store: false` the history keeps no ids and no reasoning but encrypted one, which models that think give with
 * `include: ["reasoning.encrypted_content"]`. While the connection lives, the server has it all the same.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<out Tools extends ReadonlyArray<ResponseTool.Any> = readonly []>
  extends Omit<ResponseRequest, "input" | "previous_response_id" | "conversation" | "generate" | "tools">
{
  /** Names the conversation in the `idempotencyKey` of its calls. Default: another one each time */
  readonly id?: string | undefined
  /** What was said before. Default: nothing */
  readonly history?: ReadonlyArray<ResponseItem.ResponseItem> | undefined
  /** Tools that `run` answers by itself. */
  readonly tools?: Tools | undefined
  /** Tools that the server runs, or that the program answers itself with `send`. */
  readonly otherTools?: ResponseRequest["tools"]
  /** How many calls of one response run at once. Default: all */
  readonly concurrency?: number | undefined
  /** How often `run` asks the model, at the most. Default: 100 */
  readonly maxRounds?: number | undefined
  /** Told of each response once the server has begun to answer: what travelled, how, and what was repaired. */
  readonly onOpen?: ((response: Responses.OpenResponse) => Effect.Effect<void>) | undefined
  /**
   * Makes the history smaller. Called before each request of `send`, `run`, `ask` and `resume`, but for a `send` while calls
   * are open, with the history without the new input, and without the calls and outputs that the model has yet to see;
   * not called where nothing is left of it then. What it gives takes the place of what it was given; the request then
   * travels in full. To change nothing it gives back the same items.
   *
   * Calls without an output stay, whatever it gives. Where it drops one of a call and its output, the other is dropped too.
   * A call or an output that it makes up, without its other half, fails the request with `InvalidRequest`, and so does what
   * is no list of items. Nothing is sent then, and the question is asked by the next `resume`. It may ask a model, with `Responses`, but not this conversation.
   *
   * Default: the history grows. `Conversation.lastTurns` is a ready one.
   */
  readonly trim?: ((history: ReadonlyArray<ResponseItem.ResponseItem>) => Trimmed) | undefined
  /** A failing tool is told to the model as the tool's output, or fails `run` with `ToolFailed`. Default: `output` */
  readonly onToolFailure?: "output" | "fail" | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type Trimmed =
  | ReadonlyArray<ResponseItem.ResponseItem>
  | Effect.Effect<ReadonlyArray<ResponseItem.ResponseItem>, ResponsesError, Responses.Responses>

/**
 * @since 0.1.0
 * @category models
 */
export type Input = string | ResponseItem.ResponseItem | ReadonlyArray<ResponseItem.ResponseItem>

/**
 * The options of each request of a `run`, and what becomes of a round that is not complete.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunOptions extends Responses.RequestOptions {
  /**
   * - `resume`: it is gone on with, and the new input follows it.
   * - `discard`: its open calls are not run, and the model is told so. Outputs that were written stay.
   *
   * Default: `run` fails with `PendingRound`
   */
  readonly pending?: "resume" | "discard" | undefined
}

/**
 * What came of a question: of the responses of its run, and with `pending: "resume"` of those before it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Answer {
  /** Of the last response. */
  readonly text: string
  /** Of the last response. */
  readonly output: ReadonlyArray<ResponseItem.ResponseItem>
  /** How often the model was asked. */
  readonly rounds: number
  /** Of all responses together. `undefined` where the server says nothing of it. */
  readonly usage: Usage | undefined
  readonly responses: ReadonlyArray<Responses.FinalResponse>
}
