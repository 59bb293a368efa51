/** When HTTP takes over, and when it must not. */
import { assert, describe, it } from "@effect/vitest"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Responses from "effect-responses/Responses"
import * as ResponseScript from "effect-responses/ResponseScript"
import { ResponsesFallback } from "effect-responses/ResponsesFallback"
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
    layer: NodeResponses.layer({ apiKey, baseUrl: server.url, reconnect: Schedule.stop, probe: { first: 0 } })
  }))

const transports = (server: ResponsesServer.Service) =>
  Effect.map(server.requests, (requests) => requests.map((request) => request.transport))

const opened = Effect.scoped(Effect.tap(Responses.open(request), Responses.collect))

describe("HTTP takes over", () => {
  for (const status of [404, 405, 426, 429, 500, 503]) {
    it.scoped(`when the upgrade is refused with ${status}, and each response says so`, () =>
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
      const { first, last } = yield* Effect.all({
        first: opened,
        last: Effect.repeat(opened, { until: (response) => response.transport === "websocket", times: 100 })
      }).pipe(Effect.provide(layer))
      assert.deepStrictEqual([first.transport, last.transport], ["http", "websocket"])
      assert.deepStrictEqual(last.recoveries, [])
    }))

  it.scoped("for an interval in which no request tries the socket", () =>
    Effect.gen(function*() {
      const { server } = yield* started()
      yield* server.refuseUpgrades({ status: 503, times: 1 })
      const layer = NodeResponses.layer({ apiKey, baseUrl: server.url, reconnect: Schedule.stop })
      const [responses, stats] = yield* Effect.all([opened, opened, opened]).pipe(
        Effect.zip(Effect.flatMap(ResponsesFallback, (fallback) => fallback.stats)),
        Effect.provide(layer)
      )
      assert.deepStrictEqual(responses.map((response) => response.transport), ["http", "http", "http"])
      assert.deepInclude(stats, { serving: "second", fallbacks: 1, fellBack: 3, probes: 0 })
    }))

  it.scoped("without a word in the log above info: an expected fallback is no error", () =>
    Effect.gen(function*() {
      const { layer, server } = yield* started()
      yield* server.refuseUpgrades({ status: 426 })
      const loud: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => {
        if (LogLevel.greaterThan(logLevel, LogLevel.Info)) loud.push(message)
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
