/**
 * One dialogue: its settings, its history, and a loop that runs tools until the model is done.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { type ConversationTaken, JournalFailed, PendingRound, TooManyRounds } from "./ConversationError.ts"
import * as ConversationJournal from "./ConversationJournal.ts"
import * as Answers from "./internal/conversation/answers.ts"
import * as Given from "./internal/conversation/input.ts"
import * as Kept from "./internal/conversation/kept.ts"
import * as Ledger from "./internal/conversation/ledger.ts"
import * as Round from "./internal/conversation/round.ts"
import * as Turns from "./internal/conversation/turns.ts"
import * as WholeAnswer from "./internal/conversation/wholeAnswer.ts"
import * as Caller from "./internal/effect/caller.ts"
import type * as ResponseEvent from "./ResponseEvent.ts"
import type * as ResponseItem from "./ResponseItem.ts"
import type { ResponseRequest } from "./ResponseRequest.ts"
import * as Responses from "./Responses.ts"
import { InvalidRequest, type ResponsesError } from "./ResponsesError.ts"
import * as ResponseTool from "./ResponseTool.ts"

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
  /** A failing tool is told to the model as the tool's output, or fails `run` with `ToolFailed`. Default: `output` */
  readonly onToolFailure?: "output" | "fail" | undefined
}

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
   * `PendingRound`, unless no response has ended yet: then the new input takes the place of the old one.
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
    (context) => over(options, globalThis.crypto.randomUUID(), Ledger.unwritten(options.history ?? []), context)
  )

/**
 * @since 0.1.0
 * @category models
 */
export interface OpenOptions<out Tools extends ReadonlyArray<ResponseTool.Any> = readonly []> extends Options<Tools> {
  /** Names the conversation in the journal. */
  readonly id: string
  /** Of a conversation that the journal does not know yet. Otherwise the journal has it. */
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
  ConversationTaken | JournalFailed,
  Responses.Responses | ConversationJournal.ConversationJournal
> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<Responses.Responses>()
    const journal = yield* ConversationJournal.ConversationJournal
    const { id, ...settings } = options
    const owned = yield* journal.load(id)
    const state = Ledger.replay(owned.entries)
    if (state === undefined) {
      const description = "its entries do not follow each other"
      return yield* new JournalFailed({ id, reason: "Malformed", description })
    }
    const ledger = Ledger.written(state, owned.entries.length, owned.append)
    const { history = [] } = options
    if (owned.entries.length === 0 && history.length > 0) yield* ledger.write({ _tag: "Loaded", history })
    return over(settings, id, ledger, context)
  })

type Rounds<E, R> = Stream.Stream<
  ResponseEvent.ResponseEvent,
  ResponsesError | ResponseTool.ToolFailed | TooManyRounds | E,
  R
>

type RunError<E> = ResponsesError | ResponseTool.ToolFailed | TooManyRounds | PendingRound | E

const pendingRound = (state: Round.State): PendingRound =>
  new PendingRound({
    calls: Round.open(state).map(({ call, isBegun }) => ({ callId: call.call_id, name: call.name, isBegun }))
  })

/** The conversation whose state is in the ledger. */
const over = <Tools extends ReadonlyArray<ResponseTool.Any>, E>(
  options: Options<Tools>,
  id: string,
  ledger: Ledger.Ledger<E>,
  context: Context.Context<Responses.Responses>
): Conversation<ResponseTool.Requirements<Tools[number]>, E> => {
  const {
    concurrency,
    history: _,
    maxRounds = 100,
    onOpen,
    onToolFailure = "output",
    otherTools,
    tools: given,
    ...settings
  } = options
  type R = ResponseTool.Requirements<Tools[number]>
  const tools: ReadonlyArray<Tools[number]> = given ?? []
  const definitions = ResponseTool.definitions(tools, otherTools ?? [])
  const turns = Turns.make()
  /** Of the latest `run`. */
  let runOptions: Responses.RequestOptions | undefined

  const toRequest = (input: ReadonlyArray<ResponseItem.ResponseItem>): ResponseRequest =>
    Caller.mark({
      ...settings,
      ...(Either.isLeft(definitions) || definitions.right.length === 0 ? {} : { tools: definitions.right }),
      input
    }, turns)

  const check = (input: ReadonlyArray<ResponseItem.ResponseItem>): Effect.Effect<void, InvalidRequest> =>
    Effect.zipRight(
      definitions,
      Effect.suspend(() => {
        const description = Given.problemOf([...Round.items(ledger.state()), ...input], input)
        return description === undefined
          ? Effect.void
          : Effect.fail(new InvalidRequest({ field: "input", description }))
      })
    )

  /** One response; what the history is to keep of it is written down before the last event passes. */
  const ask = (
    before: ReadonlyArray<ResponseItem.ResponseItem>,
    requestOptions: Responses.RequestOptions | undefined,
    toEntry: (kept: ReadonlyArray<ResponseItem.ResponseItem>) => ConversationJournal.Entry
  ): Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError | E> =>
    WholeAnswer.stream(toRequest(before), {
      onOpen,
      requestOptions,
      onHandOver: turns.handOver,
      onEnd: (output, isComplete) =>
        ledger.write(toEntry(Kept.make(output, { before, isComplete, isStored: options.store !== false })))
    }).pipe(Stream.provideContext(context))

  const answers = Effect.suspend(() => {
    turns.handOver(true)
    return Answers.run(tools, ledger, { id, concurrency, onToolFailure })
  }).pipe(Effect.ensuring(Effect.sync(() => turns.handOver(false))))

  /** Does what the state asks for, until it asks for nothing. */
  const rounds = (number: number): Rounds<E, R> =>
    Stream.suspend((): Rounds<E, R> => {
      const state = ledger.state()
      switch (state._tag) {
        case "Idle":
          return Stream.empty
        case "Asking": {
          if (number > maxRounds) return Stream.fail(new TooManyRounds({ rounds: maxRounds }))
          const asked = ask([...state.history, ...state.input], runOptions, (output) => ({ _tag: "Answered", output }))
          return Stream.concat(
            // Asking for the same again would be refused again.
            Stream.tapError(asked, (error) =>
              Predicate.isTagged(error, "InvalidRequest") ? ledger.write({ _tag: "Withdrawn" }) : Effect.void),
            rounds(number + 1)
          )
        }
        case "Answering":
          return Stream.concat(Stream.execute(answers), rounds(number))
      }
    })

  const begin = (input: ReadonlyArray<ResponseItem.ResponseItem>) =>
    Stream.unwrap(
      Effect.as(Effect.zipRight(check(input), ledger.write({ _tag: "Asked", input })), rounds(1))
    )

  const goOn = Stream.suspend(() =>
    Given.isRecords(ledger.state().history)
      ? rounds(1)
      : Stream.fail(new InvalidRequest({ field: "input", description: Given.notRecords }))
  )

  const exclusively = <A, E2, R2>(stream: Stream.Stream<A, E2, R2>) =>
    Stream.unwrapScoped(Effect.as(Effect.zipRight(turns.take, ledger.flush), stream))

  return {
    id,
    send: (input, requestOptions) =>
      exclusively(Stream.suspend(() => {
        const items = Given.toItems(input)
        const before = [...Round.items(ledger.state()), ...items]
        const asked = ask(before, requestOptions, (output) => ({ _tag: "Sent", input: items, output }))
        return Stream.unwrap(Effect.as(check(items), asked))
      })),
    get resume() {
      return exclusively(goOn)
    },
    run: (input, { pending, ...requestOptions } = {}) =>
      exclusively(Stream.suspend((): Stream.Stream<ResponseEvent.ResponseEvent, RunError<E>, R> => {
        const state = ledger.state()
        const isUnfinished = Round.isUnfinished(state)
        if (isUnfinished && pending === undefined) return Stream.fail(pendingRound(state))
        runOptions = requestOptions
        const started = Stream.suspend(() => begin(Given.toItems(input)))
        if (!isUnfinished) return started
        return Stream.concat(pending === "resume" ? goOn : Stream.execute(Answers.discard(ledger)), started)
      })),
    get history() {
      return Effect.sync(() => ledger.state().history)
    },
    get fork() {
      return Effect.suspend(() => Effect.provide(make({ ...options, history: ledger.state().history }), context))
    },
    get warmUp() {
      return Effect.zipRight(
        Effect.zipRight(turns.check, definitions),
        Effect.suspend(() =>
          Effect.asVoid(Effect.provide(Responses.warmUp(toRequest(ledger.state().history)), context))
        )
      )
    }
  }
}
