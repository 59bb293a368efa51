/** What is written down of a turn by both sides, for the judge. */
import type { End, FaultKind, Transport } from "./faults.ts"
import type { Traits } from "./layers.ts"
import type { Key } from "./plan.ts"
import type { StrikeKind } from "./strikes.ts"
import type { UpgradeKind } from "./upgrades.ts"

/** A request that the server took and gave to its model. */
export interface Execution {
  readonly responseId: string
  readonly fault: FaultKind
  readonly after: number
  /** What the model saw. */
  readonly hash: string
  readonly items: number
  transport: Transport
  /** How it ended for the server, once it has. */
  outcome: string | undefined
}

/** An event as the caller got it. */
export interface Seen {
  readonly type: string
  readonly sequence: number | undefined
  readonly responseId: string | undefined
  /** Something of the model's, and not of the protocol. */
  readonly isOutput: boolean
  /** Of the model's text. */
  readonly delta: string | undefined
}

export type Outcome =
  | { readonly _tag: "Ended"; readonly end: "completed" | "incomplete"; readonly text: string }
  | {
    readonly _tag: "Failed"
    readonly end: End
    readonly message: string
    readonly status: number | undefined
    readonly code: string | undefined
  }
  /** The caller gave up: left after some events, was interrupted, or reached its own limit. */
  | { readonly _tag: "GaveUp" }
  | { readonly _tag: "Defect"; readonly message: string }
  | { readonly _tag: "Hung" }

/** What travelled, and why. */
export interface Sent {
  readonly input: "full" | "delta"
  readonly reason: string | undefined
  readonly transport: Transport
}

export interface Recovery {
  readonly _tag: "Reconnected" | "ResentInFull" | "FellBack"
  readonly end: End
}

/** One request of a caller's, from the asking to its end, and what happened to its Layer meanwhile. */
export interface Turn {
  readonly key: Key
  readonly layer: string
  readonly traits: Traits
  readonly outcome: Outcome
  /** Why the caller ended it, if it did. */
  readonly gaveUp: "left" | "interrupted" | "limit" | undefined
  /** A response of what the caller does went silent: this one, or one before it that was ended from outside. */
  readonly wentSilent: boolean
  /** The caller named the response to continue from itself, and so has to bear that it is forgotten. */
  readonly isExplicit: boolean
  /** What the model should see. */
  readonly hash: string
  /** What the model should say. */
  readonly text: string
  readonly responseId: string | undefined
  readonly events: ReadonlyArray<Seen>
  readonly sent: Sent | undefined
  readonly recoveries: ReadonlyArray<Recovery>
  readonly executions: ReadonlyArray<Execution>
  readonly strikes: ReadonlySet<StrikeKind>
  readonly upgrades: ReadonlySet<UpgradeKind>
  /** The response before, on the same connection, was one after which the server closes. */
  readonly closedLater: boolean
  /** A response that its caller has left is still being given on another lane of the connection. */
  readonly besideDrained: boolean
}
