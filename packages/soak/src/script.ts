/** What the server says: which turn it is asked for, what is to go wrong with it, and the note of both. */
import type * as ResponseScript from "effect-responses/ResponseScript"
import { completed, turn } from "effect-responses/ResponseScript"
import { faults } from "./faults.ts"
import * as Plan from "./plan.ts"
import type { Referee } from "./referee.ts"

export const make = (referee: Referee, options: {
  readonly plan: (key: Plan.Key) => Plan.Plan
  readonly layerOf: (key: Plan.Key) => string
}): ResponseScript.Script =>
(request, context) => {
  if (request.generate === false) return completed
  const key = Plan.keyOf(context.input)
  if (key === undefined) throw new Error("A request of nobody's")
  const plan = options.plan(key)
  const fault = referee.times(key) < plan.times ? plan.fault : "none"
  const items = Plan.items(key, plan)
  const { responseId } = context
  referee.executed(key, {
    responseId,
    fault,
    after: plan.after,
    hash: context.metadata?.["context_hash"] ?? "",
    items: context.input.length,
    transport: "websocket",
    outcome: undefined
  })
  if (faults[fault].closesLater === true) referee.closesLater(options.layerOf(key))
  return turn([faults[fault].turn({ after: plan.after, dice: plan.dice, responseId, request, items })])
}
