/** What must hold of the events of a conversation beside its journal. */
import { assert } from "@effect/vitest"
import type { ToolEnded, ToolHeld, ToolStarted } from "../../src/ConversationEvent.ts"
import type * as ConversationJournal from "../../src/ConversationJournal.ts"
import type { Event } from "./agentCourses.ts"

type Entries = ReadonlyArray<ConversationJournal.Entry>

type OfTool = ToolStarted | ToolEnded | ToolHeld

const types = new Set<string>(["conversation.tool.started", "conversation.tool.ended", "conversation.tool.held"])

const isOfTool = (event: Event): event is OfTool => types.has(event.type)

/** The entry that an event tells of. */
const toEntry = (event: OfTool): unknown => {
  switch (event.type) {
    case "conversation.tool.held":
      return { _tag: "Held", callId: event.approval.callId }
    case "conversation.tool.started":
      return { _tag: "Started", callId: event.callId, attempt: event.attempt }
    case "conversation.tool.ended":
      return { _tag: "Ended", output: event.result.output }
  }
}

export interface Told {
  readonly event: Event
  /** How many entries were written when the reader got it. */
  readonly written: number
}

/** Each event tells of what was written before, once, and in that order for each call. */
export const judge = (what: string, told: ReadonlyArray<Told>, entries: Entries): void => {
  const written = entries.map((entry) => JSON.stringify(entry))
  const places = new Map<string, number>()
  const seen = new Set<number>()
  for (const { event, written: before } of told) {
    if (!isOfTool(event)) continue
    const callId = event.type === "conversation.tool.held" ? event.approval.callId : event.callId
    const place = written.indexOf(JSON.stringify(toEntry(event)))
    assert.isTrue(place >= 0 && place < before, `${what}: ${event.type} of ${callId} was told before it was written`)
    assert.isFalse(seen.has(place), `${what}: ${event.type} of ${callId} was told twice`)
    assert.isAbove(place, places.get(callId) ?? -1, `${what}: ${event.type} of ${callId} was told too late`)
    seen.add(place)
    places.set(callId, place)
  }
}

const asks = new Set<string | undefined>(["function_call", "mcp_approval_request"])

const count = <A>(all: ReadonlyArray<A>, isMeant: (one: A) => boolean): number => all.filter(isMeant).length

/** Whoever stays to the end is told of all that was written meanwhile. */
export const judgeWhole = (what: string, told: ReadonlyArray<Event>, entries: Entries): void => {
  const events = new Set(told.filter(isOfTool).map((event) => JSON.stringify(toEntry(event))))
  const untold = entries.filter((entry) => {
    // What was rejected when no stream was read has no event.
    const isRejected = entry._tag === "Ended" && JSON.stringify(entry.output).includes("rejected")
    const hasEvent = entry._tag === "Started" || entry._tag === "Held" || (entry._tag === "Ended" && !isRejected)
    return hasEvent && !events.has(JSON.stringify(entry))
  })
  assert.deepStrictEqual(untold, [], `${what}: was written and not told`)
  const ended = count(told, ({ type }) => type === "response.completed")
  assert.strictEqual(
    ended,
    count(entries, ({ _tag }) => _tag === "Answered" || _tag === "Sent"),
    `${what}: responses that have ended`
  )
  const last = count(told, (event) => event.type === "conversation.round.ended" && event.calls.length === 0)
  assert.strictEqual(
    last,
    count(entries, (entry) => entry._tag === "Answered" && !entry.output.some(({ type }) => asks.has(type))),
    `${what}: rounds without calls`
  )
}
