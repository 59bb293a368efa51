/**
 * A history that a function of the caller's has made smaller. Half of a pair is of no use to the model, and no server takes
 * it: an output whose call is gone goes as well, and a call whose output is gone. What is still open is not the function's to
 * drop: calls that have no output yet, and outputs that the model has not seen.
 */
import * as Effect from "effect/Effect"
import type { Trimmed } from "../../ConversationOptions.ts"
import type { ResponseItem } from "../../ResponseItem.ts"
import type { Responses } from "../../Responses.ts"
import { InvalidRequest, type ResponsesError } from "../../ResponsesError.ts"
import * as Given from "./input.ts"
import * as Window from "./window.ts"

type Items = ReadonlyArray<ResponseItem>

export type Trim = (history: Items) => Trimmed

const isOfResponse = (item: ResponseItem | undefined): boolean =>
  item !== undefined && (item.type === "reasoning" || Window.callIdOf(item) !== undefined)

/** Where the outputs begin that the model has not seen, with their calls. */
const unseenFrom = (history: Items): number => {
  const lastSeen = history.findLastIndex((item) => Window.answerIdOf(item) === undefined)
  const unseen = new Set(history.slice(lastSeen + 1).map(Window.answerIdOf))
  let from = lastSeen + 1
  for (const callId of unseen) {
    const at = history.findLastIndex((item) => Window.callIdOf(item) === callId)
    if (at !== -1) from = Math.min(from, at)
  }
  while (unseen.size > 0 && isOfResponse(history[from - 1])) from--
  return from
}

type Ids = ReadonlySet<string | undefined>

const openIds = (items: Items): Ids => new Set([...Window.openCalls(items)].map(Window.callIdOf))

/** The calls with an output after them, those outputs, and the calls that are open. */
const whole = (items: Items, open: Ids): ReadonlySet<ResponseItem> => {
  const pairs = new Set<ResponseItem>()
  const calls = new Map<string | undefined, ResponseItem>()
  for (const item of items) {
    const callId = Window.callIdOf(item)
    const answerId = Window.answerIdOf(item)
    if (callId !== undefined) calls.set(callId, item)
    const call = answerId === undefined ? undefined : calls.get(answerId)
    if (call !== undefined) pairs.add(call).add(item)
  }
  for (const [callId, call] of calls) if (open.has(callId)) pairs.add(call)
  return pairs
}

/** Without the halves of pairs, and without the reasoning that led to nothing else. */
const withoutHalves = (items: Items, pairs: ReadonlySet<ResponseItem>): Items => {
  const kept: Array<ResponseItem> = []
  /** What the items before lead to. */
  let next: "nothing" | "call" | "other" = "nothing"
  for (const item of items.toReversed()) {
    const isCall = Window.callIdOf(item) !== undefined
    const isAnswer = Window.answerIdOf(item) !== undefined
    const isThought = item.type === "reasoning"
    const isKept = isThought ? next !== "nothing" : !(isCall || isAnswer) || pairs.has(item)
    if (isKept) kept.push(item)
    if (isKept && !isThought) next = isCall ? "call" : "other"
    else if (isCall && next === "other") next = "nothing"
  }
  return kept.toReversed()
}

const invalid = (description: string): InvalidRequest => new InvalidRequest({ field: "trim", description })

/** What the function has made up, as nothing could be said for it. */
const invented = (history: Items, result: Items): string | undefined => {
  const callIds = new Set(history.map(Window.callIdOf))
  const answerIds = new Set(history.map(Window.answerIdOf))
  const made = new Set(result.map(Window.callIdOf))
  for (const item of result) {
    const answerId = Window.answerIdOf(item)
    if (answerId !== undefined && !callIds.has(answerId) && !answerIds.has(answerId) && !made.has(answerId)) {
      return `has given an output for the call ${answerId}, which was never made`
    }
  }
  for (const call of Window.openCalls(result)) {
    const callId = Window.callIdOf(call)
    if (!callIds.has(callId)) return `has given the call ${callId}, which has no output`
  }
  return undefined
}

const mend = (before: Items, result: Items): Items => {
  const open = openIds(before)
  const there = openIds(result)
  const isLost = (item: ResponseItem) => open.has(Window.callIdOf(item)) && !there.has(Window.callIdOf(item))
  const calls = Window.openCalls(before)
  return [
    ...Window.withReasoning(before, (item) => calls.has(item) && isLost(item)),
    ...withoutHalves(result, whole(result, open))
  ]
}

const isSame = (left: Items, right: Items): boolean =>
  left.length === right.length && left.every((item, index) => item === right[index])

/** `undefined`: it stays as it is. */
export const run = (
  trim: Trim,
  history: Items
): Effect.Effect<Items | undefined, ResponsesError, Responses> =>
  Effect.suspend(() => {
    const from = unseenFrom(history)
    const before = history.slice(0, from)
    if (before.length === 0) return Effect.succeed(undefined)
    const given = trim(before)
    return Effect.flatMap(Effect.isEffect(given) ? given : Effect.succeed(given), (result) => {
      if (!Array.isArray(result)) return Effect.fail(invalid("has given no list of items"))
      const items: Items = result
      if (!Given.isRecords(items)) return Effect.fail(invalid(Given.notRecords))
      if (isSame(items, before)) return Effect.succeed(undefined)
      const problem = Given.problemOfHistory(items) ?? invented(before, items)
      return problem === undefined
        ? Effect.succeed([...mend(before, items), ...history.slice(from)])
        : Effect.fail(invalid(problem))
    })
  })
