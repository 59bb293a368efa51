/** Why a request travels whole, where the delta rule only knows that there is nothing to continue from. */
import type { FullReason } from "../../Continuation.ts"
import type { ResponseItem } from "../../ResponseItem.ts"
import * as ResponseRequest from "../../ResponseRequest.ts"
import type * as Continuation from "../compare/continuation.ts"
import type { Trace } from "./headIndex.ts"
import type { Lane } from "./lane.ts"
import type { Place } from "./place.ts"

const isUsed = ({ memory }: Lane): boolean => memory._tag !== "Unused"

/** Where callers name the lanes. `any`: some response has been continued from, or could have been. */
export const byLane = (
  plan: Continuation.Plan,
  { any, connection, lane }: Place & { readonly any: boolean }
): Continuation.Plan => {
  if (plan._tag === "Delta" || plan.reason._tag !== "First") return plan
  if (isUsed(lane)) return { ...plan, reason: { _tag: "AfterFailure" } }
  return any && ![...connection.lanes].some(isUsed) ? { ...plan, reason: { _tag: "NewConnection" } } : plan
}

/** Written by a model, or after one has spoken. */
const isAnswer = (item: ResponseItem): boolean => "role" in item ? item.role === "assistant" : true

/** By what was heard last of a conversation that begins in the same way. */
export const byTrace = (
  trace: Trace | undefined,
  request: ResponseRequest.ResponseRequest,
  rule: Continuation.Rule
): FullReason => {
  if (trace?._tag === "Gone" && trace.loss === "AfterFailure") return { _tag: "AfterFailure" }
  // Many conversations begin with the same words.
  if (trace === undefined || !ResponseRequest.items(request).some(isAnswer)) return { _tag: "First" }
  if (trace._tag === "Gone") return { _tag: trace.loss }
  const plan = rule.plan([trace.kept.head], request)
  return plan._tag === "Full" ? plan.reason : { _tag: "First" }
}
