/** Several connections: how long they live, what is told of them, and who gets which. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { Connector } from "../src/Connector.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import * as Responses from "../src/Responses.ts"
import * as ResponsesSocket from "../src/ResponsesSocket.ts"
import { assertConnectionError, endsAfter, settle } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { answer, ask, completed, goOn, on, stats } from "./support/lanes.ts"
import { request, socket } from "./support/socket.ts"

/** Each connection serves one response. */
const apart = { maxConnections: 3, maxLanes: 1 }

/** A response that runs on a connection of its own. */
const running = Effect.fnUntraced(function*(server: FakeServer.FakeServer, text: string) {
  const fiber = yield* ask(text)
  const connection = yield* server.connection
  const { stream_id: lane } = yield* connection.request
  const id = `resp_${text}`
  yield* connection.send(...on(lane, FakeServer.created(id)))
  return {
    connection,
    fiber,
    end: Effect.zipRight(connection.send(...on(lane, completed(id))), Fiber.join(fiber))
  }
})

/** The next request of a connection, if it has come by now. */
const sentBy = (connection: FakeServer.FakeConnection) =>
  Effect.zipRight(settle, Effect.map(Effect.timeoutOption(connection.request, 0), Option.getOrUndefined))

describe("connections beyond the first", () => {
  socket("close when they have had nothing to do for long, and the last one stays", (server) =>
    Effect.gen(function*() {
      const [first, second, third] = yield* Effect.all([
        running(server, "1"),
        running(server, "2"),
        running(server, "3")
      ])
      const closed = () => [first, second, third].map(({ connection }) => connection.isClosed())
      yield* first.end
      yield* TestClock.adjust("1 minutes")
      yield* second.end
      yield* TestClock.adjust("239999 millis")
      assert.deepStrictEqual(closed(), [false, false, false])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(closed(), [true, false, false])
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(closed(), [true, true, false])
      yield* third.end
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(closed(), [true, true, false])
      assert.deepInclude(yield* stats, { serving: 1, headsLost: { ...(yield* stats).headsLost, NewConnection: 2 } })
    }), { ...apart, stallTimeout: Infinity, turnTimeout: Infinity })

  socket("close all but the one that was used last", (server) =>
    Effect.gen(function*() {
      const all = yield* Effect.all([running(server, "1"), running(server, "2"), running(server, "3")])
      const [first, second, third] = all
      yield* third.end
      yield* TestClock.adjust("1 seconds")
      yield* first.end
      yield* second.end
      yield* TestClock.adjust("1 seconds")
      yield* ask("", { input: goOn("1") })
      const next = yield* first.connection.request
      assert.strictEqual(next["previous_response_id"], "resp_1")
      yield* first.connection.send(...on(next["stream_id"], ...answer("resp_4")))
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(all.map(({ connection }) => connection.isClosed()), [false, true, true])
    }), { ...apart, idleTimeToLive: "1 minutes" })
})

describe("closing the Layer", () => {
  const closing = Effect.fnUntraced(function*() {
    const server = yield* FakeServer.make
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(
      server.layer({ maxConnections: 1, maxLanes: 2, shutdownTimeout: "10 seconds" }),
      scope
    )
    const { connection, end, fiber } = yield* Effect.provide(running(server, "1"), context)
    const beside = yield* Effect.provide(ask("beside"), context)
    const { stream_id: lane } = yield* connection.request
    yield* connection.send(...on(lane, FakeServer.created("resp_2")))
    const waits = yield* Effect.fork(Effect.flip(Effect.provide(Responses.create(request), context)))
    yield* settle
    const closed = yield* Effect.fork(Scope.close(scope, Exit.void))
    assertConnectionError(yield* Fiber.join(waits), "Closed", "unsent")
    yield* TestClock.adjust("9 seconds")
    return {
      askLate: Effect.provide(Responses.create(request), context),
      connection,
      beside,
      fiber,
      closed,
      end,
      endBeside: connection.send(...on(lane, completed("resp_2")))
    }
  })

  it.scoped("fails those who wait at once, and lets those that run end for as long as `shutdownTimeout` says", () =>
    Effect.gen(function*() {
      const { askLate, beside, closed, connection, end, endBeside } = yield* closing()
      yield* end
      yield* settle
      assert.isFalse(connection.isClosed())
      // There is a place, and nobody gets it any more.
      assertConnectionError(yield* Effect.flip(askLate), "Closed", "unsent")
      yield* endBeside
      assert.strictEqual((yield* Fiber.join(beside)).length, 2)
      yield* Fiber.join(closed)
      assert.isTrue(connection.isClosed())
    }))

  it.scoped("breaks off what runs for longer", () =>
    Effect.gen(function*() {
      const { beside, closed, connection, end, fiber } = yield* closing()
      yield* end
      yield* endsAfter(closed, "1 seconds")
      assert.isTrue(connection.isClosed())
      assert.strictEqual((yield* Fiber.join(fiber)).length, 2)
      assert.deepInclude(yield* Effect.flip(Fiber.join(beside)), { reason: "Closed" })
    }))
})

describe("the numbers of connections", () => {
  it.scoped("tell which take turns, which let theirs end, and which are being opened", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make
      const context = yield* ResponsesSocket.layer({
        apiKey: Redacted.make("sk"),
        maxConnections: 2,
        maxLanes: 2,
        recycle: Schedule.spaced("50 minutes"),
        stallTimeout: Infinity,
        turnTimeout: Infinity
      }).pipe(
        Layer.provide(Layer.succeed(
          Connector,
          (target, listener) => Effect.zipRight(Effect.sleep("2 seconds"), server.connect(target, listener))
        )),
        Layer.build
      )
      const numbers = Effect.map(
        Effect.provide(stats, context),
        ({ opening, recycled, retiring, running, serving }) => ({ opening, serving, retiring, running, recycled })
      )
      const fiber = yield* Effect.provide(ask("1"), context)
      yield* settle
      assert.deepStrictEqual(yield* numbers, { opening: 1, serving: 0, retiring: 0, running: 0, recycled: 0 })
      yield* TestClock.adjust("2 seconds")
      const old = yield* server.connection
      const { stream_id: lane } = yield* old.request
      yield* old.send(...on(lane, FakeServer.created("resp_1")))
      assert.deepStrictEqual(yield* numbers, { opening: 0, serving: 1, retiring: 0, running: 1, recycled: 0 })
      yield* TestClock.adjust("50 minutes")
      yield* TestClock.adjust("2 seconds")
      const next = yield* server.connection
      assert.deepStrictEqual(yield* numbers, { opening: 0, serving: 1, retiring: 1, running: 1, recycled: 1 })
      yield* Effect.provide(ask("2"), context)
      yield* next.request
      assert.deepStrictEqual(yield* numbers, { opening: 0, serving: 1, retiring: 1, running: 2, recycled: 1 })
      yield* old.send(...on(lane, completed("resp_1")))
      yield* Fiber.join(fiber)
      yield* old.closed
      assert.deepStrictEqual(yield* numbers, { opening: 0, serving: 1, retiring: 0, running: 1, recycled: 1 })
    }))
})

describe("a turn that waits", () => {
  /** Two connections that have a conversation each, and on which others run. */
  const full = Effect.fnUntraced(function*(server: FakeServer.FakeServer) {
    const [first, second] = yield* Effect.all([running(server, "1"), running(server, "2")])
    yield* first.end
    yield* second.end
    yield* ask("others")
    yield* ask("others")
    yield* settle
    const busy = yield* Effect.forEach(
      [first, second],
      ({ connection }, index) =>
        Effect.map(connection.request, ({ stream_id: lane }) => ({
          connection,
          end: connection.send(...on(lane, ...answer(`resp_other_${index}`)))
        }))
    )
    return { first: busy[0]!, second: busy[1]! }
  })

  const two = { maxConnections: 2, maxLanes: 1 }

  socket(
    "gets the place on the connection that has its conversation, before one that came earlier",
    (server) =>
      Effect.gen(function*() {
        const { first, second } = yield* full(server)
        yield* ask("", { input: goOn("2") })
        yield* ask("", { input: goOn("1") })
        yield* settle
        yield* first.end
        assert.deepInclude(yield* sentBy(first.connection), {
          previous_response_id: "resp_1",
          input: [ResponseItem.user("more")]
        })
        yield* second.end
        assert.deepInclude(yield* sentBy(second.connection), {
          previous_response_id: "resp_2",
          input: [ResponseItem.user("more")]
        })
        assert.deepInclude(yield* stats, { affineHits: 2, connections: 2, waiting: 0 })
      }),
    two
  )

  socket(
    "gets another place only when nobody else has come for it for a while, and travels whole",
    (server) =>
      Effect.gen(function*() {
        const { first } = yield* full(server)
        yield* ask("", { input: goOn("2") })
        yield* settle
        yield* first.end
        yield* TestClock.adjust("249 millis")
        assert.isUndefined(yield* sentBy(first.connection))
        yield* TestClock.adjust("1 millis")
        const sent = yield* sentBy(first.connection)
        assert.deepInclude(sent, { input: goOn("2") })
        assert.notProperty(sent, "previous_response_id")
      }),
    two
  )

  socket(
    "is delayed by one turn at the most, however many a caller has who came before",
    (server) =>
      Effect.gen(function*() {
        const { connection } = yield* running(server, "1")
        yield* ask("busy", { stream_id: "busy" })
        let { stream_id: lane } = yield* connection.request
        yield* Effect.replicateEffect(ask("busy", { stream_id: "busy" }), 1000)
        yield* settle
        yield* ask("single", { stream_id: "single" })
        yield* settle
        assert.deepInclude(yield* stats, { waiting: 1001 })
        const served: Array<unknown> = []
        for (const id of ["resp_a", "resp_b"]) {
          yield* connection.send(...on(lane, ...answer(id)))
          const sent = yield* connection.request
          lane = sent["stream_id"]
          served.push(sent["input"])
        }
        assert.deepInclude(served, [ResponseItem.user("single")])
      }),
    { maxConnections: 1, maxLanes: 2 }
  )
})
