/** How many responses may run on a connection whose lanes the Layer names, and what its events show of the server. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { ConnectionError, type Delivery } from "../src/ResponsesError.ts"
import * as FakeServer from "./support/fakeServer.ts"
import * as FakeSocket from "./support/fakeSocket.ts"
import * as Kept from "./support/kept.ts"

const on = (stream_id: string, event: object) => ({ ...event, stream_id })

const overdue = (delivery: Delivery) => new ConnectionError({ reason: "TurnTimeout", delivery, description: "overdue" })

const open = Effect.fnUntraced(function*(naming = FakeSocket.lanes()) {
  const fake = yield* FakeSocket.make({ naming })
  const { ask, connection, receive, socket, written } = fake
  let told = 0
  connection.onRoom(() => told++)
  connection.onUpgraded(socket)
  /** So many responses run, on lanes of their own. */
  const run = (count: number, begins = true) =>
    Array.from({ length: count }, () => {
      const { exchange, lane } = ask(connection.unusedLane())
      written()
      const { name } = lane
      if (begins) receive(on(name, FakeServer.created(`resp_${name}`)))
      return { exchange, lane, end: () => receive(on(name, FakeServer.completed(`resp_${name}`))) }
    })
  return {
    ...fake,
    naming,
    run,
    told: () => told,
    rooms: () => [connection.room(), connection.capacity.hopedFor()],
    tags: () => [...connection.lanes].map(({ name, tag }) => `${name} ${tag}`).join(", ")
  }
})

describe("the room on a connection", () => {
  it.scoped("is one response, and hope for others, until an event has come back with the name of its lane", () =>
    Effect.gen(function*() {
      const { receive, rooms, run, told } = yield* open()
      assert.deepStrictEqual(rooms(), [1, 3])
      run(1, false)
      assert.deepStrictEqual([...rooms(), told()], [0, 3, 0])
      receive(on("1", FakeServer.created("resp_1")))
      assert.deepStrictEqual([...rooms(), told()], [3, 0, 1])
      receive(on("1", FakeServer.delta("x")))
      assert.strictEqual(told(), 1)
    }))

  it.scoped("is not shown by a failure, which any server may send with a name", () =>
    Effect.gen(function*() {
      const { connection, receive, rooms, run } = yield* open()
      run(1, false)
      receive(on("1", { type: "error", error: { message: "No." } }))
      assert.isFalse(connection.capacity.namesLanes())
      assert.deepStrictEqual(rooms(), [0, 3])
    }))

  it.scoped("is hoped for one second", () =>
    Effect.gen(function*() {
      const { connection, rooms, run } = yield* open()
      run(1, false)
      yield* TestClock.adjust("1 seconds")
      assert.deepStrictEqual(rooms(), [0, 3])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(rooms(), [0, 0])
      assert.isFalse(connection.capacity.namesLanes())
    }))

  it.scoped("is hoped for without an end on a connection on which nothing runs", () =>
    Effect.gen(function*() {
      const { rooms } = yield* open()
      yield* TestClock.adjust("1 hours")
      assert.deepStrictEqual(rooms(), [1, 3])
    }))

  it.scoped("is what is left by the lanes that are not free and by the places that are granted", () =>
    Effect.gen(function*() {
      const { connection, rooms, run, tags } = yield* open()
      const [, second] = run(2)
      assert.deepStrictEqual(rooms(), [2, 0])
      connection.reserved = 1
      assert.deepStrictEqual(rooms(), [1, 0])
      connection.reserved = 3
      assert.deepStrictEqual(rooms(), [0, 0])
      connection.reserved = 0
      second?.end()
      assert.deepStrictEqual([tags(), ...rooms()], ["1 Running, 2 Held", 2, 0])
      if (second !== undefined) connection.release(second.lane)
      assert.deepStrictEqual([tags(), ...rooms()], ["1 Running, 2 Free", 3, 0])
    }))

  it.scoped("is taken by what drains, and given back at its end", () =>
    Effect.gen(function*() {
      const { connection, rooms, run, told } = yield* open()
      const [first] = run(2)
      assert(first !== undefined)
      connection.release(first.lane)
      const before = told()
      assert.deepStrictEqual([first.lane.tag, ...rooms()], ["Draining", 2, 0])
      first.end()
      assert.deepStrictEqual([first.lane.tag, ...rooms(), told() - before], ["Free", 3, 0, 1])
    }))

  it.scoped("is none before the socket is there, once it retires, and when it has ended", () =>
    Effect.gen(function*() {
      const { connection } = yield* FakeSocket.make({ naming: FakeSocket.lanes() })
      assert.deepStrictEqual([connection.room(), connection.capacity.hopedFor()], [0, 0])
      const { rooms, run, ...other } = yield* open()
      run(1)
      other.connection.retire()
      assert.deepStrictEqual(rooms(), [0, 0])
      other.connection.end()
      assert.deepStrictEqual(rooms(), [0, 0])
    }))

  it.scoped("was last full when the last place was taken", () =>
    Effect.gen(function*() {
      const { connection, run, timers } = yield* open(FakeSocket.lanes(2))
      assert.strictEqual(connection.fullAt, -Infinity)
      run(1)
      yield* TestClock.adjust("1 minutes")
      const [last] = run(1)
      const full = timers.time.now()
      assert.deepStrictEqual([connection.room(), connection.fullAt, connection.usedAt], [0, full, full])
      yield* TestClock.adjust("1 minutes")
      if (last !== undefined) connection.release(last.lane)
      assert.deepStrictEqual([connection.fullAt, connection.usedAt], [full, full + 60_000])
    }))
})

describe("a lane for a request without a head", () => {
  it.scoped("is one that was used and has none, else a new one, up to the 32 names that a server takes", () =>
    Effect.gen(function*() {
      const { connection } = yield* open(FakeSocket.lanes(40))
      const names: Array<string | undefined> = []
      for (let count = 0; count < 33; count++) {
        const lane = connection.unusedLane()
        names.push(lane?.name)
        if (lane !== undefined) connection.hold(lane)
      }
      assert.deepStrictEqual(names, [...Array.from({ length: 32 }, (_, index) => String(index + 1)), undefined])
      const used = connection.lanes.find("7")
      assert(used !== undefined)
      connection.release(used)
      assert.strictEqual(connection.unusedLane(), used)
      used.pins = 1
      assert.isUndefined(connection.unusedLane())
      used.pins = 0
      used.memory = { _tag: "Head", kept: Kept.make("resp_7") }
      assert.isUndefined(connection.unusedLane())
    }))

  it.scoped("is the one without a name, on a server that takes no names", () =>
    Effect.gen(function*() {
      const { connection, naming } = yield* open()
      naming.refused()
      const lane = connection.unusedLane()
      assert.strictEqual(lane?.name, "")
      if (lane !== undefined) connection.hold(lane)
      assert.isUndefined(connection.unusedLane())
    }))

  it.scoped("is none of a new name, once the server has said that it takes no more than it has seen", () =>
    Effect.gen(function*() {
      const { connection, run } = yield* open()
      run(2)
      const third = connection.unusedLane()
      assert(third !== undefined)
      connection.hold(third)
      connection.capacity.noMoreNames(third)
      assert.isUndefined(connection.lanes.find("3"))
      assert.isUndefined(connection.unusedLane())
    }))

  it.scoped("is found under the name that its caller gave it, whether it was used or not", () =>
    Effect.gen(function*() {
      const { connection } = yield* open()
      const lane = connection.laneNamed("mine")
      assert.deepStrictEqual([lane.name, lane.tag, connection.lanes.size], ["mine", "Free", 0])
      connection.hold(lane)
      assert.strictEqual(connection.laneNamed("mine"), lane)
    }))
})

describe("a server", () => {
  it.scoped("whose events have no names runs one response at a time, on a lane without a name, for the whole Layer", () =>
    Effect.gen(function*() {
      const { connection, naming, receive, rooms, run, tags } = yield* open()
      const [first] = run(1, false)
      receive(FakeServer.created("resp_1"))
      assert.isFalse(connection.capacity.namesLanes())
      assert.isFalse(naming.sendsNames)
      assert.deepStrictEqual([tags(), ...rooms()], [" Running", 0, 0])
      receive(FakeServer.completed("resp_1"))
      assert.isTrue(first?.exchange.isFinished())
      const other = yield* open(naming)
      assert.deepStrictEqual(other.rooms(), [1, 0])
    }))

  for (const type of ["keepalive", "codex.rate_limits"]) {
    it.scoped(`is not judged by news of its own (${type}), which belong to no response`, () =>
      Effect.gen(function*() {
        const { naming, receive, run } = yield* open()
        run(1, false)
        receive({ type })
        assert.isTrue(naming.sendsNames)
        receive(on("1", FakeServer.created("resp_1")))
        assert.isTrue(naming.sendsNames)
      }))
  }

  it.scoped("that refuses a name gets none any more", () =>
    Effect.gen(function*() {
      const { connection, naming, run } = yield* open()
      const [first] = run(1, false)
      assert(first !== undefined)
      connection.capacity.nameRefused(first.lane)
      assert.deepStrictEqual([first.lane.name, naming.sendsNames], ["", false])
      assert.strictEqual(connection.lanes.find(""), first.lane)
    }))

  it.scoped("that says it runs one response at a time is believed, on this connection", () =>
    Effect.gen(function*() {
      const { connection, naming, rooms } = yield* open()
      connection.capacity.runOne()
      assert.deepStrictEqual(rooms(), [1, 0])
      assert.deepStrictEqual((yield* open(naming)).rooms(), [1, 3])
    }))
})

describe("a connection is shared by a lane", () => {
  it.scoped("with lanes that are not free, and with those that have a head", () =>
    Effect.gen(function*() {
      const { connection, run, tags } = yield* open()
      const [first, second] = run(2)
      assert(first !== undefined && second !== undefined)
      assert.isTrue(connection.drains.isShared(first.lane))
      second.end()
      assert.isTrue(connection.drains.isShared(first.lane), tags())
      connection.release(second.lane)
      assert.isFalse(connection.drains.isShared(first.lane), tags())
      second.lane.memory = { _tag: "Head", kept: Kept.make("resp_2") }
      assert.isTrue(connection.drains.isShared(first.lane))
      assert.isTrue(connection.drains.isShared(second.lane))
    }))

  it.scoped("with none, where the callers name the lanes", () =>
    Effect.gen(function*() {
      const { ask, connection, socket } = yield* FakeSocket.make()
      connection.onUpgraded(socket)
      const { lane } = ask(connection.lanes.use("a"))
      ask(connection.lanes.use("b"))
      assert.isFalse(connection.drains.isShared(lane))
    }))
})

describe("a response that is given up", () => {
  it.scoped("drains, where the connection is shared", () =>
    Effect.gen(function*() {
      const { connection, run, tags } = yield* open()
      const [first, second] = run(2)
      assert(first !== undefined && second !== undefined)
      connection.drains.giveUp(first.exchange, overdue)
      assert.deepInclude(first.exchange.error(), { reason: "TurnTimeout", delivery: "unacknowledged" })
      assert.deepStrictEqual([tags(), second.exchange.hasEnded()], ["1 Draining, 2 Running", false])
    }))

  it.scoped("ends the connection, where it is not", () =>
    Effect.gen(function*() {
      const { connection, run } = yield* open()
      const [first] = run(1)
      assert(first !== undefined)
      connection.drains.giveUp(first.exchange, overdue)
      assert.deepInclude(first.exchange.error(), { reason: "TurnTimeout", delivery: "unacknowledged" })
      assert.isTrue(connection.hasEnded())
    }))

  it.scoped("and was left by its caller before has drained for long: it is lost", () =>
    Effect.gen(function*() {
      const { connection, run, tags } = yield* open()
      const [first] = run(2)
      assert(first !== undefined)
      connection.release(first.lane)
      connection.drains.giveUp(first.exchange, overdue)
      assert.strictEqual(tags(), "1 Lost, 2 Running")
    }))

  it.scoped("and was never sent fails, and nothing else happens", () =>
    Effect.gen(function*() {
      const { connection, run, tags } = yield* open()
      const [first] = run(2)
      assert(first !== undefined)
      first.end()
      connection.drains.giveUp(first.exchange, overdue)
      assert.deepStrictEqual([tags(), first.exchange.error()], ["1 Held, 2 Running", undefined])
    }))
})

describe("when somebody waits for what drains", () => {
  /** So many lanes of four drain, and one runs. */
  const draining = Effect.fnUntraced(function*(count: number) {
    const fake = yield* open()
    const all = fake.run(count + 1)
    for (const { lane } of all.slice(0, count)) fake.connection.release(lane)
    return { ...fake, all }
  })

  it.scoped("it is lost after 30 seconds, and nothing is sent on its lane any more", () =>
    Effect.gen(function*() {
      const { connection, rooms, tags } = yield* draining(1)
      connection.hurry()
      yield* TestClock.adjust("29999 millis")
      assert.strictEqual(tags(), "1 Draining, 2 Running")
      connection.hurry()
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual([tags(), ...rooms()], ["1 Lost, 2 Running", 2, 0])
      assert.isTrue(connection.admits())
      assert.strictEqual(connection.unusedLane()?.name, "3")
    }))

  it.scoped("it is free where the rest comes in time, and also where it comes later than that", () =>
    Effect.gen(function*() {
      for (const wait of ["29 seconds", "31 seconds"] as const) {
        const { all: [first], connection, rooms, tags, told } = yield* draining(1)
        connection.hurry()
        yield* TestClock.adjust(wait)
        const before = told()
        first?.end()
        assert.deepStrictEqual([tags(), ...rooms(), told() - before], ["1 Free, 2 Running", 3, 0, 1])
        yield* TestClock.adjust("1 minutes")
        assert.strictEqual(tags(), "1 Free, 2 Running")
      }
    }))

  it.scoped("and the rest has come, the next response on the lane has 30 seconds of its own", () =>
    Effect.gen(function*() {
      const { all: [first], ask, connection, receive, tags, written } = yield* draining(1)
      assert(first !== undefined)
      connection.hurry()
      yield* TestClock.adjust("20 seconds")
      first.end()
      ask(first.lane)
      written()
      receive(on("1", FakeServer.created("resp_again")))
      connection.release(first.lane)
      connection.hurry()
      yield* TestClock.adjust("29999 millis")
      assert.strictEqual(tags(), "2 Running, 1 Draining")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(tags(), "2 Running, 1 Lost")
    }))

  it.scoped("a connection of which more than half is stuck takes no new turn, and what runs there may end", () =>
    Effect.gen(function*() {
      for (const [count, admits] of [[2, true], [3, false]] as const) {
        const { all, connection, tags } = yield* draining(count)
        connection.hurry()
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual([connection.admits(), connection.hasEnded()], [admits, false], tags())
        const last = all.at(-1)
        last?.end()
        if (last !== undefined) connection.release(last.lane)
        assert.strictEqual(connection.hasEnded(), !admits)
      }
    }))

  it.scoped("nothing rings any more once the connection has ended", () =>
    Effect.gen(function*() {
      const { connection } = yield* draining(1)
      connection.hurry()
      connection.end()
      yield* TestClock.adjust("1 minutes")
      assert.isTrue(connection.hasEnded())
    }))
})
