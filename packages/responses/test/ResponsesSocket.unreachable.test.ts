import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { ConnectionError } from "../src/ResponsesError.ts"
import { ResponsesSocket } from "../src/ResponsesSocket.ts"
import { assertConnectionError, failing, settle } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { firstTurn, run, socket, wholeAnswer } from "./support/socket.ts"

const unreachable = () => new ConnectionError({ reason: "Unreachable", delivery: "unsent", description: "down" })
const down = () => [unreachable(), unreachable(), unreachable()]

describe("a server that is down", () => {
  socket("is dialled for one of fifty callers, and all of them get the same error", (server) =>
    Effect.gen(function*() {
      server.plan(...down())
      const fibers = yield* Effect.replicateEffect(failing(), 50)
      yield* TestClock.adjust("1 second")
      const [first, ...others] = yield* Fiber.joinAll(fibers)
      assert(first !== undefined)
      assertConnectionError(first, "Unreachable", "unsent")
      for (const error of others) assert.strictEqual(error, first)
      assert.strictEqual(server.dials(), 3)
    }))

  socket("who comes while it is dialled gets the error too", (server) =>
    Effect.gen(function*() {
      server.plan("never")
      const early = yield* failing()
      yield* TestClock.adjust("9 seconds")
      const late = yield* failing()
      yield* TestClock.adjust("1 second")
      assertConnectionError(yield* Fiber.join(early), "OpenTimeout", "unsent")
      assert.strictEqual(yield* Fiber.join(late), yield* Fiber.join(early))
      assert.strictEqual(server.dials(), 1)
    }))

  socket("is dialled anew for whoever comes later", (server) =>
    Effect.gen(function*() {
      server.plan(...down(), ...down())
      for (const dials of [3, 6]) {
        const fibers = yield* Effect.replicateEffect(failing(), 5)
        yield* TestClock.adjust("1 second")
        yield* Fiber.joinAll(fibers)
        assert.strictEqual(server.dials(), dials)
      }
      yield* firstTurn(server)
    }))

  socket("whoever asks again upon the error is served when the server is back", (server) =>
    Effect.gen(function*() {
      server.plan(...down())
      const fibers = yield* Effect.replicateEffect(Effect.fork(Effect.retry(run(), { times: 1 })), 3)
      yield* TestClock.adjust("1 second")
      const connection = yield* server.connection
      for (const fiber of fibers) {
        yield* connection.request
        yield* connection.send(...FakeServer.answer("resp_1"))
        assert.deepStrictEqual(yield* Fiber.join(fiber), wholeAnswer)
      }
      assert.strictEqual(server.dials(), 4)
    }))

  socket("does not fail those who wait when the caller whose turn it is leaves", (server) =>
    Effect.gen(function*() {
      server.plan("never")
      const leaving = yield* failing()
      yield* settle
      const waiting = yield* Effect.fork(run())
      yield* settle
      yield* Fiber.interrupt(leaving)
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(...FakeServer.answer("resp_1"))
      assert.deepStrictEqual(yield* Fiber.join(waiting), wholeAnswer)
    }))

  socket("is one error for all who wait behind a response that is lost", (server) =>
    Effect.gen(function*() {
      const running = yield* failing()
      const connection = yield* server.connection
      yield* connection.request
      server.plan(...down())
      const waiting = yield* Effect.replicateEffect(failing(), 10)
      yield* settle
      yield* connection.close(1006)
      yield* TestClock.adjust("1 second")
      assertConnectionError(yield* Fiber.join(running), "Lost", "unacknowledged")
      for (const error of yield* Fiber.joinAll(waiting)) assertConnectionError(error, "Unreachable", "unsent")
      assert.strictEqual(server.dials(), 4)
    }))

  socket("is dialled by `connect` under the same rule", (server) =>
    Effect.gen(function*() {
      server.plan(...down())
      const { connect } = yield* ResponsesSocket
      const probe = yield* Effect.fork(Effect.flip(connect ?? Effect.dieMessage("the socket can connect")))
      yield* settle
      const caller = yield* failing()
      yield* TestClock.adjust("1 second")
      assertConnectionError(yield* Fiber.join(probe), "Unreachable", "unsent")
      assertConnectionError(yield* Fiber.join(caller), "Unreachable", "unsent")
      assert.strictEqual(server.dials(), 3)
    }))

  for (
    const [code, dials] of [["rate_limit_exceeded", 3], ["insufficient_quota", 1], [undefined, 3]] as const
  ) {
    socket(`that refuses with 429 and the code ${code} is dialled ${dials} times`, (server) =>
      Effect.gen(function*() {
        const refused = new ConnectionError({
          reason: "Refused",
          delivery: "unsent",
          description: "no",
          status: 429,
          ...code === undefined ? {} : { code }
        })
        server.plan(refused, refused, refused)
        const fiber = yield* failing()
        yield* TestClock.adjust("1 second")
        assertConnectionError(yield* Fiber.join(fiber), "Refused", "unsent")
        assert.strictEqual(server.dials(), dials)
      }))
  }
})
