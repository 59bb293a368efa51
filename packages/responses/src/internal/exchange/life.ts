/**
 * The states of an exchange, and what each thing that can happen makes of them.
 *
 * ```
 * Writing ──accepted by the socket──▶ Sent ──created, progress──▶ Begun ──output──▶ Speaking ──end, failure──▶ Ended
 * Writing ──created, progress, output: some servers are faster than the socket──▶ Begun, Speaking
 * Sent ──output──▶ Speaking
 * each of them ──failure of the server's, or a cause from this side──▶ Ended
 * ```
 */
import * as ResponseEvent from "../../ResponseEvent.ts"
import type { FinalResponse } from "../../Responses.ts"
import type { Delivery, ResponsesError } from "../../ResponsesError.ts"
import type * as Witnesses from "./witnesses.ts"

/** What a response says at its end, and other spellings that the server sent of items of its output. */
export interface Answer extends Witnesses.Whole {
  readonly response: FinalResponse
}

export interface Ended {
  readonly _tag: "Ended"
  readonly by: "server" | "us"
  readonly hadBegun: boolean
  /** The failure that ended it. */
  readonly error: ResponsesError | undefined
  /** Of a response that ended `completed` or `incomplete`, and was kept. */
  readonly answer: Answer | undefined
}

export type Running =
  | { readonly _tag: "Writing" }
  /** `since` is a time of `Time.now`. */
  | { readonly _tag: "Sent"; readonly since: number }
  | { readonly _tag: "Begun" }
  /** There is output for the caller to take. */
  | { readonly _tag: "Speaking" }

export type State = Running | Ended

export const writing: Running = { _tag: "Writing" }
const begun: Running = { _tag: "Begun" }
const speaking: Running = { _tag: "Speaking" }

/** An event of an unknown type begins a response only if it names one: vendors send news about the connection, too. */
const isBeginning = (event: ResponseEvent.ResponseEvent): boolean =>
  !ResponseEvent.isUnknown(event) || ResponseEvent.responseId(event) !== undefined

/** The socket has taken the request. */
export const accepted = <S extends State>(state: S, at: number): S | Running =>
  state._tag === "Writing" ? { _tag: "Sent", since: at } : state

/** An event that is no failure. News that came before the response began is no output of it. */
export const event = (state: Running, event: ResponseEvent.ResponseEvent): Running => {
  switch (state._tag) {
    case "Speaking":
      return state
    case "Begun":
      return ResponseEvent.isOutput(event) ? speaking : state
    case "Sent":
    case "Writing":
      if (!isBeginning(event)) return state
      return ResponseEvent.isOutput(event) ? speaking : begun
  }
}

/** The last event of the response, or a failure that the server sent. */
export const finished = (state: Running, end: Pick<Ended, "answer" | "error">): Ended => ({
  _tag: "Ended",
  by: "server",
  hadBegun: hasBegun(state),
  ...end
})

/** A failure from this side. */
export const failed = (state: Running, error: ResponsesError): Ended => ({
  _tag: "Ended",
  by: "us",
  hadBegun: hasBegun(state),
  error,
  answer: undefined
})

/** The server has sent the rest of a response that had been ended from this side. */
export const drained = (state: Ended): Ended => state.by === "server" ? state : { ...state, by: "server" }

export const hasBegun = (state: State): boolean =>
  state._tag === "Begun" || state._tag === "Speaking" || (state._tag === "Ended" && state.hadBegun)

/** How far a request came that fails now. */
export const delivery = (state: Running): Delivery => state._tag === "Speaking" ? "partial" : "unacknowledged"
