/** Many responses at once: what tests of connections with lanes, or of several connections, share. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as ResponseItem from "../../src/ResponseItem.ts"
import type { ResponseRequest } from "../../src/ResponseRequest.ts"
import * as Responses from "../../src/Responses.ts"
import { ResponsesSocket } from "../../src/ResponsesSocket.ts"
import * as FakeServer from "./fakeServer.ts"
import { collect } from "./socket.ts"

/** Events with the name of a lane, if there is one. */
export const on = (stream_id: unknown, ...events: ReadonlyArray<object>): ReadonlyArray<object> =>
  events.map((event) => typeof stream_id === "string" ? { ...event, stream_id } : event)

const toRequest = (text: string, fields: Partial<ResponseRequest>): ResponseRequest => ({
  model: "m",
  store: false,
  input: [ResponseItem.user(text)],
  ...fields
})

/** A caller that reads as fast as it can. */
export const ask = (text: string, fields: Partial<ResponseRequest> = {}) =>
  Effect.fork(collect(Responses.stream(toRequest(text, fields))))

/** A caller that opens its response, and has it to read later. */
export const open = (text: string, fields: Partial<ResponseRequest> = {}) =>
  Effect.flatMap(Scope.make(), (scope) => Effect.fork(Scope.extend(Responses.open(toRequest(text, fields)), scope)))

/** What the model says to everything in these tests. */
const said: ResponseItem.ResponseItem = { type: "message", role: "assistant", content: "Hello" }

/** A history that goes on from the answer to `text`. */
export const goOn = (text: string): ReadonlyArray<ResponseItem.ResponseItem> => [
  ResponseItem.user(text),
  said,
  ResponseItem.user("more")
]

export const completed = (id: string): object => ({
  type: "response.completed",
  response: { id, status: "completed", output: [said] }
})

export const answer = (id: string): ReadonlyArray<object> => [FakeServer.created(id), completed(id)]

export const stats = Effect.flatMap(ResponsesSocket, (socket) => socket.stats)
