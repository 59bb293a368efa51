/** Whether what was written down of a turn can be. Knows no time, no socket and no library. */
import { type End, type Fault, faults, type Transport } from "./faults.ts"
import type { Execution, Turn } from "./records.ts"
import { strikes } from "./strikes.ts"
import { upgrades } from "./upgrades.ts"

const at = ({ after, transport }: Execution): { readonly after: number; readonly transport: Transport } => ({
  after,
  transport
})

const faultOf = ({ fault }: Execution): Fault => faults[fault]

/** The client was told, by the fault or by what happened meanwhile, that the model did not run. */
const isExcused = (execution: Execution, turn: Turn): boolean => {
  if (faultOf(execution).nothingRan?.(at(execution)) === true) return true
  return execution.transport === "websocket" &&
    ([...turn.strikes].some((kind) => strikes[kind].nothingRan === true) ||
      [...turn.upgrades].some((kind) => upgrades[kind].nothingRan === true))
}

const endOf = ({ gaveUp, outcome }: Turn): End => {
  switch (outcome._tag) {
    case "Ended":
    case "Failed":
      return outcome.end
    case "GaveUp":
      return gaveUp ?? "gave up"
    case "Defect":
    case "Hung":
      return outcome._tag
  }
}

const matches = (end: End) => (allowed: End): boolean =>
  allowed === end || (allowed.endsWith("/*") && end.startsWith(allowed.slice(0, -1)))

/** Every end that fits what was done to the turn. */
const allowed = (turn: Turn): ReadonlyArray<End> => {
  const last = turn.executions.at(-1)
  return [
    ...(last === undefined ? [] : faultOf(last).ends(at(last)).filter((end) => end !== "limit")),
    ...[...turn.strikes].flatMap((kind) => strikes[kind].ends),
    ...[...turn.upgrades].flatMap((kind) => upgrades[kind].ends),
    ...(turn.closedLater ? ["Lost/*"] : []),
    // What breaks the connection for the one on its other lane breaks it for this one; how far it came is its own.
    ...(turn.besideDrained ? ["Lost/*", "Expired/*", "MalformedEvent/*"] : []),
    ...(turn.isExplicit ? ["PreviousResponseNotFound"] : []),
    ...(turn.gaveUp === "left" || turn.gaveUp === "interrupted" ? [turn.gaveUp] : []),
    // The caller looks at the clock from the first silence on, and does not know whether the request was sent again.
    ...(turn.gaveUp === "limit" && turn.executions.some((one) => faultOf(one).isSilent === true) ? ["limit"] : [])
  ]
}

/** Nothing lost, nothing twice, nothing out of order, nothing of anybody else's. */
const judgeEvents = (turn: Pick<Turn, "events" | "outcome" | "responseId" | "text">): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  const isWhole = turn.outcome._tag === "Ended"
  let next = 0
  let text = ""
  let ends = 0
  for (const { delta, responseId, sequence, type } of turn.events) {
    if (ends > 0) wrong.push(`${type} after the end`)
    if (sequence !== undefined && sequence !== next++) wrong.push(`${type} has number ${sequence} and not ${next - 1}`)
    if (responseId !== undefined && responseId !== turn.responseId) {
      wrong.push(`${type} is of ${responseId} and not of ${turn.responseId}`)
    }
    if (delta !== undefined) text += delta
    if (type === "response.completed" || type === "response.incomplete") ends++
  }
  if (isWhole && ends !== 1) wrong.push(`${ends} ends`)
  if (isWhole ? text !== turn.text : !turn.text.startsWith(text)) {
    wrong.push(`the deltas say "${text.slice(0, 80)}" and not "${turn.text.slice(0, 80)}"`)
  }
  if (turn.outcome._tag === "Ended" && turn.outcome.text !== turn.text) {
    wrong.push(`the output says "${turn.outcome.text.slice(0, 80)}" and not "${turn.text.slice(0, 80)}"`)
  }
  return wrong
}

const saysNothingRan = (end: End) => end.endsWith("/unsent") || end === "PreviousResponseNotFound"

const judgeExecutions = (turn: Turn): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  const { executions, outcome } = turn
  const end = endOf(turn)
  const ran = executions.filter((execution) => !isExcused(execution, turn))
  const list = executions.map(({ fault, responseId }) => `${responseId} (${fault})`).join(", ")
  if (ran.length > 1) wrong.push(`executed ${ran.length} times: ${list}`)
  if (outcome._tag === "Failed" && saysNothingRan(end) && ran.length > 0) {
    wrong.push(`${end}, but the server ran ${list}`)
  }
  if (outcome._tag !== "Ended") return wrong
  const own = executions.find(({ responseId }) => responseId === turn.responseId)
  if (own === undefined) return [...wrong, `is answered by ${turn.responseId}, but the server ran ${list || "nothing"}`]
  if (own !== executions.at(-1)) wrong.push(`is answered by ${turn.responseId}, and the server ran ${list}`)
  if (own.hash !== turn.hash) wrong.push("the model saw another history than the caller has")
  return wrong
}

/** What is wrong with a turn; empty if nothing is. */
export const judge = (turn: Turn): ReadonlyArray<string> => {
  const end = endOf(turn)
  const fits = allowed(turn)
  const { outcome } = turn
  return [
    ...(outcome._tag === "Defect" ? [`a defect: ${outcome.message}`] : []),
    ...(fits.some(matches(end)) ? [] : [
      `ended with ${end}${"message" in outcome ? ` (${outcome.message})` : ""}, where ${
        [...new Set(fits)].join(" or ") || "nothing"
      } would fit`
    ]),
    ...judgeEvents(turn),
    ...judgeExecutions(turn)
  ]
}
