/**
 * One dialogue: its settings, its history, and a loop that runs tools until the model is done.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Approval } from "./ConversationApproval.ts"
import { ApprovalRequired, type ConversationTaken, JournalFailed } from "./ConversationError.ts"
import type { Conversation } from "./ConversationInterface.ts"
import { ConversationJournal } from "./ConversationJournal.ts"
import type {
  BackgroundRequirements,
  EventOf,
  Events,
  OpenOptions,
  Options,
  RunRequirements
} from "./ConversationOptions.ts"
import * as Answers from "./internal/conversation/answer.ts"
import * as Beside from "./internal/conversation/beside.ts"
import * as Dialogue from "./internal/conversation/dialogue.ts"
import * as Given from "./internal/conversation/input.ts"
import * as LastTurns from "./internal/conversation/lastTurns.ts"
import * as Ledger from "./internal/conversation/ledger.ts"
import * as Round from "./internal/conversation/round.ts"
import type * as ResponseItem from "./ResponseItem.ts"
import type * as Responses from "./Responses.ts"
import { InvalidRequest } from "./ResponsesError.ts"
import type * as ResponseTool from "./ResponseTool.ts"

export type {
  /**
   * @since 0.1.0
   * @category re-exports
   */
  Any,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  Conversation
} from "./ConversationInterface.ts"
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
  AnyOptions,
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
  OpenOptions,
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
    get pending() {
      return Effect.sync(() => dialogue.pending())
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

/**
 * When `lastTurns` drops something.
 *
 * @since 0.1.0
 * @category models
 */
export interface LastTurnsOptions {
  /**
   * Nothing is dropped while the history has no more messages of the user's than this. Less than `count` is as `count`: then
   * every question travels with the whole history, once there are that many. Default: twice `count`, so that this happens
   * once in `count + 1` questions, and those between travel alone
   */
  readonly whenOver?: number | undefined
}

/**
 * For the option `trim`: drops what was before the last `count` messages of the user's, but the latest compaction,
 * instructions (messages of the roles `system` and `developer`) and the latest `configuration_update` of each field. Only
 * messages after the compaction are counted, as it stands for those before it.
 *
 * It runs before each request, and drops nothing while the history has no more such messages than `whenOver`. Where it drops
 * something, that request travels with the whole history, as the server's context does not fit any more. The new question
 * is not counted, so that the model sees one more. Between the rounds of a run the question is counted, as it is in the
 * history by then.
 *
 * @example
 * ```ts
 * import { Conversation } from "effect-responses"
 *
 * // The model sees between 20 and 41 questions.
 * export const make = Conversation.make({ model: "gpt-5.5", store: false, trim: Conversation.lastTurns(20) })
 *
 * // Never more than 21, and from the 22nd on each question travels with the 20 before it.
 * export const makeShort = Conversation.make({
 *   model: "gpt-5.5",
 *   store: false,
 *   trim: Conversation.lastTurns(20, { whenOver: 20 })
 * })
 * ```
 *
 * @since 0.1.0
 * @category history
 */
export const lastTurns =
  (count: number, options?: LastTurnsOptions) =>
  (history: ReadonlyArray<ResponseItem.ResponseItem>): ReadonlyArray<ResponseItem.ResponseItem> => {
    const most = Math.max(1, count)
    return LastTurns.make(history, most, options?.whenOver ?? 2 * most)
  }
