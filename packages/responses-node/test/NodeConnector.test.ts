import { assert, describe, it } from "@effect/vitest"
import * as ResponseItem from "effect-responses/ResponseItem"
import * as Responses from "effect-responses/Responses"
import * as ResponsesSocket from "effect-responses/ResponsesSocket"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Http from "node:http"
import * as NodeResponsesSocket from "../src/NodeResponsesSocket.ts"
import * as RawServer from "./support/rawServer.ts"

type Server = Effect.Effect.Success<typeof RawServer.make>

const request = { model: "m", input: "hi" }

const created = { type: "response.created", response: { id: "resp_1", output: [] } }
const completed = { type: "response.completed", response: { id: "resp_1", output: [] } }

/** Runs a test on a bare server, with a Layer that points there. */
const node = (
  name: string,
  body: (server: Server) => Effect.Effect<
    void,
    unknown,
    Responses.Responses | ResponsesSocket.ResponsesSocket | Scope.Scope
  >,
  options?: Partial<NodeResponsesSocket.Options>
) =>
  it.scoped(name, () =>
    Effect.flatMap(RawServer.make, (server) =>
      Effect.provide(
        body(server),
        NodeResponsesSocket.layer({ apiKey: Redacted.make("sk-secret"), baseUrl: server.url, ...options })
      )))

const fails = Effect.flip(Effect.scoped(Responses.open(request)))

const connected = Effect.fnUntraced(function*(server: Server) {
  const fiber = yield* Effect.fork(Effect.either(Stream.runCollect(Responses.stream(request))))
  const upgrade = yield* server.upgrade
  const peer = yield* upgrade.accept
  yield* peer.request
  return { upgrade, peer, outcome: Fiber.join(fiber) }
})

const none = Schedule.recurs(0)

/** The server saw the connection go; this side learns it within some turns of the event loop. */
const closedOnThisSide = Effect.flatMap(ResponsesSocket.ResponsesSocket, (socket) =>
  socket.stats.pipe(
    Effect.tap(() => Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))),
    Effect.repeat({ while: (stats) => stats.open })
  ))

const failure = Effect.fnUntraced(function*(
  server: Server,
  answer: (upgrade: RawServer.Upgrade) => Effect.Effect<void>
) {
  const fiber = yield* Effect.fork(fails)
  yield* Effect.flatMap(server.upgrade, answer)
  const error = yield* Fiber.join(fiber)
  assert(error._tag === "ConnectionError")
  return error
})

describe("the upgrade", () => {
  node(
    "carries the key, the organization, the project and the caller's own headers",
    (server) =>
      Effect.gen(function*() {
        const { outcome, peer, upgrade } = yield* connected(server)
        assert.strictEqual(upgrade.url, "/v1/responses")
        assert.strictEqual(upgrade.headers.authorization, "Bearer sk-secret")
        assert.strictEqual(upgrade.headers["openai-organization"], "org-1")
        assert.strictEqual(upgrade.headers["openai-project"], "proj-1")
        assert.strictEqual(upgrade.headers["x-own"], "own")
        yield* peer.send(created, completed)
        assert.strictEqual((yield* outcome)._tag, "Right")
      }),
    { organization: "org-1", project: "proj-1", headers: { "X-Own": "own" } }
  )

  it.scoped("computes the key anew for every connect", () =>
    Effect.gen(function*() {
      const server = yield* RawServer.make
      let key = "key-1"
      const layer = NodeResponsesSocket.layer({
        baseUrl: server.url,
        apiKey: Effect.sync(() => Redacted.make(key))
      })
      yield* Effect.gen(function*() {
        for (const expected of ["Bearer key-1", "Bearer key-2"]) {
          const { outcome, peer, upgrade } = yield* connected(server)
          assert.strictEqual(upgrade.headers.authorization, expected)
          yield* peer.send(created, completed)
          yield* outcome
          peer.ws.terminate()
          yield* upgrade.gone
          yield* closedOnThisSide
          key = "key-2"
        }
      }).pipe(Effect.provide(layer))
    }))

  for (const status of [401, 403, 404, 426]) {
    node(
      `refused with ${status}: an error of the upgrade's own, with status, code, request id and retry-after`,
      (server) =>
        Effect.gen(function*() {
          const error = yield* failure(server, (upgrade) =>
            upgrade.refuse(
              status,
              { "retry-after": "7", "x-request-id": "req_1", "content-type": "application/json" },
              JSON.stringify({ error: { code: "some_code", message: "Not with sk-secret" } })
            ))
          assert.deepStrictEqual([error.reason, error.delivery, error.status, error.code, error.requestId], [
            "Refused",
            "unsent",
            status,
            "some_code",
            "req_1"
          ])
          assert.include(error.message, "Not with <redacted>")
          assert.notInclude(JSON.stringify(error), "sk-secret")
          assert.deepStrictEqual(error.retryAfter, Duration.seconds(7))
        })
    )
  }

  node("refused in HTML, or without a word: the message says what is known", (server) =>
    Effect.gen(function*() {
      const html = yield* failure(server, (upgrade) => upgrade.refuse(404, {}, "<h1>nginx</h1>"))
      assert.include(html.message, "<h1>nginx</h1>")
      const empty = yield* failure(server, (upgrade) => upgrade.refuse(404))
      assert.include(empty.message, "404")
    }))

  node("a redirect is a refusal: the key goes nowhere else", (server) =>
    Effect.gen(function*() {
      const elsewhere = yield* RawServer.make
      const error = yield* failure(server, (upgrade) => upgrade.refuse(302, { location: `${elsewhere.url}/responses` }))
      assert.strictEqual(error.status, 302)
      assert.strictEqual(elsewhere.openSockets(), 0)
    }))

  node("nobody listens: unreachable, unsent", () =>
    Effect.gen(function*() {
      const error = yield* fails
      assert(error._tag === "ConnectionError")
      assert.deepStrictEqual([error.reason, error.delivery], ["Unreachable", "unsent"])
      assert.include(error.message, "ECONNREFUSED")
    }), { baseUrl: "http://127.0.0.1:9/v1", reconnect: none })

  node("a server that hangs up instead of answering is unreachable", (server) =>
    Effect.gen(function*() {
      const error = yield* failure(server, (upgrade) => upgrade.cut)
      assert.deepStrictEqual([error.reason, error.delivery], ["Unreachable", "unsent"])
    }), { reconnect: none })

  node("a server that never answers is given up, and its TCP connection closed", (server) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(fails)
      const upgrade = yield* server.upgrade
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "ConnectionError")
      assert.strictEqual(error.reason, "OpenTimeout")
      yield* upgrade.gone
    }))

  node("a caller interrupted while dialling leaves no TCP connection", (server) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(fails)
      const upgrade = yield* server.upgrade
      yield* Fiber.interrupt(fiber)
      yield* upgrade.gone
    }))

  it.scoped("goes through the agent that was given", () =>
    Effect.gen(function*() {
      const server = yield* RawServer.make
      let dialled = 0
      class Proxy extends Http.Agent {
        override createConnection(...args: Parameters<Http.Agent["createConnection"]>) {
          dialled++
          return super.createConnection(...args)
        }
      }
      const layer = NodeResponsesSocket.layer({
        apiKey: Redacted.make("k"),
        baseUrl: server.url,
        agent: new Proxy()
      })
      const { outcome, peer } = yield* Effect.provide(connected(server), layer).pipe(
        Effect.tap(({ peer }) => peer.send(created, completed))
      )
      assert.strictEqual(dialled, 1)
      yield* Effect.ignore(outcome)
      yield* peer.closed
    }))
})

describe("the open socket", () => {
  it.scoped("is closed with 1000 when its scope closes", () =>
    Effect.gen(function*() {
      const server = yield* RawServer.make
      const peer = yield* Effect.gen(function*() {
        const { outcome, peer } = yield* connected(server)
        yield* peer.send(created, completed)
        yield* outcome
        return peer
      }).pipe(Effect.provide(NodeResponsesSocket.layer({ apiKey: Redacted.make("k"), baseUrl: server.url })))
      assert.strictEqual(yield* peer.closed, 1000)
    }))

  it.scoped("is cut when the server does not agree to the close", () =>
    Effect.gen(function*() {
      const server = yield* RawServer.make
      const { peer, upgrade } = yield* Effect.gen(function*() {
        const { outcome, peer, upgrade } = yield* connected(server)
        yield* peer.send(created, completed)
        yield* outcome
        peer.tcp.pause()
        return { peer, upgrade }
      }).pipe(
        Effect.provide(
          NodeResponsesSocket.layer({ apiKey: Redacted.make("k"), baseUrl: server.url, closeTimeout: "50 millis" })
        )
      )
      peer.tcp.resume()
      yield* upgrade.gone
    }))

  node("a TCP connection that breaks in the middle is Lost with 1006", (server) =>
    Effect.gen(function*() {
      const { outcome, peer } = yield* connected(server)
      yield* peer.send(created, { type: "response.output_text.delta", delta: "He" })
      yield* Effect.async<void>((resume) => {
        peer.tcp.end(() => resume(Effect.void))
      })
      const either = yield* outcome
      assert(either._tag === "Left" && either.left._tag === "ConnectionError")
      assert.deepStrictEqual([either.left.reason, either.left.closeCode, either.left.delivery], [
        "Lost",
        1006,
        "partial"
      ])
    }))

  node(
    "a close frame without a terminal event is Lost, 1000 too, and the reason is told",
    (server) =>
      Effect.gen(function*() {
        const { outcome, peer } = yield* connected(server)
        yield* peer.send(created)
        peer.ws.close(1000, "bye")
        const either = yield* outcome
        assert(either._tag === "Left" && either.left._tag === "ConnectionError")
        assert.deepStrictEqual([either.left.reason, either.left.closeCode], ["Lost", 1000])
        assert.include(either.left.message, "bye")
      })
  )

  node(
    "garbage on the wire of an idle connection is no unhandled event: the next request connects anew",
    (server) =>
      Effect.gen(function*() {
        const { outcome, peer, upgrade } = yield* connected(server)
        yield* peer.send(created, completed)
        yield* outcome
        peer.tcp.write(Buffer.from([0xff, 0xff, 0xff, 0xff]))
        yield* upgrade.gone
        yield* closedOnThisSide
        const again = yield* connected(server)
        yield* again.peer.send(created, completed)
        assert.strictEqual((yield* again.outcome)._tag, "Right")
      })
  )

  node("a message larger than allowed ends the connection with a typed error", (server) =>
    Effect.gen(function*() {
      const { outcome, peer } = yield* connected(server)
      yield* peer.send(created, { type: "response.output_text.delta", delta: "x".repeat(2000) })
      const either = yield* outcome
      assert(either._tag === "Left" && either.left._tag === "ConnectionError")
      assert.strictEqual(either.left.reason, "Lost")
    }), { maxPayload: 1024 })

  node("a large request and a large answer pass whole", (server) =>
    Effect.gen(function*() {
      const text = "ä€😀".repeat(300_000)
      const fiber = yield* Effect.fork(Effect.scoped(Responses.create({ model: "m", input: text })))
      const peer = yield* Effect.flatMap(server.upgrade, (upgrade) => upgrade.accept)
      assert.strictEqual((yield* peer.request)["input"], text)
      const message = ResponseItem.message("assistant", [{ type: "output_text", text }])
      yield* peer.send(created, { ...completed, response: { id: "resp_1", output: [message] } })
      assert.deepStrictEqual((yield* Fiber.join(fiber)).output, [message])
    }))
})
