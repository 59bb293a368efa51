/**
 * One dialogue: its settings, its history, and a loop that runs tools until the model is done.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Struct from "effect/Struct"
import * as FairSemaphore from "./internal/fairSemaphore.ts"
import * as Output from "./internal/output.ts"
import * as ResponseEvent from "./ResponseEvent.ts"
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
 * Sending is exclusive: a second `send` or `run` waits for the first.
 *
 * @since 0.1.0
 * @category models
 */
export interface Conversation<out R = never> {
  /**
   * Asks once. The history grows by the input and the output when the response has ended, and not at all if it fails or
   * is interrupted. Calls of tools are the caller's to answer, with the next input.
   */
  readonly send: (input: Input) => Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError>
  /**
   * Asks, runs the tools that the model calls, and asks again until it calls none. The history grows whenever a response
   * and the outputs of its calls are complete, so after a failure do not `run` the same input again: `resume`. A tool
   * must not ask its own conversation, which is busy.
   */
  readonly run: (
    input: Input
  ) => Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError | ResponseTool.ToolFailed | TooManyRounds, R>
  /** Goes on with a `run` that failed or was interrupted, from the last complete round. */
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

const isCall = (item: ResponseItem.ResponseItem): item is ResponseTool.Call =>
  item.type === "function_call" || item.type === "custom_tool_call"

const isOutput = (item: ResponseItem.ResponseItem): item is ResponseTool.CallOutput =>
  item.type === "function_call_output" || item.type === "custom_tool_call_output"

/**
 * Where the server stores nothing an id names nothing, and reasoning without its encrypted content is only a name: sent
 * again in full they are answered with 404.
 */
const withoutNames = (output: ReadonlyArray<ResponseItem.ResponseItem>): ReadonlyArray<ResponseItem.ResponseItem> =>
  output.flatMap((item): ReadonlyArray<ResponseItem.ResponseItem> => {
    switch (item.type) {
      case "reasoning":
        return Predicate.isNullable(item.encrypted_content) ? [] : [Struct.omit(item, "id")]
      case "message":
        return [Struct.omit(item, "id")]
      case "function_call":
        return [Struct.omit(item, "id")]
      case "custom_tool_call":
        return [Struct.omit(item, "id")]
      default:
        return [item]
    }
  })

/** What an `incomplete` response broke off: a call that nobody can answer, reasoning whose item never came. */
const withoutFragments = (
  output: ReadonlyArray<ResponseItem.ResponseItem>
): ReadonlyArray<ResponseItem.ResponseItem> => {
  const whole = output.filter((item) => !(isCall(item) && item.status === "incomplete"))
  return whole.slice(0, whole.findLastIndex((item) => item.type !== "reasoning") + 1)
}

const unanswered = (items: ReadonlyArray<ResponseItem.ResponseItem>): ReadonlyArray<ResponseTool.Call> => {
  const answered = new Set(items.filter(isOutput).map((item) => item.call_id))
  return items.filter(isCall).filter((call) => !answered.has(call.call_id))
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
    const definitions = [...tools.map((tool) => tool.definition), ...otherTools ?? []]
    const semaphore = FairSemaphore.make()
    let history = past
    /** The input of a `run` that is not in the history yet. */
    let unfinished: ReadonlyArray<ResponseItem.ResponseItem> = []

    const toKeep = (output: ReadonlyArray<ResponseItem.ResponseItem>) =>
      options.store === false ? withoutNames(withoutFragments(output)) : withoutFragments(output)

    const exclusive = Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const place = semaphore.enter()
        const leave = () => Effect.sync(place.leave)
        return Effect.addFinalizer(leave).pipe(
          Effect.zipRight(restore(place.granted)),
          Effect.onInterrupt(leave)
        )
      })
    )

    const toRequest = (items: ReadonlyArray<ResponseItem.ResponseItem>): ResponseRequest => ({
      ...settings,
      ...(definitions.length === 0 ? {} : { tools: definitions }),
      input: [...history, ...items]
    })

    /** One response; `onEnd` gets its output when the last event passes. */
    const ask = (
      items: ReadonlyArray<ResponseItem.ResponseItem>,
      onEnd: (output: ReadonlyArray<ResponseItem.ResponseItem>) => void
    ): Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError> =>
      Stream.suspend(() => {
        const [pending] = unanswered([...history, ...items])
        if (pending !== undefined) {
          return Stream.fail(
            new InvalidRequest({
              field: "input",
              description: `has no output for the call ${pending.call_id} of ${pending.name}`
            })
          )
        }
        const output = Output.make()
        return Responses.stream(toRequest(items), { onOpen }).pipe(
          Stream.mapChunks((chunk) => {
            Chunk.forEach(chunk, (event) => {
              output.add(event, 0)
              if (ResponseEvent.isEnd(event)) onEnd(output.of(event.response).output)
            })
            return chunk
          }),
          Stream.provideContext(context)
        )
      })

    const round = (
      items: ReadonlyArray<ResponseItem.ResponseItem>,
      number: number
    ): Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError | ResponseTool.ToolFailed | TooManyRounds, R> => {
      if (number > maxRounds) return Stream.fail(new TooManyRounds({ rounds: maxRounds }))
      unfinished = items
      const keep = (more: ReadonlyArray<ResponseItem.ResponseItem>) => {
        history = [...history, ...items, ...more]
        unfinished = []
      }
      let output: ReadonlyArray<ResponseItem.ResponseItem> = []
      const answers = Effect.suspend(() =>
        Effect.forEach(unanswered(output), (call) => ResponseTool.answer(tools, call, onToolFailure), {
          concurrency: concurrency ?? "unbounded"
        })
      )
      return Stream.concat(
        ask(items, (whole) => {
          output = toKeep(whole)
          if (unanswered(output).length === 0) keep(output)
        }),
        Stream.unwrap(Effect.map(answers, (outputs) => {
          if (outputs.length === 0) return Stream.empty
          keep([...output, ...outputs])
          return round([], number + 1)
        }))
      )
    }

    const exclusively = <A, E2, R2>(stream: Stream.Stream<A, E2, R2>) =>
      Stream.unwrapScoped(Effect.as(exclusive, stream))

    const conversation: Conversation<R> = {
      send: (input) =>
        exclusively(Stream.suspend(() => {
          const items = toItems(input)
          return ask(items, (output) => {
            history = [...history, ...items, ...toKeep(output)]
          })
        })),
      resume: exclusively(Stream.suspend(() => round(unfinished, 1))),
      run: (input) => exclusively(Stream.suspend(() => round(toItems(input), 1))),
      history: Effect.sync(() => history),
      fork: Effect.suspend(() => Effect.provide(make({ ...options, history }), context)),
      warmUp: Effect.suspend(() => Effect.asVoid(Effect.provide(Responses.warmUp(toRequest([])), context)))
    }
    return conversation
  })
