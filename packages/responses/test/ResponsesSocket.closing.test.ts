import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Continuation from "../src/internal/compare/continuation.ts"
import * as Rule from "../src/internal/compare/rule.ts"
import * as Responses from "../src/Responses.ts"
import { ConnectionError } from "../src/ResponsesError.ts"
import { assertConnectionError, settle } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { firstTurn, request, run, serve, socket, wholeAnswer } from "./support/socket.ts"

const refused = new ConnectionError({ reason: "Refused", delivery: "unsent", description: "no", status: 403 })
const options = { recycle: Schedule.spaced("50 minutes"), stallTimeout: Infinity, turnTimeout: Infinity } as const

describe("closing the Layer around a recycle", () => {
  const dialled = (server: FakeServer.FakeServer) => Effect.sync(() => server.plan("never"))
  const moments: ReadonlyArray<{
    readonly when: string
    readonly before?: (server: FakeServer.FakeServer) => Effect.Effect<void>
    readonly running: boolean
    readonly queued?: boolean
  }> = [
    { when: "when it is over", running: false },
    { when: "while the successor is dialled", before: dialled, running: false },
    { when: "while the successor is dialled and a response runs", before: dialled, running: true, queued: true },
    { when: "while a response runs on the old connection", running: true },
    { when: "while one runs and another waits", running: true, queued: true },
    {
      when: "when the successor was refused",
      before: (server) => Effect.sync(() => server.plan(refused)),
      running: true
    }
  ]
  for (const { before, queued, running, when } of moments) {
    it.scoped(`${when} closes everything at once`, () =>
      Effect.gen(function*() {
        const server = yield* FakeServer.make
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(server.layer(options), scope)
        yield* Effect.gen(function*() {
          const old = yield* firstTurn(server)
          const fibers: Array<Fiber.Fiber<Responses.FinalResponse, unknown>> = []
          if (running) {
            fibers.push(yield* Effect.fork(Responses.create(request)))
            yield* old.request
            yield* old.send(FakeServer.created("resp_2"))
          }
          if (queued === true) fibers.push(yield* Effect.fork(Responses.create(request)))
          yield* before?.(server) ?? Effect.void
          yield* TestClock.adjust("50 minutes")
          assert.strictEqual(server.dials(), 2)
          yield* Scope.close(scope, Exit.void)
          assert.strictEqual(server.open(), 0)
          for (const fiber of fibers) {
            const error = yield* Effect.flip(Fiber.join(fiber))
            assert.deepInclude(error, { _tag: "ConnectionError", reason: "Closed" })
          }
          yield* TestClock.adjust("2 hours")
          assert.deepStrictEqual([server.dials(), server.open()], [2, 0])
        }).pipe(Effect.provide(context))
      }))
  }
})

socket(
  "a scope that is closed before its response has begun gives it up once it has",
  (server) =>
    Effect.gen(function*() {
      const old = yield* firstTurn(server)
      const scope = yield* Scope.make()
      const opening = yield* Effect.fork(Scope.extend(Responses.open(request), scope))
      yield* old.request
      yield* Scope.close(scope, Exit.void)
      yield* old.send(FakeServer.created("resp_2"))
      const response = yield* Fiber.join(opening)
      assert.isTrue(old.isClosed())
      assert.isTrue(Exit.isFailure(yield* Effect.exit(response.forEach(() => {}))))
      yield* firstTurn(server)
      assert.strictEqual(server.open(), 1)
    })
)

it.scoped("closing the Layer fails whoever dials, and whoever comes later", () =>
  Effect.gen(function*() {
    const server = yield* FakeServer.make
    server.plan("never")
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(server.layer(), scope)
    const ask = Effect.flip(Effect.provide(Responses.create(request), context))
    const dialling = yield* Effect.fork(ask)
    yield* settle
    yield* Scope.close(scope, Exit.void)
    assertConnectionError(yield* Fiber.join(dialling), "Closed", "unsent")
    assertConnectionError(yield* ask, "Closed", "unsent")
    assert.strictEqual(server.dials(), 1)
  }))

socket("a turn that moves to another connection keeps its place there", (server) =>
  Effect.gen(function*() {
    const old = yield* firstTurn(server)
    const first = yield* Effect.fork(run("first"))
    yield* old.request
    const second = yield* Effect.fork(run("second"))
    yield* settle
    yield* old.send({
      type: "error",
      status: 400,
      error: { code: "websocket_connection_limit_reached", message: "" }
    })
    const next = yield* server.connection
    assert.deepInclude(yield* next.request, { input: "first" })
    yield* settle
    assert.isTrue(Option.isNone(yield* Effect.timeoutOption(next.request, 0)))
    yield* next.send(...FakeServer.answer("resp_2"))
    yield* Fiber.join(first)
    assert.deepInclude(yield* next.request, { input: "second" })
    yield* next.send(...FakeServer.answer("resp_3"))
    yield* Fiber.join(second)
  }))

socket(
  "a rule that throws fails its request, and leaves the connection to the next one",
  (server) =>
    Effect.gen(function*() {
      const connection = yield* firstTurn(server)
      const error = yield* Effect.flip(run("bad"))
      assert.deepInclude(error, { _tag: "InvalidRequest", field: "input" })
      assert.deepStrictEqual(yield* serve(connection, "resp_2"), wholeAnswer)
    }),
  {
    continuation: Rule.make({
      ...Continuation.automatic,
      plan: (heads, request) => {
        if (request.input === "bad") throw new Error("a rule that throws")
        return Continuation.automatic.plan(heads, request)
      }
    })
  }
)
