import { assert, describe, it } from "@effect/vitest"
import { Cause, Config, ConfigError, ConfigProvider, Effect, FastCheck, Redacted } from "effect"
import * as Endpoint from "../src/Endpoint.ts"

const key = "sk-very-secret"
const apiKey = Redacted.make(key)

const headers = (options: Endpoint.Options) =>
  Effect.flatMap(Endpoint.make(options), (endpoint) => Effect.map(endpoint.credentials, ({ headers }) => headers))

const scrubbed = (options: Endpoint.Options, text: string) =>
  Effect.flatMap(Endpoint.make(options), (endpoint) => Effect.map(endpoint.credentials, ({ scrub }) => scrub(text)))

const words = (error: unknown) => Cause.pretty(Cause.fail(error))

describe("Endpoint", () => {
  describe("the URL", () => {
    const table: ReadonlyArray<readonly [baseUrl: string | undefined, http: string, socket: string]> = [
      [undefined, "https://api.openai.com/v1/responses", "wss://api.openai.com/v1/responses"],
      ["https://api.x.ai/v1", "https://api.x.ai/v1/responses", "wss://api.x.ai/v1/responses"],
      ["https://api.x.ai/v1/", "https://api.x.ai/v1/responses", "wss://api.x.ai/v1/responses"],
      ["https://api.x.ai/v1//", "https://api.x.ai/v1/responses", "wss://api.x.ai/v1/responses"],
      ["https://api.x.ai", "https://api.x.ai/responses", "wss://api.x.ai/responses"],
      ["http://localhost:8080/v1", "http://localhost:8080/v1/responses", "ws://localhost:8080/v1/responses"],
      ["http://[::1]:8080", "http://[::1]:8080/responses", "ws://[::1]:8080/responses"],
      ["https://example.test:443/v1", "https://example.test/v1/responses", "wss://example.test/v1/responses"],
      ["ws://localhost:1/v1", "http://localhost:1/v1/responses", "ws://localhost:1/v1/responses"],
      ["wss://example.test/v1", "https://example.test/v1/responses", "wss://example.test/v1/responses"],
      ["HTTPS://EXAMPLE.test/V1", "https://example.test/V1/responses", "wss://example.test/V1/responses"],
      [
        "https://r.openai.azure.com/openai/v1/?api-version=preview&x=a%20b",
        "https://r.openai.azure.com/openai/v1/responses?api-version=preview&x=a%20b",
        "wss://r.openai.azure.com/openai/v1/responses?api-version=preview&x=a%20b"
      ],
      ["https://example.test/v1#part", "https://example.test/v1/responses", "wss://example.test/v1/responses"]
    ]
    for (const [baseUrl, httpUrl, socketUrl] of table) {
      it.effect(`of ${baseUrl ?? "nothing"} is ${httpUrl}`, () =>
        Effect.gen(function*() {
          assert.deepInclude(yield* Endpoint.make({ baseUrl, apiKey }), { httpUrl, socketUrl })
        }))
    }

    const refused: ReadonlyArray<readonly [baseUrl: string, problem: string]> = [
      ["", "is not a URL"],
      ["example.test/v1", "is not a URL"],
      ["/v1", "is not a URL"],
      ["https://", "is not a URL"],
      ["ftp://example.test", "must begin with http:, https:, ws: or wss:, not with ftp:"],
      ["localhost:8080", "not with localhost:"],
      ["https://user:pass-word@example.test", "must not hold a user or password"],
      ["https://user@example.test", "must not hold a user or password"]
    ]
    for (const [baseUrl, problem] of refused) {
      it.effect(`is refused: ${JSON.stringify(baseUrl)}`, () =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(Endpoint.make({ baseUrl, apiKey }))
          assert.isTrue(ConfigError.isConfigError(error))
          assert.include(words(error), "baseUrl")
          assert.include(words(error), problem)
          assert.notInclude(words(error), "pass-word")
        }))
    }
  })

  describe("the headers", () => {
    it.effect("have the key, the organization and the project", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* headers({ apiKey, organization: "org_1", project: "proj_1" }), {
          authorization: `Bearer ${key}`,
          "openai-organization": "org_1",
          "openai-project": "proj_1"
        })
      }))

    it.effect("of the caller win, whatever their case", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* headers({
            apiKey,
            project: "proj_1",
            headers: { Authorization: Redacted.make("Bearer other"), "OpenAI-Project": "proj_2", "X-More": "1" }
          }),
          { authorization: "Bearer other", "openai-project": "proj_2", "x-more": "1" }
        )
      }))

    it.effect("need no key with a server of one's own, or with another authorization", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* headers({ baseUrl: "http://localhost:1" }), {})
        assert.deepStrictEqual(yield* headers({ headers: { Authorization: "Bearer x" } }), {
          authorization: "Bearer x"
        })
        assert.deepStrictEqual(yield* headers({ baseUrl: "https://a.test", headers: { "api-key": apiKey } }), {
          "api-key": key
        })
      }))

    it.effect("are computed anew each time", () =>
      Effect.gen(function*() {
        let runs = 0
        const endpoint = yield* Endpoint.make({
          apiKey: Effect.sync(() => Redacted.make(`key-${++runs}`)),
          headers: Effect.sync(() => ({ "x-run": String(runs) }))
        })
        assert.strictEqual(runs, 1)
        yield* endpoint.credentials
        assert.deepInclude(yield* endpoint.credentials, {
          headers: { authorization: "Bearer key-3", "x-run": "2" }
        })
      }))

    it.effect("that cannot be had any more fail with nothing sent", () =>
      Effect.gen(function*() {
        let runs = 0
        const endpoint = yield* Endpoint.make({
          apiKey: Effect.suspend(() =>
            runs++ === 0 ? Effect.succeed(apiKey) : Effect.fail(ConfigError.MissingData(["vault"], "is sealed"))
          )
        })
        const error = yield* Effect.flip(endpoint.credentials)
        assert.deepInclude(error, { _tag: "ConnectionError", reason: "Credentials", delivery: "unsent" })
        assert.include(error.message, "vault")
      }))
  })

  describe("mistakes show when it is made, and never show a secret", () => {
    const value = (text: string) => Redacted.make(text)
    const table: ReadonlyArray<readonly [string, Endpoint.Options, option: string]> = [
      ["no key", {}, "apiKey"],
      ["an empty key", { apiKey: value("") }, "apiKey"],
      ["a blank key", { apiKey: value("  ") }, "apiKey"],
      ["a key with a newline", { apiKey: value(`${key}\n`) }, "apiKey"],
      ["a key with a second header in it", { apiKey: value(`${key}\r\nx-evil: 1`) }, "apiKey"],
      ["a key with a NUL", { apiKey: value(`${key}\0`) }, "apiKey"],
      ["a key with a letter no header can carry", { apiKey: value(`${key}–`) }, "apiKey"],
      ["an empty organization", { apiKey, organization: "" }, "organization"],
      ["a project with a newline", { apiKey, project: "a\nb" }, "project"],
      ["a header with a newline", { apiKey, headers: { "X-Key": `${key}\n` } }, "X-Key"],
      ["an empty header", { apiKey, headers: { "X-Key": "" } }, "X-Key"],
      ["a header's name with a space", { apiKey, headers: { "X Key": key } }, "X Key"],
      ["a header's name with a newline", { apiKey, headers: { "X\r\nKey": key } }, "headers"],
      ["a header without a name", { apiKey, headers: { "": key } }, "headers"]
    ]
    for (const [name, options, option] of table) {
      it.effect(name, () =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(Endpoint.make(options))
          assert.isTrue(ConfigError.isConfigError(error))
          assert.include(words(error), option)
          assert.notInclude(words(error), key)
          assert.notInclude(JSON.stringify(error), key)
        }))
    }

    it.effect.prop(
      "any key either makes a header or is refused unseen",
      [FastCheck.string({ unit: "binary" })],
      ([text]) =>
        Effect.gen(function*() {
          const result = yield* Effect.either(headers({ apiKey: Redacted.make(text) }))
          if (result._tag === "Right") {
            assert.strictEqual(new Headers(result.right).get("authorization"), `Bearer ${text}`.trim())
          } else if (text.length > 12) assert.notInclude(words(result.left), text)
        })
    )
  })

  describe("scrubbing", () => {
    const table: ReadonlyArray<readonly [string, Endpoint.Options, text: string, expected: string]> = [
      ["the key, wherever it stands", { apiKey }, `Bad ${key}: ${key}`, "Bad <redacted>: <redacted>"],
      ["the key, with its prefix", { apiKey }, `Bearer ${key}`, "Bearer <redacted>"],
      [
        "a header that is named like a secret",
        { apiKey, headers: { "api-key": "azure-secret" } },
        "azure-secret",
        "<redacted>"
      ],
      ["a bearer of the caller's", { headers: { Authorization: "bearer abcdefghij" } }, "abcdefghij", "<redacted>"],
      [
        "a header that is given as a secret",
        { apiKey, headers: { "x-a": Redacted.make("abcdefghij") } },
        "abcdefghij",
        "<redacted>"
      ],
      [
        "nothing of an ordinary header",
        { apiKey, headers: { "x-a": "ordinary-value" } },
        "ordinary-value",
        "ordinary-value"
      ],
      ["nothing of the organization", { apiKey, organization: "organization" }, "organization", "organization"],
      [
        "nothing of a placeholder",
        { baseUrl: "http://localhost:1", apiKey: Redacted.make("none") },
        "none left",
        "none left"
      ],
      ["nothing of an empty bearer", { headers: { Authorization: "Bearer  " } }, "abc", "abc"],
      ["a text without secrets not at all", { apiKey }, "sk-other", "sk-other"]
    ]
    for (const [name, options, text, expected] of table) {
      it.effect(`takes out ${name}`, () =>
        Effect.gen(function*() {
          assert.strictEqual(yield* scrubbed(options, text), expected)
        }))
    }
  })

  describe("from the environment", () => {
    const read = (options: Endpoint.FromConfig, env: object) =>
      Endpoint.fromConfig(options).pipe(
        Effect.flatMap(Endpoint.make),
        Effect.flatMap((endpoint) =>
          Effect.map(endpoint.credentials, ({ headers }) => ({ url: endpoint.httpUrl, headers }))
        ),
        Effect.withConfigProvider(ConfigProvider.fromJson(env))
      )

    it.effect("takes the usual names", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* read({}, { OPENAI_API_KEY: key }), {
          url: "https://api.openai.com/v1/responses",
          headers: { authorization: `Bearer ${key}` }
        })
        const env = {
          OPENAI_API_KEY: key,
          OPENAI_BASE_URL: "http://localhost:1",
          OPENAI_ORG_ID: "org_1",
          OPENAI_PROJECT_ID: "proj_1"
        }
        assert.deepStrictEqual(yield* read({}, env), {
          url: "http://localhost:1/responses",
          headers: { authorization: `Bearer ${key}`, "openai-organization": "org_1", "openai-project": "proj_1" }
        })
      }))

    it.effect("takes other names", () =>
      Effect.gen(function*() {
        const options = { apiKey: Config.redacted("XAI_KEY"), baseUrl: Config.succeed("https://api.x.ai/v1") }
        assert.deepInclude(yield* read(options, { XAI_KEY: key, OPENAI_API_KEY: "other" }), {
          url: "https://api.x.ai/v1/responses",
          headers: { authorization: `Bearer ${key}` }
        })
      }))

    it.effect("names the variable that is missing", () =>
      Effect.gen(function*() {
        assert.include(words(yield* Effect.flip(read({}, {}))), "OPENAI_API_KEY")
      }))
  })
})
