/**
 * One dialogue: its settings, its history, and a loop that runs tools until the model is done.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Calls from "./internal/conversation/calls.ts"
import * as Kept from "./internal/conversation/kept.ts"
import * as Turns from "./internal/conversation/turns.ts"
import * as WholeAnswer from "./internal/conversation/wholeAnswer.ts"
import * as Caller from "./internal/effect/caller.ts"
import * as Writable from "./internal/wire/writable.ts"
import type * as ResponseEvent from "./ResponseEvent.ts"
import * as ResponseItem from "./ResponseItem.ts"
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
 * The model went on calling tools for longer than allowed. What was done so far is in the history.
 *
 * @since 0.1.0
 * @category errors
 */
export class TooManyRounds
  extends Schema.TaggedError<TooManyRounds>("effect-responses/TooManyRounds")("TooManyRounds", {
    rounds: Schema.Number
  })
{
  override get message(): string {
    return `The model still called tools after ${this.rounds} rounds: raise maxRounds, or look at what it is missing`
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export type Input = string | ResponseItem.ResponseItem | ReadonlyArray<ResponseItem.ResponseItem>

/**
 * Sending is exclusive: a second `send`, `run` or `resume` waits for the first. The reader of a stream that has not ended,
 * `onOpen` and the tools would wait for themselves: what they ask of their own conversation, `warmUp` too, fails with
 * `InvalidRequest`. They may ask a `fork`.
 *
 * The history keeps what the next request can send. A call that was broken off is neither run nor kept: in a response that
 * did not end `completed`, that is any call whose own status is not `completed`. A call that comes twice is run once. A
 * response nested too deep to be sent back fails with `MalformedEvent` and leaves the history as it was.
 *
 * @since 0.1.0
 * @category models
 */
export interface Conversation<out R = never> {
  /**
   * Asks once. The history grows by the input and the output when the response has ended, and not at all if it fails or
   * is interrupted. Calls of tools are the caller's to answer, with the next input.
   */
  readonly send: (
    input: Input,
    options?: Responses.RequestOptions
  ) => Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError>
  /**
   * Asks, runs the tools that the model calls, and asks again until it calls none. The history grows whenever a response
   * and the outputs of its calls are complete, so after a failure do not `run` the same input again: `resume`. The options
   * are those of each request.
   */
  readonly run: (
    input: Input,
    options?: Responses.RequestOptions
  ) => Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError | ResponseTool.ToolFailed | TooManyRounds, R>
  /**
   * Goes on with a `run` that failed or was interrupted, from the last complete round and with its options, also with a
   * `history` that ends there. Asks nothing and is empty if there is nothing to go on with.
   */
  readonly resume: Stream.Stream<
    ResponseEvent.ResponseEvent,
    ResponsesError | ResponseTool.ToolFailed | TooManyRounds,
    R
  >
  readonly history: Effect.Effect<ReadonlyArray<ResponseItem.ResponseItem>>
  /** A conversation of its own that shares the past. */
  readonly fork: Effect.Effect<Conversation<R>>
  /** Has the server prepare the history and the settings, so that the next answer begins sooner. */
  readonly warmUp: Effect.Effect<void, ResponsesError>
}

const toItems = (input: Input): ReadonlyArray<ResponseItem.ResponseItem> =>
  typeof input === "string" ? [ResponseItem.user(input)] : isList(input) ? input : [input]

const isList = (input: Exclude<Input, string>): input is ReadonlyArray<ResponseItem.ResponseItem> =>
  Array.isArray(input)

/** A `run` that was left after its tools had answered: the model is to speak next. */
const isRoundAnswered = (items: ReadonlyArray<ResponseItem.ResponseItem>): boolean => {
  const last = items.at(-1)
  return last !== undefined && Calls.isOutput(last)
}

const problemOf = (
  all: ReadonlyArray<ResponseItem.ResponseItem>,
  added: ReadonlyArray<ResponseItem.ResponseItem>
): string | undefined => {
  if (!all.every(Predicate.isRecord)) return "has something in it that is no item"
  if (!Writable.isWritable(added)) {
    return `cannot be written as JSON: it has a BigInt in it, refers to itself, or is nested more than ${Writable.maxDepth} deep`
  }
  const [pending] = Calls.unanswered(all)
  return pending && `has no output for the call ${pending.call_id} of ${pending.name}`
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
  Effect.map(Effect.context<Responses.Responses>(), (context) => {
    const {
      concurrency,
      history: past = [],
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
    let history = past
    /** The input of a `run` that the model has not answered yet. */
    let unfinished: ReadonlyArray<ResponseItem.ResponseItem> | undefined = isRoundAnswered(past) ? [] : undefined
    /** Of the latest `run`. */
    let runOptions: Responses.RequestOptions | undefined

    const toRequest = (items: ReadonlyArray<ResponseItem.ResponseItem>): ResponseRequest =>
      Caller.mark({
        ...settings,
        ...(Either.isLeft(definitions) || definitions.right.length === 0 ? {} : { tools: definitions.right }),
        input: [...history, ...items]
      }, turns)

    /** One response; `onEnd` gets what the history is to keep of it when the last event passes. */
    const ask = (
      items: ReadonlyArray<ResponseItem.ResponseItem>,
      requestOptions: Responses.RequestOptions | undefined,
      onEnd: (kept: ReadonlyArray<ResponseItem.ResponseItem>) => void
    ): Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError> =>
      Stream.suspend(() => {
        if (Either.isLeft(definitions)) return Stream.fail(definitions.left)
        const before = [...history, ...items]
        const problem = problemOf(before, items)
        if (problem !== undefined) return Stream.fail(new InvalidRequest({ field: "input", description: problem }))
        return WholeAnswer.stream(toRequest(items), {
          onOpen,
          requestOptions,
          onHandOver: turns.handOver,
          onEnd: (output, isComplete) => {
            onEnd(Kept.make(output, { before, isComplete, isStored: options.store !== false }))
          }
        }).pipe(Stream.provideContext(context))
      })

    const round = (
      items: ReadonlyArray<ResponseItem.ResponseItem>,
      number: number
    ): Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError | ResponseTool.ToolFailed | TooManyRounds, R> => {
      if (number > maxRounds) return Stream.fail(new TooManyRounds({ rounds: maxRounds }))
      const before = unfinished
      unfinished = items
      let output: ReadonlyArray<ResponseItem.ResponseItem> = []
      let calls: ReadonlyArray<ResponseTool.Call> = []
      const asked = ask(items, runOptions, (kept) => {
        output = kept
        calls = Calls.unanswered(kept)
        if (calls.length > 0) return
        history = [...history, ...items, ...kept]
        unfinished = undefined
      })
      const answers = Effect.suspend(() => {
        turns.handOver(true)
        return Effect.forEach(calls, (call) => ResponseTool.answer(tools, call, onToolFailure), {
          concurrency: concurrency ?? "unbounded"
        })
      }).pipe(Effect.ensuring(Effect.sync(() => turns.handOver(false))))
      return Stream.concat(
        // Asking for the same again would be refused again.
        Stream.tapError(asked, (error) =>
          Effect.sync(() => {
            if (error._tag === "InvalidRequest") unfinished = before
          })),
        Stream.unwrap(Effect.map(answers, (outputs) => {
          if (outputs.length === 0) return Stream.empty
          history = [...history, ...items, ...output, ...outputs]
          unfinished = []
          return round([], number + 1)
        }))
      )
    }

    const exclusively = <A, E2, R2>(stream: Stream.Stream<A, E2, R2>) =>
      Stream.unwrapScoped(Effect.as(turns.take, stream))

    // What it can do is made when it is asked for: most conversations of a program do nothing at a time.
    const conversation: Conversation<R> = {
      send: (input, requestOptions) =>
        exclusively(Stream.suspend(() => {
          const items = toItems(input)
          return ask(items, requestOptions, (kept) => {
            history = [...history, ...items, ...kept]
            if (unfinished?.length === 0) unfinished = undefined
          })
        })),
      get resume() {
        return exclusively(Stream.suspend(() => unfinished === undefined ? Stream.empty : round(unfinished, 1)))
      },
      run: (input, requestOptions) =>
        exclusively(Stream.suspend(() => {
          runOptions = requestOptions
          return round(toItems(input), 1)
        })),
      get history() {
        return Effect.sync(() => history)
      },
      get fork() {
        return Effect.suspend(() => Effect.provide(make({ ...options, history }), context))
      },
      get warmUp() {
        return Effect.zipRight(
          Effect.zipRight(turns.check, definitions),
          Effect.suspend(() => Effect.asVoid(Effect.provide(Responses.warmUp(toRequest([])), context)))
        )
      }
    }
    return conversation
  })
