import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Exchange } from "../src/internal/exchange/exchange.ts"
import { Seat, type Waiting } from "../src/internal/socket/seat.ts"
import { ConnectionError } from "../src/ResponsesError.ts"
import * as FakeServer from "./support/fakeServer.ts"
import * as FakeSocket from "./support/fakeSocket.ts"

const open = Effect.tap(FakeSocket.make(), ({ connection, socket }) => Effect.sync(() => connection.onUpgraded(socket)))

type Where = "a" | "b"

/** A turn in its seat, and the connections that it may be placed on. */
interface At {
  readonly seat: Seat
  readonly connections: Readonly<Record<Where, FakeSocket.FakeSocket>>
  /** The lane where the turn's place in the queue was given up, as it was then. */
  readonly released: Array<string>
  on: Where
  exchange: Exchange | undefined
}

const laneOf = ({ connection }: FakeSocket.FakeSocket): string =>
  connection.hasEnded() ? "ended" : connection.lanes.find("lane")?.tag ?? "unused"

const make = Effect.fnUntraced(function*(onEarlyEnd: "close" | "drain") {
  const connections = { a: yield* open, b: yield* open }
  const released: Array<string> = []
  const ticket: Waiting = { asker: undefined, leave: () => void released.push(laneOf(connections[at.on])) }
  const at: At = { seat: new Seat(ticket, onEarlyEnd), connections, released, on: "a", exchange: undefined }
  return at
})

/** On the lane that it has, for another try, or on another one. */
const place = (on: Where) => (at: At) => {
  const { connection } = at.connections[on]
  if (at.seat.place?.connection === connection) at.seat.keep()
  else {
    at.seat.release()
    at.seat.hold(connection, connection.lanes.use("lane"))
  }
  at.on = on
}

/** `meanwhile`: before the socket's `send` comes back. */
const ask = (meanwhile: ReadonlyArray<object>) => (at: At) => {
  const { ask, connection, receive } = at.connections[at.on]
  const { exchange } = ask(connection.lanes.use("lane"), (ended, hasBegun) => {
    if (hasBegun) at.seat.over(ended)
  })
  at.exchange = exchange
  for (const event of meanwhile) receive(event)
  at.seat.asked(exchange)
}

const receive = (event: object) => (at: At) => at.connections[at.on].receive(event)

const failure = { type: "error", error: { message: "No." } }

const happenings = {
  "placed on a": place("a"),
  "placed on b": place("b"),
  asked: ask([]),
  "asked, and answered at once": ask([FakeServer.created("resp_1"), FakeServer.completed("resp_1")]),
  "asked, and refused at once": ask([failure]),
  "the response begins": receive(FakeServer.created("resp_1")),
  "the response ends": receive(FakeServer.completed("resp_1")),
  "the server fails it": receive(failure),
  "the connection is lost": ({ connections, on }: At) =>
    connections[on].connection.inbound.onClose({ code: 1006, reason: "" }),
  "the turn leaves": ({ seat }: At) => seat.leave()
}

type Happening = keyof typeof happenings

const names = Object.keys(happenings) as ReadonlyArray<Happening>

const begun = ["placed on a", "asked", "the response begins"] as const

const states: Readonly<Record<string, ReadonlyArray<Happening>>> = {
  Waiting: [],
  Placed: ["placed on a"],
  "Asked, and not begun": ["placed on a", "asked"],
  "Asked, and begun": begun,
  "Asked, and refused": ["placed on a", "asked", "the server fails it"],
  "Placed again": ["placed on a", "asked", "the server fails it", "placed on a"],
  Over: [...begun, "the response ends"],
  "Over before it was asked": ["placed on a", "asked, and answered at once"],
  Left: ["placed on a", "the turn leaves"],
  "Left, from a response that runs": [...begun, "the turn leaves"]
}

/** What there is to see, in one line; of its place in the queue how the lane was when the place was given up. */
const look = ({ connections: { a, b }, exchange, released: [released] }: At): string =>
  [
    `a ${laneOf(a)}`,
    ...laneOf(b) === "unused" ? [] : [`b ${laneOf(b)}`],
    ...exchange === undefined || exchange.size() === 0 ? [] : ["unread"],
    ...released === undefined ? [] : [`given up: ${released}`]
  ].join(", ")

const cannotHappen = "–"

type Row = Readonly<Record<Happening, string>>

const row = (more: Partial<Row>): Row => ({
  ...Object.fromEntries(names.map((name) => [name, cannotHappen])) as Row,
  ...more
})

/** The turn holds a lane, and nothing runs there. */
const placed = row({
  "placed on a": "a Held",
  "placed on b": "a Free, b Held",
  asked: "a Running",
  "asked, and answered at once": "a Free, unread, given up: Free",
  "asked, and refused at once": "a Held",
  "the connection is lost": "a ended",
  "the turn leaves": "a Free, given up: Free"
})

const over = row({
  "the connection is lost": "a ended, unread, given up: Free",
  "the turn leaves": "a Free, given up: Free"
})

const expected = (onEarlyEnd: "close" | "drain"): Readonly<Record<string, Row>> => {
  const left = onEarlyEnd === "close" ? "a ended, given up: ended" : "a Draining, given up: Draining"
  const isDraining = onEarlyEnd === "drain"
  return {
    Waiting: row({
      "placed on a": "a Held",
      "placed on b": "a unused, b Held",
      "the turn leaves": "a unused, given up: unused"
    }),
    Placed: placed,
    "Asked, and not begun": row({
      "the response begins": "a Running, unread",
      "the response ends": "a Free, unread, given up: Free",
      "the server fails it": "a Held",
      "the connection is lost": "a ended",
      "the turn leaves": left
    }),
    "Asked, and begun": row({
      "the response begins": "a Running, unread",
      "the response ends": "a Free, unread, given up: Free",
      "the server fails it": "a Free, unread, given up: Free",
      "the connection is lost": "a ended, unread, given up: ended",
      "the turn leaves": left
    }),
    // The turn may send again. What the server has ended needs no end of the connection.
    "Asked, and refused": placed,
    "Placed again": placed,
    Over: over,
    "Over before it was asked": over,
    Left: row({ "the connection is lost": "a ended, given up: Free" }),
    "Left, from a response that runs": row(
      isDraining
        ? {
          "the response begins": left,
          "the response ends": "a Free, given up: Draining",
          "the server fails it": "a Free, given up: Draining",
          "the connection is lost": "a ended, given up: Draining"
        }
        : {}
    )
  }
}

describe("a seat", () => {
  for (const onEarlyEnd of ["close", "drain"] as const) {
    const rows = expected(onEarlyEnd)
    for (const [state, past] of Object.entries(states)) {
      it.scoped(`${state}: whatever happens next, with onEarlyEnd "${onEarlyEnd}"`, () =>
        Effect.gen(function*() {
          const found: Record<string, string> = {}
          for (const name of names) {
            const at = yield* make(onEarlyEnd)
            if (rows[state]?.[name] === cannotHappen) {
              found[name] = cannotHappen
              continue
            }
            for (const happening of [...past, name]) happenings[happening](at)
            found[name] = look(at)
          }
          assert.deepStrictEqual(found, { ...rows[state] })
        }))
    }
  }

  it.scoped("gives its place up for the lane that it holds, and not for one that another turn holds by now", () =>
    Effect.gen(function*() {
      const at = yield* make("drain")
      const { connection } = at.connections.a
      for (const happening of states["Over"] ?? []) happenings[happening](at)
      const next = connection.lanes.use("lane")
      next.hold({})
      at.seat.leave()
      assert.strictEqual(next.tag, "Held")
    }))

  describe("on a connection whose lanes the Layer names", () => {
    /** A response runs in the seat; `other` runs beside it. */
    const make = Effect.fnUntraced(function*(onEarlyEnd: "close" | "drain") {
      const fake = yield* FakeSocket.make({ naming: FakeSocket.lanes() })
      const { ask, connection, receive, socket } = fake
      connection.onUpgraded(socket)
      let left = 0
      const seat = new Seat({ asker: undefined, leave: () => left++ }, onEarlyEnd)
      const lane = connection.unusedLane()
      assert(lane !== undefined)
      seat.hold(connection, lane)
      const { exchange } = ask(lane, (ended, hasBegun) => {
        if (hasBegun) seat.over(ended)
      })
      seat.asked(exchange)
      receive({ ...FakeServer.created("resp_1"), stream_id: "1" })
      const runAnother = () => {
        const { lane } = ask(connection.unusedLane())
        receive({ ...FakeServer.created("resp_2"), stream_id: lane.name })
        return lane
      }
      return { ...fake, exchange, lane, left: () => left, runAnother, seat }
    })

    for (const onEarlyEnd of ["close", "drain"] as const) {
      it.scoped(`a turn that leaves takes no other response with it, with onEarlyEnd "${onEarlyEnd}"`, () =>
        Effect.gen(function*() {
          const { connection, lane, left, runAnother, seat } = yield* make(onEarlyEnd)
          const other = runAnother()
          seat.leave()
          assert.deepStrictEqual([lane.tag, other.tag, connection.admits(), left()], ["Draining", "Running", true, 1])
        }))

      it.scoped(`a turn that leaves alone ends the connection or not, with onEarlyEnd "${onEarlyEnd}"`, () =>
        Effect.gen(function*() {
          const { connection, left, seat } = yield* make(onEarlyEnd)
          seat.leave()
          assert.strictEqual(connection.hasEnded(), onEarlyEnd === "close")
          // The end of the response gives the place up, too: only the first time counts.
          assert.isAtLeast(left(), 1)
        }))
    }

    it.scoped("a turn whose response was given up leaves, and the rest drains", () =>
      Effect.gen(function*() {
        const { connection, exchange, lane, left, receive, runAnother, seat } = yield* make("drain")
        runAnother()
        connection.drains.giveUp(exchange, (delivery) =>
          new ConnectionError({ reason: "Stalled", delivery, description: "stalled" }))
        seat.leave()
        assert.deepStrictEqual([lane.tag, connection.admits()], ["Draining", true])
        receive({ ...FakeServer.completed("resp_1"), stream_id: "1" })
        assert.strictEqual(lane.tag, "Free")
        assert.isAtLeast(left(), 1)
        // Another turn may have the lane by now.
        connection.hold(lane)
        seat.leave()
        assert.strictEqual(lane.tag, "Held")
      }))
  })
})
