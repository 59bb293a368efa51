/**
 * One dialogue: its settings, its history, and a loop that runs tools until the model is done.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Approval } from "./ConversationApproval.ts"
import {
  type ApprovalNotPending,
  ApprovalRequired,
  type BudgetSpent,
  type ConversationTaken,
  JournalFailed,
  type PendingRound,
  type TooManyRounds
} from "./ConversationError.ts"
import type { ConversationEvent } from "./ConversationEvent.ts"
import { ConversationJournal } from "./ConversationJournal.ts"
import type { Answer, EventOf, Events, Input, Options, RunOptions } from "./ConversationOptions.ts"
import * as Answers from "./internal/conversation/answer.ts"
import * as Dialogue from "./internal/conversation/dialogue.ts"
import * as Given from "./internal/conversation/input.ts"
import * as Ledger from "./internal/conversation/ledger.ts"
import type * as ResponseEvent from "./ResponseEvent.ts"
import type * as ResponseItem from "./ResponseItem.ts"
import type * as Responses from "./Responses.ts"
import { InvalidRequest, type ResponsesError } from "./ResponsesError.ts"
import type * as ResponseTool from "./ResponseTool.ts"

export type {
  /**
   * @since 0.1.0
   * @category re-exports
   */
  Answer,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  EventOf,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  Events,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  Input,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  Options,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  RunOptions
} from "./ConversationOptions.ts"

/**
 * Sending is exclusive: a second `send`, `run` or `resume` waits for the first. The reader of a stream that has not ended,
 * `onOpen` and the tools would wait for themselves: what they ask of their own conversation, `warmUp` too, fails with
 * `InvalidRequest`. They may ask a `fork`.
 *
 * The history keeps what the next request can send. A call that was broken off is neither run nor kept: in a response that
 * did not end `completed`, that is any call whose own status is not `completed`. A call that comes twice is run once. A
 * response nested too deep to be sent back fails with `MalformedEvent` and leaves the history as it was.
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
   * When a tool fails and `onToolFailure` is `fail`, the other calls of the response end first.
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
   * again. Also goes on with a `history` that ends in open calls or in their outputs. Empty if there is nothing to do.
   * Runs the calls that were approved, and ends with `conversation.approvals.pending` again if others are not decided.
   */
  readonly resume: Stream.Stream<
    Event,
    ResponsesError | ResponseTool.ToolFailed | TooManyRounds | BudgetSpent | E,
    R
  >
  /**
   * The calls that wait for an approval. A `run` or `resume` has to have come to them, in this process or, with a journal, in
   * one before it.
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
  /** A conversation of its own that shares the past. It has no journal. */
  readonly fork: Effect.Effect<Conversation<R, never, Event>>
  /** Has the server prepare the history and the settings, so that the next answer begins sooner. */
  readonly warmUp: Effect.Effect<void, ResponsesError>
}

/**
 * @example
 * ```ts
 * import { Console, Effect, Schema, Stream } from "effect"
 * import { Conversation, ResponseTool } from "effect-responses"
 *
 * const weather = ResponseTool.make({
 *   name: "get_weather",
 *   parameters: Schema.Struct({ city: Schema.String }),
 *   handler: ({ city }) => Effect.succeed(`Sunny in ${city}`)
 * })
 *
 * export const program = Effect.gen(function*() {
 *   const conversation = yield* Conversation.make({ model: "gpt-5.5", store: false, tools: [weather] })
 *   yield* conversation.run("What is the weather in Oslo?").pipe(
 *     Stream.runForEach((event) =>
 *       event.type === "response.output_text.delta" ? Console.log(event.delta) : Effect.void
 *     )
 *   )
 *   return yield* conversation.history
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <const Tools extends ReadonlyArray<ResponseTool.Any> = readonly [], Ev extends Events = "all">(
  options: Options<Tools, Ev>
): Effect.Effect<
  Conversation<ResponseTool.Requirements<Tools[number]>, never, EventOf<Ev>>,
  never,
  Responses.Responses
> =>
  Effect.map(
    Effect.context<Responses.Responses>(),
    (context) =>
      over(options, options.id ?? globalThis.crypto.randomUUID(), Ledger.unwritten(options.history ?? []), context)
  )

/**
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
 * Takes over the conversation of this id from the journal, or begins it there. Its owner before, if it still runs, fails
 * with `ConversationTaken` at the next step that it would write down. `resume` goes on where that one stopped.
 *
 * @example
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Conversation, ResponseTool } from "effect-responses"
 *
 * const pay = ResponseTool.make({
 *   name: "pay",
 *   parameters: Schema.Struct({ cents: Schema.Number }),
 *   // The service behind it knows the key, and pays once.
 *   onUnknownOutcome: "rerun",
 *   handler: ({ cents }, { idempotencyKey }) => Effect.succeed(`${cents} paid (${idempotencyKey})`)
 * })
 *
 * // Needs a `ConversationJournal`, such as `ConversationJournal.layerFile({ directory: "conversations" })`.
 * export const program = Effect.gen(function*() {
 *   const conversation = yield* Conversation.open({ id: "order-17", model: "gpt-5.5", tools: [pay] })
 *   // Does nothing unless a process before this one has left something.
 *   yield* Stream.runDrain(conversation.resume)
 *   yield* Stream.runDrain(conversation.run("Pay the invoice of 12 euros."))
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = <const Tools extends ReadonlyArray<ResponseTool.Any> = readonly [], Ev extends Events = "all">(
  options: OpenOptions<Tools, Ev>
): Effect.Effect<
  Conversation<
    ResponseTool.Requirements<Tools[number]>,
    ConversationTaken | JournalFailed,
    EventOf<Ev>
  >,
  ConversationTaken | JournalFailed | InvalidRequest,
  Responses.Responses | ConversationJournal
> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<Responses.Responses>()
    const journal = yield* ConversationJournal
    const { history = [], id } = options
    const problem = Given.problemOfHistory(history)
    if (problem !== undefined) return yield* new InvalidRequest({ field: "history", description: problem })
    const owned = yield* journal.load(id)
    const state = Ledger.replay(owned.entries)
    if (state === undefined) {
      const description = "its entries do not follow each other"
      return yield* new JournalFailed({ id, reason: "Malformed", description })
    }
    const ledger = Ledger.written(state, owned.entries.length, owned.append)
    if (owned.entries.length === 0 && history.length > 0) yield* ledger.write({ _tag: "Loaded", history })
    return over(options, id, ledger, context)
  })

/** The conversation whose state is in the ledger. */
const over = <Tools extends ReadonlyArray<ResponseTool.Any>, E, Ev extends Events>(
  options: Options<Tools, Ev>,
  id: string,
  ledger: Ledger.Ledger<E>,
  context: Context.Context<Responses.Responses>
): Conversation<ResponseTool.Requirements<Tools[number]>, E, EventOf<Ev>> => {
  type Conversing = Conversation<ResponseTool.Requirements<Tools[number]>, E, EventOf<Ev>>
  const dialogue = Dialogue.make(options, id, ledger, context)
  return {
    id,
    // The dialogue drops the events that are not in the type, which the compiler cannot see.
    send: dialogue.send as Conversing["send"],
    run: dialogue.run as Conversing["run"],
    ask: (input, runOptions) =>
      Effect.suspend(() => {
        const responses: Array<Responses.FinalResponse> = []
        let held: ReadonlyArray<Approval> = []
        const run = dialogue.run(input, runOptions, (response) => responses.push(response), (approvals) => {
          held = approvals
        })
        return Effect.flatMap(
          Stream.runDrain(run),
          () => held.length > 0 ? new ApprovalRequired({ approvals: held }) : Effect.succeed(Answers.make(responses))
        )
      }),
    get resume() {
      return dialogue.resume as Conversing["resume"]
    },
    get approvals() {
      return Effect.sync(dialogue.approvals.pending)
    },
    approve: dialogue.approvals.approve,
    reject: dialogue.approvals.reject,
    get history() {
      return Effect.sync(() => ledger.state().history)
    },
    get fork() {
      return Effect.suspend(() =>
        Effect.provide(make({ ...options, id: undefined, history: ledger.state().history }), context)
      )
    },
    get warmUp() {
      return dialogue.warmUp
    }
  }
}
