/** The synchronous sink of the library. */
import type { ResponseEvent } from "effect-responses/ResponseEvent"
import type { ResponseRequest } from "effect-responses/ResponseRequest"
import * as Responses from "effect-responses/Responses"
import type { ResponsesError } from "effect-responses/ResponsesError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

// Until the library has one: as near to it as its stream comes.
export const forEach = (
  request: ResponseRequest,
  onEvent: (event: ResponseEvent) => void
): Effect.Effect<void, ResponsesError, Responses.Responses> =>
  Stream.runForEachChunk(Responses.stream(request), (chunk) =>
    Effect.sync(() => {
      for (const event of chunk) onEvent(event)
    }))
