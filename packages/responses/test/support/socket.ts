/** A socket transport on the server in memory, and the first steps that most of its tests share. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as ResponseEvent from "../../src/ResponseEvent.ts"
import * as Responses from "../../src/Responses.ts"
import type { ResponsesSocket } from "../../src/ResponsesSocket.ts"
import * as FakeServer from "./fakeServer.ts"

export const request = { model: "m", input: "hi" }

export const types = Stream.runFold(
  [] as ReadonlyArray<string>,
  (all, event: { readonly type: string }) => [...all, event.type]
)

/** As they came, compared with what was sent. */
export const collect = <E, R>(events: Stream.Stream<ResponseEvent.ResponseEvent, E, R>) =>
  Stream.runFold(events, [] as ReadonlyArray<unknown>, (all, event) => [...all, event])

export const run = (input = "hi") => types(Responses.stream({ model: "m", input }))

export const wholeAnswer = ["response.created", "response.output_text.delta", "response.completed"]

/** Serves one request on a connection and gives what the caller got. */
export const serve = Effect.fnUntraced(function*(connection: FakeServer.FakeConnection, id: string) {
  const fiber = yield* Effect.fork(run())
  yield* connection.request
  yield* connection.send(...FakeServer.answer(id))
  return yield* Fiber.join(fiber)
})

export const firstTurn = Effect.fnUntraced(function*(server: FakeServer.FakeServer) {
  const fiber = yield* Effect.fork(run())
  const connection = yield* server.connection
  yield* connection.request
  yield* connection.send(...FakeServer.answer("resp_1"))
  assert.deepStrictEqual(yield* Fiber.join(fiber), wholeAnswer)
  return connection
})

/** A response that has begun, in a scope of its own. */
export const begin = Effect.fnUntraced(function*(connection: FakeServer.FakeConnection, id: string) {
  const scope = yield* Scope.make()
  const fiber = yield* Effect.fork(Scope.extend(Responses.open(request), scope))
  yield* connection.request
  yield* connection.send(FakeServer.created(id))
  return { scope, response: yield* Fiber.join(fiber) }
})

/** Runs a test on a fake server with the socket's Layer around it. */
export const socket = (
  name: string,
  body: (
    server: FakeServer.FakeServer
  ) => Effect.Effect<void, unknown, Responses.Responses | ResponsesSocket | Scope.Scope>,
  options?: Parameters<FakeServer.FakeServer["layer"]>[0]
) =>
  it.scoped(
    name,
    () => Effect.flatMap(FakeServer.make, (server) => Effect.provide(body(server), server.layer(options)))
  )
