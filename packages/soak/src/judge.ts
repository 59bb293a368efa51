/** Whether what was written down of a turn can be. Knows no time, no socket and no library. */
import { type Broken, type End, type Fault, faults } from "./faults.ts"
import type { Execution, Recovery, Turn } from "./records.ts"
import { nobody, strikes } from "./strikes.ts"
import { upgrades } from "./upgrades.ts"

const at = ({ after, transport }: Execution, { watch }: Turn["traits"]): Broken => ({ after, transport, watch })

const faultOf = ({ fault }: Execution): Fault => faults[fault]

/** Whoever asks for a silent response is in for a limit of somebody's; `limit` is the caller's own. */
const endsOf = (execution: Execution, { traits }: Turn): ReadonlyArray<End> =>
  faultOf(execution).ends(at(execution, traits)).filter((end) => end !== "limit")

/** The client was told, by the fault or by what happened meanwhile, that the model did not run. */
const isExcused = (execution: Execution, turn: Turn): boolean => {
  if (faultOf(execution).nothingRan?.(at(execution, turn.traits)) === true) return true
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

/** What happened to the connections of the Layer meanwhile, and can have broken one. */
const outside = (turn: Turn): ReadonlyArray<End> => {
  // What is given over HTTP has no connection of the Layer's: only its end can break it.
  if (turn.traits.kind === "http" || turn.sent?.transport === "http") {
    return turn.strikes.has("rebuild") ? strikes.rebuild.ends : []
  }
  return [
    ...[...turn.strikes].flatMap((kind) => strikes[kind].ends),
    ...[...turn.upgrades].flatMap((kind) => upgrades[kind].ends),
    ...(turn.closedLater ? ["Lost/*"] : []),
    // What breaks the connection for the one on its other lane breaks it for this one; how far it came is its own.
    ...(turn.besideDrained ? ["Lost/*", "Expired/*", "MalformedEvent/*"] : []),
    // An error that names neither a lane nor a response is taken for that of the only request that has not begun.
    ...(turn.traits.many === true ? ["ResponseFailed/unacknowledged"] : [])
  ]
}

/** HTTP: the server gave an idle connection up, after 5 seconds, in the moment in which it was used again. */
const isReset = ({ executions, outcome, traits }: Turn): boolean =>
  traits.kind !== "socket" && outcome._tag === "Failed" && outcome.code === "ECONNRESET" && executions.length === 0

/** Every end that fits what was done to the turn. */
const allowed = (turn: Turn): ReadonlyArray<End> => {
  const last = turn.executions.at(-1)
  return [
    ...(last === undefined ? [] : endsOf(last, turn)),
    ...outside(turn),
    ...(turn.traits.queues === true ? ["QueueTimeout/unsent"] : []),
    ...(turn.isExplicit ? ["PreviousResponseNotFound"] : []),
    ...(isReset(turn) ? ["Lost/unacknowledged"] : []),
    ...(turn.gaveUp === "left" || turn.gaveUp === "interrupted" ? [turn.gaveUp] : []),
    // The caller looks at the clock from the first silence on, and does not know whether it is over.
    ...(turn.gaveUp === "limit" && turn.wentSilent ? ["limit"] : [])
  ].filter((end) => turn.traits.kind !== "both" || last?.transport === "http" || !movesOn(end, turn))
}

const passing = new Set(["Unreachable", "OpenTimeout", "Refused", "Lost", "Expired", "TooLarge", "QueueTimeout"])

/** HTTP takes over what certainly did not run, unless it would be refused as well. */
const movesOn = (end: End, { outcome }: Turn): boolean => {
  const [reason = "", delivery] = end.split("/")
  const isRefused = outcome._tag === "Failed" && (outcome.status === 401 || outcome.status === 403)
  return delivery === "unsent" && passing.has(reason) && !isRefused
}

/** The server is done with a response that it leaves unfinished, and so takes its connection for idle. */
const isStray = (responseId: string, { executions, strikes }: Turn): boolean =>
  responseId === nobody && strikes.has("idleDone") && executions.at(-1)?.fault === "unfinished"

/** Nothing lost, nothing twice, nothing out of order, nothing of anybody else's. */
const judgeEvents = (turn: Turn): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  const isWhole = turn.outcome._tag === "Ended"
  let next = 0
  let text = ""
  let ends = 0
  for (const { delta, responseId, sequence, type } of turn.events) {
    if (ends > 0) wrong.push(`${type} after the end`)
    if (sequence !== undefined && sequence !== next++) wrong.push(`${type} has number ${sequence} and not ${next - 1}`)
    if (responseId !== undefined && responseId !== turn.responseId && !isStray(responseId, turn)) {
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

/** What a failure says of the output is what the caller got of it. */
const judgeDelivery = ({ events, outcome }: Turn): ReadonlyArray<string> => {
  if (outcome._tag !== "Failed") return []
  const [, delivery] = outcome.end.split("/")
  const hasOutput = events.some(({ isOutput }) => isOutput)
  if (delivery === "unsent" && events.length > 0) return [`${outcome.end} after ${events.length} events`]
  return (delivery === "partial") === hasOutput
    ? []
    : [`${outcome.end}, and the caller got ${hasOutput ? "" : "no "}output`]
}

const saysNothingRan = (end: End) => end.endsWith("/unsent") || end === "PreviousResponseNotFound"

const unanswered = ["Lost", "Expired", "FirstEventTimeout", "Stalled"].map((reason) => `${reason}/unacknowledged`)

const isUnanswered = (end: End) => unanswered.includes(end)

/** The request may have come a second time, though the first one was run. */
const isRepeated = (first: Execution, turn: Turn): boolean =>
  turn.traits.repeats === true &&
  (turn.sent === undefined
    ? [...endsOf(first, turn), ...outside(turn)].some((end) => unanswered.some((one) => matches(one)(end)))
    : turn.recoveries.some(({ _tag, end }) => _tag === "Reconnected" && isUnanswered(end)))

/** What was repaired could be, and needed to be. */
const judgeRecoveries = (turn: Turn): ReadonlyArray<string> => {
  const { recoveries, sent, traits } = turn
  const causes = [
    ...turn.executions.slice(0, -1).flatMap((one) => endsOf(one, turn)),
    ...outside({ ...turn, sent: undefined })
  ]
  const fits = ({ _tag, end }: Recovery): boolean => {
    switch (_tag) {
      case "FellBack":
        return traits.kind === "both" && movesOn(end, { ...turn, outcome: { _tag: "GaveUp" } })
      case "ResentInFull":
        return end === "PreviousResponseNotFound"
      case "Reconnected":
        return (end === "Lost/unsent" || end === "Expired/unsent" || (traits.repeats === true && isUnanswered(end))) &&
          causes.some(matches(end))
    }
  }
  const many = (tag: Recovery["_tag"], most: number) => recoveries.filter(({ _tag }) => _tag === tag).length > most
  return [
    ...recoveries.flatMap((one) => fits(one) ? [] : [`${one._tag} for ${one.end}`]),
    ...(many("Reconnected", 1) || many("FellBack", 1) || many("ResentInFull", 2) ? ["repaired too often"] : []),
    ...(sent !== undefined && (sent.transport === "http") !==
        (traits.kind === "http" || recoveries.some(({ _tag }) => _tag === "FellBack"))
      ? [`served over ${sent.transport}`]
      : []),
    ...(sent?.input === "delta" && !turn.isExplicit && (traits.full === true || sent.transport === "http")
      ? [`a delta over ${sent.transport}`]
      : [])
  ]
}

const judgeExecutions = (turn: Turn): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  const { executions, outcome } = turn
  const end = endOf(turn)
  const [first, ...others] = executions.filter((execution) => !isExcused(execution, turn))
  const list = executions.map(({ fault, responseId }) => `${responseId} (${fault})`).join(", ")
  const most = first !== undefined && isRepeated(first, turn) ? 1 : 0
  if (others.length > most) wrong.push(`executed ${others.length + 1} times: ${list}`)
  if (outcome._tag === "Failed" && saysNothingRan(end) && first !== undefined) {
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
    ...judgeDelivery(turn),
    ...judgeRecoveries(turn),
    ...judgeExecutions(turn)
  ]
}
