/** What the other side of a connection sends where several responses run on it, on lanes that the Layer names. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Profile from "../src/Profile.ts"
import type { ResponsesError } from "../src/ResponsesError.ts"
import * as FakeServer from "./support/fakeServer.ts"
import * as FakeSocket from "./support/fakeSocket.ts"

const on = (stream_id: string, event: object) => ({ ...event, stream_id })

const failure = { type: "error", error: { message: "No." } }

const ageLimit = { type: "error", error: { code: "websocket_connection_limit_reached", message: "No." } }

const how = (error: ResponsesError | undefined): string =>
  error === undefined
    ? "none"
    : `${"reason" in error ? error.reason : error._tag} ${"delivery" in error ? error.delivery : ""}`

/** Requests are out on the lanes 1, 2, and so on. Those that are named have begun. */
const open = Effect.fnUntraced(function*(
  requests: number,
  begun: ReadonlyArray<string> = [],
  options: FakeSocket.Options = {}
) {
  const fake = yield* FakeSocket.make({ naming: FakeSocket.lanes(), ...options })
  const { ask, connection, receive, socket, written } = fake
  connection.onUpgraded(socket)
  const exchanges = Array.from({ length: requests }, () => {
    const { exchange } = ask(connection.unusedLane())
    written()
    return exchange
  })
  for (const name of begun) receive(on(name, FakeServer.created(`resp_${name}`)))
  return {
    ...fake,
    exchanges,
    /** How each of them failed, and what its lane does. */
    outcomes: () =>
      [...connection.lanes].map(({ name, tag }, index) => `${name} ${tag}, ${how(exchanges[index]?.error())}`)
  }
})

describe("a failure of one request", () => {
  it.scoped("leaves the others and the connection as they are", () =>
    Effect.gen(function*() {
      const { connection, outcomes, receive } = yield* open(2, ["1"])
      receive(on("2", failure))
      assert.deepStrictEqual(outcomes(), ["1 Running, none", "2 Held, ResponseFailed unacknowledged"])
      assert.isTrue(connection.admits())
    }))

  it.scoped("on a server that serves nothing more after an error: what runs may end, and nothing new is sent", () =>
    Effect.gen(function*() {
      const { connection, outcomes, receive } = yield* open(2, ["1"], { profile: Profile.strict })
      receive(on("2", failure))
      assert.deepStrictEqual(outcomes(), ["1 Running, none", "2 Held, ResponseFailed unacknowledged"])
      assert.deepStrictEqual([connection.admits(), connection.hasEnded()], [false, false])
    }))

  it.scoped("on such a server ends the connection where nothing else runs", () =>
    Effect.gen(function*() {
      const { connection, receive } = yield* open(1, ["1"], { profile: Profile.strict })
      receive(on("1", failure))
      assert.isTrue(connection.hasEnded())
    }))

  it.scoped("that says that the connection is used up lets the others end", () =>
    Effect.gen(function*() {
      const { connection, outcomes, receive } = yield* open(2, ["1"])
      receive(on("2", ageLimit))
      assert.deepStrictEqual(outcomes(), ["1 Running, none", "2 Held, Expired unsent"])
      assert.deepStrictEqual([connection.admits(), connection.hasEnded()], [false, false])
    }))
})

describe("a failure that names no lane", () => {
  it.scoped("and ends the connection, on a server that gives lanes their names: only what has begun goes on", () =>
    Effect.gen(function*() {
      const { connection, outcomes, receive } = yield* open(3, ["1"])
      receive(ageLimit)
      assert.deepStrictEqual(outcomes(), [
        "1 Running, none",
        "2 Draining, Expired unacknowledged",
        "3 Draining, Expired unacknowledged"
      ])
      assert.deepStrictEqual([connection.admits(), connection.hasEnded()], [false, false])
    }))

  it.scoped("is not that of the only request which has not begun, if it is one of the connection", () =>
    Effect.gen(function*() {
      const { outcomes, receive } = yield* open(2, ["1"])
      // How far the request came is not known: the error was not for it.
      receive(ageLimit)
      assert.deepStrictEqual(outcomes(), ["1 Running, none", "2 Draining, Expired unacknowledged"])
    }))

  it.scoped("and says nothing of the connection is that of the only request which has not begun", () =>
    Effect.gen(function*() {
      const { connection, outcomes, receive } = yield* open(2, ["1"])
      receive(failure)
      assert.deepStrictEqual(outcomes(), ["1 Running, none", "2 Held, ResponseFailed unacknowledged"])
      assert.isTrue(connection.admits())
    }))

  it.scoped("is that of the one which is left when the others that had not begun have begun", () =>
    Effect.gen(function*() {
      const { connection, outcomes, receive } = yield* open(4, ["1"])
      receive(failure)
      receive(on("3", FakeServer.created("resp_3")))
      assert.deepStrictEqual(outcomes().slice(1), ["2 Running, none", "3 Running, none", "4 Running, none"])
      receive(on("2", FakeServer.created("resp_2")))
      assert.deepStrictEqual(outcomes(), [
        "1 Running, none",
        "2 Running, none",
        "3 Running, none",
        "4 Held, ResponseFailed unacknowledged"
      ])
      yield* TestClock.adjust("1 minute")
      assert.isTrue(connection.admits())
    }))

  it.scoped("is one of those that have not begun, and nothing tells which: after 5 seconds they all fail, and no others", () =>
    Effect.gen(function*() {
      const { connection, outcomes, receive } = yield* open(3, ["1"])
      receive(failure)
      yield* TestClock.adjust("4900 millis")
      assert.deepStrictEqual(outcomes(), ["1 Running, none", "2 Running, none", "3 Running, none"])
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual(outcomes(), [
        "1 Running, none",
        "2 Draining, Lost unacknowledged",
        "3 Draining, Lost unacknowledged"
      ])
      assert.isTrue(connection.admits())
    }))

  it.scoped("and of which there are as many as requests that have not begun fails them at once", () =>
    Effect.gen(function*() {
      const { outcomes, receive } = yield* open(3, ["1"])
      receive(failure)
      receive(failure)
      assert.deepStrictEqual(outcomes(), [
        "1 Running, none",
        "2 Draining, Lost unacknowledged",
        "3 Draining, Lost unacknowledged"
      ])
    }))

  it.scoped("on a server that serves nothing more after an error lets those that have begun end", () =>
    Effect.gen(function*() {
      const { connection, outcomes, receive } = yield* open(3, ["1"], { profile: Profile.strict })
      receive(failure)
      assert.strictEqual(outcomes()[0], "1 Running, none")
      assert.deepStrictEqual([connection.admits(), connection.hasEnded()], [false, false])
    }))

  it.scoped("of an idle connection ends it", () =>
    Effect.gen(function*() {
      const { connection, receive } = yield* open(0)
      receive(failure)
      assert.isTrue(connection.hasEnded())
    }))
})

describe("what cannot be read", () => {
  it.scoped("fails the one whose lane it names", () =>
    Effect.gen(function*() {
      const { connection, outcomes } = yield* open(2, ["1", "2"])
      connection.inbound.onMessage(JSON.stringify(on("2", { type: 5 })))
      assert.deepStrictEqual(outcomes(), ["1 Running, none", "2 Draining, MalformedEvent unacknowledged"])
      assert.isTrue(connection.admits())
    }))

  for (
    const [what, frame] of [["no lane", { type: 5 }], ["one on which nothing runs", on("9", { type: 5 })]] as const
  ) {
    it.scoped(`may be part of any, if it names ${what}: all fail`, () =>
      Effect.gen(function*() {
        const { connection, exchanges } = yield* open(2, ["1", "2"])
        connection.inbound.onMessage(JSON.stringify(frame))
        assert.deepStrictEqual(
          exchanges.map((exchange) => how(exchange.error())),
          ["MalformedEvent unacknowledged", "MalformedEvent unacknowledged"]
        )
        assert.isTrue(connection.hasEnded())
      }))
  }

  it.scoped("is also a flood before a response begins: it ends all, as events of no response have no lane", () =>
    Effect.gen(function*() {
      const { connection, receive } = yield* open(2, ["1"])
      for (let count = 0; count < 16; count++) receive(on("2", { type: "vendor.news", text: "x".repeat(1024 * 1024) }))
      assert.isTrue(connection.hasEnded())
    }))
})

describe("more output than is kept", () => {
  const item = { type: "message", id: "msg_1", role: "assistant", content: [] }
  const large = on("1", { type: "response.output_item.done", output_index: 0, item })

  it.scoped("ends the response, which the server goes on with, and nothing else", () =>
    Effect.gen(function*() {
      const { connection, outcomes, receive } = yield* open(2, ["1"], { maxOutputSize: 10 })
      receive(large)
      assert.deepStrictEqual(outcomes(), ["1 Draining, Overrun partial", "2 Running, none"])
      receive(on("1", FakeServer.completed("resp_1")))
      assert.deepStrictEqual(outcomes(), ["1 Free, Overrun partial", "2 Running, none"])
      assert.isTrue(connection.admits())
    }))

  it.scoped("ends the connection, where nobody else needs it", () =>
    Effect.gen(function*() {
      const { connection, receive } = yield* open(1, ["1"], { maxOutputSize: 10 })
      receive(large)
      assert.isTrue(connection.hasEnded())
    }))
})

describe("the rest of a response that was ended from this side", () => {
  const lost = () => {
    throw new Error("a failure is made once")
  }

  it.scoped("frees its lane at its end, also by a failure, and those that wait are told once", () =>
    Effect.gen(function*() {
      for (const end of [FakeServer.completed("resp_2"), failure]) {
        const { connection, exchanges: [, second], outcomes, receive } = yield* open(2, ["1", "2"])
        let told = 0
        connection.onRoom(() => told++)
        connection.inbound.onMessage(JSON.stringify(on("2", { type: 5 })))
        receive(on("2", FakeServer.delta("x")))
        assert.deepStrictEqual([outcomes()[1], told], ["2 Draining, MalformedEvent unacknowledged", 0])
        receive(on("2", end))
        assert.deepStrictEqual([outcomes()[1], told], ["2 Free, MalformedEvent unacknowledged", 1])
        second?.fail(lost)
      }
    }))

  it.scoped("does not end the connection with its own failure, if the server serves more after one", () =>
    Effect.gen(function*() {
      const { connection, receive } = yield* open(2, ["1", "2"])
      connection.inbound.onMessage(JSON.stringify(on("2", { type: 5 })))
      receive(on("2", failure))
      assert.isTrue(connection.admits())
    }))
})

describe("a failure that ends what was ended from this side before", () => {
  it.scoped("says of the connection what any other would: it is used up", () =>
    Effect.gen(function*() {
      const { connection, outcomes, receive } = yield* open(2, ["1", "2"])
      connection.inbound.onMessage(JSON.stringify(on("2", { type: 5 })))
      receive(on("2", ageLimit))
      assert.deepStrictEqual(outcomes(), ["1 Running, none", "2 Free, MalformedEvent unacknowledged"])
      assert.deepStrictEqual([connection.admits(), connection.hasEnded()], [false, false])
    }))

  it.scoped("or nothing more is served on it after an error", () =>
    Effect.gen(function*() {
      const { connection, receive } = yield* open(2, ["1", "2"], { profile: Profile.strict })
      connection.inbound.onMessage(JSON.stringify(on("2", { type: 5 })))
      receive(on("2", failure))
      assert.deepStrictEqual([connection.admits(), connection.hasEnded()], [false, false])
    }))
})

describe("a large request that the other side does not take (1009)", () => {
  it.scoped("is the only one of that size which has not begun, and no other is told so", () =>
    Effect.gen(function*() {
      const { ask, connection, exchanges, frames, written } = yield* open(1, [], { bytes: 10 })
      frames(1024 * 1024)
      exchanges.push(ask(connection.unusedLane()).exchange)
      connection.inbound.onClose({ code: 1009, reason: "" })
      const [small, large] = exchanges
      // The socket has not said whether the large one went out.
      assert.deepStrictEqual([how(small?.error()), large?.hasEnded()], ["Lost unacknowledged", false])
      written()
      assert.strictEqual(how(large?.error()), "TooLarge unsent")
    }))
})
