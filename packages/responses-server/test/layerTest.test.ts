import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { ResponseScript } from "effect-responses"
import { ResponsesServer, TestClient } from "effect-responses-server"

describe("layerTest", () => {
  it.effect("a server on a free port, and a client that is connected to it", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.ResponsesServer
      const client = yield* TestClient.TestClient
      yield* client.ping
      const frames = yield* client.create({ model: "test", input: "Hi" })
      assert.strictEqual(frames.at(-1)?.["type"], "response.completed")
      assert.deepStrictEqual(yield* server.connections, { opened: 1, open: 1 })
    }).pipe(
      Effect.provide(
        ResponsesServer.layerTest({ apiKey: Redacted.make("sk-layer"), script: [ResponseScript.text("Hello")] })
      )
    ))

  it.scoped("whoever cannot be reached says so", () =>
    Effect.gen(function*() {
      const refused = yield* Effect.flip(TestClient.connect("http://127.0.0.1:1/v1"))
      assert.strictEqual(refused.status, 0)
      assert.match(refused.message, /^No connection: .*ECONNREFUSED/)
    }))
})
