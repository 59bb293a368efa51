/** Many responses at once: lanes of a connection, and servers that have none. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as ResponseItem from "../src/ResponseItem.ts"
import * as Responses from "../src/Responses.ts"
import { ResponsesSocket } from "../src/ResponsesSocket.ts"
import { assertConnectionError, settle } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { ask, on, stats } from "./support/lanes.ts"
import { collect, socket } from "./support/socket.ts"

const many = { maxConnections: 2, maxLanes: 3 }

/** The first response has begun under the name of its lane. */
const beginFirst = Effect.fnUntraced(function*(server: FakeServer.FakeServer, fields: object = {}) {
  const first = yield* ask("first", fields)
  const connection = yield* server.connection
  const sent = yield* connection.request
  const lane = sent["stream_id"]
  yield* connection.send(...on(lane, FakeServer.created("resp_1")))
  return { first, connection, lane }
})

describe("lanes", () => {
  socket(
    "a second response runs beside the first once an event has come with the name of its lane",
    (server) =>
      Effect.gen(function*() {
        const first = yield* ask("first")
        const connection = yield* server.connection
        const { stream_id: lane } = yield* connection.request
        assert.strictEqual(lane, "1")
        const second = yield* ask("second")
        yield* settle
        assert.deepInclude(yield* stats, { running: 1, waiting: 1, serving: 1 })
        yield* connection.send(...on(lane, FakeServer.created("resp_1")))
        const { stream_id: other } = yield* connection.request
        assert.strictEqual(other, "2")
        yield* connection.send(...on(other, ...FakeServer.answer("resp_2")))
        assert.strictEqual((yield* Fiber.join(second)).length, 3)
        yield* connection.send(...on(lane, ...FakeServer.answer("resp_1").slice(1)))
        assert.strictEqual((yield* Fiber.join(first)).length, 3)
        assert.strictEqual(server.dials(), 1)
      }),
    many
  )

  for (const name of [undefined, "mine"]) {
    socket(
      `events carry the caller's name (${name ?? "none"}) and not that of the lane`,
      (server) =>
        Effect.gen(function*() {
          const { connection, first, lane } = yield* beginFirst(server, { stream_id: name })
          yield* connection.send(...on(lane, ...FakeServer.answer("resp_1").slice(1)))
          for (const event of yield* Fiber.join(first)) {
            assert.strictEqual(Reflect.get(event as object, "stream_id"), name)
            assert.strictEqual(Reflect.has(event as object, "stream_id"), name !== undefined)
          }
        }),
      many
    )
  }

  socket("a conversation goes on where its head is, whoever asks", (server) =>
    Effect.gen(function*() {
      const { connection, first, lane } = yield* beginFirst(server)
      yield* connection.send(...on(lane, ...FakeServer.answer("resp_1").slice(1)))
      yield* Fiber.join(first)
      const other = yield* ask("other")
      const sent = yield* connection.request
      assert.strictEqual(sent["stream_id"], "2")
      yield* connection.send(...on("2", ...FakeServer.answer("resp_2")))
      yield* Fiber.join(other)
      const history = [
        ResponseItem.user("first"),
        { type: "message", role: "assistant", content: "Hello" } as const,
        ResponseItem.user("more")
      ]
      yield* ask("", { input: history })
      const next = yield* connection.request
      assert.deepInclude(next, { stream_id: lane, previous_response_id: "resp_1", input: [ResponseItem.user("more")] })
    }), many)

  socket(
    "a server that leaves the name out serves one at a time, on more connections",
    (server) =>
      Effect.gen(function*() {
        const first = yield* ask("first")
        const connection = yield* server.connection
        assert.strictEqual((yield* connection.request)["stream_id"], "1")
        yield* connection.send(...FakeServer.answer("resp_1").slice(0, 1))
        const second = yield* ask("second")
        const another = yield* server.connection
        assert.isFalse(Reflect.has(yield* another.request, "stream_id"))
        yield* another.send(...FakeServer.answer("resp_2"))
        yield* Fiber.join(second)
        yield* connection.send(...FakeServer.answer("resp_1").slice(1))
        assert.strictEqual((yield* Fiber.join(first)).length, 3)
      }),
    many
  )

  for (
    const error of [
      {
        status: 400,
        error: { code: "unknown_parameter", param: "stream_id", message: "Unknown parameter: 'stream_id'." }
      },
      { status: 422, error: { message: "stream_id: extra fields not permitted" } }
    ]
  ) {
    socket(
      `a server that refuses the name (${error.status}) is asked without it, unseen`,
      (server) =>
        Effect.gen(function*() {
          const first = yield* ask("first")
          const connection = yield* server.connection
          assert.strictEqual((yield* connection.request)["stream_id"], "1")
          yield* connection.send({ type: "error", ...error })
          assert.isFalse(Reflect.has(yield* connection.request, "stream_id"))
          yield* connection.send(...FakeServer.answer("resp_1"))
          assert.strictEqual((yield* Fiber.join(first)).length, 3)
        }),
      many
    )
  }

  socket(
    "a caller that leaves gives up its own lane only, which is used again after its end",
    (server) =>
      Effect.gen(function*() {
        const { connection, first, lane } = yield* beginFirst(server)
        const scope = yield* Scope.make()
        const left = yield* Effect.fork(
          Scope.extend(Responses.open({ model: "m", input: [ResponseItem.user("left")] }), scope)
        )
        yield* connection.request
        yield* connection.send(...on("2", FakeServer.created("resp_2")))
        yield* Fiber.join(left)
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(connection.isClosed())
        assert.deepInclude(yield* stats, { running: 2 })
        yield* connection.send(...on("2", ...FakeServer.answer("resp_2").slice(1)))
        assert.deepInclude(yield* stats, { running: 1 })
        yield* connection.send(...on(lane, ...FakeServer.answer("resp_1").slice(1)))
        assert.strictEqual((yield* Fiber.join(first)).length, 3)
      }),
    many
  )

  socket(
    "two requests whose names are refused at once, on two connections, are both sent without them",
    (server) =>
      Effect.gen(function*() {
        const refusal = {
          type: "error",
          status: 400,
          error: { code: "unknown_parameter", param: "stream_id", message: "No." }
        }
        const first = yield* ask("first")
        const one = yield* server.connection
        assert.strictEqual((yield* one.request)["stream_id"], "1")
        const second = yield* ask("second")
        yield* TestClock.adjust("2 seconds")
        const two = yield* server.connection
        assert.strictEqual((yield* two.request)["stream_id"], "1")
        yield* one.send(refusal)
        yield* two.send(refusal)
        for (const [connection, id, fiber] of [[one, "resp_1", first], [two, "resp_2", second]] as const) {
          assert.isFalse(Reflect.has(yield* connection.request, "stream_id"))
          yield* connection.send(...FakeServer.answer(id))
          assert.strictEqual((yield* Fiber.join(fiber)).length, 3)
        }
      }),
    many
  )

  socket(
    "a request that is sent in full, and refused as another runs, waits for that one",
    (server) =>
      Effect.gen(function*() {
        const { connection, first } = yield* beginFirst(server)
        yield* connection.send(...on("1", ...FakeServer.answer("resp_1").slice(1)))
        yield* Fiber.join(first)
        const next = yield* ask("", {
          input: [
            ResponseItem.user("first"),
            { type: "message", role: "assistant", content: "Hello" },
            ResponseItem.user("more")
          ]
        })
        assert.deepInclude(yield* connection.request, { stream_id: "1", previous_response_id: "resp_1" })
        const other = yield* ask("other")
        assert.deepInclude(yield* connection.request, { stream_id: "2" })
        const refuse = (code: string) => on("1", { type: "error", status: 400, error: { code, message: "No." } })
        yield* connection.send(...refuse("previous_response_not_found"))
        assert.deepInclude(yield* connection.request, { stream_id: "1" })
        yield* connection.send(...refuse("response_already_in_flight"))
        yield* connection.send(...on("2", ...FakeServer.answer("resp_2")))
        yield* Fiber.join(other)
        const { stream_id } = yield* connection.request
        yield* connection.send(...on(stream_id, ...FakeServer.answer("resp_3")))
        assert.strictEqual((yield* Fiber.join(next)).length, 3)
      }),
    { maxConnections: 1, maxLanes: 3 }
  )

  socket("an error without a name is that of the only request that has not begun", (server) =>
    Effect.gen(function*() {
      const { connection, first, lane } = yield* beginFirst(server)
      const second = yield* ask("second")
      yield* connection.request
      yield* connection.send({
        type: "error",
        status: 429,
        error: { code: "rate_limit_exceeded", message: "slow down" }
      })
      assert.deepInclude(yield* Effect.flip(Fiber.join(second)), {
        _tag: "ResponseFailed",
        code: "rate_limit_exceeded"
      })
      yield* connection.send(...on(lane, ...FakeServer.answer("resp_1").slice(1)))
      assert.strictEqual((yield* Fiber.join(first)).length, 3)
    }), many)

  socket(
    "of a close with 1009 only the large request was too large: the small one may be run by now",
    (server) =>
      Effect.gen(function*() {
        const { connection, first } = yield* beginFirst(server)
        const small = yield* ask("small")
        yield* connection.request
        const large = yield* ask("x".repeat(2 * 1024 * 1024))
        yield* connection.request
        yield* connection.close(1009)
        assert.deepInclude(yield* Effect.flip(Fiber.join(small)), { reason: "Lost", delivery: "unacknowledged" })
        assert.deepInclude(yield* Effect.flip(Fiber.join(large)), { reason: "TooLarge", delivery: "unsent" })
        yield* Effect.flip(Fiber.join(first))
      }),
    many
  )

  socket("of two large ones nothing is known", (server) =>
    Effect.gen(function*() {
      const { connection } = yield* beginFirst(server)
      const large = yield* Effect.all(["x", "y"].map((text) => ask(text.repeat(2 * 1024 * 1024))))
      yield* connection.request
      yield* connection.request
      yield* connection.close(1009)
      for (const fiber of large) {
        assert.deepInclude(yield* Effect.flip(Fiber.join(fiber)), { reason: "Lost", delivery: "unacknowledged" })
      }
    }), many)

  socket("a response that does not begin in time hits itself only", (server) =>
    Effect.gen(function*() {
      const { connection, first, lane } = yield* beginFirst(server)
      const second = yield* ask("second")
      yield* connection.request
      yield* TestClock.adjust("1 minutes")
      yield* connection.send(...on(lane, FakeServer.delta("hi")))
      yield* TestClock.adjust("1 minutes")
      assert.deepInclude(yield* Effect.flip(Fiber.join(second)), { reason: "FirstEventTimeout" })
      yield* connection.send(...on(lane, ...FakeServer.answer("resp_1").slice(1)))
      assert.strictEqual((yield* Fiber.join(first)).length, 4)
      assert.isFalse(connection.isClosed())
    }), many)

  socket("a malformed frame with the name of a lane fails that one only", (server) =>
    Effect.gen(function*() {
      const { connection, first, lane } = yield* beginFirst(server)
      const second = yield* ask("second")
      yield* connection.request
      yield* connection.send({ type: "response.completed", stream_id: "2" })
      assert.deepInclude(yield* Effect.flip(Fiber.join(second)), { _tag: "MalformedEvent" })
      yield* connection.send(...on(lane, ...FakeServer.answer("resp_1").slice(1)))
      assert.strictEqual((yield* Fiber.join(first)).length, 3)
    }), many)
})

describe("news of a vendor's own", () => {
  const keepalive = { type: "keepalive", sequence_number: 3 }

  socket(
    "are among the events of the only response, and told by the Layer while several run, or none",
    (server) =>
      Effect.gen(function*() {
        const { news } = yield* ResponsesSocket
        const heard = yield* Effect.fork(Stream.runCollect(Stream.take(news, 2)))
        const { connection, first } = yield* beginFirst(server)
        yield* connection.send(keepalive)
        const second = yield* ask("second")
        yield* connection.request
        yield* connection.send({ ...keepalive, type: "codex.rate_limits" })
        yield* connection.send(...on("1", ...FakeServer.answer("resp_1").slice(1)))
        yield* connection.send(...on("2", ...FakeServer.answer("resp_2")))
        assert.deepStrictEqual([(yield* Fiber.join(first)).length, (yield* Fiber.join(second)).length], [4, 3])
        yield* connection.send(keepalive, FakeServer.delta("late"))
        assert.deepStrictEqual(Array.from(yield* Fiber.join(heard), ({ type }) => type), [
          "codex.rate_limits",
          "keepalive"
        ])
        assert.deepInclude(yield* stats, { news: 2 })
      }),
    many
  )
})

it.scoped("the Stream of news ends with the Layer", () =>
  Effect.gen(function*() {
    const server = yield* FakeServer.make
    const scope = yield* Scope.make()
    const context = yield* Scope.extend(Layer.build(server.layer()), scope)
    const { news } = Context.get(context, ResponsesSocket)
    const heard = yield* Effect.fork(Stream.runCollect(news))
    yield* settle
    yield* Scope.close(scope, Exit.void)
    assert.strictEqual((yield* Fiber.join(heard)).length, 0)
  }))

describe("who waits", () => {
  socket("a fiber that holds every place itself is told so at once", (server) =>
    Effect.gen(function*() {
      const connections = yield* Effect.fork(Effect.flatMap(server.connection, (connection) =>
        Effect.zipRight(connection.request, connection.send(FakeServer.created("resp_1")))))
      yield* Responses.open({ model: "m", input: "1" })
      yield* Fiber.join(connections)
      assert.deepInclude(yield* Effect.flip(Responses.open({ model: "m", input: "2" })), {
        reason: "NoRoom",
        delivery: "unsent"
      })
    }))

  socket("no more wait than may", (server) =>
    Effect.gen(function*() {
      yield* beginFirst(server)
      yield* ask("waits")
      yield* settle
      const error = yield* Effect.flip(Stream.runDrain(Responses.stream({ model: "m", input: "one more" })))
      assert.deepInclude(error, { reason: "QueueFull", delivery: "unsent" })
    }), { maxWaiting: 1 })

  socket(
    "no more wait for the first connection than it will have places, and than may wait for others",
    (server) =>
      Effect.gen(function*() {
        server.plan("never")
        const fibers = yield* Effect.forEach(Array.from({ length: 6 }), (_, index) => ask(String(index)))
        yield* settle
        const waits = yield* Effect.forEach(fibers, (fiber) => Effect.map(Fiber.poll(fiber), Option.isNone))
        assert.deepStrictEqual(waits, [true, true, true, true, false, false])
        const errors = yield* Effect.forEach(fibers.slice(4), (fiber) => Effect.flip(Fiber.join(fiber)))
        for (const error of errors) assertConnectionError(error, "QueueFull", "unsent")
      }),
    { maxConnections: 1, maxLanes: 2, maxWaiting: 2 }
  )

  socket("for longer than a minute nobody waits", (server) =>
    Effect.gen(function*() {
      const { connection } = yield* beginFirst(server)
      yield* ask("second")
      yield* connection.request
      const third = yield* ask("third")
      yield* settle
      yield* TestClock.adjust("1 minutes")
      assert.deepInclude(yield* Effect.flip(Fiber.join(third)), { reason: "QueueTimeout", delivery: "unsent" })
      assert.isFalse(connection.isClosed())
    }), { maxConnections: 1, maxLanes: 2 })

  socket("a caller with many requests does not hold up another's single one", (server) =>
    Effect.gen(function*() {
      const { connection, lane } = yield* beginFirst(server)
      for (let index = 0; index < 5; index++) yield* ask(`busy ${index}`, { stream_id: "busy" })
      yield* settle
      yield* ask("single", { stream_id: "single" })
      yield* settle
      const served: Array<string> = []
      let name = lane
      for (let index = 0; index < 3; index++) {
        yield* connection.send(...on(name, ...FakeServer.answer(`resp_${index + 1}`).slice(index === 0 ? 1 : 0)))
        const sent = yield* connection.request
        name = sent["stream_id"]
        served.push(String(name))
      }
      assert.include(served.slice(0, 2), "single")
    }), { maxConnections: 1, maxLanes: 1 })

  for (const limits of [many, { maxConnections: 1, maxLanes: 1 }]) {
    socket(
      `a server that closes each connection before it is used is not dialled for ever (${JSON.stringify(limits)})`,
      (server) =>
        Effect.gen(function*() {
          server.plan("closed", "closed", "closed", "closed")
          const exit = yield* Effect.exit(collect(Responses.stream({ model: "m", input: "hi" })))
          assertConnectionError(yield* Effect.flip(exit), "Refused", "unsent")
          assert.strictEqual(server.dials(), 1)
        }),
      limits
    )
  }
})
