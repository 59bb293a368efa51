/** What happens to a connection on whose lanes, which the Layer names, several responses run. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import type { Exchange } from "../src/internal/exchange/exchange.ts"
import type { Lane } from "../src/internal/socket/lane.ts"
import { ConnectionError, type Delivery } from "../src/ResponsesError.ts"
import * as FakeServer from "./support/fakeServer.ts"
import * as FakeSocket from "./support/fakeSocket.ts"

/** A clock that is not the connection's. */
const overdue = (delivery: Delivery) => new ConnectionError({ reason: "TurnTimeout", delivery, description: "overdue" })

interface At extends FakeSocket.FakeSocket {
  /** In the order in which they were asked, on the lanes 1, 2, and so on. */
  readonly asked: Array<{ readonly exchange: Exchange; readonly lane: Lane }>
}

const make = Effect.map(FakeSocket.make({ naming: FakeSocket.lanes() }), (fake): At => ({ ...fake, asked: [] }))

const now = (happen: (at: At) => void) => (at: At): Effect.Effect<void> => Effect.sync(() => happen(at))

const on = (stream_id: string, event: object) => ({ ...event, stream_id })

const failure = { type: "error", error: { message: "No." } }

const ageLimit = { type: "error", error: { code: "websocket_connection_limit_reached", message: "No." } }

const first = (happen: (at: At, one: At["asked"][number]) => void) =>
  now((at) => {
    const [one] = at.asked
    if (one !== undefined) happen(at, one)
  })

/** What happens to the first of the responses, or to the connection. */
const happenings = {
  upgraded: now(({ connection, socket }) => connection.onUpgraded(socket)),
  "one runs": now(({ ask, asked, connection, receive, written }) => {
    const one = ask(connection.unusedLane())
    asked.push(one)
    written()
    receive(on(one.lane.name, FakeServer.created(`resp_${one.lane.name}`)))
  }),
  "the last event": first(({ receive }) => receive(on("1", FakeServer.completed("resp_1")))),
  "a failure": first(({ receive }) => receive(on("1", failure))),
  "the age limit": now(({ receive }) => receive(ageLimit)),
  "no JSON": now(({ connection }) => connection.inbound.onMessage("{")),
  "no event, with the name": first(({ connection }) =>
    connection.inbound.onMessage(JSON.stringify(on("1", { type: 5 })))
  ),
  "a close": now(({ connection }) => connection.inbound.onClose({ code: 1006, reason: "" })),
  "it retires": now(({ connection }) => connection.retire()),
  "its turn leaves": first(({ connection }, { lane }) => connection.release(lane)),
  "it is given up": first(({ connection }, { exchange }) => connection.drains.giveUp(exchange, overdue)),
  "somebody waits for 30 seconds": ({ connection }: At) => {
    connection.hurry()
    return TestClock.adjust("30 seconds")
  },
  "its owner ends it": now(({ connection }) => connection.end()),
  "the clocks run out": () => TestClock.adjust("20 minutes")
} satisfies Readonly<Record<string, (at: At) => Effect.Effect<void>>>

type Happening = keyof typeof happenings

const names = Object.keys(happenings) as ReadonlyArray<Happening>

const two = ["upgraded", "one runs", "one runs"] as const

const states: Readonly<Record<string, ReadonlyArray<Happening>>> = {
  "one runs": ["upgraded", "one runs"],
  "two run": two,
  "one has ended beside one that runs": [...two, "the last event"],
  "one was left beside one that runs": [...two, "its turn leaves"],
  "one was given up beside one that runs": [...two, "it is given up"],
  "one is lost beside one that runs": [...two, "it is given up", "somebody waits for 30 seconds"],
  "two run on one that retires": [...two, "it retires"],
  "one that retires, and that its first turn has left": [...two, "it retires", "its turn leaves"]
}

const how = (exchange: Exchange): string => {
  const error = exchange.error()
  if (error !== undefined) {
    return `${"reason" in error ? error.reason : error._tag} ${"delivery" in error ? error.delivery : ""}`
  }
  return exchange.hasEnded() ? "done" : "runs"
}

/** What there is to see, in one line: each response, and what its lane is while the connection is open. */
const look = ({ asked, connection }: At): string =>
  [
    connection.admits() ? "open" : connection.hasEnded() ? "ended" : "retiring",
    ...asked.map(({ exchange, lane }) => connection.hasEnded() ? how(exchange) : `${lane.tag} ${how(exchange)}`)
  ].join(", ")

type Row = Readonly<Record<Happening, string>>

/** `same`: the outcome of all that is not named. */
const row = (same: string, more: Partial<Row>): Row => ({
  ...Object.fromEntries(names.map((name) => [name, same])) as Row,
  ...more
})

const expected: Readonly<Record<string, Row>> = {
  "one runs": row("open, Running runs", {
    "one runs": "open, Running runs, Running runs",
    "the last event": "open, Held done",
    "a failure": "open, Held ResponseFailed unacknowledged",
    "the age limit": "ended, Expired unacknowledged",
    "no JSON": "ended, MalformedEvent unacknowledged",
    "no event, with the name": "ended, MalformedEvent unacknowledged",
    "a close": "ended, Lost unacknowledged",
    "it retires": "retiring, Running runs",
    "its turn leaves": "open, Draining runs",
    "it is given up": "ended, TurnTimeout unacknowledged",
    "its owner ends it": "ended, Closed unacknowledged",
    "the clocks run out": "ended, Stalled unacknowledged"
  }),
  "two run": row("open, Running runs, Running runs", {
    "one runs": "open, Running runs, Running runs, Running runs",
    "the last event": "open, Held done, Running runs",
    "a failure": "open, Held ResponseFailed unacknowledged, Running runs",
    "the age limit": "retiring, Running runs, Running runs",
    "no JSON": "ended, MalformedEvent unacknowledged, MalformedEvent unacknowledged",
    "no event, with the name": "open, Draining MalformedEvent unacknowledged, Running runs",
    "a close": "ended, Lost unacknowledged, Lost unacknowledged",
    "it retires": "retiring, Running runs, Running runs",
    "its turn leaves": "open, Draining runs, Running runs",
    "it is given up": "open, Draining TurnTimeout unacknowledged, Running runs",
    "its owner ends it": "ended, Closed unacknowledged, Closed unacknowledged",
    "the clocks run out": "ended, Stalled unacknowledged, Stalled unacknowledged"
  }),
  "one has ended beside one that runs": row("open, Held done, Running runs", {
    "one runs": "open, Held done, Running runs, Running runs",
    "the age limit": "ended, done, Expired unacknowledged",
    "no JSON": "ended, done, MalformedEvent unacknowledged",
    "no event, with the name": "ended, done, MalformedEvent unacknowledged",
    "a close": "ended, done, Lost unacknowledged",
    "it retires": "retiring, Held done, Running runs",
    "its turn leaves": "open, Free done, Running runs",
    "its owner ends it": "ended, done, Closed unacknowledged",
    "the clocks run out": "open, Held done, Draining Stalled unacknowledged"
  }),
  "one was left beside one that runs": row("open, Draining runs, Running runs", {
    "one runs": "open, Draining runs, Running runs, Running runs",
    "the last event": "open, Free done, Running runs",
    "a failure": "open, Free ResponseFailed unacknowledged, Running runs",
    "the age limit": "retiring, Draining runs, Running runs",
    "no JSON": "ended, MalformedEvent unacknowledged, MalformedEvent unacknowledged",
    "no event, with the name": "open, Lost MalformedEvent unacknowledged, Running runs",
    "a close": "ended, Lost unacknowledged, Lost unacknowledged",
    "it retires": "retiring, Draining runs, Running runs",
    "it is given up": "open, Lost TurnTimeout unacknowledged, Running runs",
    "somebody waits for 30 seconds": "open, Lost runs, Running runs",
    "its owner ends it": "ended, Closed unacknowledged, Closed unacknowledged",
    "the clocks run out": "ended, Stalled unacknowledged, Stalled unacknowledged"
  }),
  "one was given up beside one that runs": row("open, Draining TurnTimeout unacknowledged, Running runs", {
    "one runs": "open, Draining TurnTimeout unacknowledged, Running runs, Running runs",
    "the last event": "open, Free TurnTimeout unacknowledged, Running runs",
    "a failure": "open, Free TurnTimeout unacknowledged, Running runs",
    "the age limit": "retiring, Draining TurnTimeout unacknowledged, Running runs",
    "no JSON": "ended, TurnTimeout unacknowledged, MalformedEvent unacknowledged",
    "a close": "ended, TurnTimeout unacknowledged, Lost unacknowledged",
    "it retires": "retiring, Draining TurnTimeout unacknowledged, Running runs",
    "somebody waits for 30 seconds": "open, Lost TurnTimeout unacknowledged, Running runs",
    "its owner ends it": "ended, TurnTimeout unacknowledged, Closed unacknowledged",
    "the clocks run out": "ended, TurnTimeout unacknowledged, Stalled unacknowledged"
  }),
  "one is lost beside one that runs": row("open, Lost TurnTimeout unacknowledged, Running runs", {
    "one runs": "open, Lost TurnTimeout unacknowledged, Running runs, Running runs",
    "the last event": "open, Free TurnTimeout unacknowledged, Running runs",
    "a failure": "open, Free TurnTimeout unacknowledged, Running runs",
    "the age limit": "retiring, Lost TurnTimeout unacknowledged, Running runs",
    "no JSON": "ended, TurnTimeout unacknowledged, MalformedEvent unacknowledged",
    "a close": "ended, TurnTimeout unacknowledged, Lost unacknowledged",
    "it retires": "retiring, Lost TurnTimeout unacknowledged, Running runs",
    "its owner ends it": "ended, TurnTimeout unacknowledged, Closed unacknowledged",
    "the clocks run out": "ended, TurnTimeout unacknowledged, Stalled unacknowledged"
  }),
  "two run on one that retires": row("retiring, Running runs, Running runs", {
    "one runs": "retiring, Running runs, Running runs, Running runs",
    "the last event": "retiring, Held done, Running runs",
    "a failure": "retiring, Held ResponseFailed unacknowledged, Running runs",
    "no JSON": "ended, MalformedEvent unacknowledged, MalformedEvent unacknowledged",
    "no event, with the name": "retiring, Draining MalformedEvent unacknowledged, Running runs",
    "a close": "ended, Lost unacknowledged, Lost unacknowledged",
    "its turn leaves": "retiring, Draining runs, Running runs",
    "it is given up": "retiring, Draining TurnTimeout unacknowledged, Running runs",
    "its owner ends it": "ended, Closed unacknowledged, Closed unacknowledged",
    "the clocks run out": "ended, Stalled unacknowledged, Stalled unacknowledged"
  }),
  "one that retires, and that its first turn has left": row("retiring, Draining runs, Running runs", {
    "one runs": "retiring, Draining runs, Running runs, Running runs",
    "the last event": "retiring, Free done, Running runs",
    "a failure": "retiring, Free ResponseFailed unacknowledged, Running runs",
    "no JSON": "ended, MalformedEvent unacknowledged, MalformedEvent unacknowledged",
    "no event, with the name": "retiring, Lost MalformedEvent unacknowledged, Running runs",
    "a close": "ended, Lost unacknowledged, Lost unacknowledged",
    "it is given up": "retiring, Lost TurnTimeout unacknowledged, Running runs",
    "somebody waits for 30 seconds": "retiring, Lost runs, Running runs",
    "its owner ends it": "ended, Closed unacknowledged, Closed unacknowledged",
    "the clocks run out": "ended, Stalled unacknowledged, Stalled unacknowledged"
  })
}

describe("a connection whose lanes the Layer names", () => {
  for (const [state, past] of Object.entries(states)) {
    it.effect(`${state}: whatever happens next`, () =>
      Effect.gen(function*() {
        const found: Record<string, string> = {}
        for (const name of names) {
          found[name] = yield* Effect.scoped(Effect.gen(function*() {
            const at = yield* make
            for (const happening of past) yield* happenings[happening](at)
            yield* happenings[name](at)
            return look(at)
          }))
        }
        assert.deepStrictEqual(found, { ...expected[state] })
      }))
  }
})
