/**
 * One dialogue: its settings, its history, and a loop that runs tools until the model is done.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type ConversationTaken, JournalFailed, type PendingRound, type TooManyRounds } from "./ConversationError.ts"
import { ConversationJournal } from "./ConversationJournal.ts"
import type { Answer, Input, Options, RunOptions } from "./ConversationOptions.ts"
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
 * `R` is what the tools need, and `E` how the journal fails.
 *
 * @since 0.1.0
 * @category models
 */
export interface Conversation<out R = never, out E = never> {
  /** Names the conversation in its journal and in the `idempotencyKey` of its calls. */
  readonly id: string
  /**
   * Asks once. The history grows by the input and the output when the response has ended, and not at all if it fails or
   * is interrupted. Calls of tools are the caller's to answer, with the next input, or with `resume`.
   */
  readonly send: (
    input: Input,
    options?: Responses.RequestOptions
  ) => Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError | E>
  /**
   * Asks, runs the tools that the model calls, and asks again until it calls none. Each step is written down before the
   * next one. After a failure `resume` goes on with the step that was not completed. To `run` instead fails with
   * `PendingRound`, unless no response has ended yet, when the new input takes the place of the old one, and unless the
   * input answers the open calls itself.
   *
   * When a tool fails and `onToolFailure` is `fail`, the other calls of the response end first.
   */
  readonly run: (
    input: Input,
    options?: RunOptions
  ) => Stream.Stream<
    ResponseEvent.ResponseEvent,
    ResponsesError | ResponseTool.ToolFailed | TooManyRounds | PendingRound | E,
    R
  >
  /**
   * The same without the events: `run` to its end, and what came of it.
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
    ResponsesError | ResponseTool.ToolFailed | TooManyRounds | PendingRound | E,
    R
  >
  /**
   * Goes on where a `run` has stopped, with its options: runs the calls that have no output, and asks what was not
   * answered. A tool whose output was written is not run again, and a response whose end was written is not asked for
   * again. Also goes on with a `history` that ends in open calls or in their outputs. Empty if there is nothing to do.
   */
  readonly resume: Stream.Stream<
    ResponseEvent.ResponseEvent,
    ResponsesError | ResponseTool.ToolFailed | TooManyRounds | E,
    R
  >
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
  /** A conversation of its own that shares the past. It has no journal. */
  readonly fork: Effect.Effect<Conversation<R>>
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
export const make = <const Tools extends ReadonlyArray<ResponseTool.Any> = readonly []>(
  options: Options<Tools>
): Effect.Effect<Conversation<ResponseTool.Requirements<Tools[number]>>, never, Responses.Responses> =>
  Effect.map(
    Effect.context<Responses.Responses>(),
    (context) =>
      over(options, options.id ?? globalThis.crypto.randomUUID(), Ledger.unwritten(options.history ?? []), context)
  )

/**
 * @since 0.1.0
 * @category models
 */
export interface OpenOptions<out Tools extends ReadonlyArray<ResponseTool.Any> = readonly []> extends Options<Tools> {
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
export const open = <const Tools extends ReadonlyArray<ResponseTool.Any> = readonly []>(
  options: OpenOptions<Tools>
): Effect.Effect<
  Conversation<
    ResponseTool.Requirements<Tools[number]>,
    ConversationTaken | JournalFailed
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
const over = <Tools extends ReadonlyArray<ResponseTool.Any>, E>(
  options: Options<Tools>,
  id: string,
  ledger: Ledger.Ledger<E>,
  context: Context.Context<Responses.Responses>
): Conversation<ResponseTool.Requirements<Tools[number]>, E> => {
  const dialogue = Dialogue.make(options, id, ledger, context)
  return {
    id,
    send: dialogue.send,
    run: dialogue.run,
    ask: (input, runOptions) =>
      Effect.suspend(() => {
        const responses: Array<Responses.FinalResponse> = []
        const run = dialogue.run(input, runOptions, (response) => responses.push(response))
        return Effect.map(Stream.runDrain(run), () => Answers.make(responses))
      }),
    get resume() {
      return dialogue.resume
    },
    get history() {
      return Effect.sync(() => ledger.state().history)
    },
    get fork() {
      return Effect.suspend(() =>
        Effect.provide(make({ ...options, id: undefined, history: ledger.state().history }), context)
      )
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
