/** One response while it is being given: what was sent of it, and what becomes of it at its end. */
import { ResponseEvent, type ResponseItem, type ResponseRequest } from "effect-responses"
import type { Step } from "effect-responses/unstable/ResponseSteps"
import * as Predicate from "effect/Predicate"
import type { Outcome } from "../Observation.ts"
import { isAsync } from "./asyncCalls.ts"

export interface Run {
  readonly responseId: string
  /** `undefined`: it was refused. */
  readonly request: ResponseRequest.ResponseRequest | undefined
  readonly steps: ReadonlyArray<Step>
  /** What to send in place of a frame; told of each before it is sent, for whoever reads the last may go on at once. */
  readonly send: (frame: object | string) => object | string
  /** A frame that is not among the steps, with the next number of this response. */
  readonly extra: (frame: object) => object
  readonly outcome: () => Outcome | undefined
  /** Whether `response.created` was sent. */
  readonly hasBegun: () => boolean
  /** Whether the response could end here, for its successor to go on. */
  readonly isAtBoundary: () => boolean
  /** The end of a response that gives way to its successor. */
  readonly steered: () => object
  /** The calls that the response waits for, once it has ended. */
  readonly calls: () => ReadonlyArray<ResponseItem.FunctionCall | ResponseItem.CustomToolCall>
}

export interface End {
  readonly outcome: Outcome
  readonly response: Readonly<Record<string, unknown>> | undefined
  readonly output: ReadonlyArray<ResponseItem.ResponseItem>
}

type Frame = Readonly<Record<string, unknown>>

const isCall = (
  item: ResponseItem.ResponseItem
): item is ResponseItem.FunctionCall | ResponseItem.CustomToolCall =>
  item.type === "function_call" || item.type === "custom_tool_call"

const endOf = (event: ResponseEvent.ServerEvent): End | undefined => {
  if (!ResponseEvent.isTerminal(event) || (event.type === undefined && !("error" in event))) return undefined
  if (ResponseEvent.isEnd(event)) {
    const outcome = event.type === "response.completed" ? "completed" : "incomplete"
    return { outcome, response: event.response, output: event.response.output ?? [] }
  }
  const outcome = event.type === "response.failed" ? "failed" : "error"
  const { response } = event
  return { outcome, response: Predicate.isRecord(response) ? response : undefined, output: [] }
}

export const make = (options: {
  readonly responseId: string
  readonly request: ResponseRequest.ResponseRequest | undefined
  readonly steps: ReadonlyArray<Step>
  readonly usage: (output: ReadonlyArray<ResponseItem.ResponseItem>) => object
  readonly onEnd: (end: End) => void
}): Run => {
  let end: End | undefined
  let response: Frame | undefined
  let isItemOpen = false
  let next = 0
  /** How many frames were put in between. */
  let shift = 0
  const done: Array<ResponseItem.ResponseItem> = []

  const observe = (frame: object) => {
    const event = frame as ResponseEvent.ServerEvent
    const { type } = event
    if (type === "response.created" && Predicate.isRecord(event.response)) response = event.response
    if (type === "response.output_item.added") isItemOpen = true
    if (type === "response.output_item.done") {
      isItemOpen = false
      done.push(event.item)
    }
    if (end !== undefined) return
    end = endOf(event)
    if (end !== undefined) options.onEnd(end)
  }

  const send = (frame: object | string): object | string => {
    if (typeof frame === "string") return frame
    const number: unknown = Reflect.get(frame, "sequence_number")
    if (!Predicate.isNumber(number)) {
      observe(frame)
      return frame
    }
    const sent = shift === 0 ? frame : { ...frame, sequence_number: number + shift }
    next = number + shift + 1
    observe(sent)
    return sent
  }

  const extra = (frame: object): object => {
    const { type, ...rest } = frame as Frame
    const lane = options.request?.stream_id
    shift++
    return { type, sequence_number: next++, ...(lane === undefined ? {} : { stream_id: lane }), ...rest }
  }

  return {
    responseId: options.responseId,
    request: options.request,
    steps: options.steps,
    send,
    extra,
    outcome: () => end?.outcome,
    hasBegun: () => response !== undefined,
    isAtBoundary: () => response !== undefined && end === undefined && !isItemOpen && !done.some(isCall),
    steered: () => {
      const frame = extra({
        type: "response.incomplete",
        response: {
          ...response,
          status: "incomplete",
          incomplete_details: { reason: "steered" },
          output: [...done],
          usage: options.usage(done)
        }
      })
      observe(frame)
      return frame
    },
    calls: () => end?.output.filter(isCall).filter((call) => !isAsync(call, options.request?.tools)) ?? []
  }
}
