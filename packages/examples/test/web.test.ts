/** The web backend with twenty users at once. The local server's answers pause after the first words until the clock is moved. */
import { HttpBody, HttpClient } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Redacted, Stream, TestClock } from "effect"
import { ResponseScript, ResponsesSocket } from "effect-responses"
import { NodeResponses } from "effect-responses-node"
import { ResponsesServer } from "effect-responses-server"
import { Backend } from "../src/web/backend.ts"

const apiKey = Redacted.make("sk-web")

const maxConnections = 2

/** Five frames are the first words of an answer. */
const script: ResponseScript.Script = (request, context) =>
  ResponseScript.turn([
    ResponsesServer.model(request, context),
    ResponseScript.wait("1 seconds", { after: 5 })
  ])

const Client = Layer.unwrapEffect(Effect.map(
  ResponsesServer.ResponsesServer,
  ({ url }) => NodeResponses.layer({ apiKey, baseUrl: url, maxConnections })
))

const Web = Backend.pipe(
  Layer.provideMerge(Layer.mergeAll(NodeHttpServer.layerTest, Client)),
  Layer.provideMerge(ResponsesServer.layer({ apiKey, script }))
)

/** The deltas of a whole stream of server-sent events, which has to end as it should. */
const said = (events: string): string => {
  const frames = events.trimEnd().split("\n\n").map((frame) => /^event: (\w+)\ndata: (".*")$/.exec(frame))
  assert.deepStrictEqual(frames.at(-1)?.[1], "end", events)
  return frames.slice(0, -1).map((frame) => {
    assert.strictEqual(frame?.[1], "delta", events)
    return JSON.parse(frame?.[2] ?? "")
  }).join("")
}

/** Asks, and gives the fiber that reads once the first words are there. */
const ask = Effect.fnUntraced(function*(user: string, message: string) {
  const client = yield* HttpClient.HttpClient
  const begun = yield* Deferred.make<void>()
  const reading = client.post(`/chats/${user}`, { body: HttpBody.text(message) }).pipe(
    Effect.map(({ stream }) => stream),
    Stream.unwrap,
    Stream.decodeText(),
    Stream.tap(() => Deferred.succeed(begun, undefined)),
    Stream.mkString,
    Effect.map(said)
  )
  const fiber = yield* Effect.fork(reading)
  yield* Effect.raceFirst(Deferred.await(begun), Fiber.join(fiber))
  return fiber
})

const users = Array.from({ length: 20 }, (_, index) => `user-${index}`)

/** All of them read the beginnings of their answers before any answer goes on. */
const askAll = (message: string) =>
  Effect.forEach(users, (user) => ask(user, `${message} of ${user}`), { concurrency: "unbounded" })

const finish = (fibers: ReadonlyArray<Fiber.RuntimeFiber<string, unknown>>) =>
  Effect.zipRight(TestClock.adjust("1 seconds"), Fiber.join(Fiber.all(fibers)))

const answersTo = (message: string) => users.map((user) => `You said: ${message} of ${user}`)

describe("the web backend", () => {
  it.effect("serves twenty users at once, over two sockets, and sends second turns as deltas", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.ResponsesServer
      const socket = yield* ResponsesSocket.ResponsesSocket
      for (const message of ["first", "second"]) {
        const fibers = yield* askAll(message)
        assert.strictEqual((yield* server.stats).inFlight, users.length)
        assert.deepStrictEqual(yield* finish(fibers), answersTo(message))
      }
      assert.deepStrictEqual(yield* server.connections, { opened: maxConnections, open: maxConnections })
      assert.deepInclude(yield* socket.stats, { responses: 40, deltas: 20, resentInFull: 0 })
      const second = (yield* server.requests).slice(users.length)
      assert.deepStrictEqual(
        second.map(({ body, transport }) => `${transport} ${body.input?.length}`),
        users.map(() => "websocket 1")
      )
    }).pipe(Effect.provide(Web)))

  it.effect("is left by one of them in the middle, and the others notice nothing", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.ResponsesServer
      const socket = yield* ResponsesSocket.ResponsesSocket
      const [left, ...others] = yield* askAll("first")
      yield* Fiber.interrupt(left!)
      // The chat takes one message at a time: its next answer begins only because the one before was given up.
      const again = yield* ask(users[0]!, "first of user-0")
      assert.strictEqual((yield* server.stats).inFlight, users.length + 1)
      assert.deepStrictEqual(yield* finish([again, ...others]), answersTo("first"))
      assert.deepStrictEqual(yield* finish(yield* askAll("second")), answersTo("second"))
      assert.deepStrictEqual(yield* server.connections, { opened: maxConnections, open: maxConnections })
      assert.deepInclude(yield* socket.stats, { responses: 41, deltas: 20, resentInFull: 0 })
    }).pipe(Effect.provide(Web)))
})
