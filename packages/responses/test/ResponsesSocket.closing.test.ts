import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Responses from "../src/Responses.ts"
import { ConnectionError } from "../src/ResponsesError.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { firstTurn, request } from "./support/socket.ts"

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

socket("a scope that is closed before its response has begun gives it up once it has", (server) =>
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
  }))
