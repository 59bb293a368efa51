/** The tenants of the README, on one server that would let them share whatever it has. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import { type ResponseItem, Responses, ResponsesSocket } from "effect-responses"
import { ResponsesServer } from "effect-responses-server"
import { dialogue, Tenants } from "../src/readme/tenants.ts"

const environment = Effect.map(
  ResponsesServer.ResponsesServer,
  ({ url }) =>
    Layer.setConfigProvider(ConfigProvider.fromMap(
      new Map([["KEY_acme", "sk-acme"], ["KEY_globex", "sk-globex"], ["OPENAI_BASE_URL", url]])
    ))
)

const program = (options?: ResponsesServer.Options) =>
  Tenants.Default.pipe(
    Layer.provide(Layer.unwrapEffect(environment)),
    Layer.provideMerge(ResponsesServer.layer(options))
  )

const stats = (tenant: string) =>
  Effect.provide(Effect.flatMap(ResponsesSocket.ResponsesSocket, (socket) => socket.stats), Tenants.get(tenant))

const goOn = (tenant: string, history: ReadonlyArray<ResponseItem.ResponseItem>) =>
  Effect.provide(
    Responses.create({
      model: "gpt-5.5",
      store: false,
      input: [...history, { type: "message", role: "user", content: "More" }]
    }),
    Tenants.get(tenant)
  )

describe("tenants", () => {
  it.effect("share no connection, no lane and no head", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.ResponsesServer
      const tenants = ["acme", "globex"]
      yield* Effect.forEach(tenants, (tenant) => dialogue(tenant, ["Hello", "More"]), { concurrency: "unbounded" })
      for (const tenant of tenants) {
        assert.deepInclude(yield* stats(tenant), { connections: 1, responses: 2, deltas: 1, running: 0 })
      }
      const requests = yield* server.requests
      for (const connection of [1, 2]) {
        const sent = requests.filter((request) => request.connection === connection).map(({ body }) => body)
        assert.deepStrictEqual(sent.map(({ input, stream_id }) => [input?.length, stream_id]), [[1, "1"], [1, "1"]])
        assert.isUndefined(sent[0]?.previous_response_id)
        assert.isString(sent[1]?.previous_response_id)
      }
    }).pipe(Effect.provide(program())))

  it.effect("do not go on with what another one has said, and with what they have said themselves they do", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.ResponsesServer
      const history = yield* dialogue("acme", ["Hello"])
      yield* goOn("globex", history)
      yield* goOn("acme", history)
      const requests = yield* server.requests
      assert.deepStrictEqual(
        requests.map((
          { body, connection }
        ) => [connection, body.input?.length, body.previous_response_id !== undefined]),
        [[1, 1, false], [2, 3, false], [1, 1, true]]
      )
      assert.deepInclude(yield* stats("globex"), { responses: 1, deltas: 0 })
    }).pipe(Effect.provide(program())))

  it.effect("have the key that the environment has for them, and no other", () =>
    Effect.gen(function*() {
      assert.lengthOf(yield* dialogue("acme", ["Hello"]), 2)
      assert.deepInclude(yield* Effect.flip(dialogue("globex", ["Hello"])), { reason: "Refused", status: 401 })
      assert.deepInclude(yield* Effect.flip(dialogue("initech", ["Hello"])), { path: ["KEY_initech"] })
    }).pipe(Effect.provide(program({ apiKey: Redacted.make("sk-acme") }))))
})
