import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Responses from "../src/Responses.ts"
import { ConnectionError, type Delivery } from "../src/ResponsesError.ts"
import { assertConnectionError, endsAfter, failing, settle } from "./support/clocks.ts"
import { answer, ask, begin, first, hello, hi, more } from "./support/conversation.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { firstTurn, request, socket, wholeAnswer } from "./support/socket.ts"

const repeats = ["unsent", "unacknowledged"] as const

const expired = { type: "error", status: 400, error: { code: "websocket_connection_limit_reached", message: "old" } }

/** When a connection fails, and what the caller gets. `fail` takes what the server saw of the request until then. */
interface Moment {
  readonly when: string
  readonly fail: (server: FakeServer.FakeServer) => Effect.Effect<FakeServer.FakeConnection>
  readonly reason: ConnectionError["reason"]
  readonly delivery: Delivery
  /** The settings of `repeat` with which another connection serves it. */
  readonly served: ReadonlyArray<(typeof repeats)[number]>
}

/** Why a repeated request did not run a second time. */
const lastWords: ReadonlyArray<readonly [how: string, dials: ReadonlyArray<FakeServer.Dial>]> = [
  [
    "gets no connection",
    [new ConnectionError({ reason: "Refused", delivery: "unsent", description: "No", status: 404 })]
  ],
  ["is refused", []]
]

const after = (...frames: ReadonlyArray<object>) =>
  Effect.fnUntraced(function*(server: FakeServer.FakeServer) {
    const connection = yield* server.connection
    yield* connection.request
    yield* connection.send(...frames)
    yield* settle
    return connection
  })

const lostAfter = (...frames: ReadonlyArray<object>) => (server: FakeServer.FakeServer) =>
  Effect.tap(after(...frames)(server), (connection) => connection.close(1006))

const waitAfter = (time: "2 minutes" | "10 minutes" | "20 minutes", ...frames: ReadonlyArray<object>) =>
(
  server: FakeServer.FakeServer
) => Effect.zipLeft(after(...frames)(server), TestClock.adjust(time))

const moments: ReadonlyArray<Moment> = [
  {
    when: "before the request is on its way",
    fail: (server) => server.connection,
    reason: "Lost",
    delivery: "unsent",
    served: repeats
  },
  {
    when: "while the request is being written",
    fail: (server) => Effect.tap(server.connection, (connection) => Effect.zipRight(settle, connection.close(1006))),
    reason: "Lost",
    delivery: "unsent",
    served: repeats
  },
  {
    when: "by a server that says that nothing ran",
    fail: after(expired),
    reason: "Expired",
    delivery: "unsent",
    served: repeats
  },
  {
    when: "before the first event",
    fail: lostAfter(),
    reason: "Lost",
    delivery: "unacknowledged",
    served: ["unacknowledged"]
  },
  {
    when: "before the response has an id",
    fail: lostAfter({ type: "codex.rate_limits" }),
    reason: "Lost",
    delivery: "unacknowledged",
    served: ["unacknowledged"]
  },
  {
    when: "by the clock of the first event",
    fail: waitAfter("2 minutes"),
    reason: "FirstEventTimeout",
    delivery: "unacknowledged",
    served: ["unacknowledged"]
  },
  {
    when: "after response.created",
    fail: lostAfter(FakeServer.created("resp_1")),
    reason: "Lost",
    delivery: "unacknowledged",
    served: []
  },
  {
    when: "by a stall after response.created",
    fail: waitAfter("10 minutes", FakeServer.created("resp_1")),
    reason: "Stalled",
    delivery: "unacknowledged",
    served: []
  },
  {
    when: "after output",
    fail: lostAfter(FakeServer.created("resp_1"), FakeServer.delta("He")),
    reason: "Lost",
    delivery: "partial",
    served: []
  },
  {
    when: "after output, by a server that says that nothing ran",
    fail: after(FakeServer.created("resp_1"), FakeServer.delta("He"), expired),
    reason: "Expired",
    delivery: "partial",
    served: []
  }
]

describe("a connection that fails", () => {
  for (const { delivery, fail, reason, served, when } of moments) {
    for (const repeat of repeats) {
      const isServed = served.includes(repeat)
      socket(
        `${when}, ${repeat} repeated: ${isServed ? "another serves" : `${reason}, ${delivery}`}`,
        (server) =>
          Effect.gen(function*() {
            if (when === "before the request is on its way") server.failSends(1)
            if (when === "while the request is being written") yield* server.hangSend
            const recoveries: Array<unknown> = []
            const fiber = yield* Responses.stream(request, {
              onOpen: (response) => Effect.sync(() => recoveries.push(...response.recoveries))
            }).pipe(
              Stream.runFold([] as ReadonlyArray<string>, (all, event) => [...all, event.type]),
              Effect.either,
              Effect.fork
            )
            const old = yield* fail(server)
            if (!isServed) {
              const outcome = yield* Fiber.join(fiber)
              assert(outcome._tag === "Left")
              assertConnectionError(outcome.left, reason, delivery)
              assert.deepStrictEqual(recoveries, [])
              assert.strictEqual(server.dials(), 1)
              yield* firstTurn(server)
              return
            }
            const next = yield* server.connection
            assert.deepStrictEqual(yield* next.request, { type: "response.create", ...request })
            yield* next.send(...FakeServer.answer("resp_2"))
            assert.deepStrictEqual(yield* Fiber.join(fiber), Either.right(wholeAnswer))
            assert.lengthOf(recoveries, 1)
            assert.deepInclude(recoveries[0], { _tag: "Reconnected" })
            assert.isTrue(old.isClosed())
            assert.deepStrictEqual(yield* Effect.timeoutOption(old.frame, 0), Option.none())
            assert.strictEqual(server.dials(), 2)
          }),
        { repeat }
      )
    }
  }

  socket("is repeated once, not for ever", (server) =>
    Effect.gen(function*() {
      const fiber = yield* failing()
      for (let seen = 0; seen < 2; seen++) {
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.close(1006)
      }
      assertConnectionError(yield* Fiber.join(fiber), "Lost", "unacknowledged")
      assert.strictEqual(server.dials(), 2)
    }), { repeat: "unacknowledged" })

  for (const [how, dials] of lastWords) {
    socket(`does not make the first one unsent where the second ${how}`, (server) =>
      Effect.gen(function*() {
        server.plan("accept", ...dials)
        const fiber = yield* failing()
        const connection = yield* server.connection
        yield* connection.request
        yield* connection.close(1006)
        if (dials.length === 0) {
          const next = yield* server.connection
          yield* next.request
          yield* next.send({ type: "error", status: 400, error: { code: "invalid_prompt", message: "no" } })
        }
        assertConnectionError(yield* Fiber.join(fiber), "Lost", "unacknowledged")
        assert.strictEqual(server.dials(), 2)
      }), { repeat: "unacknowledged" })
  }

  socket("leaves a request alone whose own time is over", (server) =>
    Effect.gen(function*() {
      const fiber = yield* failing()
      yield* Effect.flatMap(server.connection, (connection) => connection.request)
      assertConnectionError(yield* endsAfter(fiber, "1 minute"), "TurnTimeout", "unacknowledged")
      assert.strictEqual(server.dials(), 1)
    }), { repeat: "unacknowledged", turnTimeout: "1 minute" })

  socket("gives it no more time than the turn has", (server) =>
    Effect.gen(function*() {
      const fiber = yield* failing()
      yield* Effect.flatMap(server.connection, (connection) => connection.request)
      yield* TestClock.adjust("2 minutes")
      yield* Effect.flatMap(server.connection, (connection) => connection.request)
      assertConnectionError(yield* endsAfter(fiber, "1 minute"), "TurnTimeout", "unacknowledged")
    }), { repeat: "unacknowledged", turnTimeout: "3 minutes" })

  socket("leaves a refusal by the server alone", (server) =>
    Effect.gen(function*() {
      const fiber = yield* failing()
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send({ type: "error", status: 500, error: { code: "server_error", message: "no" } })
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "ResponseFailed")
      assert.strictEqual(server.dials(), 1)
    }), { repeat: "unacknowledged" })

  socket(
    "has the whole conversation sent again, where only the end of it was lost",
    (server) =>
      Effect.gen(function*() {
        const { connection } = yield* first(server, ask([hello]), "resp_1")
        const fiber = yield* begin(ask([hello, hi, more]))
        assert.deepInclude(yield* connection.request, { previous_response_id: "resp_1", input: [more] })
        yield* connection.close(1006)
        const next = yield* server.connection
        const sent = yield* next.request
        assert.notProperty(sent, "previous_response_id")
        assert.deepStrictEqual(sent["input"], [hello, hi, more])
        yield* next.send(...answer("resp_2", [hi]))
        yield* Fiber.join(fiber)
      }),
    { repeat: "unacknowledged" }
  )
})
