/**
 * What a server does for a turn: the life cycle of a response, frame by frame.
 *
 * @since 0.1.0
 */
import { itemFrames } from "./internal/itemFrames.ts"
import { errorFrame, madeUpUsage, resource } from "./internal/responseFrames.ts"
import * as Timeline from "./internal/timeline.ts"
import type { ResponseItem } from "./ResponseItem.ts"
import type { Context, Turn } from "./ResponseScript.ts"

/**
 * What a transport does, one after the other. A list that has no `Close` or `Cut` leaves the connection open; after
 * `Silence` nothing comes any more, and the request has no end.
 *
 * @since 0.1.0
 * @category models
 */
export type Step =
  | { readonly _tag: "Send"; readonly frame: object | string }
  | { readonly _tag: "Wait"; readonly millis: number }
  | { readonly _tag: "Silence" }
  | { readonly _tag: "Close"; readonly code: number; readonly reason: string }
  | { readonly _tag: "Cut" }

type Status = "in_progress" | "completed" | "incomplete" | "failed"

/** Fills in the call id that a constructor left open. */
const withCallId = (item: ResponseItem, suffix: string): ResponseItem =>
  (item.type === "function_call" || item.type === "custom_tool_call") && item.call_id === ""
    ? { ...item, call_id: `call_${suffix}` }
    : item

const numbered = (frame: object): Timeline.Entry => ({ _tag: "Send", frame, envelope: "numbered" })

/**
 * The life cycle of a response as a server sends it. The same turn and context always give the same steps.
 *
 * @since 0.1.0
 * @category constructors
 */
export const steps = (turn: Turn, context: Context): ReadonlyArray<Step> => {
  const { request, responseId } = context
  const warmUp = request.generate === false
  const suffix = responseId.replace(/^resp_/, "")
  const entries: Array<Timeline.Entry> = []
  const insertions: Array<{ readonly after: number; readonly entries: ReadonlyArray<Timeline.Entry> }> = []
  const output: Array<ResponseItem> = []
  let begun = false
  let ended = false

  const lifeCycle = (
    status: Status,
    more?: { readonly type?: string; readonly error?: { code: string; message: string }; readonly reason?: string }
  ) => {
    const response = resource({
      id: responseId,
      createdAt: context.createdAt,
      request,
      metadata: context.metadata ?? {},
      status,
      output: [...output],
      usage: status === "in_progress" ? null : turn.usage ?? madeUpUsage(context.input, output),
      error: more?.error ?? null,
      incompleteReason: more?.reason ?? null
    })
    entries.push(numbered({ type: more?.type ?? `response.${status}`, response }))
  }
  const begin = () => {
    if (begun) return
    begun = true
    lifeCycle("in_progress", { type: "response.created" })
    if (!warmUp) lifeCycle("in_progress")
  }
  const end = (status: Status, more?: Parameters<typeof lifeCycle>[1]) => {
    begin()
    lifeCycle(status, more)
    ended = true
  }
  const place = (after: number | undefined, more: ReadonlyArray<Timeline.Entry>) => {
    if (after === undefined) entries.push(...more)
    else insertions.push({ after, entries: more })
  }
  const insertAll = () => {
    for (const insertion of insertions.splice(0)) Timeline.insert(entries, insertion.after, insertion.entries)
  }
  const breakOff = (after: number | undefined, entry: Timeline.Entry) => {
    if (after !== undefined) {
      if (after > 0) begin()
      insertAll()
      Timeline.truncate(entries, after)
    }
    entries.push(entry)
    ended = true
  }

  for (const part of turn.parts) {
    switch (part._tag) {
      case "Item": {
        if (warmUp) break
        begin()
        const at = `${suffix}_${output.length}`
        const { frames, item } = itemFrames(withCallId(part.item, at), {
          suffix: at,
          index: output.length,
          chunkSize: turn.chunkSize ?? 16
        })
        output.push(item)
        entries.push(...frames.map(numbered))
        break
      }
      case "Raw":
        place(part.after, part.frames.map((frame) => ({ _tag: "Send", frame, envelope: "none" })))
        break
      case "Events":
        place(part.after, part.events.map(numbered))
        break
      case "Wait":
        place(part.after, [{ _tag: "Wait", millis: part.millis }])
        break
      case "Completed":
        end("completed")
        break
      case "Incomplete":
        end("incomplete", { reason: part.reason })
        break
      case "Failed":
        end("failed", { error: { code: part.code, message: part.message } })
        break
      case "Error": {
        const { shape } = part.error
        const envelope = shape === "untyped" ? "none" : shape === "flat" ? "numbered" : "lane"
        breakOff(part.after, { _tag: "Send", frame: errorFrame(part.error), envelope })
        break
      }
      case "Silence":
        breakOff(part.after, { _tag: "Silence" })
        break
      case "Close":
        breakOff(part.after, { _tag: "Close", code: part.code, reason: part.reason })
        break
      case "Drop":
        breakOff(part.after, { _tag: "Cut" })
        break
    }
  }
  if (!ended) end("completed")
  insertAll()
  return Timeline.number(entries, request.stream_id)
}
