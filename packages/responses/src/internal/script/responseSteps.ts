/** What a server does for a turn: the life cycle of a response, frame by frame. */
import type { ResponseItem } from "../../ResponseItem.ts"
import * as ResponseScript from "../../ResponseScript.ts"
import { badFrame } from "./badFrames.ts"
import * as FakeTokens from "./fakeTokens.ts"
import { itemFrames, type Size } from "./itemFrames.ts"
import { errorFrame, madeUpUsage, resource } from "./responseFrames.ts"
import * as ScriptSteps from "./scriptSteps.ts"
import { numbers } from "./seededRandom.ts"

type Status = "queued" | "in_progress" | "completed" | "incomplete" | "failed"

/** Fills in the call id that a constructor left open. */
const withCallId = (item: ResponseItem, suffix: string): ResponseItem =>
  (item.type === "function_call" || item.type === "custom_tool_call") && item.call_id === ""
    ? { ...item, call_id: `call_${suffix}` }
    : item

const numbered = (frame: object): ScriptSteps.Entry => ({ _tag: "Send", frame, envelope: "numbered" })

const sizes = (turn: ResponseScript.Turn, seed: number | undefined): Size => {
  const { chunkSize } = turn
  if (chunkSize !== undefined || seed === undefined) return () => chunkSize ?? 16
  const next = numbers(seed)
  return () => 1 + Math.floor(next() * 32)
}

/** The life cycle of a response as a server sends it. The same turn and context always give the same steps. */
export const steps = (turn: ResponseScript.Turn, context: ResponseScript.Context): ReadonlyArray<ScriptSteps.Step> => {
  const { request, responseId } = context
  const warmUp = request.generate === false
  const suffix = responseId.replace(/^resp_/, "")
  const size = sizes(turn, context.seed)
  const entries: Array<ScriptSteps.Entry> = []
  const insertions: Array<{ readonly after: number; readonly entries: ReadonlyArray<ScriptSteps.Entry> }> = []
  const output: Array<ResponseItem> = []
  let tokensLeft = request.max_output_tokens ?? Number.POSITIVE_INFINITY
  let begun = false
  let ended = false
  let exhausted = false

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
      usage: status === "in_progress" || status === "queued" ? null : turn.usage ?? madeUpUsage(context, output),
      error: more?.error ?? null,
      incompleteReason: more?.reason ?? null
    })
    entries.push(numbered({ type: more?.type ?? `response.${status}`, response }))
  }
  const begin = () => {
    if (begun) return
    begun = true
    lifeCycle(turn.queued === true ? "queued" : "in_progress", { type: "response.created" })
    if (turn.queued === true) lifeCycle("queued")
    if (!warmUp) lifeCycle("in_progress")
  }
  const end = (status: Status, more?: Parameters<typeof lifeCycle>[1]) => {
    if (exhausted) return
    begin()
    lifeCycle(status, more)
    ended = true
  }
  const put = (item: ResponseItem, at: string) => {
    const made = itemFrames(item, { suffix: at, index: output.length, size })
    output.push(made.item)
    entries.push(...made.frames.map(numbered))
  }
  const place = (after: number | undefined, more: ReadonlyArray<ScriptSteps.Entry>) => {
    if (after === undefined) entries.push(...more)
    else insertions.push({ after, entries: more })
  }
  const insertAll = () => {
    for (const insertion of insertions.splice(0)) ScriptSteps.insert(entries, insertion.after, insertion.entries)
  }
  const breakOff = (after: number | undefined, entry: ScriptSteps.Entry) => {
    if (after !== undefined) {
      if (after > 0) begin()
      insertAll()
      ScriptSteps.truncate(entries, after)
    }
    entries.push(entry)
    ended = true
  }
  const breakOffWithin = (after: number | undefined, bytes: number) => {
    insertAll()
    const at = after ?? ScriptSteps.count(entries)
    // So that there is a frame to break off in.
    if (!ended) end("completed")
    ScriptSteps.cutWithin(entries, at, bytes)
    ended = true
  }

  for (const part of turn.parts) {
    switch (part._tag) {
      case "Item": {
        if (warmUp || exhausted) break
        begin()
        const at = `${suffix}_${output.length}`
        const item = withCallId(part.item, at)
        const tokens = FakeTokens.ofItem(item)
        if (tokens <= tokensLeft) {
          tokensLeft -= tokens
          put(item, at)
          break
        }
        const rest = FakeTokens.cut(item, tokensLeft)
        if (rest !== undefined) put(rest, at)
        end("incomplete", { reason: "max_output_tokens" })
        exhausted = true
        break
      }
      case "Raw":
        place(part.after, part.frames.map((frame) => ({ _tag: "Send", frame, envelope: "none" })))
        break
      case "Events":
        place(part.after, part.events.map(numbered))
        break
      case "BadFrame":
        place(part.after, [{ _tag: "Send", envelope: "none", ...badFrame(part.kind, part.bytes) }])
        break
      case "Wait":
        place(part.after, [{ _tag: "Wait", millis: part.millis }])
        break
      case "Forget":
        place(part.after, [{ _tag: "Forget", what: part.what }])
        break
      case "Expire":
        place(part.after, [{ _tag: "Expire" }])
        break
      case "Pings":
        place(part.after, [{ _tag: "Pings", answered: part.answered }])
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
      case "Unfinished":
        begin()
        ended = true
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
        if (part.bytes === undefined) breakOff(part.after, { _tag: "Cut" })
        else breakOffWithin(part.after, part.bytes)
        break
    }
  }
  if (!ended) end("completed")
  insertAll()
  const { deltaDelay = 0 } = turn
  return ScriptSteps.number(deltaDelay > 0 ? ScriptSteps.slow(entries, deltaDelay) : entries, request.stream_id)
}

/** The turn of a script for a request; `undefined` when a list has run out. */
export const pick = (
  script: ResponseScript.Script,
  context: ResponseScript.Context
): ResponseScript.Turn | undefined => {
  if (typeof script === "function") return script(context.request, context)
  if (context.request.generate === false) return ResponseScript.completed
  const found = script[context.index]
  return typeof found === "function" ? found(context.request) : found
}
