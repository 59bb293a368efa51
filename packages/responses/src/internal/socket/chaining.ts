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

export class Chaining {
  private readonly refusals: Readonly<Record<Origin, Refusals.Refusals>>
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
    const { now } = options
    this.refusals = { latest: Refusals.make(now), fork: Refusals.make(now), stored: Refusals.make(now) }
  }

  accepted(origin: Origin): void {
    this.refusals[origin].accepted()
  }

  /** A delta was refused, and the same request succeeded in full. */
  refused(origin: Origin): void {
    this.refusals[origin].refused()
  }

  /** A server that does not continue its latest response continues none. */
  isPaused(origin: Origin): boolean {
    return this.refusals.latest.isPaused() || this.refusals[origin].isPaused()
  }

  /** A copy of a head that another turn continues may be gone, and is not asked for again and again. */
  mayFork(): boolean {
    return this.options.uniqueIds && !this.isPaused("fork")
  }

  /** Why a delta that fits is not sent. */
  withheld(request: ResponseRequest.ResponseRequest, origin: Origin): FullReason | undefined {
    if (!this.options.continuesWithInstructions && Predicate.isNotNullable(request.instructions)) {
      return { _tag: "Instructions" }
    }
    return this.isPaused(origin) ? { _tag: "ChainingRefused" } : undefined
  }

  /** The head with its delta, if the request fits it. */
  match(kept: Kept, request: ResponseRequest.ResponseRequest): Found | undefined {
    const plan = this.options.rule.plan([kept.head], request)
    return plan._tag === "Delta" ? { kept, plan } : undefined
  }

  /** What cannot be compared any more does not fit. */
  fits(kept: Kept, request: ResponseRequest.ResponseRequest): boolean {
    return Either.getOrElse(Either.try(() => this.match(kept, request) !== undefined), () => false)
  }

  /** What to send, where the first head that fits is continued. */
  planFrom(
    kept: ReadonlyArray<Kept>,
    request: ResponseRequest.ResponseRequest,
    originOf: (parent: Kept | undefined) => Origin
  ): Pick<Choice, "origin" | "parent" | "plan"> {
    const plan = this.options.rule.plan(kept.map(({ head }) => head), request)
    const parent = plan.snapshot === undefined
      ? undefined
      : kept.find(({ head }) => head.responseId === plan.request.previous_response_id)
    if (plan._tag === "Full") return { plan, parent, origin: undefined }
    const origin = originOf(parent)
    const reason = this.withheld(request, origin)
    return reason === undefined
      ? { plan, parent, origin }
      : { plan: Continuation.full(request, reason), parent: undefined, origin: undefined }
  }
}
