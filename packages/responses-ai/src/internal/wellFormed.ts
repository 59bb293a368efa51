/**
 * Events and responses in which each field that the language model of `@effect/ai-openai` reads has the type that it takes
 * for granted: on any other its code throws. What is well-formed stays the same object.
 */
import type * as ResponseEvent from "effect-responses/ResponseEvent"
import type { FinalResponse } from "effect-responses/Responses"
import * as Predicate from "effect/Predicate"

type Json = Readonly<Record<string, unknown>>

/** The names of the tools that the request offers. */
export type ToolNames = ReadonlySet<string>

/** The field as it is to be; `undefined` where `internal/events` has a default, or where the schema of a part is to fail. */
type Fix = (value: unknown, tools: ToolNames) => unknown

const fields = (fixes: Readonly<Record<string, Fix>>) => (value: Json, tools: ToolNames): Json => {
  let result: Record<string, unknown> | undefined
  for (const name in fixes) {
    const before = value[name]
    const after = fixes[name]?.(before, tools)
    if (after === before) continue
    result ??= { ...value }
    result[name] = after
  }
  return result ?? value
}

/** Beyond this, what writes, compares or decodes values could overflow the stack. */
const maxDepth = 512

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === "object" && value !== null &&
  (levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1)))

/** Whether a value can be written as JSON wherever on the stack that is done. */
const isShallow = (value: unknown): boolean => !isDeeper(value, maxDepth)

/** What a part, an item, a list of items, a response and an event add to the depth of what is in them, and some more. */
const around = 16

/** Without the fields that are nested too deep. Those that hold what was made shallow before are not. */
const shallow = (value: Json, levels: number): Json =>
  Object.values(value).some((inner) => isDeeper(inner, levels))
    ? Object.fromEntries(Object.entries(value).filter(([, inner]) => !isDeeper(inner, levels)))
    : value

/** What every object has: the language model and toolkits look names up in plain objects. */
const isInherited = (name: string): boolean => name in Object.prototype

const text: Fix = (value) => Predicate.isString(value) ? value : ""

const optionalText: Fix = (value) => Predicate.isNullable(value) || Predicate.isString(value) ? value : undefined

const id: Fix = (value) => !Predicate.isString(value) ? undefined : isInherited(value) ? `_${value}` : value

const index: Fix = (value) => Number.isSafeInteger(value) && Number(value) >= 0 ? value : undefined

const count: Fix = (value) => Number.isFinite(value) ? value : undefined

/** What a `Date` can hold. In seconds. */
const time: Fix = (value) => Number.isFinite(value) && Math.abs(Number(value)) <= 8.64e12 ? value : undefined

const record = (fix: (value: Json, tools: ToolNames) => Json, otherwise: null | undefined): Fix => (value, tools) =>
  Predicate.isRecord(value) ? fix(value, tools) : otherwise

const list = (fix: (value: Json, tools: ToolNames) => Json | undefined): Fix => (value, tools) => {
  if (!Array.isArray(value)) return []
  const fixed = value.flatMap((inner: unknown): ReadonlyArray<unknown> => {
    const after = Predicate.isRecord(inner) ? fix(inner, tools) : undefined
    return after === undefined ? [] : [after]
  })
  return fixed.length === value.length && fixed.every((inner, at) => inner === value[at]) ? value : fixed
}

const isReadableAnnotation = (annotation: unknown): annotation is Json => {
  if (!Predicate.isRecord(annotation) || !isShallow(annotation)) return false
  const { file_id, filename, title, type, url } = annotation
  switch (type) {
    case "file_citation":
      return [filename, file_id].every((name) => Predicate.isNullable(name) || Predicate.isString(name))
    case "url_citation":
      return Predicate.isString(title) && Predicate.isString(url) && URL.canParse(url)
    default:
      return true
  }
}

const part: Fix = list((part, tools) => {
  switch (part["type"]) {
    case "output_text":
      return fields({ text, annotations: list((one) => isReadableAnnotation(one) ? one : undefined) })(part, tools)
    case "refusal":
      return fields({ refusal: text })(part, tools)
    default:
      return part
  }
})

/** A toolkit that does not have the tool fails, and with a name that every object has it would throw. */
const toolName: Fix = (value, tools) =>
  Predicate.isString(value) && isInherited(value) && !tools.has(value)
    ? `${value} (no tool)`
    : optionalText(value, tools)

const parse = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** Some servers send the arguments themselves. Those that could never be sent again are no JSON any more: the call fails. */
const callArguments: Fix = (value) => {
  if (Predicate.isNullable(value)) return value
  if (!Predicate.isString(value)) return isShallow(value) ? JSON.stringify(value) : "(nested too deep)"
  return value.length <= 2 * maxDepth || isShallow(parse(value)) ? value : `${value.slice(0, 100)}… (nested too deep)`
}

const itemFields: ReadonlyMap<unknown, ReturnType<typeof fields>> = new Map([
  ["message", fields({ id, content: part })],
  ["reasoning", fields({ id, summary: list(fields({ text })), encrypted_content: optionalText })],
  ["function_call", fields({ id, call_id: optionalText, name: toolName, arguments: callArguments })]
])

const anyItem = fields({ id })

const item = (value: Json, tools: ToolNames): Json =>
  (itemFields.get(value["type"]) ?? anyItem)(shallow(value, maxDepth), tools)

/** Looked up in a plain object, too. */
const reason: Fix = (value) =>
  Predicate.isString(value) && isInherited(value) ? "unknown" : optionalText(value, new Set())

const anyResponse = fields({
  created_at: time,
  output: (value, tools) => Predicate.isNullable(value) ? value : list(item)(value, tools),
  usage: record(
    fields({
      input_tokens: count,
      output_tokens: count,
      total_tokens: count,
      input_tokens_details: record(fields({ cached_tokens: count }), undefined),
      output_tokens_details: record(fields({ reasoning_tokens: count }), undefined)
    }),
    null
  ),
  incomplete_details: record(fields({ reason }), null),
  service_tier: optionalText
})

/** Its items are shallow by then, so that one that is too deep does not take the others with it. */
const whole = (value: Json, tools: ToolNames): Json => shallow(anyResponse(value, tools), maxDepth + around)

export const response = (response: FinalResponse, tools: ToolNames): FinalResponse =>
  whole(response, tools) as unknown as FinalResponse

const place = { item_id: id, output_index: index, summary_index: index }

const lifeCycle = fields({ response: record(whole, undefined) })

const ofItem = fields({ output_index: index, item: record(item, undefined) })

const eventFields: ReadonlyMap<string, ReturnType<typeof fields>> = new Map([
  ["response.created", lifeCycle],
  ["response.queued", lifeCycle],
  ["response.in_progress", lifeCycle],
  ["response.completed", lifeCycle],
  ["response.incomplete", lifeCycle],
  ["response.output_item.added", ofItem],
  ["response.output_item.done", ofItem],
  [
    "response.output_text.annotation.added",
    fields({ ...place, annotation: (value) => isReadableAnnotation(value) ? value : {} })
  ]
])

const anyEvent = fields(place)

/** Most of what comes. */
const isPlainDelta = (event: ResponseEvent.ResponseEvent): boolean =>
  event.type === "response.output_text.delta" && Predicate.isString(event.item_id) && !isInherited(event.item_id)

/** An event with something that the language model cannot be told of. */
export const isUnreadable = (event: ResponseEvent.ResponseEvent): boolean =>
  event.type === "response.output_text.annotation.added" && !isReadableAnnotation(event.annotation)

export const event = (event: ResponseEvent.ResponseEvent, tools: ToolNames): ResponseEvent.ResponseEvent => {
  if (isPlainDelta(event)) return event
  const fixed = (eventFields.get(event.type) ?? anyEvent)({ ...event }, tools)
  return shallow(fixed, maxDepth + 2 * around) as unknown as ResponseEvent.ResponseEvent
}
