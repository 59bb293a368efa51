/**
 * What a conversation can be asked for.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { Approval } from "./ConversationApproval.ts"
import type {
  ApprovalNotPending,
  ApprovalRequired,
  BudgetSpent,
  PendingRound,
  TooManyRounds
} from "./ConversationError.ts"
import type { ConversationEvent } from "./ConversationEvent.ts"
import type { Answer, BackgroundCall, Input, RunOptions } from "./ConversationOptions.ts"
import type * as ResponseEvent from "./ResponseEvent.ts"
import type * as ResponseItem from "./ResponseItem.ts"
import type * as Responses from "./Responses.ts"
import type { ResponsesError } from "./ResponsesError.ts"
import type * as ResponseTool from "./ResponseTool.ts"

/**
 * Sending is exclusive: a second `send`, `run` or `resume` waits for the first. The reader of a stream that has not ended,
 * `onOpen` and the tools would wait for themselves: what they ask of their own conversation, `warmUp` too, fails with
 * `InvalidRequest`. They may ask a `fork`.
 *
 * The history keeps what the next request can send. A call that was broken off is neither run nor kept: in a response that
 * did not end `completed`, that is any call whose own status is not `completed`. A call that comes twice is run once. A
 * response nested too deep to be sent back fails with `MalformedEvent` and leaves the history as it was.
 *
 * A tool with `async: true` runs beside the conversation, in the `Scope` that the conversation is made in, with the services
 * that it is made with. To interrupt a `run` does not stop the tool. To close the scope stops it, and its outcome is unknown
 * then. Its output is written down at once, and joins the next request of `run`, `resume` or `send`, in front of the new
 * input, once. Until then the call stands in the history without an output, and nothing waits for it: a `run` does not fail
 * with `PendingRound`, and its `pending` does not mean such calls. `concurrency` does not count them. Where failures are not
 * told to the model (`onToolFailure: "fail"`), the next request is not made: its `run` or `resume` fails with `ToolFailed`,
 * and the one after that runs the tool again. The events of such a tool come in the stream of the `run` or `resume` that is
 * going on, between two responses, or in that of the next one.
 *
 * `R` is what the tools need, `E` how the journal fails, and `Event` what `run` and `resume` tell.
 *
 * @since 0.1.0
 * @category models
 */
export interface Conversation<
  out R = never,
  out E = never,
  out Event extends { readonly type: string } = ResponseEvent.ResponseEvent | ConversationEvent
> {
  /** Names the conversation in its journal and in the `idempotencyKey` of its calls. */
  readonly id: string
  /**
   * Asks once. The history grows by the input and the output when the response has ended, and not at all if it fails or
   * is interrupted. What failed and cannot have run is asked again (`retry`). Calls of tools are the caller's to answer,
   * with the next input, or with `resume`.
   */
  readonly send: (
    input: Input,
    options?: Responses.RequestOptions
  ) => Stream.Stream<Event, ResponsesError | E>
  /**
   * Asks, runs the tools that the model calls, and asks again until it calls none. Each step is written down before the
   * next one. After a failure `resume` goes on with the step that was not completed. To `run` instead fails with
   * `PendingRound`, unless no response has ended yet, when the new input takes the place of the old one, and unless the
   * input answers the open calls itself.
   *
   * Within a response one `call_id` is one call, which runs once. In a later response it is a new call, also with the same
   * arguments, as some servers number the calls of each response anew. Not so the very item of before, by its id, that a
   * server says again in front of something new, nor the call that is still open.
   *
   * When a tool fails and `onToolFailure` is `fail`, the other calls of the response end first.
   *
   * Async tools are started, and not waited for: `run` and `ask` end when the model calls no other tools. A response that
   * calls async tools only is the last one, and may have no text.
   *
   * Beside the events of the API come those of `ConversationEvent`, in the order in which things happen: when a tool starts
   * and ends, and when a round ends. `events: "api"` leaves them out.
   *
   * Calls that need an approval are held. When nothing else is left to do, the stream ends with the event
   * `conversation.approvals.pending`. What follows a `pending: "resume"` that ends so is not asked, and fails with
   * `PendingRound`.
   */
  readonly run: (
    input: Input,
    options?: RunOptions
  ) => Stream.Stream<
    Event,
    ResponsesError | ResponseTool.ToolFailed | TooManyRounds | BudgetSpent | PendingRound | E,
    R
  >
  /**
   * The same without the events: `run` to its end, and what came of it. Fails with `ApprovalRequired` where `run` ends because
   * calls wait for an approval.
   *
   * @example
   * ```ts
   * import { Effect } from "effect"
   * import { Conversation } from "effect-responses"
   *
   * export const program = Effect.gen(function*() {
   *   const conversation = yield* Conversation.make({ model: "gpt-5.5" })
   *   const { text, usage } = yield* conversation.ask("A title for a story of the sea, please.")
   *   return `${text} (${usage?.total_tokens} tokens)`
   * })
   * ```
   */
  readonly ask: (
    input: Input,
    options?: RunOptions
  ) => Effect.Effect<
    Answer,
    ResponsesError | ResponseTool.ToolFailed | TooManyRounds | BudgetSpent | PendingRound | ApprovalRequired | E,
    R
  >
  /**
   * Goes on where a `run` has stopped, with its options: runs the calls that have no output, and asks what was not
   * answered. A tool whose output was written is not run again, and a response whose end was written is not asked for
   * again. Also goes on with a `history` that ends in open calls or in their outputs. Where nothing else is left to do, the
   * model is asked with the outputs of async tools that it has not been told. Empty if there is nothing to do.
   * Runs the calls that were approved, and ends with `conversation.approvals.pending` again if others are not decided.
   */
  readonly resume: Stream.Stream<
    Event,
    ResponsesError | ResponseTool.ToolFailed | TooManyRounds | BudgetSpent | E,
    R
  >
  /**
   * What is left of a round: what `run` would fail with. `None`: nothing is. Right after `open` it tells what a process before
   * this one has left.
   *
   * @example
   * ```ts
   * import { Console, Effect, Option } from "effect"
   * import { Conversation } from "effect-responses"
   *
   * export const program = Effect.gen(function*() {
   *   const conversation = yield* Conversation.open({ id: "order-17", model: "gpt-5.5" })
   *   const pending = yield* conversation.pending
   *   if (Option.isSome(pending)) yield* Console.log("Left open:", pending.value.calls)
   * })
   * ```
   */
  readonly pending: Effect.Effect<Option.Option<PendingRound>>
  /**
   * The calls that wait for an approval. A `run` or `resume` has to have come to them, in this process or, with a journal, in
   * one before it. To `open` the conversation in another process only to decide takes it from the process that runs it: that
   * one fails with `ConversationTaken`. Let it end first, or decide there.
   */
  readonly approvals: Effect.Effect<ReadonlyArray<Approval>>
  /**
   * The call runs with the next `resume`, or at once if the other calls of its round still run. Written down before it
   * succeeds. May be called at any time, by any fiber. It cannot be taken back, also if it fails because the journal could
   * not be written: the journal gets it with the next thing that is.
   *
   * @example
   * ```ts
   * import { Effect, Schema, Stream } from "effect"
   * import { Conversation, ResponseTool } from "effect-responses"
   *
   * const pay = ResponseTool.make({
   *   name: "pay",
   *   parameters: Schema.Struct({ cents: Schema.Number }),
   *   needsApproval: ({ cents }) => cents > 1000,
   *   handler: ({ cents }) => Effect.succeed(`${cents} paid`)
   * })
   *
   * export const program = Effect.gen(function*() {
   *   const conversation = yield* Conversation.make({ model: "gpt-5.5", tools: [pay] })
   *   yield* Stream.runDrain(conversation.run("Pay the invoice of 12 euros."))
   *   for (const { callId, name } of yield* conversation.approvals) {
   *     yield* name === "pay" ? conversation.approve(callId) : conversation.reject(callId, "only payments today")
   *   }
   *   yield* Stream.runDrain(conversation.resume)
   * })
   * ```
   */
  readonly approve: (callId: string) => Effect.Effect<void, ApprovalNotPending | E>
  /** The tool does not run, and with the next `resume` the model is told so and why. Otherwise as `approve`. */
  readonly reject: (callId: string, reason?: string) => Effect.Effect<void, ApprovalNotPending | E>
  /** Whole rounds: a response of `run` joins it with the outputs of its calls. */
  readonly history: Effect.Effect<ReadonlyArray<ResponseItem.ResponseItem>>
  /**
   * Has the server compact the history: what is left of it is one item that stands for the rest, behind the latest
   * `configuration_update` of each field. Costs a request, and the chain lasts. Does nothing while the history is empty. Fails with
   * `PendingRound` where a round is not complete, and with `MalformedEvent` if the server answers without a compaction;
   * the history is as it was then.
   *
   * With `context_management` in the settings the server does it by itself, and the history then begins with its item.
   *
   * @example
   * ```ts
   * import { Effect } from "effect"
   * import { Conversation } from "effect-responses"
   *
   * export const program = Effect.gen(function*() {
   *   const conversation = yield* Conversation.make({ model: "gpt-5.5", store: false })
   *   const { usage } = yield* conversation.ask("What do we know so far?")
   *   if ((usage?.total_tokens ?? 0) > 200_000) yield* conversation.compact
   * })
   * ```
   */
  readonly compact: Effect.Effect<void, ResponsesError | PendingRound | E>
  /**
   * The calls of async tools that run, or whose output the model has not been told: first those without an output, then the
   * others in the order in which they have ended.
   */
  readonly background: Effect.Effect<ReadonlyArray<BackgroundCall>>
  /**
   * Waits until no async tool of the conversation runs. What they have given is written down then, and `resume` tells the
   * model. An async tool that waits for this waits for itself.
   *
   * @example
   * ```ts
   * import { Effect, Schema, Stream } from "effect"
   * import { Conversation, ResponseTool } from "effect-responses"
   *
   * const build = ResponseTool.make({
   *   name: "build",
   *   parameters: Schema.Struct({ branch: Schema.String }),
   *   async: true,
   *   handler: ({ branch }) => Effect.as(Effect.sleep("10 minutes"), `${branch} is built`)
   * })
   *
   * export const program = Effect.scoped(Effect.gen(function*() {
   *   const conversation = yield* Conversation.make({ model: "gpt-5.5", tools: [build] })
   *   yield* Stream.runDrain(conversation.run("Build the main branch."))
   *   // The build runs. The output joins this request if it has come, or else a later one.
   *   const { text } = yield* conversation.ask("What does a build cost?")
   *   yield* conversation.settled
   *   yield* Stream.runDrain(conversation.resume)
   *   return text
   * }))
   * ```
   */
  readonly settled: Effect.Effect<void>
  /**
   * A conversation of its own that shares the past. It has no journal. Its async tools run in the scope of this one. Those
   * that run now answer this one only: in the fork their calls stay without an output, which the API allows.
   */
  readonly fork: Effect.Effect<Conversation<R, never, Event>>
  /** Has the server prepare the history and the settings, so that the next answer begins sooner. */
  readonly warmUp: Effect.Effect<void, ResponsesError>
}

/**
 * Any conversation, with or without a journal, whatever its tools need: for functions that do not ask, such as one that shows
 * the `history`. What `run` needs, and how it fails, is `unknown` here. A function that asks leaves both open:
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Conversation } from "effect-responses"
 *
 * export const length = (conversation: Conversation.Any) =>
 *   Effect.map(conversation.history, (history) => history.length)
 *
 * export const title = <R, E>(conversation: Conversation.Conversation<R, E>) =>
 *   Effect.map(conversation.ask("A title for this conversation, please."), ({ text }) => text)
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export type Any = Conversation<unknown, unknown>
