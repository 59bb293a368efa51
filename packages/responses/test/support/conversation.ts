/** Conversations on the server in memory: what is asked, and what is said. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as ResponseItem from "../../src/ResponseItem.ts"
import type { ResponseRequest } from "../../src/ResponseRequest.ts"
import * as Responses from "../../src/Responses.ts"
import * as FakeServer from "./fakeServer.ts"

export const hello = ResponseItem.user("Hello")
export const hi = ResponseItem.message("assistant", [{ type: "output_text", text: "Hi", annotations: [] }])
export const more = ResponseItem.user("More")

export const ask = (
  input: ReadonlyArray<ResponseItem.ResponseItem>,
  fields: Partial<ResponseRequest> = {}
): ResponseRequest => ({ model: "m", store: false, input, ...fields })

export const answer = (id: string, output: ReadonlyArray<ResponseItem.ResponseItem>, lane?: string) =>
  [FakeServer.created(id), { type: "response.completed", response: { id, status: "completed", output } }].map(
    (event) => ({ ...event, ...(lane === undefined ? {} : { stream_id: lane }) })
  )

export const begin = (request: ResponseRequest) =>
  Effect.fork(Effect.scoped(Effect.tap(Responses.open(request), (opened) => Stream.runDrain(opened.events))))

/** Asks, and answers as the server on that connection. */
export const turn = Effect.fnUntraced(function*(
  connection: FakeServer.FakeConnection,
  request: ResponseRequest,
  id: string,
  output: ReadonlyArray<ResponseItem.ResponseItem> = [hi]
) {
  const fiber = yield* begin(request)
  const sent = yield* connection.request
  yield* connection.send(...answer(id, output, request.stream_id))
  return { sent, opened: yield* Fiber.join(fiber) }
})

/** The same for a request that opens the connection. */
export const first = Effect.fnUntraced(function*(
  server: FakeServer.FakeServer,
  request: ResponseRequest,
  id: string,
  output: ReadonlyArray<ResponseItem.ResponseItem> = [hi]
) {
  const fiber = yield* begin(request)
  const connection = yield* server.connection
  const sent = yield* connection.request
  yield* connection.send(...answer(id, output, request.stream_id))
  return { connection, sent, opened: yield* Fiber.join(fiber) }
})
