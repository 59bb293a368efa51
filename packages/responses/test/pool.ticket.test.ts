/** What a request has of the pool, step by step. `pool.test.ts` has the states. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import type { Connection } from "../src/internal/socket/connection.ts"
import { settle } from "./support/clocks.ts"
import * as FakePool from "./support/fakePool.ts"

describe("the pool", () => {
  it.scoped("moves a turn that asks again: the old connection is rid of it, and ends if it is to end", () =>
    Effect.gen(function*() {
      const { accept, numberOf, pool, seen } = yield* FakePool.make()
      const any = () => true
      const ticket = pool.enter()
      assert.isTrue(ticket.isGranted())
      assert.isUndefined(ticket.current(any))
      const fiber = yield* Effect.fork(ticket.get(any))
      yield* settle
      yield* accept
      yield* fiber
      const at = (connection: Connection | undefined) => connection === undefined ? "nowhere" : numberOf(connection)
      assert.strictEqual(at(ticket.current(any)), 1)
      assert.strictEqual(at(ticket.current(() => false)), "nowhere")
      yield* TestClock.adjust("50 minutes")
      yield* accept
      assert.deepStrictEqual(seen, ["dial 1", "dial 2", "recycled"])
      assert.strictEqual(at(ticket.current(any)), 2)
      yield* settle
      assert.deepStrictEqual(seen.slice(3), ["1 is closed"])
      ticket.release()
      ticket.release()
      yield* TestClock.adjust("50 minutes")
      yield* accept
      assert.deepStrictEqual(seen.slice(4), ["dial 3", "recycled", "2 is closed"])
    }))

  it.scoped("gives no connection to a request before its turn, however it is asked", () =>
    Effect.gen(function*() {
      const { accept, ask, leave, numberOf, pool } = yield* FakePool.make()
      yield* ask("a")
      yield* accept
      const any = () => true
      const ticket = pool.enter()
      assert.isFalse(ticket.isGranted())
      assert.isUndefined(ticket.current(any))
      const fiber = yield* Effect.fork(ticket.get(any))
      yield* settle
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* leave("a")
      assert.strictEqual(numberOf(yield* Fiber.join(fiber)), 1)
    }))

  it.scoped("is closed before what it owns, and takes nothing in then", () =>
    Effect.gen(function*() {
      for (const isThere of [true, false]) {
        const { accept, ask, pool } = yield* FakePool.make()
        yield* ask("a")
        if (isThere) yield* accept
        pool.close()
        assert.isFalse(pool.isOpen())
        yield* accept
        assert.isFalse(pool.isOpen())
      }
    }))

  it.scoped("runs what is needed for a request only while it is open", () =>
    Effect.gen(function*() {
      const { close, pool } = yield* FakePool.make()
      assert.strictEqual(yield* pool.whileOpen(Effect.succeed(1)), 1)
      const running = yield* Effect.fork(Effect.flip(pool.whileOpen(Effect.never)))
      yield* settle
      yield* close
      for (const error of [yield* Fiber.join(running), yield* Effect.flip(pool.whileOpen(Effect.succeed(1)))]) {
        assert.deepInclude(error, { reason: "Closed", delivery: "unsent" })
      }
    }))

  it.scoped("keeps no connection that ended as it opened", () =>
    Effect.gen(function*() {
      const { accept, ask, connection, pool, seen } = yield* FakePool.make()
      yield* ask("a")
      connection(1)?.end()
      yield* accept
      assert.isFalse(pool.isOpen())
      assert.deepStrictEqual(seen, ["dial 1", "a on 1", "1 is closed"])
    }))
})
