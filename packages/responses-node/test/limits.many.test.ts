/** The limits of a server: responses at once, names of lanes, the age of a connection. The client keeps to them. */
import { assert, describe, it } from "@effect/vitest"
import type { Observation } from "effect-responses-server/Observation"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as ResponseItem from "effect-responses/ResponseItem"
import * as Responses from "effect-responses/Responses"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as NodeResponsesSocket from "../src/NodeResponsesSocket.ts"

const apiKey = Redacted.make("sk-limits")

const eventLoopTurn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

const atOnce = { concurrency: "unbounded", discard: true } as const

/** Everything that a server saw up to now. */
const seen = (server: ResponsesServer.Service) =>
  Effect.gen(function*() {
    const all: Array<Observation> = []
    const fiber = yield* Effect.fork(
      Stream.runForEach(server.events, (event) => Effect.sync(() => void all.push(event)))
    )
    yield* Effect.repeatN(eventLoopTurn, 5)
    yield* Fiber.interrupt(fiber)
    return all
  })

const conversations = (count: number) => {
  const histories = Array.from({ length: count }, (): ReadonlyArray<ResponseItem.ResponseItem> => [])
  /** A turn of each of them, all at once. */
  return (more: string) =>
    Effect.forEach(histories, (history, index) => {
      const input = [...history, ResponseItem.user(`${more} ${index}`)]
      return Effect.map(Responses.create({ model: "m", store: false, input }), ({ output }) => {
        assert.strictEqual(output.map(ResponseItem.text).join(""), `Answer to ${more} ${index}`)
        histories[index] = [...input, ...output]
      })
    }, atOnce)
}

/** Some event loop turns long, so that others run meanwhile. */
const script: ResponseScript.Script = (_, { input }) => {
  const last = input.at(-1)
  return ResponseScript.turn([
    ResponseScript.text(`Answer to ${last === undefined ? "" : ResponseItem.text(last)}`)
  ], { chunkSize: 8 })
}

describe("the limits of the server", () => {
  it.scopedLive(
    "200 conversations at once on 2 connections: none too many at once, no name too many",
    () =>
      Effect.gen(function*() {
        const server = yield* ResponsesServer.make({ apiKey, script, deltaDelay: 1, atMaxInFlight: "refuse" })
        const turn = conversations(200)
        yield* Effect.gen(function*() {
          for (const more of ["first", "second", "third"]) yield* turn(more)
        }).pipe(
          Effect.provide(NodeResponsesSocket.layer({ apiKey, baseUrl: server.url, maxConnections: 2 }))
        )
        const observations = yield* seen(server)
        assert.deepStrictEqual(observations.filter(({ _tag }) => _tag === "RequestRefused"), [])
        const { connections, responses } = yield* server.stats
        assert.strictEqual(connections.opened, 2)
        assert.strictEqual(responses.completed, 600)
        const names = (yield* server.requests).map(({ body, connection }) => `${connection} ${body.stream_id}`)
        // They are used up, and then used again.
        assert.strictEqual(new Set(names).size, 64)
      }),
    60_000
  )

  it.scoped("the age limit: a connection is replaced before, again and again", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey, script, atMaxInFlight: "refuse" })
      const opened = new Map<number, number>()
      const ages: Array<number> = []
      yield* server.events.pipe(
        Stream.runForEach((event) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            if (event._tag === "ConnectionOpened") opened.set(event.connection, now)
            if (event._tag === "ConnectionClosed") ages.push((now - (opened.get(event.connection) ?? 0)) / 60_000)
          })
        ),
        Effect.forkScoped
      )
      const turn = conversations(20)
      // The network knows nothing of the test's clock.
      const tenMinutes = Effect.repeatN(
        Effect.zipRight(TestClock.adjust("30 seconds"), Effect.repeatN(eventLoopTurn, 5)),
        19
      )
      yield* Effect.gen(function*() {
        for (let number = 0; number < 13; number++) {
          yield* turn(`question ${number}`)
          yield* tenMinutes
        }
      }).pipe(
        Effect.provide(
          NodeResponsesSocket.layer({
            apiKey,
            baseUrl: server.url,
            maxConnections: 2,
            idleTimeToLive: "3 hours",
            connectTimeout: "5 minutes",
            reconnectTimeout: "5 minutes"
          })
        )
      )
      yield* server.waitFor("ConnectionClosed", (yield* server.connections).opened)
      yield* Effect.repeatN(eventLoopTurn, 5)
      assert.isAtLeast(ages.filter((age) => age > 30).length, 3)
      assert.isBelow(Math.max(...ages), 60)
      assert.deepStrictEqual((yield* seen(server)).filter(({ _tag }) => _tag === "RequestRefused"), [])
    }), 60_000)
})
