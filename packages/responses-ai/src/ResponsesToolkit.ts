/**
 * The tools of an `@effect/ai` `Toolkit` for a `Conversation`.
 *
 * @since 0.1.0
 */
import * as Tool from "@effect/ai/Tool"
import type * as Toolkit from "@effect/ai/Toolkit"
import type * as ResponseRequest from "effect-responses/ResponseRequest"
import * as ResponseTool from "effect-responses/ResponseTool"
import * as Effect from "effect/Effect"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

type AnyTools = Record<string, Tool.Any>

/**
 * `R` is what `needsApproval` needs.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolOptions<T, R = never, Async extends boolean = false>
  extends ResponseTool.CallOptions<Tool.Failure<T>>
{
  /** Whether the vendor's model is held to the schema, as in `ResponseTool.make`. Default: `false` */
  readonly strict?: boolean | undefined
  /**
   * Which calls are held until they are approved, as in `ResponseTool.make`. A function gets the decoded parameters. What it
   * needs is needed where the conversation runs. Default: `false`
   */
  readonly needsApproval?: ResponseTool.NeedsApproval<Tool.Parameters<T>, unknown, R> | undefined
  /**
   * Whether a call runs beside the conversation, as in `ResponseTool.make`. The handlers of the toolkit and a `Scope` are then
   * needed where the conversation is made. Not with `exclusive` or `needsApproval`. Default: `false`
   */
  readonly async?: Async | undefined
}

/**
 * By the name of the tool. Declared without further type arguments, none of them is `async`, and no approval needs a service.
 *
 * @since 0.1.0
 * @category models
 */
export type Options<Tools extends Record<string, Tool.Any>, R = never, Async extends boolean = false> = {
  readonly [Name in keyof Tools]?: ToolOptions<Tools[Name], R, Async> | undefined
}

/**
 * Options in which each name is that of a tool, and each option of it is known.
 *
 * @since 0.1.0
 * @category models
 */
export type Known<Tools extends Record<string, Tool.Any>, Given> = {
  readonly [Name in keyof Given]: Name extends keyof Tools ? KnownOptions<Given[Name], keyof ToolOptions<Tools[Name]>>
    : never
}

type KnownOptions<Given, Names> = {
  readonly [Option in keyof Given]: Option extends Names ? Given[Option] : never
}

type OptionOf<Given, Name, Option> = Name extends keyof Given
  ? Option extends keyof NonNullable<Given[Name]> ? NonNullable<NonNullable<Given[Name]>[Option]> : never
  : never

type IsAsync<Option> = [Option] extends [never] ? false : Option extends boolean ? Option : false

type ApprovalError<Approval> = Approval extends (...args: never) => infer Answer
  ? Answer extends Effect.Effect<boolean, infer E, infer _R> ? E : never
  : never

type ApprovalRequirements<Approval> = Approval extends (...args: never) => infer Answer
  ? Answer extends Effect.Effect<boolean, infer _E, infer R> ? R : never
  : never

/**
 * The tools of a toolkit, made with these options. `R` is what each of them needs of the toolkit.
 *
 * @since 0.1.0
 * @category models
 */
export type ToolOf<Tools extends Record<string, Tool.Any>, Given, R = never> = {
  [Name in keyof Tools]: Tool.RequiresHandler<Tools[Name]> extends true ? ResponseTool.ResponseTool<
      Tool.Failure<Tools[Name]> | ApprovalError<OptionOf<Given, Name, "needsApproval">>,
      R | Tool.Requirements<Tools[Name]> | ApprovalRequirements<OptionOf<Given, Name, "needsApproval">>,
      IsAsync<OptionOf<Given, Name, "async">>
    > :
    never
}[keyof Tools]

/**
 * To be spread into the options of a `Conversation`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConversationTools<out T extends ResponseTool.Any> {
  readonly tools: ReadonlyArray<T>
  /** Those that the vendor's server runs, such as `OpenAiTool.WebSearch`. */
  readonly otherTools: ReadonlyArray<ResponseRequest.Tool>
}

/**
 * Checks arguments as the schema of a tool says, and leaves them as they are: the toolkit decodes them. What does not fit is
 * told to the model before the toolkit sees it, whose own error has all of the arguments in it.
 */
const checked = <R>({ parametersSchema: { ast } }: Tool.Any): Schema.Schema<unknown, unknown, R> =>
  Schema.declare(
    [Schema.make<unknown, unknown, R>(ast)],
    {
      decode: (parameters) => (input, options) =>
        ParseResult.map(ParseResult.decodeUnknown(parameters)(input, options), () => input),
      encode: () => ParseResult.succeed
    },
    { jsonSchema: Tool.getJsonSchemaFromSchemaAst(ast) }
  )

/** `needsApproval` is asked about decoded parameters: until the toolkit decodes them, those of a call are encoded. */
const decoded = <A, E, R>(
  { parametersSchema: { ast } }: Tool.Any,
  needsApproval: ResponseTool.NeedsApproval<A, E, R> | undefined
): ResponseTool.NeedsApproval<unknown, E | ParseResult.ParseError, R> | undefined => {
  if (typeof needsApproval !== "function") return needsApproval
  const decode = Schema.decodeUnknown(Schema.make<A, unknown, R>(ast))
  return (params) =>
    Effect.flatMap(decode(params), (args) => {
      const answer = needsApproval(args)
      return Effect.isEffect(answer) ? answer : Effect.succeed(answer)
    })
}

/** What the toolkit says of a result that does not fit the schema of its tool. */
const isOfToolkit = (error: unknown): boolean =>
  Predicate.isTagged(error, "MalformedInput") && Predicate.hasProperty(error, "module") && error.module === "Toolkit"

const isOfServer = (tool: Tool.Any): tool is Tool.AnyProviderDefined => Tool.isProviderDefined(tool)

const definitionOf = (
  { args, id, name, providerName, requiresHandler }: Tool.AnyProviderDefined
): ResponseRequest.Tool => {
  if (!id.startsWith("openai.") || requiresHandler) {
    const description = `it is ${id}, and this API runs only tools of OpenAI that need no handler: leave it out`
    throw new ResponseTool.InvalidTool({ name, description })
  }
  return { ...args, type: providerName }
}

/**
 * Makes tools of a toolkit. Its handlers come from the context, where the conversation runs, as `toolkit.toLayer` gives them;
 * those of a `WithHandler` are there already.
 *
 * The model gets the JSON Schema of the parameters, and the encoded result: text as it is, anything else as JSON. A failure
 * of a tool with `failureMode: "return"` is a result. Any other is `ToolFailed` with the reason `HandlerFailed` and the
 * failure as its `cause`, and `onFailure` says what becomes of it. A result that does not fit its schema is `HandlerDied`.
 *
 * Throws `InvalidTool` for a tool that the API would refuse, and for one of another provider.
 *
 * @example
 * ```ts
 * import { Tool, Toolkit } from "@effect/ai"
 * import { Conversation } from "effect-responses"
 * import { ResponsesToolkit } from "effect-responses-ai"
 * import { Effect, Schema } from "effect"
 *
 * const toolkit = Toolkit.make(
 *   Tool.make("get_weather", { parameters: { city: Schema.String }, success: Schema.String })
 * )
 *
 * const handlers = toolkit.toLayer({ get_weather: ({ city }) => Effect.succeed(`Sunny in ${city}`) })
 *
 * export const program = Effect.gen(function*() {
 *   const tools = ResponsesToolkit.make(toolkit, { get_weather: { timeout: "10 seconds" } })
 *   const conversation = yield* Conversation.make({ model: "gpt-5.5", ...tools })
 *   return yield* conversation.ask("What is the weather in Oslo?")
 * }).pipe(Effect.provide(handlers))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: {
  <Tools extends Record<string, Tool.Any>, const Given extends Options<Tools, unknown, boolean> = {}>(
    toolkit: Toolkit.Toolkit<Tools>,
    options?: Given & Known<Tools, Given>
  ): ConversationTools<ToolOf<Tools, Given, Tool.HandlersFor<Tools>>>
  <Tools extends Record<string, Tool.Any>, const Given extends Options<Tools, unknown, boolean> = {}>(
    toolkit: Toolkit.WithHandler<Tools>,
    options?: Given & Known<Tools, Given>
  ): ConversationTools<ToolOf<Tools, Given>>
} = <Tools extends AnyTools, Given extends Options<Tools, unknown, boolean>>(
  toolkit: Toolkit.Toolkit<Tools> | Toolkit.WithHandler<Tools>,
  options?: Given
) => {
  type One = Tools[keyof Tools]
  type R = Tool.HandlersFor<Tools> | Tool.Requirements<One>
  const withHandlers: Effect.Effect<Toolkit.WithHandler<Tools>, never, R> = Effect.isEffect(toolkit)
    ? toolkit
    : Effect.succeed(toolkit)

  const run = (name: keyof Tools, params: unknown) =>
    Effect.flatMap(
      withHandlers,
      // The toolkit decodes what it is given, whatever its type says.
      ({ handle }) => handle(name, params as Tool.Parameters<One>)
    ).pipe(
      Effect.map(({ encodedResult }) => encodedResult),
      Effect.catchIf(isOfToolkit, Effect.die)
    )

  const toTool = ([name, tool]: [string, Tool.Any]) => {
    const given = options?.[name]
    return ResponseTool.make({
      ...given,
      name: tool.name,
      description: tool.description ?? Tool.getDescriptionFromSchemaAst(tool.parametersSchema.ast),
      parameters: checked<Tool.Requirements<One>>(tool),
      needsApproval: decoded(tool, given?.needsApproval),
      handler: (params) => run(name, params)
    })
  }

  const all = Object.entries<Tool.Any>(toolkit.tools)
  return {
    // Which of them is async, and what each needs, only the type of the options says.
    tools: all.filter(([, tool]) => !isOfServer(tool)).map(toTool) as unknown as ReadonlyArray<
      ToolOf<Tools, Given, R>
    >,
    otherTools: all.flatMap(([, tool]) => isOfServer(tool) ? [definitionOf(tool)] : [])
  }
}
