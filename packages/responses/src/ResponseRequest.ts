/**
 * The body of a request for a response, and what of it travels on a socket and over HTTP.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type { ResponseItem } from "./ResponseItem.ts"
import { InvalidRequest } from "./ResponsesError.ts"

/**
 * A function the model may call. `parameters` is a JSON Schema.
 *
 * @since 0.1.0
 * @category models
 */
export interface FunctionTool {
  readonly type: "function"
  readonly name: string
  readonly description?: string | null | undefined
  readonly parameters?: object | null | undefined
  readonly strict?: boolean | null | undefined
  /** The output of a call may come in any later request. */
  readonly async?: boolean | undefined
}

/**
 * Any other tool: hosted ones, custom ones, MCP servers.
 *
 * @since 0.1.0
 * @category models
 */
export interface OtherTool {
  readonly type: string
  readonly [field: string]: unknown
}

/**
 * @since 0.1.0
 * @category models
 */
export type Tool = FunctionTool | OtherTool

/**
 * The published create body. Fields that are `undefined` or `null` are left out of what is sent.
 *
 * `previous_response_id` given here is sent as given. `generate` and `stream_id` exist on a socket only, `background`
 * and `background_options` over HTTP only; `stream` is the transport's own business, whatever a caller puts there.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResponseRequest {
  /** Required, unless a stored `prompt` brings it. */
  readonly model?: string | null | undefined
  /** A string means one message of the user's. May be left out to warm up, or where `prompt` brings the input. */
  readonly input?: string | ReadonlyArray<ResponseItem> | undefined
  readonly access_programs?: unknown
  readonly background?: boolean | null | undefined
  readonly background_options?: object | null | undefined
  readonly context_management?: ReadonlyArray<object> | null | undefined
  /** Excludes `previous_response_id`. */
  readonly conversation?: string | { readonly id: string } | null | undefined
  /** `false`: prepare the context, put nothing out. See `Responses.warmUp`. */
  readonly generate?: boolean | undefined
  readonly image?: object | null | undefined
  readonly include?: ReadonlyArray<string> | null | undefined
  /** Not inherited through `previous_response_id`: send them each turn. */
  readonly instructions?: string | null | undefined
  readonly max_output_tokens?: number | null | undefined
  readonly max_tool_calls?: number | null | undefined
  readonly metadata?: Readonly<Record<string, string>> | null | undefined
  readonly moderation?: object | null | undefined
  readonly parallel_tool_calls?: boolean | null | undefined
  readonly previous_response_id?: string | null | undefined
  /** A stored prompt, by its `id`. It brings the model and the settings that the request leaves out. */
  readonly prompt?: object | null | undefined
  readonly prompt_cache_key?: string | null | undefined
  readonly prompt_cache_options?: object | null | undefined
  readonly prompt_cache_retention?: string | null | undefined
  readonly reasoning?: object | null | undefined
  readonly safety_identifier?: string | null | undefined
  readonly service_tier?: string | null | undefined
  readonly store?: boolean | null | undefined
  readonly stream?: boolean | null | undefined
  readonly stream_options?: object | null | undefined
  /**
   * 1 to 256 characters of `[A-Za-z0-9_.-]`: your name for the conversation, which its events carry. The lanes of the connections
   * have other names, but with `maxConnections: 1, maxLanes: 1`, where this is the lane's.
   */
  readonly stream_id?: string | undefined
  readonly temperature?: number | null | undefined
  readonly text?: object | null | undefined
  readonly tool_choice?: string | object | null | undefined
  readonly tools?: ReadonlyArray<Tool> | null | undefined
  readonly top_logprobs?: number | null | undefined
  readonly top_p?: number | null | undefined
  readonly truncation?: string | null | undefined
  readonly user?: string | null | undefined
}

const streamIdPattern = /^[A-Za-z0-9_.-]{1,256}$/

const isText = (value: unknown): value is string => Predicate.isString(value) && value.trim() !== ""

const problem = (request: ResponseRequest): readonly [field: string, description: string] | undefined => {
  const { conversation, input, model, previous_response_id, prompt, stream_id } = request
  const hasStoredModel = Predicate.isNullable(model) && Predicate.isRecord(prompt) && isText(prompt["id"])
  if (!isText(model) && !hasStoredModel) {
    return ["model", "must be a non-empty string, or left out where a stored prompt (`prompt` with an `id`) brings it"]
  }
  if (Predicate.isNotNullable(input) && !Predicate.isString(input)) {
    if (!Array.isArray(input)) return ["input", "must be a string or a list of items"]
    const index = input.findIndex((item) => !Predicate.isRecord(item))
    if (index >= 0) return [`input[${index}]`, "must be an object"]
  }
  if (Predicate.isNotNullable(previous_response_id)) {
    if (!Predicate.isString(previous_response_id) || previous_response_id === "") {
      return ["previous_response_id", "must be a non-empty string, or left out to start a new chain"]
    }
    if (Predicate.isNotNullable(conversation)) {
      return ["conversation", "cannot be combined with previous_response_id"]
    }
  }
  if (stream_id !== undefined && !(Predicate.isString(stream_id) && streamIdPattern.test(stream_id))) {
    return ["stream_id", "must be 1 to 256 characters of A-Z, a-z, 0-9, '_', '.' and '-'"]
  }
  return undefined
}

/**
 * What can be said of a request without asking a server. Every transport does this before anything is sent.
 *
 * @since 0.1.0
 * @category validation
 */
export const validate = (request: ResponseRequest): Either.Either<ResponseRequest, InvalidRequest> => {
  const found = problem(request)
  return found === undefined
    ? Either.right(request)
    : Either.left(new InvalidRequest({ field: found[0], description: found[1] }))
}

/** Without what is `null`, on the top level only: a `null` inside an item or a JSON Schema means something. */
const encode = (
  request: ResponseRequest,
  leftOut: ReadonlySet<string>,
  more: Readonly<Record<string, unknown>>
): Either.Either<string, InvalidRequest> =>
  Either.try({
    try: () => {
      const body: Record<string, unknown> = {}
      for (const [name, value] of Object.entries(request)) {
        if (Predicate.isNotNullable(value) && !leftOut.has(name)) body[name] = value
      }
      return JSON.stringify(Object.assign(body, more))
    },
    catch: (cause) => new InvalidRequest({ field: "input", description: `cannot be written as JSON: ${String(cause)}` })
  })

const notOnSockets: ReadonlySet<string> = new Set<keyof ResponseRequest>(["background", "background_options", "stream"])

const notOverHttp: ReadonlySet<string> = new Set<keyof ResponseRequest>(["generate", "stream_id"])

/**
 * The `response.create` message of a socket, as JSON text.
 *
 * @since 0.1.0
 * @category encoding
 */
export const toFrame = (request: ResponseRequest): Either.Either<string, InvalidRequest> =>
  encode(request, notOnSockets, { type: "response.create" })

/**
 * The body of `POST /responses`, always streamed, as JSON text.
 *
 * @since 0.1.0
 * @category encoding
 */
export const toBody = (request: ResponseRequest): Either.Either<string, InvalidRequest> =>
  encode(request, notOverHttp, { stream: true })

/**
 * The input as a list of items: a string is one message of the user's.
 *
 * @since 0.1.0
 * @category getters
 */
export const items = (request: ResponseRequest): ReadonlyArray<ResponseItem> =>
  typeof request.input === "string"
    ? [{ type: "message", role: "user", content: request.input }]
    : request.input ?? []
