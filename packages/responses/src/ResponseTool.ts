/**
 * Tools that run in this program: what the model is told of them, and the handler that answers its calls.
 *
 * @since 0.1.0
 */
// @effect-diagnostics anyUnknownInErrorContext:off
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Approval from "./internal/tool/approval.ts"
import * as StrictSchema from "./internal/tool/strictSchema.ts"
import * as ToolArguments from "./internal/tool/toolArguments.ts"
import * as ToolChecks from "./internal/tool/toolChecks.ts"
import * as ToolFailure from "./internal/tool/toolFailure.ts"
import * as ToolInvocation from "./internal/tool/toolInvocation.ts"
import * as ToolOutput from "./internal/tool/toolOutput.ts"
import * as ToolRun from "./internal/tool/toolRun.ts"
import * as ToolSchema from "./internal/tool/toolSchema.ts"
import * as ToolTold from "./internal/tool/toolTold.ts"
import type { ContentPart } from "./ResponseItem.ts"
import type { Tool as Definition } from "./ResponseRequest.ts"
import { InvalidRequest } from "./ResponsesError.ts"
import type { Attempt, Call, CallOutput, Invocation } from "./ResponseToolCall.ts"
import { InvalidTool, type ToolFailed } from "./ResponseToolError.ts"
import type { CallOptions, NeedsApproval, OnFailure, OnUnknownOutcome } from "./ResponseToolOptions.ts"

export type {
  /**
   * @since 0.1.0
   * @category re-exports
   */
  Attempt,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  Call,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  CallOutput,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  Invocation
} from "./ResponseToolCall.ts"
export {
  /**
   * @since 0.1.0
   * @category re-exports
   */
  InvalidTool,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  ToolFailed
} from "./ResponseToolError.ts"
export type {
  /**
   * @since 0.1.0
   * @category re-exports
   */
  CallOptions,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  NeedsApproval,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  OnFailure,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  OnUnknownOutcome,
  /**
   * @since 0.1.0
   * @category re-exports
   */
  Retry
} from "./ResponseToolOptions.ts"

/**
 * `Async` is `true` for a tool that runs beside the conversation.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResponseTool<out E, out R, out Async extends boolean = false> {
  readonly name: string
  readonly definition: Definition
  /** Default: `false` */
  readonly async?: Async | undefined
  /** Default: `false` */
  readonly exclusive?: boolean | undefined
  /** Default: the `onToolFailure` of the conversation */
  readonly onFailure?: OnFailure | undefined
  /** Default: `report` */
  readonly onUnknownOutcome?: OnUnknownOutcome | undefined
  /** Whether a call is not run before somebody has approved it. Default: no call needs that */
  readonly needsApproval?: ((call: Call) => Effect.Effect<boolean, E | ToolFailed, R>) | undefined
  /** Runs the handler on the text of a call. Without `attempt` it is the first, and its key is the id of the call. */
  readonly handle: (
    call: Call,
    attempt?: Attempt
  ) => Effect.Effect<string | ReadonlyArray<ContentPart>, E | ToolFailed, R>
}

/**
 * @since 0.1.0
 * @category models
 */
export type Any = ResponseTool<unknown, unknown, boolean>

/**
 * What the handler of a tool needs.
 *
 * @since 0.1.0
 * @category models
 */
export type Requirements<T> = T extends ResponseTool<infer _E, infer R, boolean> ? R : never

const toOutput = (call: Call, value: unknown): Effect.Effect<string | ReadonlyArray<ContentPart>, ToolFailed> =>
  Either.mapLeft(
    ToolOutput.make(value),
    ({ cause, description }) => ToolFailure.make(call, "BadOutput", description, cause)
  )

interface ToolOptions<A, E, R, E2, R2, Async extends boolean, RRetry> extends CallOptions<E, RRetry> {
  readonly async?: Async | undefined
  readonly needsApproval?: NeedsApproval<A, E2, R2> | undefined
  readonly handler: (args: A, invocation: Invocation) => Effect.Effect<unknown, E, R>
}

const tool = <A, E, R, RArgs, E2, R2, Async extends boolean, RRetry>(
  definition: Definition,
  name: string,
  options: ToolOptions<A, E, R, E2, R2, Async, RRetry>,
  read: (call: Call) => Effect.Effect<A, ToolFailed, RArgs>
): ResponseTool<E | E2, R | R2 | RRetry | RArgs, Async> => ({
  name,
  definition: options.async === true ? { ...definition, async: true } : definition,
  async: options.async,
  exclusive: options.exclusive,
  onFailure: options.onFailure,
  onUnknownOutcome: options.onUnknownOutcome,
  needsApproval: Approval.check(options.needsApproval, read),
  handle: (call, attempt) =>
    read(call).pipe(
      Effect.flatMap((args) =>
        ToolRun.retried(() => options.handler(args, ToolInvocation.make(call, attempt)), options.retry)
      ),
      Effect.flatMap((value) => toOutput(call, value)),
      (answered) => ToolRun.within(call, options.timeout, answered)
    )
})

/**
 * A JSON Schema in the form that the API takes for the parameters of a function: an object at the root, described there
 * and not by a reference, no ids, `items` in every array. With `strict` in the subset that a model can be held to: every
 * object closed, every property required, and those that were optional nullable. `Left` has the reason why there is none.
 *
 * @since 0.1.0
 * @category schemas
 */
export const parameters = (
  schema: object,
  options: { readonly strict?: boolean | undefined } = {}
): Either.Either<Readonly<Record<string, unknown>>, string> =>
  Either.flatMap(
    ToolSchema.make(schema),
    (made) => options.strict === true ? StrictSchema.make(made) : Either.right(made)
  )

/**
 * A function with typed arguments. The model gets the JSON Schema of `parameters`, and what it sends is decoded with it
 * before the handler runs. No arguments (an empty text) are `{}`. The result is sent as it is if it is a string or a list
 * of content parts, as JSON otherwise. It may have 10,485,760 characters, and content parts 52,428,800 in all: more, and what
 * JSON does not have, fails the call with the reason `BadOutput`.
 *
 * Throws `InvalidTool` where the API would refuse every request with the tool: for its name, for parameters that are not
 * an object, and with `strict` for what strict mode does not have (records, tuples, `Schema.Unknown`).
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { ResponseTool } from "effect-responses"
 *
 * export const weather = ResponseTool.make({
 *   name: "get_weather",
 *   description: "The weather in a city",
 *   parameters: Schema.Struct({ city: Schema.String }),
 *   handler: ({ city }) => Effect.succeed({ city, celsius: 21 })
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <
  A,
  I,
  RSchema,
  E extends ESchedule & EWhile,
  R = never,
  E2 = never,
  R2 = never,
  const Async extends boolean = false,
  RRetry = never,
  ESchedule = E,
  EWhile = E
>(
  options: CallOptions<ESchedule, RRetry, EWhile> & {
    readonly name: string
    readonly description?: string | undefined
    readonly parameters: Schema.Schema<A, I, RSchema>
    /**
     * Whether the vendor's model is held to the schema. Optional properties become nullable there, and their `null` is
     * decoded as if the property were left out. A limit that strict mode does not know, such as `minLength`, is told to the
     * model in the description. Default: `false`
     */
    readonly strict?: boolean | undefined
    /** Default: `false` */
    readonly needsApproval?: NeedsApproval<A, E2, R2> | undefined
    /**
     * Whether a call runs beside the conversation, which goes on without its output. The output joins a later turn. See
     * `Conversation`. Not with `exclusive` or `needsApproval`, and only for models that know such tools. Default: `false`
     */
    readonly async?: Async | undefined
    readonly handler: (args: A, invocation: Invocation) => Effect.Effect<unknown, E, R>
  }
): ResponseTool<E | NoInfer<E2>, R | NoInfer<R2> | NoInfer<RRetry> | RSchema, NoInfer<Async>> => {
  const { name, strict = false } = options
  ToolChecks.check(name, options)
  const invalid = (description: string, cause?: unknown) => new InvalidTool({ name, description, cause })
  const schema = ToolSchema.toJsonSchema(options.parameters).pipe(
    Either.mapLeft((cause) => invalid(`its parameters have no JSON Schema: ${String(cause)}`, cause)),
    Either.flatMap((json) => Either.mapLeft(ToolSchema.make(json), (reason) => invalid(reason))),
    Either.getOrThrowWith((error) => error)
  )
  const definition: Definition = {
    type: "function",
    name,
    description: options.description,
    parameters: strict ? Either.getOrThrowWith(StrictSchema.make(schema), (reason) => invalid(reason)) : schema,
    strict
  }
  const prepare = strict ? ToolArguments.withoutNulls(schema) : identity
  const decode = Schema.decodeUnknown(options.parameters)
  const read = (call: Call): Effect.Effect<A, ToolFailed, RSchema> => {
    const input = ToolInvocation.inputOf(call)
    return ToolArguments.parse(input).pipe(
      Either.mapLeft((description) => ToolFailure.ofText(call, description)),
      Effect.flatMap((value) =>
        Effect.catchAll(
          decode(prepare(value), { errors: ToolArguments.areShort(input) ? "all" : "first" }),
          (error) => Effect.flip(ToolFailure.ofArguments(call, error))
        )
      )
    )
  }
  return tool(definition, name, options, read)
}

/**
 * A tool with free-form input. Throws `InvalidTool` for a name that the API would refuse.
 *
 * @since 0.1.0
 * @category constructors
 */
export const custom = <
  E extends ESchedule & EWhile,
  R = never,
  E2 = never,
  R2 = never,
  const Async extends boolean = false,
  RRetry = never,
  ESchedule = E,
  EWhile = E
>(
  options: CallOptions<ESchedule, RRetry, EWhile> & {
    readonly name: string
    readonly description?: string | undefined
    /**
     * A grammar that the input follows: `{ type: "grammar", syntax, definition }`, where `syntax` is `lark` or `regex`.
     * Default: any text
     */
    readonly format?: object | undefined
    /** Default: `false` */
    readonly needsApproval?: NeedsApproval<string, E2, R2> | undefined
    /**
     * Whether a call runs beside the conversation, which goes on without its output. The output joins a later turn. See
     * `Conversation`. Not with `exclusive` or `needsApproval`, and only for models that know such tools. Default: `false`
     */
    readonly async?: Async | undefined
    readonly handler: (input: string, invocation: Invocation) => Effect.Effect<unknown, E, R>
  }
): ResponseTool<E | NoInfer<E2>, R | NoInfer<R2> | NoInfer<RRetry>, NoInfer<Async>> => {
  const { description, format, name } = options
  ToolChecks.check(name, options)
  const definition: Definition = {
    type: "custom",
    name,
    ...(description === undefined ? {} : { description }),
    ...(format === undefined ? {} : { format })
  }
  return tool(definition, name, options, (call) => Effect.succeed(ToolFailure.said(ToolInvocation.inputOf(call))))
}

const nameOf = (tool: Definition): unknown => tool.type === "function" || tool.type === "custom" ? tool.name : undefined

/**
 * What a request says of its tools. Two functions of one name are refused: nobody could tell whose a call is.
 *
 * @since 0.1.0
 * @category getters
 */
export const definitions = (
  tools: ReadonlyArray<Any>,
  others: ReadonlyArray<Definition> = []
): Either.Either<ReadonlyArray<Definition>, InvalidRequest> => {
  const all = [...tools.map(({ definition }) => definition), ...others]
  const names = all.map(nameOf)
  const index = names.findIndex((name, at) => Predicate.isString(name) && names.indexOf(name) < at)
  return index < 0 ? Either.right(all) : Either.left(
    new InvalidRequest({
      field: `tools[${index}].name`,
      description: `is "${String(names[index])}" as that of an earlier tool: give each tool a name of its own`
    })
  )
}

/**
 * The item that answers a call.
 *
 * @since 0.1.0
 * @category constructors
 */
export const output = (call: Call, output: string | ReadonlyArray<ContentPart>): CallOutput =>
  call.type === "function_call"
    ? { type: "function_call_output", call_id: call.call_id, output }
    : { type: "custom_tool_call_output", call_id: call.call_id, output }

const find = <T extends Any>(
  tools: ReadonlyArray<T>,
  call: Call
): ResponseTool<unknown, Requirements<T>, boolean> | undefined =>
  tools.find(({ name }) => name === call.name) as ResponseTool<unknown, Requirements<T>, boolean> | undefined

/**
 * Runs the tool of a call. Any failure of the tool, a defect and an interruption by itself included, is `ToolFailed`,
 * whatever its `onFailure` says.
 *
 * @since 0.1.0
 * @category running
 */
export const run = <T extends Any>(
  tools: ReadonlyArray<T>,
  call: Call,
  attempt?: Attempt
): Effect.Effect<CallOutput, ToolFailed, Requirements<T>> => {
  const tool = find(tools, call)
  const others = () => tools.length === 0 ? "" : `, only ${tools.map(({ name }) => name).join(", ")}`
  const handled = tool === undefined
    ? Effect.fail(ToolFailure.make(call, "UnknownTool", `there is no such tool${others()}`))
    // A tool that was not made by `make` may throw, and give anything.
    : Effect.flatMap(Effect.suspend(() => tool.handle(call, attempt)), (value) => toOutput(call, value))
  return handled.pipe(
    // Not reached when the caller is interrupted.
    Effect.catchAllCause((cause) => Effect.fail(ToolFailure.ofCause(call, cause))),
    Effect.map((text) => output(call, text))
  )
}

/**
 * Whether the tool of its name holds a call until it is approved. `answer` does not ask. Fails where the arguments do not
 * fit, and where `needsApproval` does.
 *
 * @since 0.1.0
 * @category running
 */
export const needsApproval = <T extends Any>(
  tools: ReadonlyArray<T>,
  call: Call
): Effect.Effect<boolean, ToolFailed, Requirements<T>> => {
  const tool = find(tools, call)
  if (tool?.needsApproval === undefined) return Effect.succeed(false)
  const { needsApproval } = tool
  return Effect.catchAllCause(
    Effect.suspend(() => needsApproval(call)),
    (cause) => Effect.fail(ToolFailure.ofUndecided(call, cause))
  )
}

/**
 * Answers a call with the tool of its name. A failure becomes `ToolFailed`, or text for the model: as the `onFailure` of the
 * tool says, and otherwise as the one given here.
 *
 * @since 0.1.0
 * @category running
 */
export const answer = <T extends Any>(
  tools: ReadonlyArray<T>,
  call: Call,
  onFailure: OnFailure,
  attempt?: Attempt
): Effect.Effect<CallOutput, ToolFailed, Requirements<T>> =>
  Effect.catchAll(run(tools, call, attempt), (error) => {
    const policy = find(tools, call)?.onFailure ?? onFailure
    return Effect.map(ToolTold.make(error, policy), (text) => output(call, text))
  })
