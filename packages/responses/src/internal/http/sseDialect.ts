/** What a text of an event stream says, in all the ways in which servers write events, whole responses and errors. */
import * as Predicate from "effect/Predicate"
import * as ResponseEvent from "../../ResponseEvent.ts"

type Json = Readonly<Record<string, unknown>>

/** In characters. What is larger is no error, and is not looked at as one. */
const maxErrorSize = 64 * 1024

const parse = (text: string): unknown => {
  try {
    return text.length > maxErrorSize ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Some gateways answer with a list of errors. */
const recordOf = (text: string): Json | undefined => {
  const value = parse(text)
  const first: unknown = Array.isArray(value) ? value[0] : value
  return Predicate.isRecord(first) ? first : undefined
}

const toFailure = (frame: Json): ResponseEvent.FailureEvent => ({
  ...frame.type === "error" ? {} : { error_type: frame.type },
  ...frame,
  type: "error"
})

/** `BadRequestError`, `invalid_request_error`: the name of an error in the place of an event's. */
const namesError = /^\w*error$/i

const isErrorType = (type: string): boolean => type.endsWith("rror") && namesError.test(type)

/** A reason without an event around it. */
const isReason = (value: Json): boolean =>
  Predicate.isNotNullable(value.error) ||
  (!Predicate.isString(value.type) && (Predicate.isNotNullable(value.message) || Predicate.isNotNullable(value.detail)))

const endOfStatus: ReadonlyMap<unknown, ResponseEvent.EndEvent["type"] | "response.failed"> = new Map([
  [undefined, "response.completed"],
  ["completed", "response.completed"],
  ["incomplete", "response.incomplete"],
  ["failed", "response.failed"],
  ["cancelled", "response.failed"]
])

/** Some servers cannot stream: they send the response as it stands at its end, or a response that fails as `error` does. */
const readWhole = (text: string): ResponseEvent.ServerEvent | string | undefined => {
  const event = ResponseEvent.read(`{"type":"response.completed","response":${text}}`)
  if (typeof event === "string" || !ResponseEvent.isEnd(event)) return undefined
  const { object, output, status } = event.response
  if (object !== "response" && !Array.isArray(output) && status === undefined) return undefined
  const type = endOfStatus.get(status ?? undefined)
  return type === undefined ? "a response that has not ended instead of its events" : { ...event, type }
}

const isObject = (text: string): boolean => text.startsWith("{") && text.endsWith("}")

/** Data that leaves its type to the field `event`. */
const readNamed = (text: string, name: string): ResponseEvent.ServerEvent | string => {
  const head = text.slice(0, -1).trimEnd()
  return ResponseEvent.read(`${head}${head === "{" ? "" : ","}"type":${JSON.stringify(name)}}`)
}

/** Says nothing. */
export const nothing = ""

/** Says that there are no more events. */
export const done = "[DONE]"

/** The name that an event has without a name. */
const isNamed = (name: string | undefined): name is string => name !== undefined && name !== "message"

const readOdd = (text: string, name: string | undefined, problem: string): ResponseEvent.ServerEvent | string => {
  if (text === done) return done
  if (name === "error") return toFailure(recordOf(text) ?? { error: text.slice(0, maxErrorSize) })
  if (text === "") return nothing
  const event = readWhole(text) ?? (isNamed(name) && isObject(text) ? readNamed(text, name) : problem)
  if (typeof event !== "string") return event
  const reason = recordOf(text)
  if (reason !== undefined && isReason(reason)) return toFailure(reason)
  // Signs of life come with any text.
  return isNamed(name) && !isObject(text) && !name.startsWith("response.") ? nothing : event
}

/** The event; or else `nothing`, `done`, or in words what the text is instead. */
export const read = (text: string, name: string | undefined): ResponseEvent.ServerEvent | string => {
  const event = text === "" ? nothing : ResponseEvent.read(text)
  if (typeof event === "string") return readOdd(text.trim(), name, event)
  if (event.type === undefined) {
    const whole = readWhole(text)
    return typeof whole === "object" ? whole : event
  }
  return (name === "error" || isErrorType(event.type)) && !ResponseEvent.isFailure(event)
    ? toFailure({ ...event })
    : event
}
