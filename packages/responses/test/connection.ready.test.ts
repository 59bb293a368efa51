/** When a connection is ready for a request, and what it does with the clocks and the lane of a response. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Reader from "../src/internal/exchange/reader.ts"
import { endsAfter, settle } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import * as FakeSocket from "./support/fakeSocket.ts"

const open = Effect.tap(FakeSocket.make(), ({ connection, socket }) => Effect.sync(() => connection.onUpgraded(socket)))

/** A response has begun on the unnamed lane, and its caller has left. */
const draining = Effect.tap(open, ({ ask, receive, written }) =>
  Effect.sync(() => {
    const { exchange, lane } = ask()
    written()
    receive(FakeServer.created("resp_1"))
    exchange.abandon()
    lane.release()
  }))

const isDone = (fiber: Fiber.RuntimeFiber<void>) => Effect.map(Fiber.poll(fiber), Option.isSome)

describe("a connection is ready", () => {
  it.scoped("for 30 seconds after something came, whatever runs there", () =>
    Effect.gen(function*() {
      const { ask, connection, receive } = yield* open
      assert.isTrue(connection.isReady())
      ask()
      assert.isTrue(connection.isReady())
      receive(FakeServer.completed("resp_1"))
      assert.isTrue(connection.isReady())
      yield* TestClock.adjust("29999 millis")
      assert.isTrue(connection.isReady())
      yield* TestClock.adjust("1 millis")
      assert.isFalse(connection.isReady())
    }))

  it.scoped("at once, where nothing has to be waited for", () =>
    Effect.gen(function*() {
      const { connection, seen } = yield* open
      yield* connection.ready
      assert.deepStrictEqual(seen, [])
    }))

  it.scoped("after 30 seconds of silence when a ping is answered", () =>
    Effect.gen(function*() {
      const { connection, dead, seen } = yield* open
      yield* TestClock.adjust("30 seconds")
      const fiber = yield* Effect.fork(connection.ready)
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual(seen, ["ping"])
      assert.isFalse(yield* isDone(fiber))
      connection.inbound.onSign()
      yield* Fiber.join(fiber)
      yield* TestClock.adjust("1 minutes")
      assert.deepInclude({ open: connection.isOpen(), dead: dead() }, { open: true, dead: 0 })
    }))

  it.scoped("or has ended, 10 seconds after a ping that is not answered", () =>
    Effect.gen(function*() {
      const { connection, dead } = yield* open
      yield* TestClock.adjust("30 seconds")
      yield* endsAfter(yield* Effect.fork(connection.ready), "10 seconds")
      assert.deepInclude({ open: connection.isOpen(), dead: dead() }, { open: false, dead: 1 })
    }))

  it.scoped("without a wait where it ends while a ping is out, and then nobody calls it dead", () =>
    Effect.gen(function*() {
      const { connection, dead } = yield* open
      yield* TestClock.adjust("30 seconds")
      const fiber = yield* Effect.fork(connection.ready)
      yield* settle
      connection.end()
      yield* Fiber.join(fiber)
      yield* TestClock.adjust("1 minutes")
      assert.strictEqual(dead(), 0)
    }))

  it.scoped("without a ping where it has ended before it is asked for", () =>
    Effect.gen(function*() {
      const { connection, dead, seen } = yield* open
      yield* TestClock.adjust("30 seconds")
      connection.end()
      const fiber = yield* Effect.fork(connection.ready)
      yield* settle
      assert.isTrue(yield* isDone(fiber))
      yield* TestClock.adjust("1 minutes")
      assert.deepInclude({ seen, dead: dead() }, { seen: [], dead: 0 })
    }))
})

describe("a lane whose caller has left", () => {
  it.scoped("is free at the end of the response there, and those that wait are told", () =>
    Effect.gen(function*() {
      const { connection, receive } = yield* draining
      let told = 0
      connection.onRoom(() => told++)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(connection.lanes.find("")?.tag, "Draining")
      connection.hurry()
      yield* TestClock.adjust("29999 millis")
      assert.strictEqual(told, 0)
      receive(FakeServer.completed("resp_1"))
      assert.deepStrictEqual([connection.lanes.find("")?.tag, told], ["Free", 1])
      yield* TestClock.adjust("1 hours")
      assert.isTrue(connection.isOpen())
    }))

  it.scoped("ends the connection, where that end does not come within 30 seconds of the first who waits", () =>
    Effect.gen(function*() {
      const { connection } = yield* draining
      yield* TestClock.adjust("1 minutes")
      connection.hurry()
      yield* TestClock.adjust("20 seconds")
      connection.hurry()
      yield* TestClock.adjust("9999 millis")
      assert.isTrue(connection.isOpen())
      yield* TestClock.adjust("1 millis")
      assert.isTrue(connection.hasEnded())
    }))
})

describe("while the caller of a response is behind", () => {
  /** More than may wait has come, and nobody reads. */
  const behind = Effect.gen(function*() {
    const fake = yield* open
    const { exchange } = fake.ask()
    fake.written()
    fake.receive(FakeServer.created("resp_1"))
    fake.receive(FakeServer.delta("x".repeat(Reader.highWaterMark)))
    return { ...fake, exchange }
  })

  it.scoped("the socket is paused until the caller has taken what waits", () =>
    Effect.gen(function*() {
      const { exchange, seen } = yield* behind
      assert.deepStrictEqual(seen, ["request", "pause"])
      yield* Effect.fork(exchange.forEach(() => {}))
      yield* settle
      assert.deepStrictEqual(seen, ["request", "pause", "resume"])
    }))

  it.scoped("the server is not overdue, and is not asked whether it lives", () =>
    Effect.gen(function*() {
      const { connection, exchange, seen } = yield* behind
      yield* TestClock.adjust("19 minutes")
      assert.isFalse(exchange.hasEnded())
      yield* connection.ready
      assert.deepStrictEqual(seen, ["request", "pause"])
    }))

  it.scoped("the clock of the server begins anew when the caller has caught up", () =>
    Effect.gen(function*() {
      const { connection, exchange } = yield* behind
      yield* TestClock.adjust("9 minutes")
      yield* Effect.fork(exchange.forEach(() => {}))
      yield* settle
      yield* TestClock.adjust("599999 millis")
      assert.isTrue(connection.isOpen())
      yield* TestClock.adjust("1 millis")
      const error = exchange.error()
      assert(error?._tag === "ConnectionError")
      assert.strictEqual(error.reason, "Stalled")
    }))
})

describe("where several run and the callers are behind", () => {
  const large = "x".repeat(Reader.highWaterMark)

  const on = (stream_id: string, event: object) => ({ ...event, stream_id })

  /** Two responses run. The callers of the ones named have more unread than may wait. */
  const running = Effect.fnUntraced(function*(behind: ReadonlyArray<string>, options: FakeSocket.Options = {}) {
    const fake = yield* FakeSocket.make({ naming: FakeSocket.lanes(), ...options })
    fake.connection.onUpgraded(fake.socket)
    const exchanges = ["1", "2"].map((name) => {
      const { exchange } = fake.ask(fake.connection.unusedLane())
      fake.written()
      fake.receive(on(name, FakeServer.created(`resp_${name}`)))
      return exchange
    })
    const getBehind = (names: ReadonlyArray<string>) => {
      for (const name of names) fake.receive(on(name, FakeServer.delta(large)))
    }
    getBehind(behind)
    const [first, second] = exchanges
    assert(first !== undefined && second !== undefined)
    return { ...fake, first, second, getBehind }
  })

  const without = (seen: ReadonlyArray<string>) => seen.filter((what) => what !== "request")

  it.scoped("the socket is paused when all of them are, until the first has caught up", () =>
    Effect.gen(function*() {
      const { first, getBehind, seen } = yield* running(["1"])
      assert.deepStrictEqual(without(seen), [])
      getBehind(["2"])
      assert.deepStrictEqual(without(seen), ["pause"])
      first.abandon()
      assert.deepStrictEqual(without(seen), ["pause", "resume"])
    }))

  it.scoped("the socket is not paused while somebody waits for a turn, and goes on when somebody comes", () =>
    Effect.gen(function*() {
      const { connection, getBehind, seen, waits } = yield* running([])
      waits(true)
      getBehind(["1", "2"])
      assert.deepStrictEqual(without(seen), [])
      waits(false)
      getBehind(["1"])
      assert.deepStrictEqual(without(seen), ["pause"])
      connection.flow.resume()
      connection.flow.resume()
      assert.deepStrictEqual(without(seen), ["pause", "resume"])
    }))

  it.scoped("the socket goes on for a request that is sent meanwhile", () =>
    Effect.gen(function*() {
      const { ask, connection, seen } = yield* running(["1", "2"])
      ask(connection.unusedLane())
      assert.deepStrictEqual(seen.slice(2), ["pause", "resume", "request"])
    }))

  it.scoped("and more waits for one than there is room for, it loses its reader, and the others go on", () =>
    Effect.gen(function*() {
      const maxUnread = { response: 1.5 * Reader.highWaterMark, connection: Infinity, layer: Infinity }
      const { connection, first, getBehind, receive, second } = yield* running(["1"], { maxUnread })
      const fiber = yield* Effect.fork(Effect.flip(first.forEach(() => {})))
      getBehind(["1"])
      assert.strictEqual(first.size(), 0)
      const error = yield* Fiber.join(fiber)
      assert.deepInclude(error, { reason: "Overrun", delivery: "partial" })
      assert.isFalse(first.hasEnded())
      receive(on("1", FakeServer.completed("resp_1")))
      assert.isTrue(first.result() !== undefined && connection.isOpen() && !second.hasEnded())
    }))

  it.scoped("the clocks of the server begin anew when one has caught up", () =>
    Effect.gen(function*() {
      const { first, getBehind, second } = yield* running(["1"])
      yield* TestClock.adjust("1 minutes")
      getBehind(["2"])
      yield* TestClock.adjust("8 minutes")
      second.abandon()
      yield* TestClock.adjust("599999 millis")
      assert.deepStrictEqual([first.error(), second.error()], [undefined, undefined])
    }))
})

describe("when a response has ended", () => {
  it.scoped("its owner is told when its lane is rid of it", () =>
    Effect.gen(function*() {
      const { ask, connection, receive } = yield* open
      const lane = connection.lanes.use("")
      const told: Array<string> = []
      ask(lane, (_, hasBegun) => told.push(`${lane.tag}, ${hasBegun ? "begun" : "not begun"}`))
      receive(FakeServer.completed("resp_1"))
      ask(lane, (_, hasBegun) => told.push(`${lane.tag}, ${hasBegun ? "begun" : "not begun"}`))
      connection.end()
      assert.deepStrictEqual(told, ["Held, begun", "Held, not begun"])
    }))

  it.scoped("it has no clock any more", () =>
    Effect.gen(function*() {
      const { ask, connection, receive } = yield* open
      ask()
      receive(FakeServer.completed("resp_1"))
      yield* TestClock.adjust("1 hours")
      assert.isTrue(connection.isOpen())
    }))
})
