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
 * @since 0.1.0
 * @category models
 */
export interface ToolOptions<T> extends ResponseTool.CallOptions<Tool.Failure<T>> {
  /** Whether the vendor's model is held to the schema, as in `ResponseTool.make`. Default: `false` */
  readonly strict?: boolean | undefined
}

/**
 * By the name of the tool.
 *
 * @since 0.1.0
 * @category models
 */
export type Options<Tools extends Record<string, Tool.Any>> = {
  readonly [Name in keyof Tools]?: ToolOptions<Tools[Name]> | undefined
}

/**
 * To be spread into the options of a `Conversation`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConversationTools<out E, out R> {
  readonly tools: ReadonlyArray<ResponseTool.ResponseTool<E, R>>
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
  <Tools extends Record<string, Tool.Any>>(
    toolkit: Toolkit.Toolkit<Tools>,
    options?: Options<Tools>
  ): ConversationTools<
    Tool.Failure<Tools[keyof Tools]>,
    Tool.HandlersFor<Tools> | Tool.Requirements<Tools[keyof Tools]>
  >
  <Tools extends Record<string, Tool.Any>>(
    toolkit: Toolkit.WithHandler<Tools>,
    options?: Options<Tools>
  ): ConversationTools<Tool.Failure<Tools[keyof Tools]>, Tool.Requirements<Tools[keyof Tools]>>
} = <Tools extends AnyTools>(
  toolkit: Toolkit.Toolkit<Tools> | Toolkit.WithHandler<Tools>,
  options: Options<Tools> = {}
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

  const toTool = ([name, tool]: [string, Tool.Any]) =>
    ResponseTool.make<unknown, unknown, Tool.Requirements<One>, Tool.Failure<One>, R>({
      ...options[name],
      name: tool.name,
      description: tool.description ?? Tool.getDescriptionFromSchemaAst(tool.parametersSchema.ast),
      parameters: checked(tool),
      handler: (params) => run(name, params)
    })

  const all = Object.entries<Tool.Any>(toolkit.tools)
  return {
    tools: all.filter(([, tool]) => !isOfServer(tool)).map(toTool),
    otherTools: all.flatMap(([, tool]) => isOfServer(tool) ? [definitionOf(tool)] : [])
  }
}
