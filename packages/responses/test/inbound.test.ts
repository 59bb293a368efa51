/** What the other side of a connection sends, where it says something of the connection itself. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Profile from "../src/Profile.ts"
import type { ResponsesError } from "../src/ResponsesError.ts"
import { settle } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import * as FakeSocket from "./support/fakeSocket.ts"

/** A connection that is open, with requests that are out on the lanes `0`, `1` and so on. */
const open = Effect.fnUntraced(function*(requests: number, options: FakeSocket.Options = {}) {
  const fake = yield* FakeSocket.make(options)
  fake.connection.onUpgraded(fake.socket)
  const exchanges = Array.from({ length: requests }, (_, lane) => {
    const { exchange } = fake.ask(fake.connection.lanes.use(String(lane)))
    fake.written()
    return exchange
  })
  return { ...fake, exchanges, errors: () => exchanges.map((exchange) => how(exchange.error())) }
})

const how = (error: ResponsesError | undefined): string =>
  error === undefined
    ? "none"
    : `${"reason" in error ? error.reason : error._tag} ${"delivery" in error ? error.delivery : ""}`

const mebibyte = 1024 * 1024

describe("a close", () => {
  const closes: ReadonlyArray<
    readonly [
      title: string,
      code: number,
      bytes: number,
      before: (fake: FakeSocket.FakeSocket) => void,
      outcome: string
    ]
  > = [
    ["with 1008 before anything was heard refuses the request", 1008, 10, () => {}, "Refused unsent"],
    ["with 1008 after a pong does not", 1008, 10, (fake) => fake.connection.inbound.onSign(), "Lost unacknowledged"],
    [
      "with 1008 after an event does not",
      1008,
      10,
      (fake) => fake.receive({ type: "keepalive" }),
      "Lost unacknowledged"
    ],
    ["with 1009 says that a large request was not taken in", 1009, mebibyte, () => {}, "TooLarge unsent"],
    ["with 1009 does not say so of a smaller one", 1009, mebibyte - 1, () => {}, "Lost unacknowledged"],
    [
      "with 1009 says so also when something was heard since: not of the request, which had not begun",
      1009,
      mebibyte,
      (fake) => fake.connection.inbound.onSign(),
      "TooLarge unsent"
    ],
    [
      "with 1009 does not say so of one that has begun",
      1009,
      mebibyte,
      (fake) => fake.receive(FakeServer.created("resp_1")),
      "Lost unacknowledged"
    ],
    ["with another code says nothing of how far the request came", 1011, mebibyte, () => {}, "Lost unacknowledged"]
  ]

  for (const [title, code, bytes, before, outcome] of closes) {
    it.scoped(title, () =>
      Effect.gen(function*() {
        const { connection, errors, ...fake } = yield* open(1, { bytes })
        before({ ...fake, connection })
        connection.inbound.onClose({ code, reason: "" })
        assert.deepStrictEqual(errors(), [outcome])
      }))
  }

  it.scoped("with 1009 is that of the only large request that has not begun, and of none if there are several", () =>
    Effect.gen(function*() {
      for (
        const [second, outcomes] of [
          [10, ["TooLarge unsent", "Lost unacknowledged"]],
          [mebibyte, ["Lost unacknowledged", "Lost unacknowledged"]]
        ] as const
      ) {
        const { ask, connection, errors, exchanges, frames, written } = yield* open(1, { bytes: mebibyte })
        frames(second)
        exchanges.push(ask(connection.lanes.use("1")).exchange)
        written()
        connection.inbound.onClose({ code: 1009, reason: "" })
        assert.deepStrictEqual(errors(), [...outcomes])
      }
    }))

  it.scoped("with 1009 is that of the large request also where another of its size has begun", () =>
    Effect.gen(function*() {
      const { connection, errors, receive } = yield* open(2, { bytes: mebibyte })
      receive({ ...FakeServer.created("resp_1"), stream_id: "0" })
      connection.inbound.onClose({ code: 1009, reason: "" })
      assert.deepStrictEqual(errors(), ["Lost unacknowledged", "TooLarge unsent"])
    }))

  it.scoped("and what was sent since something was heard is counted for a ping, which would wait behind it", () =>
    Effect.gen(function*() {
      const { connection } = yield* open(2, { bytes: 1000 })
      assert.strictEqual(connection.inbound.unheardBytes(), 2000)
      assert.strictEqual(connection.uploading(), 2000)
      connection.inbound.onSign()
      assert.strictEqual(connection.inbound.unheardBytes(), 0)
    }))

  it.scoped("is told without the secrets that its reason repeats", () =>
    Effect.gen(function*() {
      const { connection, exchanges } = yield* open(1)
      connection.inbound.onClose({ code: 1011, reason: "gone with sk-very-secret" })
      assert.include(exchanges[0]?.error()?.message, "gone with <redacted>")
    }))
})

describe("a failure", () => {
  const failure = { type: "error", stream_id: "0", error: { message: "No." } }

  it.scoped("of one request leaves the others and the connection as they are", () =>
    Effect.gen(function*() {
      const { connection, errors, receive } = yield* open(2)
      receive(failure)
      assert.deepStrictEqual(errors(), ["ResponseFailed unacknowledged", "none"])
      assert.isTrue(connection.isOpen())
    }))

  it.scoped("ends the connection on a server that serves nothing more after an error", () =>
    Effect.gen(function*() {
      const { connection, errors, receive } = yield* open(2, { profile: Profile.strict })
      receive(failure)
      assert.deepStrictEqual(errors(), ["ResponseFailed unacknowledged", "Lost unacknowledged"])
      assert.isTrue(connection.hasEnded())
    }))

  it.scoped("that is the end of a response ends no connection", () =>
    Effect.gen(function*() {
      const { connection, errors, receive } = yield* open(1, { profile: Profile.strict })
      receive({ type: "response.failed", response: { id: "resp_1", error: { message: "No." } } })
      assert.deepStrictEqual(errors(), ["ResponseFailed unacknowledged"])
      assert.isTrue(connection.isOpen())
    }))

  it.scoped("of the connection says of each request how far that one came", () =>
    Effect.gen(function*() {
      const { errors, receive } = yield* open(2)
      receive({ ...FakeServer.created("resp_1"), stream_id: "1" })
      receive({ ...failure, error: { code: "websocket_connection_limit_reached", message: "No." } })
      assert.deepStrictEqual(errors(), ["Expired unsent", "Expired unacknowledged"])
    }))

  it.scoped("that ends the connection does not say of a request that is being written how far that came", () =>
    Effect.gen(function*() {
      const { ask, connection, errors, receive, written } = yield* open(1)
      const { exchange } = ask(connection.lanes.use("1"))
      receive({ ...failure, error: { code: "websocket_connection_limit_reached", message: "No." } })
      assert.deepStrictEqual(errors(), ["Expired unsent"])
      assert.isFalse(exchange.hasEnded())
      written()
      assert.strictEqual(how(exchange.error()), "Expired unacknowledged")
    }))

  it.scoped("of no request ends the connection, also while another request is being written", () =>
    Effect.gen(function*() {
      const { ask, connection, errors, receive, written } = yield* open(2)
      const { exchange } = ask(connection.lanes.use("2"))
      receive({ ...failure, stream_id: "unknown" })
      assert.deepStrictEqual(errors(), ["Lost unacknowledged", "Lost unacknowledged"])
      assert.isFalse(exchange.hasEnded())
      written(new Error("broken"))
      assert.strictEqual(how(exchange.error()), "Lost unsent")
    }))

  it.scoped("is no failure of the connection if it belongs to a response that is over", () =>
    Effect.gen(function*() {
      const { connection, receive } = yield* open(1)
      receive(FakeServer.created("resp_1"))
      receive(FakeServer.completed("resp_1"))
      receive({ type: "response.failed", response: { id: "resp_1", error: { message: "No." } } })
      assert.isTrue(connection.isOpen())
    }))
})

describe("what cannot be read", () => {
  it.scoped("ends the connection, and every request that is out, with the beginning of the frame", () =>
    Effect.gen(function*() {
      const { connection, errors, exchanges } = yield* open(2)
      connection.inbound.onMessage(`{"sk-very-secret": ${"x".repeat(1000)}`)
      assert.deepStrictEqual(errors(), ["MalformedEvent unacknowledged", "MalformedEvent unacknowledged"])
      const [error] = exchanges.map((exchange) => exchange.error())
      assert(error?._tag === "MalformedEvent")
      assert.strictEqual(error.frame.length, 200)
      assert.include(error.frame, "<redacted>")
      assert.isTrue(connection.hasEnded())
    }))

  it.scoped("is also what cannot be handled, and ends no process", () =>
    Effect.gen(function*() {
      const { ask, connection, receive } = yield* open(0)
      ask(undefined, () => {
        throw new Error("too deep")
      })
      receive(FakeServer.completed("resp_1"))
      assert.isTrue(connection.hasEnded())
      const { exchange } = ask(connection.lanes.use("1"))
      assert.include(exchange.error()?.message, "response.completed that cannot be handled (Error: too deep)")
    }))

  it.scoped("is also a flood of events before a response begins", () =>
    Effect.gen(function*() {
      const { connection, errors, receive } = yield* open(1)
      const news = { type: "vendor.news", text: "x".repeat(mebibyte) }
      for (let count = 0; count < 15; count++) receive(news)
      assert.isTrue(connection.isOpen())
      receive(news)
      assert.deepStrictEqual(errors(), ["MalformedEvent unacknowledged"])
    }))

  it.scoped("is no response with more output than is kept: that ends the connection too", () =>
    Effect.gen(function*() {
      const { connection, errors, receive } = yield* open(2, { maxOutputSize: 10 })
      receive({ ...FakeServer.created("resp_1"), stream_id: "0" })
      const item = { type: "message", id: "msg_1", role: "assistant", content: [] }
      receive({ type: "response.output_item.done", stream_id: "0", output_index: 0, item })
      assert.deepStrictEqual(errors(), ["Overrun partial", "Lost unacknowledged"])
      assert.isTrue(connection.hasEnded())
    }))
})

describe("a sign of life", () => {
  it.scoped("is whatever comes, a pong or an event, and it answers a ping", () =>
    Effect.gen(function*() {
      const { connection, receive, seen } = yield* open(0)
      const signs = [() => connection.inbound.onSign(), () => receive({ type: "keepalive" })]
      for (const sign of signs) {
        yield* TestClock.adjust("30 seconds")
        const fiber = yield* Effect.fork(connection.liveness.check(Duration.seconds(30)))
        yield* settle
        sign()
        yield* fiber
      }
      assert.deepStrictEqual(seen, ["ping", "ping"])
      assert.isTrue(connection.isOpen())
    }))

  it.scoped("is not asked for behind a large upload", () =>
    Effect.gen(function*() {
      for (const [bytes, isFresh] of [[256 * 1024, false], [256 * 1024 + 1, true]] as const) {
        const { connection } = yield* open(1, { bytes })
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(connection.liveness.isFresh(Duration.seconds(30)), isFresh)
      }
    }))
})
