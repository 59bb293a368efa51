import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Redacted, Scope, TestClock } from "effect"
import { ResponseScript } from "effect-responses"
import { ResponsesServer } from "effect-responses-server"
import { connect, end, type Frame, json, parseSse, post, stream, text } from "./client.ts"

const hello = () => ResponseScript.text("Hello")

const limitReached = (frame: Frame) => {
  assert.strictEqual(frame.type, "error")
  assert.strictEqual(frame.status, 400)
  assert.strictEqual(frame.error.code, "websocket_connection_limit_reached")
}

describe("connections", () => {
  it.scoped("the age limit is told with an error frame, then the connection is closed", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: hello, ageLimit: "10 minutes" })
      const client = yield* connect(server.url)
      yield* client.turn({ input: "Hi" })
      yield* TestClock.adjust("9 minutes")
      assert.strictEqual(text(yield* client.turn({ input: "Hi" })), "Hello")
      yield* TestClock.adjust("1 minutes")
      limitReached(yield* client.next)
      yield* client.closed
      const closed = yield* server.waitFor("ConnectionClosed")
      assert.strictEqual(closed.connection, 1)
      assert.deepStrictEqual(yield* server.connections, { opened: 1, open: 0 })
    }))

  it.scoped("expire: now, in the middle of a response too", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        script: [ResponseScript.turn([ResponseScript.text("Hel"), ResponseScript.silence()])]
      })
      const client = yield* connect(server.url)
      yield* client.send({ type: "response.create", model: "test", input: "Hi" })
      yield* Effect.repeat(client.next, { until: (frame) => frame.type === "response.output_item.done" })
      yield* server.expire
      limitReached(yield* client.next)
      yield* client.closed
      assert.strictEqual((yield* server.waitFor("ResponseEnded")).outcome, "abandoned")
    }))

  it.scoped("refused upgrades: status, headers, body, as often as asked", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: hello })
      yield* server.refuseUpgrades({
        status: 429,
        headers: { "retry-after": "7" },
        body: { error: { message: "slow down", code: "slow_down" } },
        times: 2
      })
      for (let time = 0; time < 2; time++) {
        const refused = yield* Effect.flip(connect(server.url))
        assert.strictEqual(refused.status, 429)
        assert.strictEqual(refused.headers["retry-after"], "7")
        assert.match(String(refused.headers["x-request-id"]), /^req_/)
        assert.strictEqual(JSON.parse(refused.body).error.code, "slow_down")
      }
      yield* connect(server.url)
      yield* server.refuseUpgrades({ status: 426, body: "Upgrade elsewhere" })
      assert.strictEqual((yield* Effect.flip(connect(server.url))).body, "Upgrade elsewhere")
      assert.strictEqual(text(yield* stream(server.url, { input: "Hi" })), "Hello", "HTTP still works")
      yield* server.acceptUpgrades
      yield* connect(server.url)
      yield* server.waitFor("ConnectionRefused", 3)
      assert.strictEqual((yield* server.connections).opened, 2)
    }))

  it.scoped("a wrong key is refused, the right one is not recorded", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: hello, apiKey: Redacted.make("sk-right") })
      const refused = yield* Effect.flip(connect(server.url, { authorization: "Bearer sk-wrong" }))
      assert.strictEqual(refused.status, 401)
      assert.strictEqual(JSON.parse(refused.body).error.code, "invalid_api_key")
      assert.strictEqual((yield* Effect.flip(connect(server.url))).status, 401)
      const overHttp = yield* post(server.url, { input: "Hi" }, { authorization: "Bearer sk-wrong" })
      assert.strictEqual(overHttp.status, 401)
      assert.strictEqual((yield* json(overHttp)).error.code, "invalid_api_key")

      const authorization = "Bearer sk-right"
      const client = yield* connect(server.url, { authorization, "x-mine": "1" })
      yield* client.turn({ input: "Hi", store: false })
      assert.strictEqual((yield* post(server.url, { input: "Ho" }, { authorization })).status, 200)
      const requests = yield* server.requests
      assert.deepStrictEqual(
        requests.map(({ body, connection, transport }) => [transport, connection, body.input]),
        [["websocket", 1, "Hi"], ["http", undefined, "Ho"]]
      )
      assert.strictEqual(requests[0]?.headers["x-mine"], "1")
      assert.strictEqual(
        requests[0]?.bytes,
        "{\"type\":\"response.create\",\"model\":\"test\",\"input\":\"Hi\",\"store\":false}".length
      )
      assert.notInclude(JSON.stringify(requests), "sk-right")
    }))

  it.scoped("another path is not found, by either way", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: hello })
      assert.strictEqual((yield* Effect.flip(connect(`${server.url}/more`))).status, 404)
      assert.strictEqual((yield* post(`${server.url}/more`, {})).status, 404)
      const plain = yield* Effect.promise(() => fetch(`${server.url}/responses`))
      assert.strictEqual(plain.status, 404)
      assert.property(yield* json(plain), "error")
    }))

  it.scoped("disconnect: with a code, or cut; idle connections too", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: hello })
      const first = yield* connect(server.url)
      yield* server.disconnect({ code: 1012, reason: "restart" })
      assert.deepStrictEqual(yield* first.closed, { code: 1012, reason: "restart" })
      const second = yield* connect(server.url)
      yield* server.disconnect("cut")
      assert.strictEqual((yield* second.closed).code, 1006)
      yield* server.waitFor("ConnectionClosed", 2)
      assert.deepStrictEqual(yield* server.connections, { opened: 2, open: 0 })
    }))

  it.scoped("sendToIdle: not to a connection that runs a response", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        script: [ResponseScript.turn([ResponseScript.text("Hel"), ResponseScript.silence()])]
      })
      const busy = yield* connect(server.url)
      const idle = yield* connect(server.url)
      yield* busy.send({ type: "response.create", model: "test", input: "Hi" })
      yield* busy.next
      assert.strictEqual(yield* server.sendToIdle({ type: "keepalive" }), 1)
      assert.strictEqual((yield* idle.next).type, "keepalive")
    }))

  it.scoped("a frame that is too large closes with 1009", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: hello, maxFrame: 1000 })
      const client = yield* connect(server.url)
      yield* client.send({ type: "response.create", model: "test", input: "x".repeat(1000) })
      assert.strictEqual((yield* client.closed).code, 1009)
    }))

  it.scoped("a turn can cut or close the connection, over HTTP too", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        script: (request) =>
          ResponseScript.turn([
            ResponseScript.text("Hello"),
            request.input === "cut"
              ? ResponseScript.drop({ after: 3 })
              : ResponseScript.close({ code: 1011, reason: "upstream", after: 3 })
          ])
      })
      const client = yield* connect(server.url)
      yield* client.send({ type: "response.create", model: "test", input: "close" })
      assert.deepStrictEqual(yield* client.closed, { code: 1011, reason: "upstream" })
      const other = yield* connect(server.url)
      yield* other.send({ type: "response.create", model: "test", input: "cut" })
      assert.strictEqual((yield* other.closed).code, 1006)

      const ended = yield* Effect.flatMap(
        post(server.url, { input: "close", stream: true }),
        (answer) => Effect.promise(() => answer.text())
      )
      assert.strictEqual(parseSse(ended).length, 3)
      const broken = yield* post(server.url, { input: "cut", stream: true }).pipe(
        Effect.flatMap((answer) => Effect.promise(() => answer.text().then(() => "whole", () => "broken")))
      )
      assert.strictEqual(broken, "broken")
      const outcomes = yield* Effect.forEach([1, 2, 3, 4], (count) => server.waitFor("ResponseEnded", count))
      assert.deepStrictEqual(outcomes.map(({ outcome }) => outcome), ["closed", "closed", "closed", "closed"])
    }))

  it.scoped("a client that leaves abandons its response", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        script: () => ResponseScript.turn([ResponseScript.text("Hel"), ResponseScript.silence()])
      })
      yield* Effect.scoped(Effect.gen(function*() {
        const client = yield* connect(server.url)
        yield* client.send({ type: "response.create", model: "test", input: "Hi" })
        yield* client.next
      }))
      const overSocket = yield* server.waitFor("ResponseEnded")
      assert.deepInclude(overSocket, { transport: "websocket", outcome: "abandoned", connection: 1 })
      const fiber = yield* Effect.fork(stream(server.url, { input: "Hi" }))
      yield* server.waitFor("RequestReceived", 2)
      yield* Effect.flatMap(Effect.succeed(fiber), (fiber) => fiber.interruptAsFork(fiber.id()))
      assert.deepInclude(yield* server.waitFor("ResponseEnded", 2), { transport: "http", outcome: "abandoned" })
    }))

  it.scoped("nothing is left once the scope is closed", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const server = yield* Scope.extend(
        ResponsesServer.make({ script: () => ResponseScript.silence(), ageLimit: Duration.infinity }),
        scope
      )
      const idle = yield* connect(server.url)
      const busy = yield* connect(server.url)
      yield* busy.send({ type: "response.create", model: "test", input: "Hi" })
      yield* server.waitFor("RequestReceived")
      const overHttp = yield* Effect.fork(Effect.exit(Effect.sandbox(stream(server.url, { input: "Hi" }))))
      yield* server.waitFor("RequestReceived", 2)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* idle.closed).code, 1006)
      assert.strictEqual((yield* busy.closed).code, 1006)
      assert.isTrue(Exit.isFailure(yield* overHttp))
      assert.strictEqual((yield* server.connections).open, 0)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.tryPromise(() => fetch(server.url)))))
    }))
})

describe("errors", () => {
  it.scoped("a binary frame: an error frame, and the connection goes on", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: hello })
      const client = yield* connect(server.url)
      yield* client.send(new TextEncoder().encode("{}"))
      assert.match((yield* client.next).error.message, /Binary/)
      assert.strictEqual(end(yield* client.turn({ input: "Hi" })).type, "response.completed")
    }))

  it.scoped("an error on a lane names the lane", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: hello })
      const client = yield* connect(server.url)
      const frame = end(yield* client.turn({ stream_id: "a", input: 1 }))
      assert.strictEqual(frame.stream_id, "a")
    }))

  it.scoped("scripted errors: a status over HTTP before the first event, an error event after it", () =>
    Effect.gen(function*() {
      const details = { status: 429, code: "rate_limit_exceeded", message: "slow", headers: { "retry-after": "3" } }
      const server = yield* ResponsesServer.make({
        script: [
          ResponseScript.error(details),
          ResponseScript.error({ ...details, shape: "flat" }),
          ResponseScript.turn([ResponseScript.text("Hello"), ResponseScript.error(details, { after: 2 })])
        ]
      })
      for (let time = 0; time < 2; time++) {
        const answer = yield* post(server.url, { input: "Hi", stream: true })
        assert.strictEqual(answer.status, 429)
        assert.strictEqual(answer.headers.get("retry-after"), "3")
        const { error } = yield* json(answer)
        assert.deepInclude(error, { code: "rate_limit_exceeded", message: "slow" })
      }
      const frames = yield* stream(server.url, { input: "Hi" })
      assert.strictEqual(frames.length, 3)
      assert.strictEqual(end(frames).error.code, "rate_limit_exceeded")
    }))
})
