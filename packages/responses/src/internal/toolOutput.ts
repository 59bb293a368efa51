/** Whether what a tool gave can be sent: what the API refuses would be refused with every later request as well. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as ResponseTool from "../ResponseTool.ts"
import * as Writable from "./writable.ts"

/** What the API takes as the text of an output, in characters. */
const maxLength = 10 * 1024 * 1024

/** The fields of which a part of the type needs one. */
const contents = new Map<unknown, ReadonlyArray<string>>([
  ["input_text", ["text"]],
  ["input_image", ["image_url", "file_id"]],
  ["input_file", ["file_data", "file_id", "file_url"]]
])

const isPart = (part: unknown): boolean =>
  Predicate.isRecord(part) && Predicate.isString(part["type"]) &&
  contents.get(part["type"])?.some((field) => Predicate.isString(part[field])) !== false

const problem = (output: unknown): string | undefined => {
  if (Predicate.isString(output)) {
    return output.length > maxLength
      ? `its result has ${output.length} characters, and the API takes ${maxLength}`
      : undefined
  }
  if (!Array.isArray(output) || output.length === 0) return "its result is neither a text nor a list of content parts"
  const index = output.findIndex((part) => !isPart(part))
  if (index >= 0) return `part ${index} of its result is no content part, or has no content`
  return Writable.isWritable(output) ? undefined : "its result cannot be written as JSON"
}

const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, "\uFFFD")

/** Half of a character, as from a text cut at a length, is no Unicode, and servers refuse it. */
const repaired = (output: ResponseTool.CallOutput): ResponseTool.CallOutput =>
  Predicate.isString(output.output) ? { ...output, output: wellFormed(output.output) } : output

/** Answers a call with what can be sent again. */
export const answer = <T extends ResponseTool.Any>(
  tools: ReadonlyArray<T>,
  call: ResponseTool.Call,
  onFailure: "output" | "fail"
): Effect.Effect<ResponseTool.CallOutput, ResponseTool.ToolFailed, ResponseTool.Requirements<T>> =>
  Effect.flatMap(ResponseTool.answer(tools, call, onFailure), (output) => {
    const description = problem(output.output)
    if (description === undefined) return Effect.succeed(repaired(output))
    return onFailure === "output"
      ? Effect.succeed(ResponseTool.output(call, `Error: ${description}`))
      : Effect.fail(
        new ResponseTool.ToolFailed({ name: call.name, callId: call.call_id, reason: "BadOutput", description })
      )
  })
