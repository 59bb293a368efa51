/** What goes over the wire, to the letter: of a fork, of one conversation too many, of a connection that retires. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as ResponseItem from "../src/ResponseItem.ts"
import * as Responses from "../src/Responses.ts"
import { ResponsesSocket } from "../src/ResponsesSocket.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { socket } from "./support/socket.ts"

type Items = ReadonlyArray<ResponseItem.ResponseItem>

const user = ResponseItem.user
const hello = ResponseItem.message("assistant", "Hello")

/** A whole turn of a caller, in a fiber of its own, which ends with the reason why all of the input travelled. */
const ask = (...input: Items) =>
  Effect.fork(Effect.scoped(Effect.gen(function*() {
    const response = yield* Responses.open({ model: "m", store: false, input })
    yield* response.forEach(() => {})
    return response.reason?._tag ?? "delta"
  })))

/** The next frame that the client sends on the connection. */
const sees = (connection: FakeServer.FakeConnection, frame: string) =>
  Effect.map(connection.frame, (sent) => assert.strictEqual(sent, frame))

const on = (lane: string, ...events: ReadonlyArray<object>) => events.map((event) => ({ ...event, stream_id: lane }))

const begins = (connection: FakeServer.FakeConnection, lane: string, id: string) =>
  connection.send(...on(lane, FakeServer.created(id)))

const ends = (connection: FakeServer.FakeConnection, lane: string, id: string) =>
  connection.send(...on(lane, FakeServer.delta("Hello"), FakeServer.completed(id)))

const message = (text: string, role = "user") => `{"type":"message","role":"${role}","content":"${text}"}`

/** A request on a lane, in full or from a response on. */
const frame = (lane: string, items: ReadonlyArray<string>, previousId?: string) =>
  `{"model":"m","store":false,"input":[${items.join(",")}],` +
  `${
    previousId === undefined ? "" : `"previous_response_id":"${previousId}",`
  }"stream_id":"${lane}","type":"response.create"}`

const first = (lane: string, text: string) => frame(lane, [message(text)])

describe("on the wire", () => {
  socket(
    "a branch off a head that another turn continues goes by id on another lane of the same connection",
    (server) =>
      Effect.gen(function*() {
        const opening = yield* ask(user("plan"))
        const connection = yield* server.connection
        yield* sees(connection, first("1", "plan"))
        yield* begins(connection, "1", "resp_1")
        yield* ends(connection, "1", "resp_1")
        assert.strictEqual(yield* Fiber.join(opening), "First")

        const trunk = yield* ask(user("plan"), hello, user("trunk"))
        yield* sees(
          connection,
          frame("1", [message("trunk")], "resp_1")
        )
        yield* begins(connection, "1", "resp_2")
        const branch = yield* ask(user("plan"), hello, user("branch"))
        yield* sees(
          connection,
          frame("2", [message("branch")], "resp_1")
        )
        yield* begins(connection, "2", "resp_3")
        yield* ends(connection, "2", "resp_3")
        yield* ends(connection, "1", "resp_2")
        assert.deepStrictEqual(yield* Fiber.join(Fiber.zip(trunk, branch)), ["delta", "delta"])

        // Each goes on where it is.
        for (const [text, lane, id] of [["branch", "2", "resp_3"], ["trunk", "1", "resp_2"]] as const) {
          const next = yield* ask(user("plan"), hello, user(text), hello, user("on"))
          yield* sees(
            connection,
            frame(lane, [message("on")], id)
          )
          yield* begins(connection, lane, `${id}_next`)
          yield* ends(connection, lane, `${id}_next`)
          assert.strictEqual(yield* Fiber.join(next), "delta")
        }
        const { forks } = yield* Effect.flatMap(ResponsesSocket, ({ stats }) => stats)
        assert.strictEqual(forks, 1)
        assert.strictEqual(server.dials(), 1)
      }),
    { maxConnections: 2, maxLanes: 3 }
  )

  socket(
    "a 33rd conversation takes the lane, under its old name, of one that goes in full when it comes again",
    (server) =>
      Effect.gen(function*() {
        const names = Array.from({ length: 32 }, (_, index) => String(index + 1))
        const opening = yield* ask(user("question 1"))
        const connection = yield* server.connection
        yield* sees(connection, first("1", "question 1"))
        yield* begins(connection, "1", "resp_1")
        yield* ends(connection, "1", "resp_1")
        yield* Fiber.join(opening)
        for (const name of names.slice(1)) {
          const turn = yield* ask(user(`question ${name}`))
          yield* sees(connection, first(name, `question ${name}`))
          yield* begins(connection, name, `resp_${name}`)
          yield* ends(connection, name, `resp_${name}`)
          assert.strictEqual(yield* Fiber.join(turn), "First")
        }

        // Of those with one turn only, the oldest of the latest four gives way.
        const more = yield* ask(user("question 33"))
        yield* sees(connection, first("29", "question 33"))
        yield* begins(connection, "29", "resp_33")
        yield* ends(connection, "29", "resp_33")
        assert.strictEqual(yield* Fiber.join(more), "First")

        const displaced = yield* ask(user("question 29"), hello, user("on"))
        const lane = "30"
        yield* sees(
          connection,
          frame(lane, [message("question 29"), message("Hello", "assistant"), message("on")])
        )
        yield* begins(connection, lane, "resp_34")
        yield* ends(connection, lane, "resp_34")
        assert.strictEqual(yield* Fiber.join(displaced), "Displaced")

        const kept = yield* ask(user("question 28"), hello, user("on"))
        yield* sees(
          connection,
          frame("28", [message("on")], "resp_28")
        )
        yield* begins(connection, "28", "resp_35")
        yield* ends(connection, "28", "resp_35")
        assert.strictEqual(yield* Fiber.join(kept), "delta")
        const { headsLost } = yield* Effect.flatMap(ResponsesSocket, ({ stats }) => stats)
        assert.strictEqual(headsLost.Displaced, 2)
      }),
    { maxConnections: 1, maxLanes: 16 }
  )

  socket(
    "a connection that retires takes nothing new, and is closed when what ran on it has ended",
    (server) =>
      Effect.gen(function*() {
        const running = yield* ask(user("long"))
        const old = yield* server.connection
        yield* sees(old, first("1", "long"))
        yield* begins(old, "1", "resp_1")
        const short = yield* ask(user("short"))
        yield* sees(old, first("2", "short"))
        yield* begins(old, "2", "resp_2")
        yield* ends(old, "2", "resp_2")
        yield* Fiber.join(short)

        yield* TestClock.adjust("50 minutes")
        const next = yield* server.connection
        assert.isFalse(old.isClosed())
        const moved = yield* ask(user("short"), hello, user("on"))
        yield* sees(
          next,
          frame("1", [message("short"), message("Hello", "assistant"), message("on")])
        )
        yield* begins(next, "1", "resp_3")
        yield* ends(next, "1", "resp_3")
        assert.isFalse(old.isClosed())
        yield* Fiber.join(moved)

        yield* ends(old, "1", "resp_1")
        assert.strictEqual(yield* Fiber.join(running), "First")
        yield* old.closed
        assert.isFalse(next.isClosed())
        assert.strictEqual(server.open(), 1)
      }),
    {
      maxConnections: 2,
      maxLanes: 3,
      recycle: Schedule.spaced("50 minutes"),
      stallTimeout: Infinity,
      turnTimeout: Infinity
    }
  )
})
