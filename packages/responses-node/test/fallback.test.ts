/** When HTTP takes over, and when it must not. */
import { assert, describe, it } from "@effect/vitest"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Responses from "effect-responses/Responses"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as NodeResponses from "../src/NodeResponses.ts"

const apiKey = Redacted.make("sk-fallback")

const request = { model: "m", input: "hi", store: false }

const started = (script?: ResponseScript.Script) =>
  Effect.map(ResponsesServer.make({ apiKey, ...(script === undefined ? {} : { script }) }), (server) => ({
    server,
    layer: NodeResponses.layer({ apiKey, baseUrl: server.url, reconnect: Schedule.stop })
  }))

const transports = (server: ResponsesServer.Service) =>
  Effect.map(server.requests, (requests) => requests.map((request) => request.transport))

const opened = Effect.scoped(Effect.tap(Responses.open(request), Responses.collect))

describe("HTTP takes over", () => {
  for (const status of [404, 405, 426, 429, 500, 503]) {
    it.scoped(`when the upgrade is refused with ${status}, once for each request, and says so`, () =>
      Effect.gen(function*() {
        const { layer, server } = yield* started()
        yield* server.refuseUpgrades({ status })
        const [first, second] = yield* Effect.provide(Effect.all([opened, opened]), layer)
        for (const response of [first, second]) {
          assert.deepInclude(response, { transport: "http", input: "full", reason: { _tag: "Http" } })
          assert.deepStrictEqual(response.recoveries.map((recovery) => recovery._tag), ["FellBack"])
          assert.strictEqual(response.recoveries[0]?.error._tag, "ConnectionError")
        }
        assert.deepStrictEqual(yield* transports(server), ["http", "http"])
      }))
  }

  it.scoped("and gives way to the socket when that can be had again", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* started()
      yield* server.refuseUpgrades({ status: 503, times: 1 })
      const responses = yield* Effect.provide(Effect.all([opened, opened]), layer)
      assert.deepStrictEqual(responses.map((response) => response.transport), ["http", "websocket"])
    }))

  it.scoped("without a word in the log above debug: an expected fallback is no error", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* started()
      yield* server.refuseUpgrades({ status: 426 })
      const loud: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => {
        if (LogLevel.greaterThan(logLevel, LogLevel.Debug)) loud.push(message)
      })
      yield* opened.pipe(
        Effect.provide(Layer.merge(layer, Logger.replace(Logger.defaultLogger, logger))),
        Logger.withMinimumLogLevel(LogLevel.All)
      )
      assert.deepStrictEqual(loud, [])
    }))
})

describe("HTTP does not take over", () => {
  for (const status of [401, 403]) {
    it.scoped(`when the upgrade is refused with ${status}: it would be refused as well`, () =>
      Effect.gen(function*() {
        const { layer, server } = yield* started()
        yield* server.refuseUpgrades({ status })
        const error = yield* Effect.flip(Effect.provide(opened, layer))
        assert(error._tag === "ConnectionError")
        assert.deepStrictEqual([error.reason, error.status], ["Refused", status])
        assert.deepStrictEqual(yield* transports(server), [])
      }))
  }

  for (
    const [when, turn] of [
      ["the connection is lost after the request was sent", ResponseScript.drop()],
      [
        "the connection is lost after the first event",
        ResponseScript.turn([ResponseScript.text("Hi"), ResponseScript.drop({ after: 1 })])
      ],
      ["the server says no", ResponseScript.error({ status: 500, code: "server_error", message: "no" })]
    ] as const
  ) {
    it.scoped(`when ${when}: it may have run`, () =>
      Effect.gen(function*() {
        const { layer, server } = yield* started([turn])
        yield* Effect.flip(Effect.provide(opened, layer))
        assert.deepStrictEqual(yield* transports(server), ["websocket"])
      }))
  }

  it.scoped("for a warm-up, which would be paid work there", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* started()
      yield* server.refuseUpgrades({ status: 426 })
      const error = yield* Effect.flip(Effect.provide(Responses.warmUp(request), layer))
      assert.strictEqual(error._tag, "ConnectionError")
      assert.deepStrictEqual(yield* transports(server), [])
    }))
})
