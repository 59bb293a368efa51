/** What may wait for slow readers: of one response, of a connection and of a Layer. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type * as Responses from "../src/Responses.ts"
import { assertConnectionError, settle } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { ask, completed, goOn, on, open, stats } from "./support/lanes.ts"
import { socket } from "./support/socket.ts"

const mebi = 1024 * 1024

/** Events of a little more than so many Mi characters. */
const large = (size: number) => FakeServer.delta("x".repeat(size * mebi))

/** A caller that reads keeps a connection from being paused, which would hold up everything on it. */
const beginReader = Effect.fnUntraced(function*(server: FakeServer.FakeServer, text: string) {
  const fiber = yield* ask(text)
  const connection = yield* server.connection
  const { stream_id: lane } = yield* connection.request
  yield* connection.send(...on(lane, FakeServer.created(`resp_${text}`)))
  return {
    connection,
    end: Effect.zipRight(connection.send(...on(lane, completed(`resp_${text}`))), Fiber.join(fiber))
  }
})

/** A caller that has opened its response and does not read. */
const beginSlow = Effect.fnUntraced(function*(connection: FakeServer.FakeConnection, text: string) {
  const fiber = yield* open(text)
  const { stream_id: lane } = yield* connection.request
  const send = (event: object) => connection.send(...on(lane, event))
  yield* send(FakeServer.created(`resp_${text}`))
  return { lane, send, response: yield* Fiber.join(fiber) }
})

const assertOverrun = (response: Responses.OpenResponse) =>
  Effect.map(
    Effect.flip(Stream.runDrain(response.events)),
    (error) => assertConnectionError(error, "Overrun", "partial")
  )

const count = (response: Responses.OpenResponse) =>
  Effect.map(Stream.runCollect(response.events), ({ length }) => length)

describe("over the limit of unread events", () => {
  socket(
    "of one response, that one fails alone, and its conversation goes on where it is",
    (server) =>
      Effect.gen(function*() {
        const { connection, end } = yield* beginReader(server, "fast")
        const slow = yield* beginSlow(connection, "slow")
        yield* slow.send(large(1.5))
        assert.deepInclude(yield* stats, { overruns: 0 })
        yield* slow.send(large(1))
        assert.deepInclude(yield* stats, { overruns: 1, running: 2 })
        yield* assertOverrun(slow.response)
        yield* slow.send(completed("resp_slow"))
        assert.strictEqual((yield* end).length, 2)
        assert.isFalse(connection.isClosed())
        yield* ask("", { input: goOn("slow") })
        assert.deepInclude(yield* connection.request, {
          stream_id: slow.lane,
          previous_response_id: "resp_slow",
          input: goOn("slow").slice(2)
        })
      }),
    { maxConnections: 1, maxLanes: 3, maxUnread: { response: 2 * mebi } }
  )

  socket("of a connection, the response with most of them fails", (server) =>
    Effect.gen(function*() {
      const { connection, end } = yield* beginReader(server, "fast")
      const most = yield* beginSlow(connection, "most")
      const other = yield* beginSlow(connection, "other")
      yield* most.send(large(2))
      yield* other.send(large(1))
      assert.deepInclude(yield* stats, { overruns: 1 })
      yield* assertOverrun(most.response)
      yield* other.send(completed("resp_other"))
      assert.strictEqual(yield* count(other.response), 3)
      assert.strictEqual((yield* end).length, 2)
    }), { maxConnections: 1, maxLanes: 3, maxUnread: { connection: 3 * mebi } })

  socket(
    "of the Layer, the response with most of them fails, on whichever connection it is",
    (server) =>
      Effect.gen(function*() {
        const first = yield* beginReader(server, "first")
        const most = yield* beginSlow(first.connection, "most")
        const second = yield* beginReader(server, "second")
        const other = yield* beginSlow(second.connection, "other")
        yield* most.send(large(2))
        yield* other.send(large(1))
        assert.deepInclude(yield* stats, { overruns: 1, connections: 2 })
        yield* assertOverrun(most.response)
        yield* other.send(completed("resp_other"))
        assert.strictEqual(yield* count(other.response), 3)
        assert.strictEqual((yield* first.end).length, 2)
        assert.strictEqual((yield* second.end).length, 2)
      }),
    { maxConnections: 2, maxLanes: 2, maxUnread: { layer: 3 * mebi } }
  )

  socket("nobody fails where all that run are behind: the network waits", (server) =>
    Effect.gen(function*() {
      const { connection, end } = yield* beginReader(server, "fast")
      const slow = yield* beginSlow(connection, "slow")
      yield* end
      yield* slow.send(large(3))
      yield* settle
      assert.isTrue(connection.isPaused())
      assert.deepInclude(yield* stats, { overruns: 0 })
      yield* slow.send(completed("resp_slow"))
      assert.strictEqual(yield* count(slow.response), 3)
      assert.isFalse(connection.isPaused())
    }), { maxConnections: 1, maxLanes: 2, maxUnread: { response: 2 * mebi } })
})
