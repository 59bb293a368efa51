/** Closing the Layer at the worst moments: whoever waits is told, the server sees a proper close, nothing is left. */
import { assert, describe, it } from "@effect/vitest"
import * as Responses from "effect-responses/Responses"
import type { ResponsesError } from "effect-responses/ResponsesError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as NodeResponsesSocket from "../src/NodeResponsesSocket.ts"
import * as RawServer from "./support/rawServer.ts"
import { accepted, apiKey, created, delta, eventLoopTurn, listening, request } from "./support/survival.ts"

const started = Effect.fnUntraced(function*(options?: Partial<NodeResponsesSocket.Options>) {
  const server = yield* RawServer.make
  const scope = yield* Scope.make()
  const layer = NodeResponsesSocket.layer({ apiKey, baseUrl: server.url, ...options })
  const context = yield* Layer.buildWithScope(layer, scope)
  return {
    server,
    close: Scope.close(scope, Exit.void),
    turn: Effect.provide(listening, context),
    provided: Effect.provide(context)
  }
})

const isClosed = (outcome: Either.Either<void, ResponsesError>) => {
  assert(outcome._tag === "Left")
  assert.include(outcome.left, { _tag: "ConnectionError", reason: "Closed" })
}

describe("closing the Layer", () => {
  it.scoped("while a response runs and others wait", () =>
    Effect.gen(function*() {
      const { close, server, turn } = yield* started()
      const running = yield* turn
      const peer = yield* accepted(server)
      yield* peer.send(created, delta)
      yield* Effect.zipRight(running.event, running.event)
      const waiting = yield* Effect.all([turn, turn, turn])
      yield* close
      for (const { outcome } of [running, ...waiting]) isClosed(yield* outcome)
      assert.strictEqual(yield* peer.closed, 1000)
      yield* peer.gone
      isClosed(yield* Effect.flatMap(turn, ({ outcome }) => outcome))
    }))

  it.scoped("while the server does not answer the upgrade", () =>
    Effect.gen(function*() {
      const { close, server, turn } = yield* started()
      const turns = yield* Effect.all([turn, turn])
      const upgrade = yield* server.upgrade
      yield* close
      for (const { outcome } of turns) isClosed(yield* outcome)
      yield* upgrade.gone
    }))

  it.scoped("between two tries to connect", () =>
    Effect.gen(function*() {
      const { close, server, turn } = yield* started()
      const { outcome } = yield* turn
      const upgrade = yield* server.upgrade
      yield* upgrade.refuse(500)
      yield* upgrade.gone
      yield* Effect.repeatN(eventLoopTurn, 10)
      yield* close
      isClosed(yield* outcome)
    }))

  it.scoped("while a slow consumer holds up the socket", () =>
    Effect.gen(function*() {
      const { close, provided, server } = yield* started({ closeTimeout: "1 hour" })
      const taken = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const slow = Responses.stream(request).pipe(
        Stream.runForEach(() => Effect.zipRight(Deferred.succeed(taken, undefined), Deferred.await(goOn)))
      )
      const fiber = yield* Effect.fork(Effect.either(provided(slow)))
      const peer = yield* accepted(server)
      yield* peer.send(created)
      yield* Deferred.await(taken)
      const large = { ...delta, delta: "x".repeat(1 << 20) }
      yield* peer.send(...Array.from({ length: 20 }, () => large))
      yield* Effect.repeatN(eventLoopTurn, 10)
      yield* close
      yield* Deferred.succeed(goOn, undefined)
      isClosed(yield* Fiber.join(fiber))
      assert.strictEqual(yield* peer.closed, 1000)
    }))

  it.scoped("while the server reads nothing any more", () =>
    Effect.gen(function*() {
      const { close, server, turn } = yield* started({ closeTimeout: "50 millis" })
      const running = yield* turn
      const peer = yield* accepted(server)
      yield* peer.send(created)
      yield* running.event
      peer.tcp.pause()
      yield* close
      isClosed(yield* running.outcome)
      yield* peer.gone
    }))

  it.scoped("while a request is on its way to a server that reads nothing", () =>
    Effect.gen(function*() {
      const { close, provided, server } = yield* started({ closeTimeout: "50 millis" })
      const warm = yield* Effect.fork(Effect.either(provided(Effect.scoped(Responses.open(request)))))
      const peer = yield* accepted(server)
      yield* peer.send(created, { type: "response.completed", response: { id: "resp_1", output: [] } })
      yield* Fiber.join(warm)
      peer.tcp.pause()
      const large = Responses.create({ ...request, input: "x".repeat(14 * 1024 * 1024) })
      const fiber = yield* Effect.fork(Effect.either(provided(Effect.asVoid(large))))
      yield* Effect.repeatN(eventLoopTurn, 10)
      yield* close
      isClosed(yield* Fiber.join(fiber))
      yield* peer.gone
    }))
})
