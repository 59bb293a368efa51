/** The frames a server sends for one item of output, without sequence numbers. */
import type { ContentPart, ResponseItem } from "../../ResponseItem.ts"

export type Frame = { readonly type: string; readonly [field: string]: unknown }

type Json = Readonly<Record<string, unknown>>

/** How many characters the next delta has. */
export type Size = () => number

/** By code points: half of a surrogate pair is no text. */
const pieces = (text: string, size: Size): ReadonlyArray<string> => {
  const found: Array<string> = []
  let piece = ""
  let left = 0
  for (const character of text) {
    if (left <= 0) {
      if (piece !== "") found.push(piece)
      piece = ""
      left = Math.max(1, Math.floor(size()))
    }
    piece += character
    left--
  }
  return piece === "" ? found : [...found, piece]
}

const deltas = (type: string, place: Json, text: string, size: Size, more: Json = {}): ReadonlyArray<Frame> =>
  pieces(text, size).map((delta) => ({ type, ...place, delta, ...more }))

const outputPart = (part: ContentPart): ContentPart =>
  part.type === "output_text" ? { ...part, annotations: part.annotations ?? [], logprobs: part.logprobs ?? [] } : part

const contentFrames = (part: Json, at: Json, size: Size): ReadonlyArray<Frame> => {
  const whole = (begun: Json, inner: ReadonlyArray<Frame>): ReadonlyArray<Frame> => [
    { type: "response.content_part.added", ...at, part: begun },
    ...inner,
    { type: "response.content_part.done", ...at, part }
  ]
  const { refusal, text, type } = part
  if (type === "output_text" && typeof text === "string") {
    return whole({ ...part, text: "", annotations: [], logprobs: [] }, [
      ...deltas("response.output_text.delta", at, text, size, { logprobs: [] }),
      ...(Array.isArray(part["annotations"]) ? part["annotations"] : []).map((annotation: unknown, index) => ({
        type: "response.output_text.annotation.added",
        ...at,
        annotation_index: index,
        annotation
      })),
      { type: "response.output_text.done", ...at, text, logprobs: [] }
    ])
  }
  if (type === "refusal" && typeof refusal === "string") {
    return whole({ ...part, refusal: "" }, [
      ...deltas("response.refusal.delta", at, refusal, size),
      { type: "response.refusal.done", ...at, refusal }
    ])
  }
  if (type === "reasoning_text" && typeof text === "string") {
    return whole({ ...part, text: "" }, [
      ...deltas("response.reasoning_text.delta", at, text, size),
      { type: "response.reasoning_text.done", ...at, text }
    ])
  }
  return whole(part, [])
}

const summaryFrames = (text: string, at: Json, size: Size): ReadonlyArray<Frame> => [
  { type: "response.reasoning_summary_part.added", ...at, part: { type: "summary_text", text: "" } },
  ...deltas("response.reasoning_summary_text.delta", at, text, size),
  { type: "response.reasoning_summary_text.done", ...at, text },
  { type: "response.reasoning_summary_part.done", ...at, part: { type: "summary_text", text } }
]

const idPrefix: Readonly<Record<string, string>> = {
  message: "msg",
  function_call: "fc",
  custom_tool_call: "ctc",
  reasoning: "rs"
}

/** The item as it stands in the output of a response: with an id and, where the kind has one, a status. */
const finished = (item: ResponseItem, suffix: string): ResponseItem => {
  const made = `${idPrefix[item.type ?? "message"] ?? "item"}_${suffix}`
  switch (item.type) {
    case undefined:
    case "message": {
      const { content, id = made, status = "completed" } = item
      const parts: ReadonlyArray<ContentPart> = typeof content === "string"
        ? [{ type: "output_text", text: content }]
        : content
      return { ...item, type: "message", id, status, content: parts.map(outputPart) }
    }
    case "reasoning":
    case "mcp_approval_request":
    case "mcp_approval_response":
      return { ...item, id: item.id ?? made }
    default:
      return { id: made, status: "completed", ...item }
  }
}

/** The frames from `output_item.added` to `output_item.done`, and the item as the response lists it. */
export const itemFrames = (
  source: ResponseItem,
  options: { readonly suffix: string; readonly index: number; readonly size: Size }
): { readonly item: ResponseItem; readonly frames: ReadonlyArray<Frame> } => {
  const { index, size } = options
  const item = finished(source, options.suffix)
  const at = { item_id: item.id, output_index: index }
  const between = (begun: Json, inner: ReadonlyArray<Frame>) => ({
    item,
    frames: [
      { type: "response.output_item.added", output_index: index, item: { ...item, ...begun } },
      ...inner,
      { type: "response.output_item.done", output_index: index, item }
    ]
  })
  const contents = (content: ReadonlyArray<object>) =>
    content.flatMap((part, content_index) => contentFrames({ ...part }, { ...at, content_index }, size))

  switch (item.type) {
    case undefined:
    case "message":
      return between(
        { status: "in_progress", content: [] },
        typeof item.content === "string" ? [] : contents(item.content)
      )
    case "function_call":
      return between({ status: "in_progress", arguments: "" }, [
        ...deltas("response.function_call_arguments.delta", at, item.arguments, size),
        { type: "response.function_call_arguments.done", ...at, name: item.name, arguments: item.arguments }
      ])
    case "custom_tool_call":
      return between({ status: "in_progress", input: "" }, [
        ...deltas("response.custom_tool_call_input.delta", at, item.input, size),
        { type: "response.custom_tool_call_input.done", ...at, input: item.input }
      ])
    case "reasoning":
      return between({ summary: [], ...(item.content === undefined ? {} : { content: [] }) }, [
        ...item.summary.flatMap((part, summary_index) => summaryFrames(part.text, { ...at, summary_index }, size)),
        ...contents(item.content ?? [])
      ])
    default:
      return between({ status: "in_progress" }, [])
  }
}
