/**
 * Tools that run in this program: what the model is told of them, and the handler that answers its calls.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as JSONSchema from "effect/JSONSchema"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type {
  ContentPart,
  CustomToolCall,
  CustomToolCallOutput,
  FunctionCall,
  FunctionCallOutput
} from "./ResponseItem.ts"
import type { Tool as Definition } from "./ResponseRequest.ts"

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
 * @since 0.1.0
 * @category models
 */
export interface ResponseTool<out E, out R> {
  readonly name: string
  readonly definition: Definition
  /** Runs the handler on the text of a call. */
  readonly handle: (call: Call) => Effect.Effect<string | ReadonlyArray<ContentPart>, E | ToolFailed, R>
}

/**
 * @since 0.1.0
 * @category models
 */
export type Any = ResponseTool<unknown, unknown>

/**
 * What the handler of a tool needs.
 *
 * @since 0.1.0
 * @category models
 */
export type Requirements<T> = T extends ResponseTool<infer _E, infer R> ? R : never

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

const failed = (call: Call, reason: ToolFailed["reason"], description: string, cause?: unknown): ToolFailed =>
  new ToolFailed({ name: call.name, callId: call.call_id, reason, description, cause })

const describe = (error: unknown): string =>
  error instanceof Error ? error.message || error.name : Inspectable.toStringUnknown(error)

const inputOf = (call: Call): string => call.type === "function_call" ? call.arguments : call.input

const partTypes: ReadonlySet<unknown> = new Set(["input_text", "input_image", "input_file"])

const isParts = (value: unknown): value is ReadonlyArray<ContentPart> =>
  Array.isArray(value) && value.length > 0 &&
  value.every((part) => Predicate.isRecord(part) && partTypes.has(part["type"]))

/** A handler may give text, content parts, or anything that can be written as JSON. */
const toOutput = (call: Call, value: unknown): Effect.Effect<string | ReadonlyArray<ContentPart>, ToolFailed> =>
  typeof value === "string" || isParts(value) ? Effect.succeed(value) : Effect.try({
    try: () => JSON.stringify(value) ?? "null",
    catch: (cause) => failed(call, "BadOutput", "its result cannot be written as JSON", cause)
  })

/**
 * A function with typed arguments. The model gets the JSON Schema of `parameters`; what it sends is decoded with it
 * before the handler runs. The result is sent as it is if it is a string or a list of content parts, as JSON otherwise.
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
export const make = <A, I, RSchema, E, R>(options: {
  readonly name: string
  readonly description?: string | undefined
  readonly parameters: Schema.Schema<A, I, RSchema>
  /** Whether the vendor's model is held to the schema. Default: `false` */
  readonly strict?: boolean | undefined
  readonly handler: (args: A, call: Call) => Effect.Effect<unknown, E, R>
}): ResponseTool<E, R | RSchema> => {
  const decode = Schema.decode(Schema.parseJson(options.parameters))
  return {
    name: options.name,
    definition: {
      type: "function",
      name: options.name,
      description: options.description,
      parameters: JSONSchema.make(options.parameters),
      strict: options.strict ?? false
    },
    handle: (call) =>
      decode(inputOf(call)).pipe(
        Effect.mapError((error) =>
          failed(call, "BadArguments", ParseResult.TreeFormatter.formatErrorSync(error), error)
        ),
        Effect.flatMap((args) => options.handler(args, call)),
        Effect.flatMap((value) => toOutput(call, value))
      )
  }
}

/**
 * A tool with free-form input.
 *
 * @since 0.1.0
 * @category constructors
 */
export const custom = <E, R>(options: {
  readonly name: string
  readonly description?: string | undefined
  /** A grammar that the input keeps to, as the vendor's API has it. Default: any text */
  readonly format?: object | undefined
  readonly handler: (input: string, call: Call) => Effect.Effect<unknown, E, R>
}): ResponseTool<E, R> => ({
  name: options.name,
  definition: {
    type: "custom",
    name: options.name,
    ...(options.description === undefined ? {} : { description: options.description }),
    ...(options.format === undefined ? {} : { format: options.format })
  },
  handle: (call) => Effect.flatMap(options.handler(inputOf(call), call), (value) => toOutput(call, value))
})

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

/** A handler may fail with anything. */
const handle = <R>(
  tool: ResponseTool<unknown, R>,
  call: Call
): Effect.Effect<string | ReadonlyArray<ContentPart>, ToolFailed, R> =>
  // @effect-diagnostics-next-line anyUnknownInErrorContext:off
  Effect.mapError(tool.handle(call), (error) =>
    error instanceof ToolFailed ? error : failed(call, "HandlerFailed", describe(error), error))

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
  onFailure: "output" | "fail"
): Effect.Effect<CallOutput, ToolFailed, Requirements<T>> => {
  const tool = tools.find(({ name }) => name === call.name) as ResponseTool<unknown, Requirements<T>> | undefined
  const handled = tool === undefined
    ? Effect.fail(
      failed(call, "UnknownTool", `there is no such tool, only ${tools.map(({ name }) => name).join(", ") || "none"}`)
    )
    : handle(tool, call)
  return handled.pipe(
    onFailure === "fail"
      ? (self) => self
      : Effect.catchAll((error) => Effect.succeed(`Error: ${error.description}`)),
    Effect.map((text) => output(call, text))
  )
}
