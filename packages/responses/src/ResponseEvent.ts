/**
 * What a server sends while a response runs. Known events are typed, unknown ones are passed on as they came, and an
 * event is always the very object that `JSON.parse` made of its frame.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as FrameLimit from "./internal/wire/frameLimit.ts"
import { type ContentPart, ResponseItem, type UnknownPart, type UnknownType } from "./ResponseItem.ts"
import { type Delivery, MalformedEvent } from "./ResponsesError.ts"

/**
 * Tokens, as the server counted them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Usage {
  readonly input_tokens: number
  readonly output_tokens: number
  readonly total_tokens: number
  readonly input_tokens_details?: { readonly cached_tokens?: number | undefined } | undefined
  readonly output_tokens_details?: { readonly reasoning_tokens?: number | undefined } | undefined
}

/**
 * A response as it stands at the time of an event. Every field the server sent is there; the ones this library or most
 * programs look at have a type.
 *
 * @since 0.1.0
 * @category models
 */
export interface Response {
  readonly id: string
  readonly status?: "in_progress" | "queued" | "completed" | "incomplete" | "failed" | "cancelled" | undefined
  readonly model?: string | undefined
  /**
   * As the server sent it, `null` and entries that are no objects included. Some servers leave it out even at the end:
   * `Responses.create` puts it together then.
   */
  readonly output?: ReadonlyArray<ResponseItem> | null | undefined
  readonly usage?: Usage | null | undefined
  readonly error?:
    | { readonly code?: string | null | undefined; readonly message?: string | undefined }
    | null
    | undefined
  readonly incomplete_details?: { readonly reason?: string | undefined } | null | undefined
  readonly previous_response_id?: string | null | undefined
  readonly metadata?: Readonly<Record<string, string>> | null | undefined
  readonly [field: string]: unknown
}

/**
 * @since 0.1.0
 * @category schemas
 */
export const Response: Schema.Schema<Response> = Schema.declare(
  (value): value is Response =>
    Predicate.isRecord(value) && Predicate.isString(value["id"]) && value["id"] !== "" &&
    (Predicate.isNullable(value["output"]) || Array.isArray(value["output"])),
  // The default message holds the value, and to write one that is nested too deep throws.
  { identifier: "Response", message: () => "Expected a response: an object with an id, and no output but a list" }
)

/** Where in the output an event belongs. */
const place = {
  item_id: Schema.optional(Schema.String),
  output_index: Schema.optional(Schema.Number),
  content_index: Schema.optional(Schema.Number),
  summary_index: Schema.optional(Schema.Number)
}

const Part: Schema.Schema<ContentPart> = Schema.declare((value): value is ContentPart => Predicate.isRecord(value))

/** As lenient as for other parts: nothing but its owner depends on it. */
const SummaryPart: Schema.Schema<{ readonly type: "summary_text"; readonly text: string } | UnknownPart> = Schema
  .declare((value): value is { readonly type: "summary_text"; readonly text: string } | UnknownPart =>
    Predicate.isRecord(value)
  )

const text = { ...place, text: Schema.String }
const delta = { ...place, delta: Schema.String }
const part = { ...place, part: Part }
const summaryPart = { ...place, part: SummaryPart }
const item = { output_index: place.output_index, item: ResponseItem }

/** The one list of known events. A field is required where an event without it would mean nothing. */
const fields = {
  "response.created": { response: Response },
  "response.queued": { response: Response },
  "response.in_progress": { response: Response },
  "response.completed": { response: Response },
  "response.incomplete": { response: Response },
  "response.output_item.added": item,
  "response.output_item.done": item,
  "response.content_part.added": part,
  "response.content_part.done": part,
  "response.output_text.delta": delta,
  "response.output_text.done": text,
  "response.output_text.annotation.added": { ...place, annotation: Schema.Unknown },
  "response.refusal.delta": delta,
  "response.refusal.done": { ...place, refusal: Schema.String },
  "response.function_call_arguments.delta": delta,
  "response.function_call_arguments.done": { ...place, arguments: Schema.String },
  "response.custom_tool_call_input.delta": delta,
  "response.custom_tool_call_input.done": { ...place, input: Schema.String },
  "response.reasoning_summary_part.added": summaryPart,
  "response.reasoning_summary_part.done": summaryPart,
  "response.reasoning_summary_text.delta": delta,
  "response.reasoning_summary_text.done": text,
  "response.reasoning_text.delta": delta,
  "response.reasoning_text.done": text
} as const

type Fields = typeof fields

/**
 * @since 0.1.0
 * @category models
 */
export type KnownType = keyof Fields

interface Envelope {
  readonly sequence_number?: number | undefined
  /** That of the request; absent if it had none. */
  readonly stream_id?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type KnownEvent = {
  readonly [T in KnownType]: { readonly type: T } & Envelope & Schema.Struct.Type<Fields[T]>
}[KnownType]

/**
 * An event of a type that this version does not know, as it came.
 *
 * @since 0.1.0
 * @category models
 */
export interface UnknownEvent extends Envelope {
  readonly type: UnknownType
  readonly [field: string]: unknown
}

/**
 * An event of a stream. Failures are none: `response.failed` and `error` frames fail the stream.
 *
 * @example
 * ```ts
 * import type { ResponseEvent } from "effect-responses"
 *
 * export const render = (event: ResponseEvent.ResponseEvent): string => {
 *   switch (event.type) {
 *     case "response.output_text.delta":
 *       return event.delta
 *     case "response.completed":
 *       return `\n(${event.response.usage?.output_tokens ?? 0} tokens)\n`
 *     default:
 *       return ""
 *   }
 * }
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export type ResponseEvent = KnownEvent | UnknownEvent

/**
 * The event of one type.
 *
 * @since 0.1.0
 * @category models
 */
export type Of<T extends KnownType> = Extract<KnownEvent, { readonly type: T }>

/**
 * The event that ends a stream.
 *
 * @since 0.1.0
 * @category models
 */
export type EndEvent = Of<"response.completed"> | Of<"response.incomplete">

/**
 * A frame that fails the request it belongs to: `response.failed`, or an error in any of its shapes.
 *
 * @since 0.1.0
 * @category models
 */
export interface FailureEvent extends Envelope {
  readonly type?: "response.failed" | "error" | undefined
  readonly [field: string]: unknown
}

/**
 * Everything a server sends.
 *
 * @since 0.1.0
 * @category models
 */
export type ServerEvent = ResponseEvent | FailureEvent

/**
 * @since 0.1.0
 * @category refinements
 */
export const isFailure = (event: ServerEvent): event is FailureEvent =>
  event.type === "response.failed" || event.type === "error" || event.type === undefined

/**
 * Whether a response ends with this event. Also takes the events of a `Conversation`.
 *
 * @since 0.1.0
 * @category refinements
 */
export const isEnd = (event: { readonly type?: string | undefined }): event is EndEvent =>
  event.type === "response.completed" || event.type === "response.incomplete"

/**
 * Whether nothing more comes for the request, whatever the transport.
 *
 * @since 0.1.0
 * @category refinements
 */
export const isTerminal = (event: ServerEvent): event is EndEvent | FailureEvent => isEnd(event) || isFailure(event)

/**
 * Whether the event carries something of the answer, rather than the news that the server is at work.
 *
 * @since 0.1.0
 * @category refinements
 */
export const isOutput = (event: ServerEvent): boolean => !isTerminal(event) && !progress.has(event.type)

const progress: ReadonlySet<string> = new Set([
  "response.created",
  "response.queued",
  "response.in_progress",
  "keepalive",
  "codex.rate_limits",
  "responsesapi.websocket_timing"
])

/**
 * @since 0.1.0
 * @category refinements
 */
export const isUnknown = (event: ResponseEvent): event is UnknownEvent => !Object.hasOwn(fields, event.type)

/**
 * The id of the response an event speaks of, where it says so.
 *
 * @since 0.1.0
 * @category getters
 */
export const responseId = (event: ServerEvent): string | undefined => {
  const { response, response_id } = event as { readonly response?: unknown; readonly response_id?: unknown }
  return (Predicate.isRecord(response) ? idOf(response["id"]) : undefined) ?? idOf(response_id)
}

/** An empty id names nothing. */
const idOf = (value: unknown): string | undefined => Predicate.isString(value) && value !== "" ? value : undefined

/**
 * The full schema of the known events and, last, of any object with a `type`. Decoding with it keeps what it does not
 * know; streams do not pay for it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ResponseEvent: Schema.Schema<ResponseEvent> = Schema.declare(
  (value): value is ResponseEvent =>
    Predicate.isRecord(value) && Predicate.isString(value["type"]) &&
    !isFailure(value as ServerEvent) && missing(value as { readonly type: string }) === undefined,
  { identifier: "ResponseEvent", message: () => "Expected an event of a response" }
)

interface Check {
  readonly type: string
  /** The field that is missing. */
  readonly missing: (event: object) => string | undefined
}

const stringField = (name: string): Check["missing"] => (event) =>
  typeof (event as Readonly<Record<string, unknown>>)[name] === "string" ? undefined : name

/**
 * The required fields of each known type, checked by hand: a schema's full parser costs ten times `JSON.parse`. By the length
 * of the type, as a Map would have to hash each type anew, which takes longer than to compare it.
 */
const checks: Array<Array<Check>> = []

for (const [type, shape] of Object.entries(fields)) {
  const required = Object.entries(shape).filter((entry): entry is [string, Schema.Schema<unknown>] =>
    Schema.isSchema(entry[1])
  ).map(([name, schema]) => [name, schema === Schema.String ? Predicate.isString : Schema.is(schema)] as const)
  const [only] = required
  const sameLength = checks[type.length] ??= []
  sameLength.push({
    type,
    // Deltas, which are most of what comes, have one string.
    missing: required.length === 1 && only !== undefined && only[1] === Predicate.isString
      ? stringField(only[0])
      : (event) => required.find(([name, is]) => !is(Reflect.get(event, name)))?.[0]
  })
}

const missing = (event: { readonly type: string }): string | undefined => {
  for (const check of checks[event.type.length] ?? []) {
    if (check.type === event.type) return check.missing(event)
  }
  return undefined
}

/**
 * The event of a frame, or in words what the frame is instead. `decode` makes an error of these.
 *
 * @since 0.1.0
 * @category decoding
 */
export const read = (frame: string): ServerEvent | string => {
  if (FrameLimit.hasTooManyValues(frame)) return `a message of more than ${FrameLimit.maxMarks} values`
  let value: unknown
  try {
    value = JSON.parse(frame)
  } catch {
    return "a message that is not JSON"
  }
  if (!Predicate.isRecord(value)) return "a message that is not an object"
  const { error, type } = value
  if (type === undefined && Predicate.isNotNullable(error)) return value
  if (!Predicate.isString(type)) return "a message without a type"
  const field = missing(value as { readonly type: string })
  return field === undefined ? value : `${type} without a valid \`${field}\``
}

/**
 * The event of a frame (or of the `data` of an SSE message). `delivery` is what to say of the request if it is none.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (frame: string, delivery: Delivery): Either.Either<ServerEvent, MalformedEvent> => {
  const event = read(frame)
  return typeof event === "string"
    ? Either.left(new MalformedEvent({ description: event, frame: frame.slice(0, 200), delivery }))
    : Either.right(event)
}
