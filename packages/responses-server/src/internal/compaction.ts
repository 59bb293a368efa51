/** Windows that stand for what they leave out. */
import { ResponseItem, type ResponseRequest, ResponseScript } from "effect-responses"
import * as Predicate from "effect/Predicate"
import { Buffer } from "node:buffer"
import * as Context from "../Context.ts"

type Item = ResponseItem.ResponseItem

const standIn = (items: ReadonlyArray<Item>, id: string): Item =>
  ResponseItem.unknown({
    type: "compaction",
    id,
    encrypted_content: Buffer.from(`compacted:${Context.hash(items)}`).toString("base64")
  })

/** About four characters a token. */
const tokens = (items: ReadonlyArray<Item>): number => Math.ceil(JSON.stringify(items).length / 4)

const threshold = ({ context_management }: ResponseRequest.ResponseRequest): number => {
  const found = (context_management ?? []).find((one) => Reflect.get(one, "type") === "compaction")
  const value: unknown = found === undefined ? undefined : Reflect.get(found, "compact_threshold")
  return Predicate.isNumber(value) ? value : Number.POSITIVE_INFINITY
}

/** What a server puts out first, and goes on from, when it was asked to keep the context small, and it no longer is. */
export const compacted = (
  request: ResponseRequest.ResponseRequest,
  input: ReadonlyArray<Item>,
  responseId: string
): Item | undefined =>
  Predicate.isNullable(request.context_management) || request.generate === false || tokens(input) <= threshold(request)
    ? undefined
    : standIn(input, responseId.replace(/^resp_/, "cmp_"))

/** What a server puts out alone, and goes on from, when the last item of the input asks for it. */
export const triggered = (request: ResponseRequest.ResponseRequest, input: ReadonlyArray<Item>, responseId: string) => {
  if (input.at(-1)?.type !== "compaction_trigger" || request.generate === false) return undefined
  const item = standIn(input.slice(0, -1), responseId.replace(/^resp_/, "cmp_"))
  return ResponseScript.turn([
    ResponseScript.item(item),
    // After `response.created`, `response.in_progress` and `response.output_item.added`.
    ResponseScript.events([{ type: "response.compaction.compacting", output_index: 0 }], { after: 3 })
  ])
}

/** What the caller goes on with by itself: its own messages, and one stand-in for everything. */
export const window = (items: ReadonlyArray<Item>, id: string): ReadonlyArray<Item> => [
  ...items.filter((item) => (item.type === undefined || item.type === "message") && item.role === "user"),
  standIn(items, id)
]
