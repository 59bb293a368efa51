/** Mistakes in what Node's transports are given: a `ConfigError` that names the option, where it can be known, else a failure. */
import { assert, describe, it } from "@effect/vitest"
import * as Connector from "effect-responses/Connector"
import * as Responses from "effect-responses/Responses"
import * as ResponsesSocket from "effect-responses/ResponsesSocket"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Http from "node:http"
import * as Https from "node:https"
import { inspect } from "node:util"
import * as NodeConnector from "../src/NodeConnector.ts"
import * as NodeResponses from "../src/NodeResponses.ts"
import * as NodeResponsesHttp from "../src/NodeResponsesHttp.ts"
import * as NodeResponsesSocket from "../src/NodeResponsesSocket.ts"
import * as Hostile from "./support/hostile.ts"

const apiKey = Redacted.make("sk-options")

/** As undici's are, which are easily taken for one. */
const dispatcher = { dispatch: () => true } as unknown as Http.Agent

/** As `https-proxy-agent` and others are: for both protocols, and what they say depends on who asks. */
class ProxyAgent extends Http.Agent {
  constructor() {
    super()
    Reflect.deleteProperty(this, "protocol")
  }
  get protocol() {
    return "http:"
  }
  set protocol(_: string) {}
}

type Own = Pick<NodeResponses.Options, "agent" | "baseUrl" | "closeTimeout" | "maxPayload" | "reconnect">

type Make = (options: Own) => Layer.Layer<Responses.Responses, ConfigError.ConfigError>

const fromConfig = ({ baseUrl = "", ...options }: Own) => ({
  ...options,
  apiKey: Config.succeed(apiKey),
  baseUrl: Config.succeed(baseUrl)
})

const withSocket: ReadonlyArray<Make> = [
  (options) => NodeResponsesSocket.layer({ apiKey, ...options }),
  (options) => NodeResponses.layer({ apiKey, ...options }),
  (options) => NodeResponsesSocket.layerConfig(fromConfig(options)),
  (options) => NodeResponses.layerConfig(fromConfig(options))
]

const all: ReadonlyArray<Make> = [
  ...withSocket,
  (options) => NodeResponsesHttp.layer({ apiKey, ...options }),
  (options) => NodeResponsesHttp.layerConfig(fromConfig(options))
]

describe("an option is refused when the Layer is built", () => {
  const https = "https://example.test/v1"
  const plain = "http://example.test/v1"
  const table: ReadonlyArray<
    readonly [what: string, makes: ReadonlyArray<Make>, option: string, Own]
  > = [
    ["an http.Agent for https:", all, "agent", { baseUrl: https, agent: new Http.Agent() }],
    ["an http.Agent for wss:", all, "agent", { baseUrl: "wss://example.test/v1", agent: new Http.Agent() }],
    ["an https.Agent for http:", all, "agent", { baseUrl: plain, agent: new Https.Agent() }],
    ["an https.Agent for ws:", all, "agent", { baseUrl: "ws://example.test/v1", agent: new Https.Agent() }],
    ["a dispatcher of undici's", all, "agent", { baseUrl: https, agent: dispatcher }],
    ...[0, -1, Number.NaN, Infinity, 1.5, 2 ** 31, 2 ** 32].map((maxPayload) =>
      [`a message of ${maxPayload} bytes`, withSocket, "maxPayload", { baseUrl: plain, maxPayload }] as const
    ),
    ["no time for a close", withSocket, "closeTimeout", { baseUrl: plain, closeTimeout: 0 }],
    ["less than no time for a close", withSocket, "closeTimeout", { baseUrl: plain, closeTimeout: -1 }],
    [
      "a time for a close that is none",
      withSocket,
      "closeTimeout",
      { baseUrl: plain, closeTimeout: "soon" as unknown as number }
    ]
  ]
  for (const [what, makes, option, options] of table) {
    it.scoped(what, () =>
      Effect.gen(function*() {
        for (const make of makes) {
          const error = yield* Effect.flip(Layer.build(make(options)))
          assert.isTrue(ConfigError.isConfigError(error))
          assert.include(Cause.pretty(Cause.fail(error)), option)
        }
      }))
  }

  const fit: ReadonlyArray<readonly [what: string, Own]> = [
    ["an https.Agent for https:", { baseUrl: https, agent: new Https.Agent() }],
    ["an http.Agent for http:", { baseUrl: plain, agent: new Http.Agent() }],
    ["a proxy's agent for https:", { baseUrl: https, agent: new ProxyAgent() }],
    ["a proxy's agent for http:", { baseUrl: plain, agent: new ProxyAgent() }],
    ["all time for a close", { baseUrl: plain, closeTimeout: Infinity }],
    ["the smallest message", { baseUrl: plain, maxPayload: 1 }],
    ["the largest message", { baseUrl: plain, maxPayload: 536_870_888 }]
  ]
  for (const [what, options] of fit) {
    it.scoped(`and ${what} is not`, () => Effect.forEach(all, (make) => Layer.build(make(options))))
  }
})

class Throwing extends Http.Agent {
  addRequest() {
    throw new Error("No proxy today")
  }
}

class Rejecting extends Http.Agent {
  readonly reason: unknown
  constructor(reason: unknown) {
    super()
    this.reason = reason
  }
  addRequest(request: Http.ClientRequest) {
    setImmediate(() => request.emit("error", this.reason))
  }
}

const fails = (layer: Layer.Layer<Responses.Responses, unknown>) =>
  Effect.flip(Effect.provide(Responses.create({ model: "m", input: "Hi" }), layer))

describe("an agent that fails is a typed failure, with nothing sent", () => {
  it.scopedLive("when it throws", () =>
    Effect.gen(function*() {
      const baseUrl = yield* Hostile.make({})
      for (const make of all) {
        const error = yield* fails(make({ baseUrl, agent: new Throwing(), reconnect: Schedule.stop }))
        assert.deepInclude(error, { _tag: "ConnectionError", reason: "Unreachable", delivery: "unsent" })
        assert.include(String(error), "No proxy today")
      }
    }))

  for (const reason of [undefined, null, "no", 1, {}, new Error("")]) {
    it.scopedLive(`when it reports ${inspect(reason, { compact: true }).slice(0, 9)} in place of a reason`, () =>
      Effect.gen(function*() {
        const baseUrl = yield* Hostile.make({})
        for (const make of all) {
          const error = yield* fails(make({ baseUrl, agent: new Rejecting(reason), reconnect: Schedule.stop }))
          assert.deepInclude(error, { _tag: "ConnectionError" })
        }
      }))
  }

  it.scopedLive("when it has the wrong protocol for a URL that the Connector was not told of", () =>
    Effect.gen(function*() {
      const layer = Layer.provide(
        ResponsesSocket.layer({ apiKey, baseUrl: "https://127.0.0.1:9/v1", reconnect: Schedule.stop }),
        NodeConnector.layer({ agent: new Http.Agent() })
      )
      const error = yield* fails(layer)
      assert.deepInclude(error, {
        _tag: "ConnectionError",
        reason: "Unreachable",
        delivery: "unsent",
        code: "ERR_INVALID_PROTOCOL"
      })
    }))

  it.scoped("and options that no Connector can have are refused there too", () =>
    Effect.gen(function*() {
      for (const options of [{ maxPayload: 0 }, { closeTimeout: -1 }, { agent: dispatcher }]) {
        const error = yield* Effect.flip(Effect.provide(Connector.Connector, NodeConnector.layer(options)))
        assert.isTrue(ConfigError.isConfigError(error))
      }
    }))
})
