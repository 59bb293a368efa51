/** An open response of a transport that is not there: its events are given. */
import { Duration, Effect, Stream } from "effect"
import * as Output from "../../src/internal/exchange/output.ts"
import * as ResponseEvent from "../../src/ResponseEvent.ts"
import type * as Responses from "../../src/Responses.ts"

export const make = (
  transport: Responses.OpenResponse["transport"],
  events: Responses.OpenResponse["events"],
  id = "resp_1"
): Responses.OpenResponse => {
  const output = Output.make()
  let result: Responses.FinalResponse | undefined
  const observed = Stream.tap(events, (event) =>
    Effect.sync(() => {
      output.add(event, 0)
      if (ResponseEvent.isEnd(event)) result = { ...event.response, output: output.of(event.response).output }
    }))
  return {
    id,
    transport,
    input: "full",
    bytesSent: 1,
    bytesSaved: 0,
    queued: Duration.zero,
    firstEvent: Duration.millis(5),
    recoveries: [],
    events: observed,
    forEach: (onEvent) => Stream.runForEach(observed, (event) => Effect.sync(() => onEvent(event))),
    result: () => result
  }
}
