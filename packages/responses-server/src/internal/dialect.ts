/** The steps of a turn, as a server of another dialect takes them. */
import type { ResponseItem } from "effect-responses"
import type { Step } from "effect-responses/unstable/ResponseSteps"
import * as Predicate from "effect/Predicate"
import type { Dialect } from "../Dialect.ts"

type Json = Readonly<Record<string, unknown>>

const announcements: ReadonlySet<unknown> = new Set(["response.created", "response.queued", "response.in_progress"])

const frameOf = (step: Step): Json | undefined =>
  step._tag === "Send" && Predicate.isRecord(step.frame) ? step.frame : undefined

/** Ends that list an output. */
const outputOf = (frame: Json | undefined): ReadonlyArray<unknown> | undefined => {
  const response = frame?.["response"]
  if (frame?.["type"] !== "response.completed" && frame?.["type"] !== "response.incomplete") return undefined
  return Predicate.isRecord(response) && Array.isArray(response["output"]) ? response["output"] : undefined
}

const withFrame = (step: Step, frame: Json): Step => step._tag === "Send" ? { ...step, frame } : step

const withOutput = (step: Step, change: (output: ReadonlyArray<unknown>) => ReadonlyArray<unknown>): Step => {
  const frame = frameOf(step)
  const output = outputOf(frame)
  if (frame === undefined || output === undefined) return step
  return withFrame(step, { ...frame, response: { ...frame["response"] as Json, output: change(output) } })
}

const isCall = (item: unknown): item is Json =>
  Predicate.isRecord(item) && (item["type"] === "function_call" || item["type"] === "custom_tool_call")

const again = (item: Json): Json => ({ ...item, id: `${String(item["id"])}_again` })

const doubleCall = (step: Step): ReadonlyArray<Step> => {
  const frame = frameOf(step)
  const item = frame?.["item"]
  return frame?.["type"] === "response.output_item.done" && isCall(item)
    ? [step, withFrame(step, { ...frame, item: again(item) })]
    : [withOutput(step, (output) => output.flatMap((item) => isCall(item) ? [item, again(item)] : [item]))]
}

/** What stands behind the mark is a second spelling of the same ciphertext. */
const spellingMark = "#"

/** A ciphertext without what tells its two spellings apart. */
export const decipher = (encrypted: string): string => encrypted.split(spellingMark, 1)[0] ?? encrypted

const encryptAnew = (item: unknown): unknown =>
  Predicate.isRecord(item) && Predicate.isString(item["encrypted_content"])
    ? { ...item, encrypted_content: `${item["encrypted_content"]}${spellingMark}2` }
    : item

/** `sequence_number` counts what is sent. */
const renumber = (steps: ReadonlyArray<Step>): ReadonlyArray<Step> => {
  let next = 0
  return steps.map((step) => {
    const frame = frameOf(step)
    return frame !== undefined && Predicate.isNumber(frame["sequence_number"])
      ? withFrame(step, { ...frame, sequence_number: next++ })
      : step
  })
}

/** The steps of a turn, as a server of this dialect takes them. */
export const speak = (dialect: Dialect, steps: ReadonlyArray<Step>): ReadonlyArray<Step> => {
  const { announces = true, doublesCalls = false, encryptsAnew = false, ends = "whole" } = dialect
  let spoken = steps
  if (encryptsAnew) spoken = spoken.map((step) => withOutput(step, (output) => output.map(encryptAnew)))
  if (doublesCalls) spoken = spoken.flatMap(doubleCall)
  if (ends === "empty") spoken = spoken.map((step) => withOutput(step, () => []))
  if (ends === "thin") {
    spoken = spoken.map((step) => withOutput(step, (output) => output.length > 1 ? output.slice(0, -1) : output))
  }
  if (!announces) spoken = spoken.filter((step) => !announcements.has(frameOf(step)?.["type"]))
  return spoken === steps ? steps : renumber(spoken)
}

/** The output that the last event would list in the vendor's dialect; `undefined` where it lists that in this one, too. */
export const wholeOutput = (
  { doublesCalls = false, encryptsAnew = false, ends = "whole" }: Dialect,
  steps: ReadonlyArray<Step>
): ReadonlyArray<ResponseItem.ResponseItem> | undefined =>
  doublesCalls || encryptsAnew || ends !== "whole"
    ? steps.map((step) => outputOf(frameOf(step))).find(Predicate.isNotUndefined) as
      | ReadonlyArray<ResponseItem.ResponseItem>
      | undefined
    : undefined
