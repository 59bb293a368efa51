import { assert, describe, it } from "@effect/vitest"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import type * as Responses from "../src/Responses.ts"
import { ConnectionError } from "../src/ResponsesError.ts"
import * as ResponsesSocket from "../src/ResponsesSocket.ts"
import { assertConnectionError, settle } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { begin, firstTurn, run, serve, socket, types, wholeAnswer } from "./support/socket.ts"

const refusedWith = (status: number) =>
  new ConnectionError({ reason: "Refused", delivery: "unsent", description: "no", status })

const keyOf = (connection: FakeServer.FakeConnection) => connection.target.headers["authorization"]

const stats = Effect.flatMap(ResponsesSocket.ResponsesSocket, (socket) => socket.stats)

interface Keys {
  current: string | undefined
  asked: number
}

/** A server, and keys that the test changes. */
const rotating = (
  name: string,
  body: (
    server: FakeServer.FakeServer,
    keys: Keys
  ) => Effect.Effect<void, unknown, Responses.Responses | ResponsesSocket.ResponsesSocket | Scope.Scope>,
  options?: Partial<ResponsesSocket.Options>
) =>
  it.scoped(name, () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make
      const keys: Keys = { current: "sk-old", asked: 0 }
      const apiKey = Effect.suspend(() => {
        keys.asked++
        return keys.current === undefined
          ? Effect.fail(ConfigError.MissingData(["KEY"], "the vault is down"))
          : Effect.succeed(Redacted.make(keys.current))
      })
      yield* Effect.provide(body(server, keys), server.layer({ ...options, apiKey }))
    }))

describe("a key that changes", () => {
  rotating(
    "moves the next turn to a connection with the new key, and closes the old one",
    (server, keys) =>
      Effect.gen(function*() {
        const old = yield* firstTurn(server)
        yield* serve(old, "resp_2")
        keys.current = "sk-new"
        const next = yield* firstTurn(server)
        assert.deepStrictEqual([keyOf(old), keyOf(next)], ["Bearer sk-old", "Bearer sk-new"])
        assert.isTrue(old.isClosed())
        yield* serve(next, "resp_3")
        assert.strictEqual(server.dials(), 2)
        assert.strictEqual(server.open(), 1)
      })
  )

  for (const [room, maxConnections] of [["no room for more", 3], ["room for more", 8]] as const) {
    rotating(
      `retires every connection of the old one, where there is ${room}; what runs on them ends there`,
      (server, keys) =>
        Effect.gen(function*() {
          const begun = yield* Effect.forEach([1, 2, 3], (number) =>
            Effect.gen(function*() {
              const fiber = yield* Effect.fork(run(`old ${number}`))
              const connection = yield* server.connection
              yield* connection.request
              yield* connection.send(FakeServer.created(`resp_${number}`))
              return { connection, fiber, id: `resp_${number}` }
            }))
          const end = ({ connection, fiber, id }: typeof begun[number]) =>
            Effect.gen(function*() {
              yield* connection.send(...FakeServer.answer(id).slice(1))
              assert.deepStrictEqual(yield* Fiber.join(fiber), wholeAnswer)
              yield* settle
            })
          const [first, ...others] = begun
          assert(first !== undefined)
          keys.current = "sk-new"
          const waiting = yield* Effect.fork(run("new 1"))
          yield* settle
          yield* end(first)
          const next = yield* server.connection
          assert.strictEqual(keyOf(next), "Bearer sk-new")
          yield* next.request
          yield* next.send(...FakeServer.answer("resp_4"))
          assert.deepStrictEqual(yield* Fiber.join(waiting), wholeAnswer)
          yield* settle
          assert.deepStrictEqual(begun.map(({ connection }) => connection.isClosed()), [true, false, false])
          assert.deepInclude(yield* stats, { serving: 1, retiring: 2, running: 2 })
          yield* Effect.forEach(others, end)
          assert.deepStrictEqual(begun.map(({ connection }) => connection.isClosed()), [true, true, true])
          assert.deepInclude(yield* stats, { serving: 1, retiring: 0, running: 0 })
          const another = yield* Effect.fork(run("new 2"))
          const last = yield* server.connection
          assert.strictEqual(keyOf(last), "Bearer sk-new")
          yield* last.request
          yield* last.send(...FakeServer.answer("resp_5"))
          assert.deepStrictEqual(yield* Fiber.join(another), wholeAnswer)
        }),
      { maxConnections, maxLanes: 1 }
    )
  }

  rotating("leaves the turn that runs where it is", (server, keys) =>
    Effect.gen(function*() {
      const old = yield* firstTurn(server)
      const { response, scope } = yield* begin(old, "resp_2")
      keys.current = "sk-new"
      const waiting = yield* Effect.fork(run())
      yield* settle
      assert.isFalse(old.isClosed())
      yield* old.send(FakeServer.delta("Hello"), FakeServer.completed("resp_2"))
      const next = yield* server.connection
      assert.strictEqual(keyOf(next), "Bearer sk-new")
      yield* next.request
      yield* next.send(...FakeServer.answer("resp_3"))
      assert.deepStrictEqual(yield* Fiber.join(waiting), wholeAnswer)
      assert.deepStrictEqual(yield* types(response.events), wholeAnswer)
      assert.isTrue(old.isClosed())
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(next.isClosed())
    }))

  rotating(
    "is asked for when it is a caller's turn, and not when the caller came",
    (server, keys) =>
      Effect.gen(function*() {
        const old = yield* firstTurn(server)
        const { scope } = yield* begin(old, "resp_2")
        const waiting = yield* Effect.fork(run())
        yield* settle
        keys.current = "sk-new"
        yield* old.send(FakeServer.completed("resp_2"))
        yield* Scope.close(scope, Exit.void)
        const next = yield* server.connection
        assert.strictEqual(keyOf(next), "Bearer sk-new")
        yield* next.request
        yield* next.send(...FakeServer.answer("resp_3"))
        assert.deepStrictEqual(yield* Fiber.join(waiting), wholeAnswer)
      })
  )

  rotating("is noticed by `connect` too", (server, keys) =>
    Effect.gen(function*() {
      const old = yield* firstTurn(server)
      const { connect } = yield* ResponsesSocket.ResponsesSocket
      yield* connect ?? Effect.dieMessage("the socket can connect")
      assert.strictEqual(server.dials(), 1)
      keys.current = "sk-new"
      yield* connect ?? Effect.void
      assert.strictEqual(keyOf(yield* server.connection), "Bearer sk-new")
      yield* settle
      assert.isTrue(old.isClosed())
    }))

  rotating("that cannot be had leaves the connection that there is in use", (server, keys) =>
    Effect.gen(function*() {
      const old = yield* firstTurn(server)
      keys.current = undefined
      assert.deepStrictEqual(yield* serve(old, "resp_2"), wholeAnswer)
      yield* old.close(1006)
      assertConnectionError(yield* Effect.flip(run()), "Credentials", "unsent")
      assert.strictEqual(server.dials(), 1)
      keys.current = "sk-new"
      yield* firstTurn(server)
    }))

  rotating(
    "for one that is refused is an error, and the old connection serves on with the old key",
    (server, keys) =>
      Effect.gen(function*() {
        const old = yield* firstTurn(server)
        keys.current = "sk-bad"
        server.plan(refusedWith(401), refusedWith(401))
        const error = yield* Effect.flip(run())
        assert.deepInclude(error, { _tag: "ConnectionError", status: 401 })
        assert.isFalse(old.isClosed())
        keys.current = "sk-old"
        assert.deepStrictEqual(yield* serve(old, "resp_2"), wholeAnswer)
      })
  )

  rotating("does not wait for the rest of an answer that is drained", (server, keys) =>
    Effect.gen(function*() {
      const old = yield* firstTurn(server)
      const { scope } = yield* begin(old, "resp_2")
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(old.isClosed())
      keys.current = "sk-new"
      yield* firstTurn(server)
      assert.isTrue(old.isClosed())
    }), { onEarlyEnd: "drain" })

  it.scoped("headers that change move nothing: they are sent with the next connection", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make
      let asked = 0
      const headers = Effect.sync(() => ({ "x-request-id": `${asked++}` }))
      yield* Effect.gen(function*() {
        const connection = yield* firstTurn(server)
        yield* serve(connection, "resp_2")
        assert.strictEqual(server.dials(), 1)
        yield* connection.close(1006)
        const next = yield* firstTurn(server)
        assert.notStrictEqual(next.target.headers["x-request-id"], connection.target.headers["x-request-id"])
      }).pipe(Effect.provide(server.layer({ headers })))
    }))
})

describe("a key that is refused", () => {
  rotating("is asked for once more: it may have changed meanwhile", (server, keys) =>
    Effect.gen(function*() {
      server.plan(refusedWith(401))
      const asked = keys.asked
      const connection = yield* firstTurn(server)
      assert.strictEqual(server.dials(), 2)
      // For each of the two connects.
      assert.strictEqual(keys.asked - asked, 2)
      assert.strictEqual(keyOf(connection), "Bearer sk-old")
    }))

  rotating("twice is the caller's error", (server) =>
    Effect.gen(function*() {
      server.plan(refusedWith(401), refusedWith(401))
      const error = yield* Effect.flip(run())
      assertConnectionError(error, "Refused", "unsent")
      assert.deepInclude(error, { status: 401 })
      assert.strictEqual(server.dials(), 2)
    }))

  rotating("for lack of a permission is not asked for again", (server) =>
    Effect.gen(function*() {
      server.plan(refusedWith(403))
      assert.deepInclude(yield* Effect.flip(run()), { status: 403 })
      assert.strictEqual(server.dials(), 1)
    }))

  it.scoped("and cannot change is dialled with once", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make
      server.plan(refusedWith(401))
      assert.deepInclude(yield* Effect.provide(Effect.flip(run()), server.layer()), { status: 401 })
      assert.strictEqual(server.dials(), 1)
    }))
})

describe("a key that does not come", () => {
  let isThere = true
  const apiKey = Effect.suspend(() => isThere ? Effect.succeed(Redacted.make("sk-secret")) : Effect.never)

  socket(
    "holds up one caller for connectTimeout, and nobody after it: the connection serves on",
    (server) =>
      Effect.gen(function*() {
        isThere = true
        const connection = yield* firstTurn(server)
        isThere = false
        const callers = yield* Effect.forEach([1, 2, 3], () => Effect.fork(run()))
        yield* TestClock.adjust("10 seconds")
        for (const [index, caller] of callers.entries()) {
          yield* connection.request
          yield* connection.send(...FakeServer.answer(`resp_${index + 2}`))
          assert.deepStrictEqual(yield* Fiber.join(caller), wholeAnswer)
        }
      }),
    { apiKey, stallTimeout: Infinity }
  )

  it.effect("ends with the Layer", () =>
    Effect.gen(function*() {
      isThere = true
      const server = yield* FakeServer.make
      const scope = yield* Scope.make()
      const services = yield* Layer.buildWithScope(server.layer({ apiKey }), scope)
      yield* Effect.provide(firstTurn(server), services)
      isThere = false
      const callers = yield* Effect.forEach([1, 2], () => Effect.fork(Effect.provide(Effect.flip(run()), services)))
      yield* Effect.repeatN(Effect.yieldNow(), 50)
      yield* Scope.close(scope, Exit.void)
      for (const caller of callers) {
        const error = yield* Fiber.join(caller)
        assert(error._tag === "ConnectionError")
        assert.deepStrictEqual([error.reason, error.delivery], ["Closed", "unsent"])
      }
    }))
})
