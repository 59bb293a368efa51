/** How long requests wait for a place by default, and what comes after. */
import { assert, describe, it } from "@effect/vitest"
import { Responses, ResponseScript } from "effect-responses"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as NodeResponses from "../src/NodeResponses.ts"

const apiKey = Redacted.make("sk-queue")

const request = { model: "m", input: "hi", store: false }

/** A response that has begun, and that another fiber holds. */
const held = Effect.flatMap(Deferred.make<void>(), (begun) =>
  Responses.open(request).pipe(
    Effect.tap(() => Deferred.succeed(begun, undefined)),
    Effect.zipRight(Effect.never),
    Effect.forkScoped,
    Effect.zipRight(Deferred.await(begun))
  ))

const { silence, text, turn } = ResponseScript

/** The first two answers never end. */
const script: ResponseScript.Script = (_, { index }) =>
  index < 2 ? turn([text("A longer answer"), silence({ after: 5 })]) : text("Hello")

describe("a request for which there is no place", () => {
  it.scoped("is served over HTTP after a second", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey, script })
      yield* Effect.gen(function*() {
        yield* held
        yield* held
        const waiting = yield* Effect.fork(Responses.open(request))
        yield* TestClock.adjust("999 millis")
        assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
        assert.lengthOf(yield* server.requests, 2)
        yield* TestClock.adjust("1 millis")
        const response = yield* Fiber.join(waiting)
        assert.strictEqual(response.transport, "http")
        assert.deepInclude(response.recoveries[0]?.error, { reason: "QueueTimeout", delivery: "unsent" })
        // It is that request's alone: the socket is not given up.
        assert.deepStrictEqual(yield* server.connections, { opened: 2, open: 2 })
      }).pipe(
        Effect.scoped,
        Effect.provide(NodeResponses.layer({ apiKey, baseUrl: server.url, maxConnections: 2, maxLanes: 1 }))
      )
    }))
})
