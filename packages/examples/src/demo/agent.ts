/** An agent loop: ask, run the tools the model calls, and ask again with the whole history, until it answers. */
import { ResponseEvent, ResponseItem, type ResponseRequest, Responses, type ResponsesTelemetry } from "effect-responses"
import { Context } from "effect-responses-server"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { Request } from "./task.ts"
import * as tools from "./tools.ts"

type Item = ResponseItem.ResponseItem

export interface Turn extends ResponsesTelemetry.Sending {
  /** Counts from 1. */
  readonly number: number
  readonly calls: ReadonlyArray<ResponseItem.FunctionCall>
  readonly text: string
  /** Whether the model saw what the history says; only a local server tells. */
  readonly sawWholeHistory: boolean | undefined
}

export interface Run {
  readonly turns: ReadonlyArray<Turn>
  readonly history: ReadonlyArray<Item>
  /** Why the run ended before the model had answered. */
  readonly problem: string | undefined
}

/** What happens in a turn while it runs. */
export type Progress =
  | { readonly _tag: "Asked"; readonly turn: number }
  | { readonly _tag: "Opened"; readonly turn: number; readonly sending: ResponsesTelemetry.Sending }
  | { readonly _tag: "Thought"; readonly delta: string }
  | { readonly _tag: "Called"; readonly name: string }
  | { readonly _tag: "Argument"; readonly delta: string }
  | { readonly _tag: "Said"; readonly delta: string }
  | { readonly _tag: "Ended"; readonly turn: Turn }

class NoAnswer extends Data.TaggedError("NoAnswer")<{ readonly message: string }> {}

/** A model that never stops calling tools is stopped here. */
const maxTurns = 100

const isNamed = (item: Item): item is ResponseItem.FunctionCall =>
  item.type === "function_call" && Predicate.isString(item.name)

const progressOf = (event: ResponseEvent.ResponseEvent): Progress | undefined => {
  switch (event.type) {
    case "response.reasoning_summary_text.delta":
      return { _tag: "Thought", delta: event.delta }
    case "response.output_item.added":
      return isNamed(event.item) ? { _tag: "Called", name: event.item.name } : undefined
    case "response.function_call_arguments.delta":
      return { _tag: "Argument", delta: event.delta }
    case "response.output_text.delta":
      return { _tag: "Said", delta: event.delta }
    default:
      return undefined
  }
}

/** No call that lacks what a call needs can be run. */
const isCall = (item: Item): item is ResponseItem.FunctionCall =>
  isNamed(item) && Predicate.isString(item.call_id) && Predicate.isString(item.arguments)

interface Answer {
  readonly sending: ResponsesTelemetry.Sending
  readonly end: ResponseEvent.EndEvent
  readonly output: ReadonlyArray<Item>
}

/** The `onOpen` of a stream runs before its first event, and a stream that ends well has a last one. */
const ask = (
  request: ResponseRequest.ResponseRequest,
  turn: number,
  show: (progress: Progress) => Effect.Effect<void>
) =>
  Effect.suspend(() => {
    let sending: ResponsesTelemetry.Sending | undefined
    let end: ResponseEvent.EndEvent | undefined
    const output: Array<Item> = []
    const onOpen = (response: Responses.OpenResponse) => {
      sending = response
      return show({ _tag: "Opened", turn, sending: response })
    }
    return Responses.stream(request, { onOpen }).pipe(
      Stream.runForEach((event) => {
        if (event.type === "response.output_item.done") output.push(event.item)
        if (ResponseEvent.isEnd(event)) end = event
        const progress = progressOf(event)
        return progress === undefined ? Effect.void : show(progress)
      }),
      Effect.flatMap(() =>
        sending === undefined || end === undefined
          ? Effect.dieMessage("A response ended without an end")
          : Effect.succeed<Answer>({ sending, end, output })
      )
    )
  })

export const run = (options: {
  readonly request: Request
  readonly show: (progress: Progress) => Effect.Effect<void>
  readonly beforeTurn?: ((turn: number) => Effect.Effect<void>) | undefined
}): Effect.Effect<Run, never, Responses.Responses> =>
  Effect.suspend(() => {
    const { beforeTurn, request, show } = options
    const turns: Array<Turn> = []
    let history = request.input

    /** Gives whether the model wants to go on. */
    const turn = Effect.gen(function*() {
      const number = turns.length + 1
      yield* beforeTurn?.(number) ?? Effect.void
      yield* show({ _tag: "Asked", turn: number })
      const { end, output, sending } = yield* ask({ ...request, input: history }, number, show)
      const seen = end.response.metadata?.["context_hash"]
      const calls = output.filter(isCall)
      const ended: Turn = {
        ...sending,
        number,
        calls,
        text: output.map(ResponseItem.text).join(""),
        sawWholeHistory: seen === undefined ? undefined : seen === Context.hash(history)
      }
      turns.push(ended)
      history = [...history, ...output]
      yield* show({ _tag: "Ended", turn: ended })
      if (end.type === "response.incomplete") {
        return yield* Effect.fail(
          new NoAnswer({
            message: `The answer is incomplete: ${end.response.incomplete_details?.reason ?? "no reason was given"}`
          })
        )
      }
      const outputs = yield* Effect.forEach(
        calls,
        (call) => Effect.map(tools.run(call), (text) => ResponseItem.functionCallOutput(call.call_id, text)),
        { concurrency: "unbounded" }
      )
      history = [...history, ...outputs]
      if (calls.length > 0 && number === maxTurns) {
        return yield* Effect.fail(new NoAnswer({ message: `There is no answer after ${maxTurns} turns` }))
      }
      return calls.length > 0
    })

    return Effect.iterate(true, { while: (more) => more, body: () => turn }).pipe(
      Effect.as(undefined),
      Effect.catchAll((error) => Effect.succeed(error.message)),
      Effect.map((problem): Run => ({ turns, history, problem }))
    )
  })
