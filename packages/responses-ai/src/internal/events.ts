/** Events and responses as `@effect/ai-openai` has them: decoded where its decoder takes them, made readable where not. */
import * as Generated from "@effect/ai-openai/Generated"
import { ResponseStreamEvent } from "@effect/ai-openai/OpenAiClient"
import type * as ResponseEvent from "effect-responses/ResponseEvent"
import type { FinalResponse } from "effect-responses/Responses"
import * as Either from "effect/Either"
import { identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

type Json = Readonly<Record<string, unknown>>

/** What a server may leave out of a response, and the language model cannot do without. */
export interface Defaults {
  readonly model: string
  /** In seconds. */
  readonly createdAt: number
}

type Decode = (event: unknown) => Either.Either<ResponseStreamEvent, unknown>

/** Schemas throw where the type of a variant is an object that has a `toString` of its own. */
const decoder = <A>(schema: Schema.Schema<A, unknown>) => {
  const decode = Schema.decodeUnknownEither<A, unknown>(schema)
  return (value: unknown): Either.Either<A, unknown> => Either.flatMap(Either.try(() => decode(value)), identity)
}

const decoders: ReadonlyMap<string, Decode> = new Map(
  ResponseStreamEvent.members.map((member): [string, Decode] => [
    member.fields.type.literals[0],
    decoder<ResponseStreamEvent>(member as Schema.Schema<ResponseStreamEvent, unknown>)
  ])
)

/** Whether `@effect/ai-openai` has no type for the event. */
export const isUnknown = (event: ResponseEvent.ResponseEvent): boolean => !decoders.has(event.type)

const idAt = (index: unknown): string => `item_${Predicate.isNumber(index) ? index : 0}`

/** Models and servers say that there are no arguments with an empty text or with `null`. The language model takes neither. */
const argumentsOf = (text: unknown): unknown =>
  Predicate.isNullable(text) || (Predicate.isString(text) && ["", "null"].includes(text.trim())) ? "{}" : text

const withArguments = (item: unknown): unknown =>
  Predicate.isRecord(item) && item["type"] === "function_call"
    ? { ...item, arguments: argumentsOf(item["arguments"]) }
    : item

const withCalls = (response: unknown): unknown =>
  Predicate.isRecord(response) && Array.isArray(response["output"])
    ? { ...response, output: response["output"].map(withArguments) }
    : response

/** The events that have whole arguments. */
const withWholeArguments: ReadonlyMap<string, (event: Json) => Json> = new Map<string, (event: Json) => Json>([
  ["response.output_item.done", (event) => ({ ...event, item: withArguments(event["item"]) })],
  [
    "response.function_call_arguments.done",
    (event) => ({ ...event, arguments: argumentsOf(event["arguments"]) })
  ],
  ["response.completed", (event) => ({ ...event, response: withCalls(event["response"]) })],
  ["response.incomplete", (event) => ({ ...event, response: withCalls(event["response"]) })]
])

const readableItem = (item: Json, index: unknown): Json => ({
  ...item,
  id: Predicate.isString(item["id"]) ? item["id"] : idAt(index),
  ...item["type"] === "reasoning" && !Array.isArray(item["summary"]) ? { summary: [] } : {},
  ...item["type"] === "message" && Array.isArray(item["content"])
    ? { content: item["content"].map((part: Json) => ({ annotations: [], ...part })) }
    : {}
})

const readableResponse = (response: Json, { createdAt, model }: Defaults): Json => ({
  ...response,
  created_at: Predicate.isNumber(response["created_at"]) ? response["created_at"] : createdAt,
  model: Predicate.isString(response["model"]) ? response["model"] : model,
  output: Array.isArray(response["output"]) ? response["output"].map(readableItem) : []
})

const readable = (event: Json, defaults: Defaults): Json => {
  const { item, item_id, output_index, response, summary_index } = event
  if (Predicate.isRecord(response)) return { ...event, response: readableResponse(response, defaults) }
  return {
    ...event,
    ...Predicate.isRecord(item) ? { item: readableItem(item, output_index) } : {},
    item_id: item_id ?? idAt(output_index),
    summary_index: summary_index ?? 0
  }
}

/** Most of what comes, and no decoder makes anything else of it. */
const isPlainDelta = (event: ResponseEvent.ResponseEvent): boolean =>
  (event.type === "response.output_text.delta" || event.type === "response.function_call_arguments.delta") &&
  Predicate.isString(event.item_id)

/**
 * What the decoder refuses is passed on too, in the type that it would have: the language model looks at few fields, and
 * leaves alone what it does not know.
 */
export const toStreamEvent = (event: ResponseEvent.ResponseEvent, defaults: Defaults): ResponseStreamEvent => {
  const decode = decoders.get(event.type)
  if (decode === undefined || isPlainDelta(event)) return event as unknown as ResponseStreamEvent
  const whole = withWholeArguments.get(event.type)?.({ ...event }) ?? { ...event }
  return Either.getOrElse(decode(whole), () => readable(whole, defaults) as unknown as ResponseStreamEvent)
}

export type Redact = ((text: string) => string) | undefined

/** `@effect/ai` puts the id and the model on its spans. */
const withoutSecrets = <R extends ResponseEvent.Response>(response: R, redact: NonNullable<Redact>): R => {
  const id = redact(response.id)
  const model = Predicate.isString(response.model) ? redact(response.model) : response.model
  return id === response.id && model === response.model ? response : { ...response, id, model }
}

/** The event with the secrets of the request taken out of the response's id and model, where a server put them. */
export const shown = (event: ResponseEvent.ResponseEvent, redact: Redact): ResponseEvent.ResponseEvent => {
  if (redact === undefined || !("response" in event) || !isResponse(event.response)) return event
  const response = withoutSecrets(event.response, redact)
  return response === event.response ? event : { ...event, response }
}

const isResponse = (value: unknown): value is ResponseEvent.Response =>
  Predicate.isRecord(value) && Predicate.isString(value["id"])

const decodeResponse = decoder<Generated.Response>(Generated.Response as Schema.Schema<Generated.Response, unknown>)

export const toResponse = (final: FinalResponse, defaults: Defaults, redact: Redact): Generated.Response => {
  const response = redact === undefined ? final : withoutSecrets(final, redact)
  const whole = { ...response, output: Array.isArray(response.output) ? response.output.map(withArguments) : [] }
  return Either.getOrElse(
    decodeResponse(whole),
    () => readableResponse(whole, defaults) as unknown as Generated.Response
  )
}
