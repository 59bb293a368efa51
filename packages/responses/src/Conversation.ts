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
import type {
  Answer,
  BackgroundCall,
  BackgroundRequirements,
  EventOf,
  Events,
  Input,
  Options,
  RunOptions,
  RunRequirements
} from "./ConversationOptions.ts"
import * as Answers from "./internal/conversation/answer.ts"
import * as Beside from "./internal/conversation/beside.ts"
import * as Dialogue from "./internal/conversation/dialogue.ts"
import * as Given from "./internal/conversation/input.ts"
import * as Ledger from "./internal/conversation/ledger.ts"
import * as Round from "./internal/conversation/round.ts"
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
  BackgroundCall,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  BackgroundRequirements,
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
  RunOptions,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  RunRequirements
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
 * A tool with `async: true` runs beside the conversation, in the `Scope` that the conversation is made in, with the services
 * that it is made with. Whoever interrupts a `run` does not stop it; whoever closes the scope does, and its outcome is unknown
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
  /**
   * Has the server compact the history: what is left of it is one item that stands for the rest, behind the latest
   * `configuration_update`. Costs a request, and the chain lasts. Does nothing while the history is empty. Fails with
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
  Conversation<RunRequirements<Tools[number]>, never, EventOf<Ev>>,
  never,
  Responses.Responses | BackgroundRequirements<Tools[number]>
> =>
  Effect.flatMap(
    Effect.context<Responses.Responses | BackgroundRequirements<Tools[number]>>(),
    (context) => unwritten(options, Round.fromHistory(options.history ?? []), context)
  )

/** A conversation without a journal. */
const unwritten = <Tools extends ReadonlyArray<ResponseTool.Any>, Ev extends Events>(
  options: Options<Tools, Ev>,
  state: Round.State,
  context: Context.Context<Responses.Responses | BackgroundRequirements<Tools[number]>>
) => over(options, options.id ?? globalThis.crypto.randomUUID(), Ledger.unwritten(state), context)

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
    RunRequirements<Tools[number]>,
    ConversationTaken | JournalFailed,
    EventOf<Ev>
  >,
  ConversationTaken | JournalFailed | InvalidRequest,
  Responses.Responses | ConversationJournal | BackgroundRequirements<Tools[number]>
> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<Responses.Responses | BackgroundRequirements<Tools[number]>>()
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
    return yield* over(options, id, ledger, context)
  })

/** The conversation whose state is in the ledger. */
const over = <Tools extends ReadonlyArray<ResponseTool.Any>, E, Ev extends Events>(
  options: Options<Tools, Ev>,
  id: string,
  ledger: Ledger.Ledger<E>,
  context: Context.Context<Responses.Responses | BackgroundRequirements<Tools[number]>>
): Effect.Effect<Conversation<RunRequirements<Tools[number]>, E, EventOf<Ev>>> =>
  Effect.map(Beside.home(options.tools ?? [], context), (home) => conversing(options, id, ledger, context, home))

const conversing = <Tools extends ReadonlyArray<ResponseTool.Any>, E, Ev extends Events>(
  options: Options<Tools, Ev>,
  id: string,
  ledger: Ledger.Ledger<E>,
  context: Context.Context<Responses.Responses | BackgroundRequirements<Tools[number]>>,
  home: Beside.Home
): Conversation<RunRequirements<Tools[number]>, E, EventOf<Ev>> => {
  type Conversing = Conversation<RunRequirements<Tools[number]>, E, EventOf<Ev>>
  const dialogue = Dialogue.make(options, id, ledger, context, home)
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
      return Effect.suspend(() => unwritten({ ...options, id: undefined }, Round.fork(ledger.state()), context))
    },
    get background() {
      return Effect.sync(dialogue.background.calls)
    },
    get settled() {
      return dialogue.background.settled
    },
    get compact() {
      return dialogue.compact
    },
    get warmUp() {
      return dialogue.warmUp
    }
  }
}

const isOfRole = (item: ResponseItem.ResponseItem, ...roles: ReadonlyArray<ResponseItem.Role>): boolean =>
  (item.type === undefined || item.type === "message") && roles.includes(item.role)

/**
 * For the option `trim`: drops what was before the last `count` messages of the user's, but instructions (messages of the
 * roles `system` and `developer`) and updates of the configuration. A history of fewer stays as it is.
 *
 * @example
 * ```ts
 * import { Conversation } from "effect-responses"
 *
 * export const make = Conversation.make({ model: "gpt-5.5", store: false, trim: Conversation.lastTurns(20) })
 *
 * // Only when it has become long: each time that it is trimmed, the next request travels in full.
 * const last20 = Conversation.lastTurns(20)
 * export const makeSeldom = Conversation.make({
 *   model: "gpt-5.5",
 *   store: false,
 *   trim: (history) => history.length > 500 ? last20(history) : history
 * })
 * ```
 *
 * @since 0.1.0
 * @category history
 */
export const lastTurns =
  (count: number) => (history: ReadonlyArray<ResponseItem.ResponseItem>): ReadonlyArray<ResponseItem.ResponseItem> => {
    const turns = history.flatMap((item, index) => isOfRole(item, "user") ? [index] : [])
    const from = turns.at(-Math.max(1, count)) ?? 0
    return history.filter((item, index) =>
      index >= from || item.type === "configuration_update" || isOfRole(item, "system", "developer")
    )
  }
