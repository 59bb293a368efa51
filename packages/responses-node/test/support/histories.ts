/** What callers make of their histories, and how servers spell them: shared by the courses. */
import type * as Dialect from "effect-responses-server/Dialect"
import * as ResponseItem from "effect-responses/ResponseItem"
import * as FastCheck from "effect/FastCheck"

/**
 * How the caller keeps the model's output: as it stands at the end, in copies, as SDKs rewrite it, or in the spelling of the
 * items' own events.
 */
export type Echo = "same" | "copy" | "stripped" | "asSent"

/** The vendor's own, and every deviation that servers are known for. */
export const dialect: FastCheck.Arbitrary<Dialect.Dialect> = FastCheck.oneof(
  { weight: 2, arbitrary: FastCheck.constant({}) },
  {
    weight: 3,
    arbitrary: FastCheck.record({
      announces: FastCheck.boolean(),
      ids: FastCheck.constantFrom("each" as const, "each" as const, "one" as const),
      ends: FastCheck.constantFrom("whole" as const, "thin" as const, "empty" as const),
      doublesCalls: FastCheck.boolean(),
      encryptsAnew: FastCheck.boolean()
    })
  }
)

export const echoed = (
  items: ReadonlyArray<ResponseItem.ResponseItem>,
  sent: ReadonlyArray<ResponseItem.ResponseItem>,
  echo: Echo
): ReadonlyArray<ResponseItem.ResponseItem> => {
  if (echo === "same") return items
  if (echo === "asSent") {
    return items.map((item) => sent.find((other) => "id" in other && "id" in item && other.id === item.id) ?? item)
  }
  const copies: Array<Record<string, unknown>> = JSON.parse(JSON.stringify(items))
  if (echo === "stripped") {
    for (const item of copies) {
      delete item["id"]
      delete item["status"]
      if (item["type"] === "message" && Array.isArray(item["content"])) {
        const texts = item["content"].map((part: { readonly text?: string }) => part.text ?? "")
        if (texts.length === 1) item["content"] = texts[0]
      }
      if (typeof item["arguments"] === "string") {
        item["arguments"] = JSON.stringify(JSON.parse(item["arguments"]), null, 1)
      }
    }
  }
  return copies as unknown as ReadonlyArray<ResponseItem.ResponseItem>
}

export const answers = (output: ReadonlyArray<ResponseItem.ResponseItem>): ReadonlyArray<ResponseItem.ResponseItem> =>
  output.flatMap((item) =>
    item.type === "function_call"
      ? [ResponseItem.functionCallOutput(item.call_id, `output of ${item.call_id}`)]
      : []
  )

export const at = (items: ReadonlyArray<unknown>, index: number) => items.length === 0 ? 0 : index % items.length

/** Turns are left out whole: reasoning alone may be missing in what a caller keeps, and then the model still has it. */
export const fromUser = (items: ReadonlyArray<ResponseItem.ResponseItem>, index: number) => {
  const start = items.findIndex((item, at) => at >= index && item.type === "message" && item.role === "user")
  return start === -1 ? [] : items.slice(start)
}

/**
 * A history that no server would take is no course: every call has its output behind it. Call ids may come again, as the
 * local server's model counts the calls that it sees.
 */
export const repaired = (items: ReadonlyArray<ResponseItem.ResponseItem>): Array<ResponseItem.ResponseItem> => {
  const open = new Map<string, number>()
  const pairs = new Set<number>()
  for (const [index, item] of items.entries()) {
    if (item.type === "function_call") open.set(item.call_id, index)
    if (item.type !== "function_call_output") continue
    const call = open.get(item.call_id)
    if (call !== undefined && open.delete(item.call_id)) pairs.add(call).add(index)
  }
  return items.filter((item, index) =>
    (item.type !== "function_call" && item.type !== "function_call_output") || pairs.has(index)
  )
}
