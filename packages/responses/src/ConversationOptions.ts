/**
 * What a conversation is made with, what it is asked, and what it answers.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConversationEvent, EndedRound } from "./ConversationEvent.ts"
import type { ResponseEvent, Usage } from "./ResponseEvent.ts"
import type * as ResponseItem from "./ResponseItem.ts"
import type { ResponseRequest } from "./ResponseRequest.ts"
import type * as Responses from "./Responses.ts"
import type { ResponsesError } from "./ResponsesError.ts"
import type * as ResponseTool from "./ResponseTool.ts"

/**
 * What `run` and `resume` need for the tools: what the handlers of those need that are not async.
 *
 * @since 0.1.0
 * @category models
 */
export type RunRequirements<T> = T extends { readonly async?: infer Async }
  ? unknown extends Async ? ResponseTool.Requirements<T>
  : false extends Async ? ResponseTool.Requirements<T>
  : never
  : never

/**
 * What a conversation needs where it is made: for async tools the `Scope` that they run in, and what their handlers need.
 *
 * @since 0.1.0
 * @category models
 */
export type BackgroundRequirements<T> = T extends { readonly async?: infer Async } ? unknown extends Async ? never
  : true extends Async ? Scope.Scope | ResponseTool.Requirements<T>
  : never
  : never

/**
 * A call of an async tool whose output the model has not been told.
 *
 * - `open`: no tool of the conversation has been started for it. The next `run` or `resume` starts the tool, if there is one.
 *   Else the program answers it, with any later input.
 * - `running`: its tool runs.
 * - `unknown`: its tool was started, and nobody has seen its end. The next `run` or `resume` does what `onUnknownOutcome` says.
 * - `ended`: it has its output, which the next request tells the model.
 *
 * @since 0.1.0
 * @category models
 */
export interface BackgroundCall {
  readonly callId: string
  readonly name: string
  /** How often its tool was started. */
  readonly attempt: number
  readonly status: "open" | "running" | "unknown" | "ended"
}

/**
 * `Tools` are its tools. Without type arguments it has none: for a constant with tools, use `AnyOptions`.
 *
 * With `store: false` the history keeps no ids and no reasoning but encrypted one, which models that think give with
 * `include: ["reasoning.encrypted_content"]`. While the connection lives, the server has it all the same.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<
  out Tools extends ReadonlyArray<ResponseTool.Any> = readonly [],
  out Ev extends Events = Events
> extends Omit<ResponseRequest, "input" | "previous_response_id" | "conversation" | "generate" | "tools"> {
  /** Names the conversation in the `idempotencyKey` of its calls. Default: another one each time */
  readonly id?: string | undefined
  /** What was said before. Default: nothing */
  readonly history?: ReadonlyArray<ResponseItem.ResponseItem> | undefined
  /** Tools that `run` answers by itself. */
  readonly tools?: Tools | undefined
  /**
   * Tools that the server runs, or that the program answers itself with `send`. The output for a call of one with
   * `async: true` may be in any later input.
   */
  readonly otherTools?: ResponseRequest["tools"]
  /**
   * How many calls of one response run at once, async tools not counted. `run`, `ask` and `resume` fail with `InvalidRequest`
   * where this or `maxRounds` is no whole number from 1 on, or `tokenBudget` no number above 0. Default: all
   */
  readonly concurrency?: number | undefined
  /** What the streams of `run` and `resume` carry. Default: `all` */
  readonly events?: Ev | undefined
  /** How often `run` asks the model, at the most. Default: 100 */
  readonly maxRounds?: number | undefined
  /**
   * How many tokens the responses of one `run`, or of one `resume`, may use together, their input included, as their
   * `usage.total_tokens` says. A response is not broken off: once the budget is spent, `run` fails with `BudgetSpent` where
   * it would ask again. A response without `usage` counts as none. Default: no limit
   */
  readonly tokenBudget?: number | undefined
  /**
   * Asked after each round, when its calls have been answered. `true`: `run` ends there, without a failure, and the model is
   * not asked again. `resume` would go on. Until then a `run` fails with `PendingRound`, unless its `pending` says whether
   * the model is to answer the outputs first (`resume`) or together with the new input (`discard`). `ask` gives what the
   * last response has said, which may be no more than its calls. Default: `run` ends when the model calls no tool
   */
  readonly stopWhen?: ((round: EndedRound) => boolean | Effect.Effect<boolean>) | undefined
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
   * is no list of items. Nothing is sent then, and the question is asked by the next `resume`. It may ask a model, with
   * `Responses`, but not this conversation.
   *
   * Each time that it changes something costs a request in full, so it should do so seldom. In a run with tools it is also
   * called between the rounds: the question of the run is part of the history then.
   *
   * Default: the history grows. `Conversation.lastTurns` is a ready one.
   */
  readonly trim?: ((history: ReadonlyArray<ResponseItem.ResponseItem>) => Trimmed) | undefined
  /**
   * What is asked again, and how often, as `Responses.retry` does: a response that failed is no part of the history. The `retry`
   * of a request's own options wins. Default: `{}`, three times what is certain not to have run
   */
  readonly retry?: Responses.RetryOptions | false | undefined
  /**
   * A failing tool is told to the model as the tool's output, or fails `run` with `ToolFailed`. A function writes what the
   * model is told. The `onFailure` of a tool comes first. Default: `output`
   */
  readonly onToolFailure?: ResponseTool.OnFailure | undefined
}

/**
 * What `Conversation.open` takes. Without type arguments it has no tools, as `Options`.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenOptions<
  out Tools extends ReadonlyArray<ResponseTool.Any> = readonly [],
  out Ev extends Events = Events
> extends Options<Tools, Ev> {
  /** Names the conversation in the journal. */
  readonly id: string
  /** What was said before the journal begins. Where the journal has the conversation, this is ignored. */
  readonly history?: ReadonlyArray<ResponseItem.ResponseItem> | undefined
}

/**
 * What the options of any conversation are. A constant `satisfies` it, and keeps the types of its tools; one that is declared
 * to be of this type has lost them, and what its conversation needs is `unknown`.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Conversation, ResponseTool } from "effect-responses"
 *
 * const weather = ResponseTool.make({
 *   name: "get_weather",
 *   parameters: Schema.Struct({ city: Schema.String }),
 *   handler: ({ city }) => Effect.succeed(`Sunny in ${city}`)
 * })
 *
 * const options = { model: "gpt-5.5", store: false, tools: [weather] } satisfies Conversation.AnyOptions
 *
 * export const fresh = Conversation.make(options)
 *
 * export const kept = Conversation.open({ ...options, id: "trip-17" })
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export type AnyOptions = Options<ReadonlyArray<ResponseTool.Any>>

/**
 * What the streams of `run` and `resume` carry.
 *
 * - `all`: the events of the API, and between them the `ConversationEvent`s of the library.
 * - `api`: the events of the API only.
 *
 * @since 0.1.0
 * @category models
 */
export type Events = "all" | "api"

/**
 * The events of a conversation that was made with these `events`.
 *
 * @since 0.1.0
 * @category models
 */
export type EventOf<Ev extends Events> = Ev extends "all" ? ResponseEvent | ConversationEvent : ResponseEvent

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
   * - `resume`: it is gone on with, and the new input follows it. Where no round is pending this changes nothing.
   * - `discard`: its open calls are not run, approved or not, and the model is told so. Outputs that were written stay.
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
