/** What must hold of an agent that was stopped and went on. */
import { assert } from "@effect/vitest"
import type * as ConversationJournal from "../../src/ConversationJournal.ts"
import type * as ResponseItem from "../../src/ResponseItem.ts"
import { type Course, crowded, type Kind, kindOf, placeOf, type Ran } from "./agentCourses.ts"

/** Which calls have their output, and which responses their end, by what is written. */
const writtenOf = (entries: ReadonlyArray<ConversationJournal.Entry>) => {
  const outputs = new Set<string>()
  const places = new Set<string>()
  const begun = new Set<string>()
  const approved = new Set<string>()
  const items: Array<ResponseItem.ResponseItem> = []
  for (const entry of entries) {
    if (entry._tag === "Asked") items.push(...entry.input)
    if (entry._tag === "Answered") {
      places.add(placeOf({ input: items }))
      items.push(...entry.output)
    }
    if (entry._tag === "Sent") {
      places.add(placeOf({ input: [...items, ...entry.input] }))
      items.push(...entry.input, ...entry.output)
    }
    if (entry._tag === "Decided") items.push(entry.response)
    if (entry._tag === "Approved") approved.add(entry.callId)
    if (entry._tag === "Started") begun.add(entry.callId)
    if (entry._tag === "Ended") {
      outputs.add(entry.output.call_id)
      items.push(entry.output)
    }
  }
  return { outputs, places, approved, unknown: new Set([...begun].filter((callId) => !outputs.has(callId))) }
}

const isOnce = (kind: Kind | undefined): boolean => kind === "pay" || kind === "buy" || kind === "alone"

type Json = ReadonlyArray<Readonly<Record<string, unknown>>>

export interface Stopped {
  readonly course: Course
  /** What was written when it stopped. */
  readonly entries: ReadonlyArray<ConversationJournal.Entry>
  /** What was written when it stopped before, each time. Nobody knows any more what was not written then. */
  readonly earlier?: ReadonlyArray<ReadonlyArray<ConversationJournal.Entry>>
  /** Nobody knows any more what was not written. */
  readonly isLost: boolean
  readonly ranBefore: ReadonlyArray<Ran>
  readonly ranAfter: ReadonlyArray<Ran>
  /** The places that were asked for after the stop. */
  readonly askedAfter: ReadonlyArray<string>
  readonly history: unknown
  /** The history of the course when nothing stops it. */
  readonly whole: unknown
}

export const judge = (what: string, stopped: Stopped): void => {
  const { askedAfter, course, earlier = [], history, isLost, ranAfter, ranBefore, whole } = stopped
  const written = writtenOf(stopped.entries)
  const again = ranAfter.filter(({ callId }) => written.outputs.has(callId))
  assert.deepStrictEqual(again, [], `${what}: tools whose output was written ran again`)
  const askedAgain = askedAfter.filter((place) => written.places.has(place))
  assert.deepStrictEqual(askedAgain, [], `${what}: responses whose end was written were asked for again`)
  assert.strictEqual(new Set(askedAfter).size, askedAfter.length, `${what}: asked twice after the stop`)

  const all = [...ranBefore, ...ranAfter]
  assert.deepStrictEqual(all.filter(({ name }) => name === "steal"), [], `${what}: what was not approved ran`)
  const early = ranBefore.filter(({ callId, name }) => name === "buy" && !written.approved.has(callId))
  assert.deepStrictEqual(early, [], `${what}: what needs an approval ran without it`)
  const paid = all.filter(({ name }) => isOnce(name)).map(({ callId }) => callId)
  assert.strictEqual(new Set(paid).size, paid.length, `${what}: what may not run twice did`)
  const keys = new Map(all.map(({ callId, idempotencyKey }) => [callId, idempotencyKey]))
  for (const { callId, idempotencyKey } of all) {
    assert.strictEqual(keys.get(callId), idempotencyKey, `${what}: another key`)
  }
  assert.strictEqual(new Set(keys.values()).size, keys.size, `${what}: one key for two calls`)

  /** What a tool has given is known to the conversation itself, though it could not be written. */
  const unknown = [...(isLost ? [written] : []), ...earlier.map(writtenOf)]
  const isUnknown = (callId: unknown) =>
    unknown.some((one) => one.unknown.has(String(callId))) && isOnce(kindOf(course, String(callId)))
  const known = (items: unknown) =>
    (JSON.parse(JSON.stringify(items)) as Json).map((item) =>
      item["type"] === "function_call_output" && isUnknown(item["call_id"]) ? { ...item, output: "unknown" } : item
    )
  assert.deepStrictEqual(known(history), known(whole), `${what}: the history`)
  assert.notInclude(JSON.stringify(history), crowded, `${what}: a tool ran beside an exclusive one`)
}
