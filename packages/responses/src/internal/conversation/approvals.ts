/** Decides the calls that are held, at any time: also while the other calls of their round run. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type { Approval } from "../../ConversationApproval.ts"
import { ApprovalNotPending } from "../../ConversationError.ts"
import type { Entry } from "../../ConversationJournal.ts"
import type { McpApprovalRequest, ResponseItem } from "../../ResponseItem.ts"
import { mcpApprovalResponse } from "../../ResponseItem.ts"
import * as ResponseTool from "../../ResponseTool.ts"
import * as ToolArguments from "../tool/toolArguments.ts"
import * as ToolOutput from "../tool/toolOutput.ts"
import * as Calls from "./calls.ts"
import type { Ledger } from "./ledger.ts"
import * as McpRequests from "./mcpRequests.ts"
import * as Round from "./round.ts"

export interface Approvals<E> {
  /** What is to be decided. */
  readonly pending: () => ReadonlyArray<Approval>
  readonly approve: (callId: string) => Effect.Effect<void, ApprovalNotPending | E>
  readonly reject: (callId: string, reason?: string) => Effect.Effect<void, ApprovalNotPending | E>
  /** Waits until the held call is decided, or until `release` is called. `isOver`: it was before. */
  readonly wait: (callId: string, isOver: () => boolean) => Effect.Effect<void>
  /** Ends every wait. */
  readonly release: () => void
  /** The outputs in the input are on their way, until the next call. The calls that they answer cannot be decided. */
  readonly sending: (input: ReadonlyArray<ResponseItem>) => void
}

const said = (value: unknown): string => Predicate.isString(value) ? value : ""

const fromJson = (text: unknown): unknown => Either.getOrElse(ToolArguments.parse(text), () => text)

export const ofCall = (call: Calls.Call): Approval => ({
  _tag: "Tool",
  callId: call.call_id,
  name: call.name,
  arguments: call.type === "function_call" ? fromJson(call.arguments) : call.input
})

const ofRequest = (request: McpApprovalRequest): Approval => ({
  _tag: "Mcp",
  callId: request.id,
  name: said(request.name),
  arguments: fromJson(request.arguments),
  serverLabel: said(request.server_label)
})

const rejected = (call: Calls.Call, reason: string | undefined): Calls.CallOutput =>
  ResponseTool.output(
    call,
    ToolOutput.fit(
      `Error: the user has rejected this call, and the tool was not run${reason === undefined ? "" : `: ${reason}`}`
    )
  )

/** Whether the call, or the request, is answered by one of the items. */
export const has = (items: ReadonlyArray<ResponseItem>, callId: string): boolean =>
  items.some((item) =>
    Calls.isOutput(item)
      ? item.call_id === callId
      : McpRequests.isResponse(item) && item.approval_request_id === callId
  )

export const make = <E>(ledger: Ledger<E>): Approvals<E> => {
  const waiting = new Map<string, () => void>()
  /** Of a `send` that has not ended. */
  let sending: ReadonlyArray<ResponseItem> = []

  const held = (): ReadonlyArray<Calls.Call> =>
    Round.open(ledger.state()).flatMap(({ approval, call }) =>
      approval === "held" && !has(sending, call.call_id) ? [call] : []
    )

  const requests = (): ReadonlyArray<McpApprovalRequest> =>
    Round.openRequests(ledger.state()).filter(({ id }) => !has(sending, id))

  const pending = (): ReadonlyArray<Approval> => [...held().map(ofCall), ...requests().map(ofRequest)]

  const reasonOf = (callId: string): ApprovalNotPending["reason"] => {
    const state = ledger.state()
    const open = Round.open(state).find(({ call }) => call.call_id === callId)
    if (open?.approval === "approved") return "Approved"
    return has(sending, callId) || (open === undefined && has(Round.items(state), callId)) ? "Answered" : "Unknown"
  }

  const decide = (
    callId: string,
    toEntry: (call: Calls.Call) => Entry,
    approve: boolean,
    reason?: string
  ): Effect.Effect<void, ApprovalNotPending | E> =>
    Effect.suspend((): Effect.Effect<void, ApprovalNotPending | E> => {
      const call = held().find(({ call_id }) => call_id === callId)
      const isRequest = requests().some(({ id }) => id === callId)
      if (call === undefined && !isRequest) {
        return Effect.fail(new ApprovalNotPending({ callId, reason: reasonOf(callId), approvals: pending() }))
      }
      const entry: Entry = call === undefined
        ? { _tag: "Decided", response: mcpApprovalResponse(callId, approve, reason) }
        : toEntry(call)
      return Effect.ensuring(ledger.write(entry), Effect.sync(() => waiting.get(callId)?.()))
    }).pipe(Effect.uninterruptible)

  return {
    pending,
    approve: (callId) => decide(callId, () => ({ _tag: "Approved", callId }), true),
    reject: (callId, reason) =>
      decide(callId, (call) => ({ _tag: "Ended", output: rejected(call, reason) }), false, reason),
    wait: (callId, isOver) =>
      Effect.async<void>((resume) => {
        if (isOver() || !held().some(({ call_id }) => call_id === callId)) return resume(Effect.void)
        waiting.set(callId, () => resume(Effect.void))
      }).pipe(Effect.ensuring(Effect.sync(() => waiting.delete(callId)))),
    release: () => waiting.forEach((wake) => wake()),
    sending: (input) => {
      sending = input
    }
  }
}
