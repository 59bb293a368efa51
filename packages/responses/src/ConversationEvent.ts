/**
 * What a `Conversation` tells of its own work, in the same stream as the events of the API.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import type { Approval } from "./ConversationApproval.ts"
import type { Usage } from "./ResponseEvent.ts"
import type * as ResponseItem from "./ResponseItem.ts"
import type { ConnectionError, ResponseFailed } from "./ResponsesError.ts"
import type * as ResponseTool from "./ResponseTool.ts"

/**
 * A tool has been started, which was written down before. The event may come later than the first effects of the tool.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolStarted {
  readonly type: "conversation.tool.started"
  readonly callId: string
  readonly name: string
  /** Which of the runs for this call it is, counted from 1. */
  readonly attempt: number
}

/**
 * How a call has ended.
 *
 * - `Output`: the tool has given its output.
 * - `Failed`: the tool could not answer. `output` is what the model is told of it, and `undefined` where the run fails.
 * - `Unknown`: the tool was started before, and nobody has seen its end. It has not run again, and the model is told so.
 * - `Rejected`: the call needed an approval and was rejected meanwhile. It has not run, and the model is told so.
 *
 * @since 0.1.0
 * @category models
 */
export type ToolResult =
  | { readonly _tag: "Output"; readonly output: ResponseTool.CallOutput }
  | {
    readonly _tag: "Failed"
    readonly error: ResponseTool.ToolFailed
    readonly output: ResponseTool.CallOutput | undefined
  }
  | { readonly _tag: "Unknown"; readonly output: ResponseTool.CallOutput }
  | { readonly _tag: "Rejected"; readonly output: ResponseTool.CallOutput }

/**
 * A call has ended, and this has been written down. A tool that is interrupted with the run has no such event, as nobody
 * knows what it has done.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolEnded {
  readonly type: "conversation.tool.ended"
  readonly callId: string
  readonly name: string
  /** 0: the tool was never started. */
  readonly attempt: number
  /** How long the tool ran. A tool that did not run has zero. */
  readonly duration: Duration.Duration
  readonly result: ToolResult
}

/**
 * A call needs an approval and is held, which has been written down. The other calls of its round run on. If it is approved
 * while they do, it runs with them.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolHeld {
  readonly type: "conversation.tool.held"
  readonly approval: Approval
}

/**
 * The last event of a stream: nothing is left to do before these are approved or rejected. `resume` goes on then.
 *
 * @since 0.1.0
 * @category models
 */
export interface ApprovalsPending {
  readonly type: "conversation.approvals.pending"
  readonly approvals: ReadonlyArray<Approval>
}

/**
 * A response has ended, and all its calls have their output, but for those of async tools, which are not among the `calls`. The
 * last round of a `run` has no calls. A round that is completed while no `run` or `resume` goes on, by `reject` or by the answer
 * to an MCP server, has no such event.
 *
 * @since 0.1.0
 * @category models
 */
export interface RoundEnded {
  readonly type: "conversation.round.ended"
  /** Counted from 1 in each `run` and `resume`. */
  readonly round: number
  /** `undefined`: the response came before this `run` or `resume`, which has run its calls only. */
  readonly responseId: string | undefined
  /** Of this response. `undefined` where the server says nothing of it, or where the response came before. */
  readonly usage: Usage | undefined
  readonly calls: ReadonlyArray<{
    readonly callId: string
    readonly name: string
    readonly output: ResponseTool.CallOutput
  }>
}

/**
 * A request has failed and is asked again after `delay`. What was shown of its response is void: the next response begins anew.
 * Comes for each retry, also where nothing was shown. Responses that have ended are not concerned.
 *
 * @example
 * ```ts
 * import { Stream } from "effect"
 * import { Responses } from "effect-responses"
 *
 * export const text = Responses.stream(
 *   { model: "gpt-5.5", input: "A poem, please." },
 *   { retry: { delivery: "partial" } }
 * ).pipe(
 *   Stream.runFold("", (text, event) => {
 *     switch (event.type) {
 *       case "response.output_text.delta":
 *         return text + event.delta
 *       case "conversation.retrying":
 *         return ""
 *       default:
 *         return text
 *     }
 *   })
 * )
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export interface Retrying {
  readonly type: "conversation.retrying"
  /** 1 for the first retry of the request. */
  readonly attempt: number
  /** From now until the request is asked again. */
  readonly delay: Duration.Duration
  readonly error: ConnectionError | ResponseFailed
  /** Of the response that is void. `undefined`: none had begun, or the server had not named it. */
  readonly responseId: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type ConversationEvent = ToolStarted | ToolEnded | ToolHeld | ApprovalsPending | RoundEnded | Retrying

/**
 * What `stopWhen` decides by.
 *
 * @since 0.1.0
 * @category models
 */
export interface EndedRound extends Omit<RoundEnded, "type"> {
  /** Of the response. Where it came before this `run` or `resume`, its calls. */
  readonly output: ReadonlyArray<ResponseItem.ResponseItem>
}

const types: Readonly<Record<ConversationEvent["type"], true>> = {
  "conversation.tool.started": true,
  "conversation.tool.ended": true,
  "conversation.tool.held": true,
  "conversation.approvals.pending": true,
  "conversation.round.ended": true,
  "conversation.retrying": true
}

/**
 * Whether an event is the library's own. The API's events are narrowed as well:
 *
 * @example
 * ```ts
 * import { Stream } from "effect"
 * import { type Conversation, ConversationEvent } from "effect-responses"
 *
 * export const toolsOf = (conversation: Conversation.Conversation) =>
 *   conversation.run("What is the weather in Oslo?").pipe(
 *     Stream.filter(ConversationEvent.isConversationEvent),
 *     Stream.map((event) => event.type === "conversation.tool.started" ? event.name : "")
 *   )
 * ```
 *
 * @since 0.1.0
 * @category refinements
 */
export const isConversationEvent = (event: { readonly type?: unknown }): event is ConversationEvent =>
  Predicate.isString(event.type) && Object.hasOwn(types, event.type)
