/** Whether a request that fits a head is sent as a delta: what the server takes, and whether it has refused deltas lately. */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type { FullReason } from "../../Continuation.ts"
import type * as ResponseRequest from "../../ResponseRequest.ts"
import * as Continuation from "../compare/continuation.ts"
import type { Choice, Found, Origin } from "./chooser.ts"
import type { Kept } from "./head.ts"
import * as Refusals from "./refusals.ts"

export interface Options {
  readonly rule: Continuation.Rule
  /** Whether the server takes `instructions` beside `previous_response_id`. */
  readonly continuesWithInstructions: boolean
  /** Whether an id names one response alone, on every connection. */
  readonly uniqueIds: boolean
  /** In milliseconds. */
  readonly now: () => number
}

export interface Chaining {
  readonly accepted: (origin: Origin) => void
  /** A delta was refused, and the same request succeeded in full. */
  readonly refused: (origin: Origin) => void
  readonly isPaused: (origin: Origin) => boolean
  /** A copy of a head that another turn continues may be gone, and is not asked for again and again. */
  readonly mayFork: () => boolean
  /** Why a delta that fits is not sent. */
  readonly withheld: (request: ResponseRequest.ResponseRequest, origin: Origin) => FullReason | undefined
  /** The head with its delta, if the request fits it. */
  readonly match: (kept: Kept, request: ResponseRequest.ResponseRequest) => Found | undefined
  /** What cannot be compared any more does not fit. */
  readonly fits: (kept: Kept, request: ResponseRequest.ResponseRequest) => boolean
  /** What to send, where the first head that fits is continued. */
  readonly planFrom: (
    kept: ReadonlyArray<Kept>,
    request: ResponseRequest.ResponseRequest,
    originOf: (parent: Kept | undefined) => Origin
  ) => Pick<Choice, "origin" | "parent" | "plan">
}

export const make = ({ continuesWithInstructions, now, rule, uniqueIds }: Options): Chaining => {
  const refusals: Readonly<Record<Origin, Refusals.Refusals>> = {
    latest: Refusals.make(now),
    fork: Refusals.make(now),
    stored: Refusals.make(now)
  }

  // A server that does not continue its latest response continues none.
  const isPaused = (origin: Origin) => refusals.latest.isPaused() || refusals[origin].isPaused()

  const withheld = (request: ResponseRequest.ResponseRequest, origin: Origin): FullReason | undefined => {
    if (!continuesWithInstructions && Predicate.isNotNullable(request.instructions)) return { _tag: "Instructions" }
    return isPaused(origin) ? { _tag: "ChainingRefused" } : undefined
  }

  const match = (kept: Kept, request: ResponseRequest.ResponseRequest): Found | undefined => {
    const plan = rule.plan([kept.head], request)
    return plan._tag === "Delta" ? { kept, plan } : undefined
  }

  return {
    accepted: (origin) => refusals[origin].accepted(),
    refused: (origin) => refusals[origin].refused(),
    isPaused,
    mayFork: () => uniqueIds && !isPaused("fork"),
    withheld,
    match,
    fits: (kept, request) => Either.getOrElse(Either.try(() => match(kept, request) !== undefined), () => false),
    planFrom: (kept, request, originOf) => {
      const plan = rule.plan(kept.map(({ head }) => head), request)
      const parent = plan.snapshot === undefined
        ? undefined
        : kept.find(({ head }) => head.responseId === plan.request.previous_response_id)
      if (plan._tag === "Full") return { plan, parent, origin: undefined }
      const origin = originOf(parent)
      const reason = withheld(request, origin)
      return reason === undefined
        ? { plan, parent, origin }
        : { plan: Continuation.full(request, reason), parent: undefined, origin: undefined }
    }
  }
}
