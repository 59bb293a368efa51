/**
 * Tools that run in this program: what the model is told of them, and the handler that answers its calls.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { identity } from "effect/Function"
import * as Inspectable from "effect/Inspectable"
import * as JSONSchema from "effect/JSONSchema"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as StrictSchema from "./internal/tool/strictSchema.ts"
import * as ToolArguments from "./internal/tool/toolArguments.ts"
import * as ToolOutput from "./internal/tool/toolOutput.ts"
import * as ToolSchema from "./internal/tool/toolSchema.ts"
import type {
  ContentPart,
  CustomToolCall,
  CustomToolCallOutput,
  FunctionCall,
  FunctionCallOutput
} from "./ResponseItem.ts"
import type { Tool as Definition } from "./ResponseRequest.ts"
import { InvalidRequest } from "./ResponsesError.ts"

/**
 * What the model asks a program to run.
 *
 * @since 0.1.0
 * @category models
 */
export type Call = FunctionCall | CustomToolCall

/**
 * @since 0.1.0
 * @category models
 */
export type CallOutput = FunctionCallOutput | CustomToolCallOutput

/**
 * Which of the runs for one call this is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attempt {
  /** 1 for the first run. A later one follows a failure, or an end that nobody has seen. */
  readonly attempt: number
  /**
   * The same for each attempt at this call, and for no other call of the conversation, nor of another one whose `id`
   * differs. Give it to a service that does a thing once per key.
   */
  readonly idempotencyKey: string
}

/**
 * What a handler is told of the call that it answers.
 *
 * @since 0.1.0
 * @category models
 */
export interface Invocation extends Attempt {
  readonly callId: string
  readonly call: Call
}

/**
 * What a `Conversation` does with a call whose tool was started, and of which no output was written, as the run was
 * interrupted or the process died.
 *
 * - `report`: the tool is not run again. The model is told that the outcome is unknown.
 * - `rerun`: the tool runs again, with the same `idempotencyKey`.
 *
 * @since 0.1.0
 * @category models
 */
export type OnUnknownOutcome = "report" | "rerun"

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
  /** Default: `report` */
  readonly onUnknownOutcome?: OnUnknownOutcome | undefined
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

/**
 * A tool could not answer: its handler failed, there is no tool of that name, or the arguments do not fit.
 *
 * @since 0.1.0
 * @category errors
 */
export class ToolFailed extends Schema.TaggedError<ToolFailed>("effect-responses/ToolFailed")("ToolFailed", {
  name: Schema.String,
  callId: Schema.String,
  reason: Schema.Literal("UnknownTool", "BadArguments", "BadOutput", "HandlerFailed"),
  description: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `The tool ${this.name} could not answer call ${this.callId}: ${this.description}`
  }
}

/**
 * A tool that no request could offer. It is thrown where the tool is made, as only a change of the program helps.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidTool extends Schema.TaggedError<InvalidTool>("effect-responses/InvalidTool")("InvalidTool", {
  name: Schema.String,
  description: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `The tool "${this.name}" cannot be offered to a model: ${this.description}`
  }
}

/** Servers leave out what they should not. */
const said = (text: unknown): string => Predicate.isString(text) ? text : ""

const failed = (call: Call, reason: ToolFailed["reason"], description: string, cause?: unknown): ToolFailed =>
  new ToolFailed({ name: said(call.name), callId: said(call.call_id), reason, description, cause })

const describe = (error: unknown): string =>
  (error instanceof Error ? error.message || error.name : Inspectable.toStringUnknown(error)) || "its handler failed"

const inputOf = (call: Call): unknown => call.type === "function_call" ? call.arguments : call.input

const invocation = (call: Call, attempt: Attempt | undefined): Invocation => ({
  attempt: 1,
  idempotencyKey: said(call.call_id),
  ...attempt,
  callId: said(call.call_id),
  call
})

const toOutput = (call: Call, value: unknown): Effect.Effect<string | ReadonlyArray<ContentPart>, ToolFailed> =>
  Either.mapLeft(
    ToolOutput.make(value),
    ({ cause, description }) => failed(call, "BadOutput", description, cause)
  )

const namePattern = /^[a-zA-Z0-9_-]{1,64}$/

const checkName = (name: string): void => {
  if (!namePattern.test(name)) {
    throw new InvalidTool({ name, description: "its name must be 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'" })
  }
}

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

/** `effect/JSONSchema` throws where a schema has no JSON, such as that of a `bigint`. */
const toJsonSchema = (schema: Schema.Schema.All): Either.Either<object, unknown> =>
  Either.try(() => {
    const definitions: Record<string, JSONSchema.JsonSchema7> = {}
    return { ...JSONSchema.fromAST(schema.ast, { definitions }), $defs: definitions }
  })

/**
 * A function with typed arguments. The model gets the JSON Schema of `parameters`, and what it sends is decoded with it
 * before the handler runs. No arguments (an empty text) are `{}`. The result is sent as it is if it is a string or a list
 * of content parts, as JSON otherwise.
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
export const make = <A, I, RSchema, E, R, const Async extends boolean = false>(options: {
  readonly name: string
  readonly description?: string | undefined
  readonly parameters: Schema.Schema<A, I, RSchema>
  /**
   * Whether the vendor's model is held to the schema. Optional properties become nullable there, and their `null` is
   * decoded as if the property were left out. A limit that strict mode does not know, such as `minLength`, is told to the
   * model in the description. Default: `false`
   */
  readonly strict?: boolean | undefined
  /**
   * Whether a call runs beside the conversation, which goes on without its output. The output joins a later turn. See
   * `Conversation`. Of the models that know such tools only. Default: `false`
   */
  readonly async?: Async | undefined
  /** Default: `report` */
  readonly onUnknownOutcome?: OnUnknownOutcome | undefined
  readonly handler: (args: A, invocation: Invocation) => Effect.Effect<unknown, E, R>
}): ResponseTool<E, R | RSchema, NoInfer<Async>> => {
  const { name, strict = false } = options
  checkName(name)
  const invalid = (description: string, cause?: unknown) => new InvalidTool({ name, description, cause })
  const schema = toJsonSchema(options.parameters).pipe(
    Either.mapLeft((cause) => invalid(`its parameters have no JSON Schema: ${describe(cause)}`, cause)),
    Either.flatMap((json) => Either.mapLeft(ToolSchema.make(json), (reason) => invalid(reason))),
    Either.getOrThrowWith((error) => error)
  )
  const definition: Definition = {
    type: "function",
    name,
    description: options.description,
    parameters: strict ? Either.getOrThrowWith(StrictSchema.make(schema), (reason) => invalid(reason)) : schema,
    strict,
    ...(options.async === true ? { async: true } : {})
  }
  const prepare = strict ? ToolArguments.withoutNulls(schema) : identity
  const decode = Schema.decodeUnknown(options.parameters)
  const read = (call: Call): Effect.Effect<A, ToolFailed, RSchema> =>
    ToolArguments.parse(inputOf(call)).pipe(
      Either.mapLeft((description) => failed(call, "BadArguments", description)),
      Effect.flatMap((value) =>
        Effect.mapError(decode(prepare(value)), (error) =>
          failed(call, "BadArguments", ParseResult.TreeFormatter.formatErrorSync(error), error))
      )
    )
  return {
    name,
    definition,
    async: options.async,
    onUnknownOutcome: options.onUnknownOutcome,
    handle: (call, attempt) =>
      read(call).pipe(
        Effect.flatMap((args) => options.handler(args, invocation(call, attempt))),
        Effect.flatMap((value) => toOutput(call, value))
      )
  }
}

/**
 * A tool with free-form input. Throws `InvalidTool` for a name that the API would refuse.
 *
 * @since 0.1.0
 * @category constructors
 */
export const custom = <E, R, const Async extends boolean = false>(options: {
  readonly name: string
  readonly description?: string | undefined
  /**
   * A grammar that the input follows: `{ type: "grammar", syntax, definition }`, where `syntax` is `lark` or `regex`.
   * Default: any text
   */
  readonly format?: object | undefined
  /**
   * Whether a call runs beside the conversation, which goes on without its output. The output joins a later turn. See
   * `Conversation`. Of the models that know such tools only. Default: `false`
   */
  readonly async?: Async | undefined
  /** Default: `report` */
  readonly onUnknownOutcome?: OnUnknownOutcome | undefined
  readonly handler: (input: string, invocation: Invocation) => Effect.Effect<unknown, E, R>
}): ResponseTool<E, R, NoInfer<Async>> => {
  checkName(options.name)
  return {
    name: options.name,
    definition: {
      type: "custom",
      name: options.name,
      ...(options.description === undefined ? {} : { description: options.description }),
      ...(options.format === undefined ? {} : { format: options.format }),
      ...(options.async === true ? { async: true } : {})
    },
    async: options.async,
    onUnknownOutcome: options.onUnknownOutcome,
    handle: (call, attempt) =>
      Effect.flatMap(
        options.handler(said(inputOf(call)), invocation(call, attempt)),
        (value) => toOutput(call, value)
      )
  }
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

/** A handler may fail with anything, and a tool that was not made by `make` may give anything. */
const handle = <R>(
  tool: ResponseTool<unknown, R, boolean>,
  call: Call,
  attempt: Attempt | undefined
): Effect.Effect<string | ReadonlyArray<ContentPart>, ToolFailed, R> =>
  // @effect-diagnostics-next-line anyUnknownInErrorContext:off
  Effect.mapError(tool.handle(call, attempt), (error) =>
    error instanceof ToolFailed ? error : failed(call, "HandlerFailed", describe(error), error)).pipe(
      Effect.flatMap((value) =>
        toOutput(call, value)
      )
    )

/**
 * Answers a call with the tool of its name. Any failure becomes `ToolFailed`, or with `onFailure: "output"` the text of
 * the output, so that the model can react.
 *
 * @since 0.1.0
 * @category running
 */
export const answer = <T extends Any>(
  tools: ReadonlyArray<T>,
  call: Call,
  onFailure: "output" | "fail",
  attempt?: Attempt
): Effect.Effect<CallOutput, ToolFailed, Requirements<T>> => {
  const tool = tools.find(({ name }) => name === call.name) as
    | ResponseTool<unknown, Requirements<T>, boolean>
    | undefined
  const handled = tool === undefined
    ? Effect.fail(
      failed(call, "UnknownTool", `there is no such tool, only ${tools.map(({ name }) => name).join(", ") || "none"}`)
    )
    : handle(tool, call, attempt)
  return handled.pipe(
    onFailure === "fail"
      ? (self) => self
      : Effect.catchAll((error) => Effect.succeed(ToolOutput.ofFailure(error))),
    Effect.map((text) => output(call, text))
  )
}
