/** The result of a handler as the output that the API takes. What it refuses once it refuses with every later turn. */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type { ContentPart } from "../../ResponseItem.ts"
import { isWritable } from "../wire/writable.ts"

export type Output = string | ReadonlyArray<ContentPart>

export interface Problem {
  readonly description: string
  readonly cause?: unknown
}

/** The API's limit for the text of an output, in characters. */
const maxText = 10_485_760

/** The API's limit for all of a request, in characters of the parts' JSON. */
const maxParts = 52_428_800

/** Half of a pair has no encoding: a JSON parser refuses the whole request. */
const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, "\uFFFD")

/** Shortens and repairs what is said of a failure, so that the API takes it. */
export const fit = (text: string): string => wellFormed(text).slice(0, maxText)

const fromText = (text: string): Either.Either<string, Problem> =>
  text.length > maxText
    ? Either.left({ description: `its result has ${text.length} characters, and the API takes at most ${maxText}` })
    : Either.right(wellFormed(text))

const toJson = (value: unknown): Either.Either<string, Problem> =>
  Either.try({
    try: () => JSON.stringify(value) ?? "null",
    catch: (cause) => ({ description: "its result cannot be written as JSON", cause })
  })

/** Each kind of part, and the fields of which it needs one. */
const sources: Readonly<Record<string, ReadonlyArray<string>>> = {
  input_text: ["text"],
  input_image: ["image_url", "file_id"],
  input_file: ["file_data", "file_url", "file_id"]
}

const sourcesOf = (part: unknown): ReadonlyArray<string> | undefined =>
  Predicate.isRecord(part) && Predicate.isString(part["type"]) && Object.hasOwn(sources, part["type"])
    ? sources[part["type"]]
    : undefined

/** Deeper than any part of the API, and shallow enough to be written wherever it is sent. */
const maxNesting = 16

const problemOf = (part: unknown, index: number): Problem | undefined => {
  const names = sourcesOf(part)
  const what = `part ${index} of its result`
  if (names === undefined || !Predicate.isRecord(part)) {
    return { description: `${what} is none of ${Object.keys(sources).join(", ")}` }
  }
  if (!names.some((name) => Predicate.isString(part[name]))) {
    return { description: `${what}, ${String(part["type"])}, needs a text as ${names.join(" or ")}` }
  }
  if (Predicate.isString(part["text"]) && part["text"].length > maxText) {
    return { description: `${what} has more than ${maxText} characters` }
  }
  return isWritable(part, maxNesting) ? undefined : { description: `${what} is nested too deeply` }
}

const isParts = (value: unknown): value is ReadonlyArray<unknown> =>
  Array.isArray(value) && value.some((part) => sourcesOf(part) !== undefined)

/** Of the parts as JSON has them, which is what is kept and sent. */
const fromParts = (json: string): Either.Either<Output, Problem> => {
  if (json.length > maxParts) {
    const description = `the parts of its result have ${json.length} characters, and the API takes at most ${maxParts}`
    return Either.left({ description })
  }
  const parts: ReadonlyArray<unknown> = JSON.parse(json)
  const problem = parts.map(problemOf).find((found) => found !== undefined)
  return problem === undefined
    ? Either.right(JSON.parse(json, (_, value: unknown) => Predicate.isString(value) ? wellFormed(value) : value))
    : Either.left(problem)
}

/**
 * Text is sent as it is. A list in which anything is a content part is a list of content parts. Everything else is sent as
 * JSON, `undefined` as `null`.
 */
export const make = (value: unknown): Either.Either<Output, Problem> => {
  if (Predicate.isString(value)) return fromText(value)
  if (typeof value === "function" || typeof value === "symbol") {
    return Either.left({ description: `its result is a ${typeof value}, which JSON does not have` })
  }
  return Either.flatMap(toJson(value), isParts(value) ? fromParts : fromText)
}
