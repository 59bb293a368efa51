import { assert, describe, it } from "@effect/vitest"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Responses from "effect-responses/Responses"
import { ResponsesSocket } from "effect-responses/ResponsesSocket"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Supervisor from "effect/Supervisor"
import * as Thorough from "../../responses/test/support/thorough.ts"
import * as NodeResponsesSocket from "../src/NodeResponsesSocket.ts"

/** What keeps this process alive, by kind. */
const resources = Effect.sync(() => {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return Object.fromEntries(counts)
})

const eventLoopTurn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

const apiKey = Redacted.make("sk-leaks")

const request = { model: "m", input: "hi", store: false }

/** A third of the callers listens to the end, a third leaves early, a third is interrupted. */
const caller = (index: number) => {
  const events = Responses.stream(request)
  if (index % 3 === 0) return Stream.runDrain(events)
  if (index % 3 === 1) return Stream.runDrain(Stream.take(events, 2))
  return Effect.flatMap(
    Effect.fork(Stream.runDrain(events)),
    (fiber) => Effect.zipRight(Effect.repeatN(eventLoopTurn, index % 4), Fiber.interrupt(fiber))
  )
}

const turns = Thorough.amount(1000, 200)

describe(`${turns} turns`, () => {
  for (const onEarlyEnd of ["close", "drain"] as const) {
    it.scoped(`leave no socket, no fiber and no timer (${onEarlyEnd})`, () =>
      Effect.gen(function*() {
        const server = yield* ResponsesServer.make({ apiKey, recordLimit: 10 })
        const before = yield* resources
        const supervisor = yield* Supervisor.track
        const scope = yield* Scope.make()
        yield* Effect.gen(function*() {
          const context = yield* Layer.buildWithScope(
            NodeResponsesSocket.layer({ apiKey, baseUrl: server.url, onEarlyEnd }),
            scope
          )
          yield* Effect.forEach(Array.from({ length: turns }, (_, index) => index), caller, {
            concurrency: 10,
            discard: true
          }).pipe(Effect.provide(context))
          const last = yield* Effect.provide(Responses.create(request), context)
          assert.strictEqual(last.status, "completed")
          const stats = Effect.provide(Effect.flatMap(ResponsesSocket, (socket) => socket.stats), context)
          const { open, opening, retiring, serving, waiting } = yield* stats
          assert.isTrue(open)
          assert.deepStrictEqual({ opening, waiting }, { opening: 0, waiting: 0 })
          // There is one for each 16 conversations, up to 32.
          assert.isAtMost(serving + retiring, Math.min(32, Math.ceil(turns / 16)))
          // The server has what this side has, and learns of what this side closed.
          const isElsewhere = Effect.map(server.connections, ({ open }) => open !== serving + retiring)
          yield* Effect.repeat(Effect.zipRight(eventLoopTurn, isElsewhere), { while: (is) => is, times: 2000 })
          assert.strictEqual((yield* server.connections).open, serving + retiring)
          yield* Scope.close(scope, Exit.void)
        }).pipe(Effect.supervised(supervisor))
        yield* server.waitFor("ConnectionClosed", (yield* server.connections).opened)
        yield* Effect.repeatN(eventLoopTurn, 5)
        const alive = yield* supervisor.value
        assert.deepStrictEqual(alive.map((fiber) => String(fiber.id())), [])
        for (const [kind, count] of Object.entries(yield* resources)) {
          // The test runner's own timers come and go.
          assert.isAtMost(count, before[kind] ?? 0, kind)
        }
        assert.strictEqual((yield* server.connections).open, 0)
      }), 60_000)
  }
})
