/** Many turns: side by side, given up before they began, through the age limit of the server, and thousands in a queue. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect-responses-server/Context"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Profile from "effect-responses/Profile"
import * as ResponseItem from "effect-responses/ResponseItem"
import * as Responses from "effect-responses/Responses"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as TestClock from "effect/TestClock"
import * as Thorough from "../../responses/test/support/thorough.ts"
import * as NodeResponsesSocket from "../src/NodeResponsesSocket.ts"
import * as RawServer from "./support/rawServer.ts"
import {
  accepted,
  apiKey,
  ask,
  asking,
  completed,
  created,
  delta,
  eventLoopTurn,
  listening,
  request,
  stats
} from "./support/survival.ts"

describe("two conversations at a time, each on its lane", () => {
  it.scoped("continue from their own last response", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey })
      const talk = Effect.fnUntraced(function*(lane: string) {
        const history: Array<ResponseItem.ResponseItem> = []
        const inputs: Array<string> = []
        for (let turn = 0; turn < 5; turn++) {
          history.push(ResponseItem.user(`${lane} ${turn}`))
          const { input, output, metadata } = yield* Effect.scoped(Effect.gen(function*() {
            const response = yield* Responses.open({ ...request, input: history, stream_id: lane })
            const { metadata, output } = yield* Responses.collect(response)
            return { input: response.input, metadata, output }
          }))
          inputs.push(input)
          assert.strictEqual(metadata?.["context_hash"], Context.hash(history))
          history.push(...output)
        }
        return inputs
      })
      const layer = NodeResponsesSocket.layer({ apiKey, baseUrl: server.url })
      const both = yield* Effect.provide(Effect.all([talk("a"), talk("b")], { concurrency: 2 }), layer)
      for (const inputs of both) assert.deepStrictEqual(inputs, ["full", "delta", "delta", "delta", "delta"])
      assert.strictEqual((yield* server.connections).opened, 1)
    }))
})

const oneAtATime = { maxConnections: 1, maxLanes: 1 } as const

describe("with onEarlyEnd \"drain\", what was never sent holds up nobody", () => {
  const drain = { onEarlyEnd: "drain" } as const

  it.scoped("a caller who left while the connection was opened", () =>
    Effect.gen(function*() {
      const server = yield* RawServer.make
      yield* Effect.gen(function*() {
        const first = yield* Effect.fork(ask)
        yield* server.upgrade
        yield* Fiber.interrupt(first)
        const { outcome } = yield* listening
        yield* (yield* accepted(server)).send(created, completed)
        assert.strictEqual((yield* outcome)._tag, "Right")
      }).pipe(Effect.provide(NodeResponsesSocket.layer({ apiKey, baseUrl: server.url, ...drain })))
    }))

  it.scoped("a caller who left the queue", () =>
    Effect.gen(function*() {
      const server = yield* RawServer.make
      yield* Effect.gen(function*() {
        const first = yield* listening
        const peer = yield* accepted(server)
        const second = yield* Effect.fork(ask)
        const third = yield* listening
        yield* Fiber.interrupt(second)
        yield* peer.send(created, completed)
        assert.strictEqual((yield* first.outcome)._tag, "Right")
        yield* peer.request
        yield* peer.send({ ...created, response: { id: "resp_2" } }, {
          ...completed,
          response: { id: "resp_2", output: [] }
        })
        assert.strictEqual((yield* third.outcome)._tag, "Right")
      }).pipe(Effect.provide(NodeResponsesSocket.layer({ apiKey, baseUrl: server.url, ...drain, ...oneAtATime })))
    }))

  it.scoped("a request that turned out to be too large", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey })
      const profile: Profile.Profile = { ...Profile.openAi, maxFrameBytes: 4000 }
      yield* Effect.gen(function*() {
        yield* ask
        assert.include(yield* Effect.flip(asking("x".repeat(4000))), { reason: "TooLarge" })
        yield* ask
        assert.deepInclude(yield* stats, { connections: 1 })
      }).pipe(Effect.provide(NodeResponsesSocket.layer({ apiKey, baseUrl: server.url, profile, ...drain })))
    }))

  it.scoped("while what was sent is drained, and then its connection serves on", () =>
    Effect.gen(function*() {
      const server = yield* RawServer.make
      yield* Effect.gen(function*() {
        const first = yield* Effect.fork(ask)
        const peer = yield* accepted(server)
        yield* Fiber.interrupt(first)
        const { event, outcome } = yield* listening
        yield* peer.send(created, delta, completed)
        yield* peer.request
        yield* peer.send({ ...created, response: { id: "resp_2" } })
        assert.strictEqual(yield* event, "response.created")
        yield* peer.send({ ...completed, response: { id: "resp_2", output: [] } })
        assert.strictEqual(yield* event, "response.completed")
        assert.strictEqual((yield* outcome)._tag, "Right")
        assert.deepInclude(yield* stats, { connections: 1 })
      }).pipe(Effect.provide(NodeResponsesSocket.layer({ apiKey, baseUrl: server.url, ...drain, ...oneAtATime })))
    }))
})

describe("a server that closes connections at 60 minutes, whatever runs on them", () => {
  /** The test's clock does not wait for the network: a dial that it has begun takes some turns of the event loop. */
  const dialled = Effect.promise(() => new Promise<void>((resolve) => void setImmediate(resolve))).pipe(
    Effect.repeatN(500)
  )

  it.scoped("cuts no turn of nearly twenty minutes, whenever it began", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        apiKey,
        ageLimit: "60 minutes",
        script: () => ResponseScript.turn([ResponseScript.text("Hi"), ResponseScript.wait("19 minutes")])
      })
      yield* Effect.gen(function*() {
        for (let turn = 1; turn <= 12; turn++) {
          const { event, outcome } = yield* listening
          for (let events = 0; events < 4; events++) yield* event
          yield* TestClock.adjust("19 minutes")
          assert.strictEqual((yield* outcome)._tag, "Right")
          yield* TestClock.adjust(`${turn} minutes`)
          yield* dialled
        }
        const { connections, reconnected, recycled } = yield* stats
        assert.isAbove(recycled, 5)
        assert.deepStrictEqual([connections, reconnected], [recycled + 1, 0])
      }).pipe(
        Effect.provide(NodeResponsesSocket.layer({
          apiKey,
          baseUrl: server.url,
          stallTimeout: "20 minutes",
          // The test's clock runs ahead of a dial, which takes real time.
          connectTimeout: "1 day",
          reconnectTimeout: "1 day"
        })),
        // Connections get as old as the schedule lets them.
        Effect.withRandom(Random.fixed([1]))
      )
      assert.strictEqual((yield* server.stats).responses.completed, 12)
    }))
})

const callers = Thorough.amount(10_000, 2000)

describe(`${callers} callers at once`, () => {
  it.scoped(
    "are served in their order, over one connection, also if every third one leaves",
    () =>
      Effect.gen(function*() {
        const server = yield* ResponsesServer.make({ apiKey, script: () => ResponseScript.completed })
        yield* Effect.gen(function*() {
          const indexes = Array.from({ length: callers }, (_, index) => index)
          const leaves = (index: number) => index % 3 === 2
          const first = yield* Effect.fork(asking("first"))
          yield* server.waitFor("RequestReceived")
          const fibers = yield* Effect.forEach(indexes, (index) => Effect.fork(asking(String(index))))
          yield* eventLoopTurn
          for (const index of indexes) if (leaves(index)) yield* Fiber.interruptFork(fibers[index] ?? first)
          yield* Fiber.join(first)
          yield* Effect.forEach(fibers, Fiber.await, { discard: true })
          const inputs = (yield* server.requests).map(({ body }) => body.input)
          assert.deepStrictEqual(inputs, ["first", ...indexes.filter((index) => !leaves(index)).map(String)])
          assert.deepInclude(yield* stats, { connections: 1, responses: inputs.length })
          // Nobody is left in the queue: the next one need not wait.
          assert.strictEqual((yield* ask).transport, "websocket")
        }).pipe(Effect.provide(NodeResponsesSocket.layer({ apiKey, baseUrl: server.url, ...oneAtATime })))
      }),
    120_000
  )

  it.scoped(
    "are served once each, on lanes of few connections, also if every third one leaves",
    () =>
      Effect.gen(function*() {
        const server = yield* ResponsesServer.make({ apiKey, script: () => ResponseScript.completed })
        yield* Effect.gen(function*() {
          const indexes = Array.from({ length: callers }, (_, index) => index)
          const leaves = (index: number) => index % 3 === 2
          yield* asking("first")
          const fibers = yield* Effect.forEach(indexes, (index) => Effect.fork(asking(String(index))))
          yield* eventLoopTurn
          for (const [index, fiber] of fibers.entries()) if (leaves(index)) yield* Fiber.interruptFork(fiber)
          yield* Effect.forEach(fibers.filter((_, index) => !leaves(index)), Fiber.join, { discard: true })
          const asked = (yield* server.requests).map(({ body }) => Number(body.input))
          const answered = asked.filter((index) => !leaves(index)).slice(1).toSorted((one, other) => one - other)
          assert.deepStrictEqual(answered, indexes.filter((index) => !leaves(index)))
          assert.strictEqual(new Set(asked).size, asked.length)
          const { connections, waiting } = yield* stats
          assert.strictEqual(waiting, 0)
          assert.isAtMost(connections, 32)
          assert.strictEqual((yield* ask).transport, "websocket")
        }).pipe(Effect.provide(NodeResponsesSocket.layer({ apiKey, baseUrl: server.url })))
      }),
    120_000
  )
})
