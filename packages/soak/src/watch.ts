/** A Layer's service, watched: who asked what, what came back, and how it ended. */
import * as Context from "effect-responses-server/Context"
import * as ResponseEvent from "effect-responses/ResponseEvent"
import * as ResponseItem from "effect-responses/ResponseItem"
import * as ResponseRequest from "effect-responses/ResponseRequest"
import type * as Responses from "effect-responses/Responses"
import type { ResponsesError } from "effect-responses/ResponsesError"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { End } from "./faults.ts"
import * as Plan from "./plan.ts"
import type { Outcome, Seen } from "./records.ts"
import type { Open, Referee } from "./referee.ts"

const endOf = (error: ResponsesError): End => {
  switch (error._tag) {
    case "ConnectionError":
      return `${error.reason}/${error.delivery}`
    case "ResponseFailed":
    case "MalformedEvent":
      return `${error._tag}/${error.delivery}`
    case "PreviousResponseNotFound":
    case "InvalidRequest":
      return error._tag
  }
}

const seen = (event: ResponseEvent.ResponseEvent): Seen => {
  const sequence: unknown = event.sequence_number
  return {
    type: event.type,
    sequence: typeof sequence === "number" ? sequence : undefined,
    responseId: ResponseEvent.responseId(event),
    isOutput: ResponseEvent.isOutput(event),
    // The other one is in a frame that is no event where frames can be binary.
    delta: event.type === "response.output_text.delta" && Reflect.get(event, "item_id") !== "msg_bad"
      ? event.delta
      : undefined
  }
}

const textOf = (output: ReadonlyArray<ResponseItem.ResponseItem>): string =>
  output.map((item) => item.type === "message" ? ResponseItem.text(item) : "").join("")

const outcomeOf = (cause: Cause.Cause<ResponsesError>): Outcome => {
  const failure = Option.getOrUndefined(Cause.failureOption(cause))
  if (failure !== undefined) {
    return {
      _tag: "Failed",
      end: endOf(failure),
      message: failure.message,
      status: "status" in failure ? failure.status : undefined,
      code: "code" in failure ? failure.code : undefined
    }
  }
  return Cause.isInterruptedOnly(cause) ? { _tag: "GaveUp" } : { _tag: "Defect", message: Cause.pretty(cause) }
}

const fail = (turn: Open, cause: Cause.Cause<ResponsesError>) => {
  turn.outcome = outcomeOf(cause)
}

const observe = (turn: Open, event: ResponseEvent.ResponseEvent) => {
  turn.events.push(seen(event))
  // A response that began with output gets its name later.
  turn.responseId ??= ResponseEvent.responseId(event)
  if (!ResponseEvent.isEnd(event)) return
  turn.outcome = {
    _tag: "Ended",
    end: event.type === "response.completed" ? "completed" : "incomplete",
    text: textOf(event.response.output ?? [])
  }
}

export interface Options {
  readonly referee: Referee
  readonly layer: string
  readonly plan: (key: Plan.Key) => Plan.Plan
  /** The Layer as it is now. */
  readonly service: () => Responses.Service
  /** From the asking to the first event, without the wait for others, where nothing stood in the way. In milliseconds. */
  readonly onOverhead: (millis: number) => void
}

export const make = ({ layer, onOverhead, plan, referee, service }: Options): Responses.Service => {
  const opened = (turn: Open, response: Responses.OpenResponse) => {
    turn.responseId = response.id
    turn.sent = { input: response.input, reason: response.reason?._tag, transport: response.transport }
    turn.recoveries = response.recoveries.map(({ _tag, error }) => ({ _tag, end: endOf(error) }))
    const isPlain = response.transport === "websocket" && response.recoveries.length === 0 &&
      turn.executions.at(-1)?.fault === "none" && turn.upgrades.size === 0
    if (isPlain) onOverhead(Math.max(0, performance.now() - turn.began - Duration.toMillis(response.queued)))
  }

  return {
    open: (request) => {
      const items = ResponseRequest.items(request)
      const key = Plan.keyOf(items)
      if (request.generate === false || key === undefined) return Effect.suspend(() => service().open(request))
      return Effect.gen(function*() {
        const turn = referee.ask(key, {
          layer,
          hash: Context.hash(items),
          text: plan(key).text,
          isExplicit: Predicate.isNotNullable(request.previous_response_id)
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => referee.settle(turn)))
        const response = yield* service().open(request).pipe(
          Effect.onExit((exit) => Effect.sync(() => Exit.isFailure(exit) && fail(turn, exit.cause)))
        )
        opened(turn, response)
        return {
          ...response,
          events: response.events.pipe(
            Stream.mapChunks((chunk) => {
              for (const event of chunk) observe(turn, event)
              return chunk
            }),
            Stream.tapErrorCause((cause) => Effect.sync(() => fail(turn, cause)))
          ),
          forEach: (onEvent) =>
            response.forEach((event) => {
              observe(turn, event)
              onEvent(event)
            }).pipe(Effect.tapErrorCause((cause) => Effect.sync(() => fail(turn, cause))))
        }
      })
    }
  }
}
