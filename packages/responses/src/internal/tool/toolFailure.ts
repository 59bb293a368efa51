/**
 * How a call has failed, in words that a model may read: short, and without stack traces, schemas and other insides of the
 * program. The details are in `cause`.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import type { CustomToolCall, FunctionCall } from "../../ResponseItem.ts"
import { ToolFailed } from "../../ResponseToolError.ts"
import * as Redact from "../wire/redact.ts"

type Call = FunctionCall | CustomToolCall

/** In characters. */
const maxText = 1000

/** In characters, of what is said of one argument. */
const maxLine = 200

/** Arguments of which something is said. */
const maxLines = 8

/** Servers leave out what they should not. */
export const said = (text: unknown): string => Predicate.isString(text) ? text : ""

export const make = (call: Call, reason: ToolFailed["reason"], description: string, cause?: unknown): ToolFailed =>
  new ToolFailed({
    name: said(call.name),
    callId: said(call.call_id),
    reason,
    description: Redact.cut(description, maxText),
    cause
  })

/** What `Schema` says of a value, where nobody has written another message. */
const expected = /^(?:Expected ([^]*?), actual|Unable to decode [^]* into) ?([^]*)$/

/** As much of a message as is searched, in characters: twice as long may take four times as long. */
const maxSearched = 4000

/** What `JSON.parse` says ends with a part of the text. */
const withoutSnippet = (message: string): string =>
  message.slice(0, maxSearched).replace(/, (?:\.\.\.)?"[^]* is not valid JSON$/, "")

/** A model has the parameters as JSON Schema. Their TypeScript says nothing to it. */
const kindOf = (type: string): string =>
  type.startsWith("{") ? "an object" : /^(?:ReadonlyArray<|readonly \[)/.test(type) ? "a list" : type

const lineOf = ({ message, path }: ParseResult.ArrayFormatterIssue): string => {
  const [whole, type, target = ""] = expected.exec(message) ?? []
  const line = whole === undefined ? withoutSnippet(message) : `expected ${type === undefined ? target : kindOf(type)}`
  return Redact.cut(path.length === 0 ? line : `${path.map(String).join(".")}: ${line}`, maxLine)
}

/** One line for each problem. The values are left out. */
const linesOf = (issues: ReadonlyArray<ParseResult.ArrayFormatterIssue>): string => {
  const lines = [...new Set(issues.map(lineOf))]
  const more = lines.length > maxLines ? [`and ${lines.length - maxLines} more`] : []
  return ["the arguments do not fit", ...lines.slice(0, maxLines), ...more].join("\n")
}

export const ofText = (call: Call, description: string): ToolFailed =>
  make(call, "BadArguments", withoutSnippet(description))

/** A message of a schema may be an effect. One that fails must not hide the failure. */
export const ofArguments = (call: Call, error: ParseResult.ParseError): Effect.Effect<ToolFailed> =>
  ParseResult.ArrayFormatter.formatError(error).pipe(
    Effect.map(linesOf),
    Effect.catchAllCause(() => Effect.succeed("the arguments do not fit")),
    Effect.map((description) => make(call, "BadArguments", description, error))
  )

const failedOnly = "the tool failed"

/**
 * An error whose class has no message of its own: `Schema.TaggedError` writes down all its fields then, and those of
 * `effect` that wrap an unknown error or describe a schema speak of the program.
 */
const isMute = (error: Error): boolean =>
  ParseResult.isParseError(error) || Cause.isUnknownException(error) || /^\{ [^]* \}$/.test(error.message)

/** A message that was put together from an error's `stack`. */
const withoutStack = (text: string): string => text.trim().slice(0, maxSearched).replace(/\n\s+at [^]*$/, "")

const wordsOf = (error: unknown): string => {
  if (Predicate.isString(error)) return withoutStack(error) || failedOnly
  if (!(error instanceof Error)) return failedOnly
  if (isMute(error)) return failedOnly
  // The tag of an error without a message is a word of the program's author.
  const tag = Predicate.hasProperty(error, "_tag") ? said(error._tag) : ""
  return withoutStack(said(error.message)) || tag || failedOnly
}

const isUnfinished = "and may have done its work or a part of it"

export const ofTimeout = (call: Call, timeout: string): ToolFailed =>
  make(call, "TimedOut", `the tool had no result within ${timeout}, was stopped, ${isUnfinished}`)

/** A handler may fail with anything. */
export const ofCause = (call: Call, cause: Cause.Cause<unknown>): ToolFailed =>
  Option.match(Cause.failureOption(cause), {
    onSome: (error) => error instanceof ToolFailed ? error : make(call, "HandlerFailed", wordsOf(error), error),
    onNone: () =>
      Cause.isInterruptedOnly(cause)
        ? make(call, "HandlerInterrupted", `the tool was interrupted, ${isUnfinished}`)
        : make(call, "HandlerDied", `${failedOnly}, ${isUnfinished}`, Cause.squash(cause))
  })
