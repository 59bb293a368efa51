/** The tries of several levels add up, and do not multiply: what a server sees of a request that fails for ever. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Again from "../src/internal/effect/again.ts"
import * as Responses from "../src/Responses.ts"
import { ConnectionError } from "../src/ResponsesError.ts"
import * as ResponsesFallback from "../src/ResponsesFallback.ts"
import * as ResponsesHttp from "../src/ResponsesHttp.ts"
import type * as FakeServer from "./support/fakeServer.ts"
import * as Fake from "./support/fakeServer.ts"
import { request, socket } from "./support/socket.ts"

const unreachable = new ConnectionError({ reason: "Unreachable", delivery: "unsent", description: "Nobody" })

const isDown = (server: FakeServer.FakeServer) => server.plan(...Array.from({ length: 100 }, () => unreachable))

/** Fails in the end, however long that takes. */
const fails = <R>(asked: Effect.Effect<unknown, unknown, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.flip(asked))
    yield* TestClock.adjust("10 minutes")
    return yield* Fiber.join(fiber)
  })

type Retry = Responses.RetryOptions | false

const ways: ReadonlyArray<readonly [string, (retry: Retry) => Effect.Effect<unknown, unknown, Responses.Responses>]> = [
  ["create", (retry) => Responses.create(request, { retry })],
  ["a stream", (retry) => Stream.runDrain(Responses.stream(request, { retry }))],
  ["open", (retry) => Effect.scoped(Responses.open(request, { retry }))],
  [
    "the combinator over create",
    (retry) => retry === false ? Responses.create(request) : Responses.create(request).pipe(Responses.retry(retry))
  ],
  [
    "the combinator over a stream",
    (retry) =>
      Stream.runDrain(
        retry === false ? Responses.stream(request) : Responses.stream(request).pipe(Responses.retry(retry))
      )
  ]
]

const none = Schedule.recurs(0)

for (const [way, ask] of ways) {
  describe(`dials of ${way}`, () => {
    const table: ReadonlyArray<readonly [string, Retry, Parameters<typeof socket>[2], number]> = [
      ["without a retry: 1 + reconnect", false, {}, 3],
      ["with a retry: 1 + reconnect + times", {}, {}, 6],
      ["with a retry of five times", { times: 5 }, {}, 8],
      ["with a retry and no reconnect", {}, { reconnect: none }, 4],
      ["with a retry and a reconnect of its own", { times: 2 }, { reconnect: Schedule.recurs(7) }, 10]
    ]
    for (const [name, retry, options, dials] of table) {
      socket(`${name}: ${dials}`, (server) =>
        Effect.gen(function*() {
          isDown(server)
          yield* fails(ask(retry))
          assert.strictEqual(server.dials(), dials)
        }), options)
    }
  })

  describe(`requests of ${way}, on connections that are lost`, () => {
    const lost = { delivery: "unacknowledged" } as const
    const repeats = { repeat: "unacknowledged" } as const
    const table: ReadonlyArray<readonly [string, Retry, Parameters<typeof socket>[2], number]> = [
      ["without a retry", false, {}, 1],
      ["without a retry: 1 + repeat", false, repeats, 2],
      ["with a retry of what is certain not to have run", {}, {}, 1],
      ["with a retry: 1 + times", lost, {}, 4],
      ["with a retry: 1 + repeat + times", lost, repeats, 5]
    ]
    for (const [name, retry, options, requests] of table) {
      socket(`${name}: ${requests}`, (server) =>
        Effect.gen(function*() {
          let seen = 0
          yield* Effect.flatMap(server.connection, (connection) =>
            Effect.flatMap(connection.request, () => {
              seen++
              return connection.close(1006)
            })).pipe(Effect.forever, Effect.forkScoped)
          yield* fails(ask(retry))
          assert.strictEqual(seen, requests)
        }), options)
    }
  })

  describe(`sends of ${way}, that the network does not take`, () => {
    for (const [name, retry, sends] of [["1 + repeat", false, 2], ["1 + repeat + times", {}, 5]] as const) {
      socket(`${name}: ${sends}`, (server) =>
        Effect.gen(function*() {
          server.failSends(100)
          yield* fails(ask(retry))
          assert.strictEqual(server.dials(), sends)
        }))
    }
  })
}

describe("with HTTP behind the socket", () => {
  it.scoped("both are tried the first time, and HTTP alone after that", () =>
    Effect.gen(function*() {
      const server = yield* Fake.make
      isDown(server)
      let posts = 0
      const client = HttpClient.make((asked) =>
        Effect.sync(() => {
          posts++
          return HttpClientResponse.fromWeb(asked, new Response("{}", { status: 429 }))
        })
      )
      const http = ResponsesHttp.layer({ apiKey: Redacted.make("sk-secret") }).pipe(
        Layer.provide(Layer.succeed(HttpClient.HttpClient, client)),
        Layer.orDie
      )
      yield* fails(Responses.create(request, { retry: {} })).pipe(
        Effect.provide(ResponsesFallback.layer(server.layer({ reconnect: Schedule.recurs(2) }), http))
      )
      assert.deepStrictEqual({ posts, dials: server.dials() }, { posts: 4, dials: 3 })
    }))
})

describe("a request that is asked again", () => {
  socket("succeeds on the connection that can be opened in the end", (server) =>
    Effect.gen(function*() {
      server.plan(unreachable, unreachable, unreachable, unreachable)
      const fiber = yield* Effect.fork(Responses.create(request, { retry: {} }))
      yield* TestClock.adjust("1 minute")
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(...Fake.answer("resp_1"))
      assert.strictEqual((yield* Fiber.join(fiber)).id, "resp_1")
      assert.strictEqual(server.dials(), 5)
    }))

  it.effect("does not keep one that comes for the first time from a reconnect", () =>
    Effect.gen(function*() {
      const count = Again.makeCount()
      assert.isFalse(count.isAll(0))
      const again = Again.within(
        count.around(Effect.sync(() => [count.isAll(1), count.isAll(2)])),
        Again.make(false, undefined)
      )
      assert.deepStrictEqual(yield* again, [true, false])
      assert.isFalse(count.isAll(0))
      assert.isFalse(yield* count.around(Effect.sync(() => count.isAll(0))))
    }))

  socket("is one only until it has begun", (server) =>
    Effect.gen(function*() {
      const seen: Array<string | undefined> = []
      const note = Effect.map(Again.outer, (one) => seen.push(one?.state))
      server.plan(unreachable, unreachable, unreachable)
      const fiber = yield* Effect.fork(
        Stream.runForEach(Responses.stream(request, { retry: {} }), () => note)
      )
      yield* TestClock.adjust("1 minute")
      const connection = yield* server.connection
      yield* connection.request
      yield* connection.send(...Fake.answer("resp_1"))
      yield* Fiber.join(fiber)
      assert.notInclude(seen.slice(1), "again")
      assert.include(seen, "over")
    }))
})
