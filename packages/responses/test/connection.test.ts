import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import type { Exchange } from "../src/internal/exchange/exchange.ts"
import * as Causes from "../src/internal/socket/causes.ts"
import type { Connection } from "../src/internal/socket/connection.ts"
import type { Lane } from "../src/internal/socket/lane.ts"
import { ConnectionError, type Delivery } from "../src/ResponsesError.ts"
import * as FakeServer from "./support/fakeServer.ts"
import * as FakeSocket from "./support/fakeSocket.ts"

/** A clock that is not the connection's. */
const overdue = (delivery: Delivery) => new ConnectionError({ reason: "TurnTimeout", delivery, description: "overdue" })

interface At extends FakeSocket.FakeSocket {
  /** In the order in which they were asked. */
  readonly exchanges: Array<Exchange>
  told: number
}

const make = Effect.map(FakeSocket.make(), (fake) => {
  const at: At = { ...fake, exchanges: [], told: 0 }
  fake.connection.onEnd(() => at.told++)
  return at
})

const unused = ({ lanes }: Connection): Lane => lanes.use(`lane ${lanes.size}`)

const now = (happen: (at: At) => void) => (at: At): Effect.Effect<void> => Effect.sync(() => happen(at))

const happenings = {
  upgraded: now(({ connection, socket }) => connection.onUpgraded(socket)),
  "a turn comes": now(({ connection }) => connection.hold(unused(connection))),
  "a request": now(({ ask, connection, exchanges }) => {
    const held = [...connection.lanes].find(({ tag }) => tag === "Held")
    exchanges.push(ask(held ?? unused(connection)).exchange)
  }),
  "the request is out": now(({ written }) => written()),
  "the request is not out": now(({ written }) => written(new Error("broken"))),
  "an event": now(({ receive }) => receive(FakeServer.created("resp_1"))),
  "the last event": now(({ receive }) => receive(FakeServer.completed("resp_1"))),
  "a failure": now(({ receive }) => receive({ type: "error", error: { message: "No." } })),
  "the age limit": now(({ receive }) =>
    receive({ type: "error", error: { code: "websocket_connection_limit_reached", message: "No." } })
  ),
  "no JSON": now(({ connection }) => connection.inbound.onMessage("{")),
  "a binary message": now(({ connection }) => connection.inbound.onMessage(new Uint8Array([1]))),
  "a close": now(({ connection }) => connection.inbound.onClose({ code: 1006, reason: "" })),
  "it retires": now(({ connection }) => connection.retire()),
  "the first turn leaves": now(({ connection }) => connection.release(connection.lanes.use("lane 0"))),
  "it is given up": now(({ connection, exchanges: [exchange] }) => {
    if (exchange !== undefined) connection.drains.giveUp(exchange, overdue)
  }),
  "somebody waits for 30 seconds": ({ connection }: At) => {
    connection.hurry()
    return TestClock.adjust("30 seconds")
  },
  "its owner ends it": now(({ connection }) => connection.end()),
  "no answer to a ping": ({ connection }: At) =>
    Effect.zipRight(Effect.fork(connection.liveness.check(Duration.zero)), TestClock.adjust("10 seconds")),
  "the clocks run out": () => TestClock.adjust("20 minutes")
} satisfies Readonly<Record<string, (at: At) => Effect.Effect<void>>>

type Happening = keyof typeof happenings

const names = Object.keys(happenings) as ReadonlyArray<Happening>

const running = ["upgraded", "a turn comes", "a request", "the request is out", "an event"] as const

const states: Readonly<Record<string, ReadonlyArray<Happening>>> = {
  Opening: [],
  "Open, idle": ["upgraded"],
  "Open, with a turn": ["upgraded", "a turn comes"],
  "Open, a request is being written": ["upgraded", "a turn comes", "a request"],
  "Open, a request is out": ["upgraded", "a turn comes", "a request", "the request is out"],
  "Open, a response runs": running,
  "Open, its caller has left": [...running, "the first turn leaves"],
  "Open, its caller has left before it was out": ["upgraded", "a turn comes", "a request", "the first turn leaves"],
  Retiring: [...running, "it retires"],
  Ending: ["upgraded", "a turn comes", "a request", "a close"],
  Closed: [...running, "its owner ends it"]
}

const cannotHappen = "–"

type Row = Readonly<Record<Happening, string>>

/** `same`: the outcome of all that is not named. */
const row = (same: string, more: Partial<Row>): Row => ({
  ...Object.fromEntries(names.map((name) => [name, same])) as Row,
  ...more
})

const nothingIsWritten = { "the request is out": cannotHappen, "the request is not out": cannotHappen }

const noExchange = { "it is given up": cannotHappen }

const ended = {
  "a failure": "ended",
  "the age limit": "ended",
  "no JSON": "ended",
  "a binary message": "ended",
  "a close": "ended",
  "its owner ends it": "ended",
  "no answer to a ping": "ended"
}

const runs: Partial<Row> = {
  ...nothingIsWritten,
  "a request": "open, begun, writing",
  "the last event": "open, done",
  "a failure": "open, ResponseFailed unacknowledged",
  "the age limit": "ended, Expired unacknowledged",
  "no JSON": "ended, MalformedEvent unacknowledged",
  "a binary message": "ended, MalformedEvent unacknowledged",
  "a close": "ended, Lost unacknowledged",
  // Nobody else needs the connection, and the rest of the response could get into the next one.
  "it is given up": "ended, TurnTimeout unacknowledged",
  "its owner ends it": "ended, Closed unacknowledged",
  "no answer to a ping": "ended, Lost unacknowledged",
  "the clocks run out": "ended, Stalled unacknowledged"
}

const written: Partial<Row> = {
  "a request": "open, writing, writing",
  "the request is out": "open, sent",
  "the request is not out": "ended, Lost unsent",
  // Some servers are faster than the socket's callback.
  "an event": "open, begun",
  "the last event": "open, done",
  "a failure": "open, ResponseFailed unacknowledged",
  "the age limit": "ended, Expired unsent",
  "no JSON": "ended, Lost unacknowledged",
  "a binary message": "ended, Lost unacknowledged",
  // Only the socket knows how far the request came.
  "a close": "ended, writing",
  "it is given up": "ended, TurnTimeout unacknowledged",
  "its owner ends it": "ended, Closed unacknowledged",
  // The ping waits behind the request.
  "no answer to a ping": "open, writing",
  "the clocks run out": "ended, TurnTimeout unacknowledged"
}

/** What drains is needed by nobody: the connection need not wait for it. */
const drains: Partial<Row> = {
  "it retires": "ended, Closed unacknowledged",
  "somebody waits for 30 seconds": "ended, Closed unacknowledged"
}

const expected: Readonly<Record<string, Row>> = {
  Opening: row("opening", {
    ...nothingIsWritten,
    ...noExchange,
    ...ended,
    "somebody waits for 30 seconds": cannotHappen,
    upgraded: "open",
    "a turn comes": cannotHappen,
    "a request": cannotHappen,
    "it retires": cannotHappen,
    "the first turn leaves": cannotHappen,
    "no answer to a ping": cannotHappen
  }),
  "Open, idle": row("open", {
    ...nothingIsWritten,
    ...noExchange,
    ...ended,
    "a request": "open, writing",
    "it retires": "ended",
    "the first turn leaves": cannotHappen
  }),
  "Open, with a turn": row("open", {
    ...nothingIsWritten,
    ...noExchange,
    ...ended,
    "a request": "open, writing"
  }),
  "Open, a request is being written": row("open, writing", written),
  "Open, a request is out": row("open, sent", {
    ...runs,
    "a request": "open, sent, writing",
    "an event": "open, begun",
    "the age limit": "ended, Expired unsent",
    "the clocks run out": "ended, FirstEventTimeout unacknowledged"
  }),
  "Open, a response runs": row("open, begun", runs),
  "Open, its caller has left": row("open, begun", { ...runs, ...drains }),
  "Open, its caller has left before it was out": row("open, writing", { ...written, ...drains }),
  Retiring: row("open, begun", { ...runs, "the first turn leaves": "ended, Closed unacknowledged" }),
  Ending: row("ended, writing", {
    "a request": "ended, writing, Lost unsent",
    "the request is out": "ended, Lost unacknowledged",
    "the request is not out": "ended, Lost unsent",
    "it is given up": "ended, TurnTimeout unacknowledged",
    "its owner ends it": "ended, Closed unacknowledged",
    "the clocks run out": "ended, TurnTimeout unacknowledged"
  }),
  Closed: row("ended, Closed unacknowledged", {
    ...nothingIsWritten,
    "a request": "ended, Closed unacknowledged, Closed unsent"
  })
}

const how = (exchange: Exchange): string => {
  const error = exchange.error()
  if (error !== undefined) {
    return `${"reason" in error ? error.reason : error._tag} ${"delivery" in error ? error.delivery : ""}`
  }
  if (exchange.hasEnded()) return "done"
  return exchange.hasBegun() ? "begun" : exchange.isWriting() ? "writing" : "sent"
}

/** What there is to see of a connection and its requests, in one line. */
const look = ({ connection, exchanges, told }: At): string => {
  assert.strictEqual(told, connection.hasEnded() ? 1 : 0, "its end is told once")
  for (const { exchange, tag } of connection.lanes) {
    assert.notStrictEqual(exchange?.isFinished(), true, "a lane is rid of what has ended")
    assert.isFalse(tag === "Running" && exchange?.hasEnded(), "what was ended from this side only drains")
  }
  return [connection.isOpen() ? "open" : connection.hasEnded() ? "ended" : "opening", ...exchanges.map(how)].join(", ")
}

const cell = (past: ReadonlyArray<Happening>, name: Happening) =>
  Effect.scoped(Effect.gen(function*() {
    const at = yield* make
    for (const happening of past) yield* happenings[happening](at)
    yield* happenings[name](at)
    return look(at)
  }))

describe("a connection", () => {
  for (const [state, past] of Object.entries(states)) {
    it.effect(`${state}: whatever happens next`, () =>
      Effect.gen(function*() {
        const found: Record<string, string> = {}
        for (const name of names) {
          found[name] = expected[state]?.[name] === cannotHappen ? cannotHappen : yield* cell(past, name)
        }
        assert.deepStrictEqual(found, { ...expected[state] })
      }))
  }

  it.scoped("that ended before it was open stays ended when the socket is there", () =>
    Effect.gen(function*() {
      const { connection, socket } = yield* make
      connection.end()
      connection.onUpgraded(socket)
      assert.isFalse(connection.isOpen())
    }))

  it.scoped("that retires ends with the last of its turns, and takes no other one meanwhile", () =>
    Effect.gen(function*() {
      const { connection, socket } = yield* make
      connection.onUpgraded(socket)
      const [first, second] = [connection.laneNamed("a"), connection.laneNamed("b")]
      connection.hold(first)
      connection.hold(second)
      assert.isTrue(connection.admits())
      connection.retire()
      assert.deepStrictEqual([connection.isOpen(), connection.admits(), connection.room()], [true, false, 0])
      connection.release(first)
      assert.isTrue(connection.isOpen())
      connection.retire()
      connection.release(second)
      assert.isTrue(connection.hasEnded())
    }))

  it.scoped("ends for one reason: the first", () =>
    Effect.gen(function*() {
      const at = yield* make
      for (const happening of [...states["Ending"] ?? [], "its owner ends it", "a request"] as const) {
        yield* happenings[happening](at)
      }
      assert.strictEqual(look(at), "ended, Closed unacknowledged, Lost unsent")
    }))

  it.scoped("that has ended says so at once to whoever asks to be told", () =>
    Effect.gen(function*() {
      const { connection } = yield* make
      connection.end(Causes.lost("gone"))
      let told = 0
      connection.onEnd(() => told++)
      assert.strictEqual(told, 1)
    }))
})
