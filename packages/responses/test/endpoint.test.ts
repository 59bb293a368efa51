import { assert, describe, it } from "@effect/vitest"
import { Cause, Config, ConfigError, ConfigProvider, Effect, Equal, FastCheck, Inspectable, Redacted } from "effect"
import { inspect } from "node:util"
import type { Credentials } from "../src/internal/options/credentials.ts"
import * as Endpoint from "../src/internal/options/endpoint.ts"
import * as Profile from "../src/Profile.ts"
import type * as ResponsesOptions from "../src/ResponsesOptions.ts"

const key = "sk-very-secret"
const apiKey = Redacted.make(key)

const headers = (options: ResponsesOptions.Endpoint) =>
  Effect.flatMap(Endpoint.make(options), (endpoint) => Effect.map(endpoint.credentials, ({ headers }) => headers))

const redacted = (options: ResponsesOptions.Endpoint, text: string) =>
  Effect.flatMap(Endpoint.make(options), (endpoint) => Effect.map(endpoint.credentials, ({ redact }) => redact(text)))

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

  describe("the profile", () => {
    const own = "https://own.test/v1"
    const traits: Partial<Profile.Profile> = {
      baseUrl: own,
      auth: { header: "X-Access", scheme: "Key" },
      headers: { "X-Vendor": "1", "OpenAI-Project": "of the profile" }
    }
    const table: ReadonlyArray<readonly [ResponsesOptions.Endpoint, url: string, headers: Credentials["headers"]]> = [
      [{ apiKey }, "https://api.openai.com/v1/responses", { authorization: `Bearer ${key}` }],
      [
        { apiKey, profile: Profile.openAi, organization: "org_1" },
        "https://api.openai.com/v1/responses",
        { authorization: `Bearer ${key}`, "openai-organization": "org_1" }
      ],
      [
        { apiKey, profile: Profile.azure, baseUrl: "https://r.openai.azure.com/openai/v1" },
        "https://r.openai.azure.com/openai/v1/responses",
        { "api-key": key }
      ],
      [
        {
          apiKey,
          profile: { ...Profile.azure, auth: Profile.openAi.auth },
          baseUrl: "https://r.openai.azure.com/openai/v1"
        },
        "https://r.openai.azure.com/openai/v1/responses",
        { authorization: `Bearer ${key}` }
      ],
      [{ apiKey, profile: Profile.xAi }, "https://api.x.ai/v1/responses", { authorization: `Bearer ${key}` }],
      [{ apiKey, profile: Profile.xAi, baseUrl: own }, `${own}/responses`, { authorization: `Bearer ${key}` }],
      [{ apiKey, profile: Profile.strict, baseUrl: own }, `${own}/responses`, { authorization: `Bearer ${key}` }],
      [{ profile: Profile.strict, baseUrl: own }, `${own}/responses`, {}],
      [{ profile: { ...Profile.openAi, baseUrl: own } }, `${own}/responses`, {}],
      [
        { apiKey, profile: { ...Profile.strict, ...traits } },
        `${own}/responses`,
        { "x-access": `Key ${key}`, "x-vendor": "1", "openai-project": "of the profile" }
      ],
      [
        { apiKey, profile: { ...Profile.strict, ...traits }, project: "proj_1", headers: { "x-vendor": "2" } },
        `${own}/responses`,
        { "x-access": `Key ${key}`, "x-vendor": "2", "openai-project": "proj_1" }
      ],
      [
        { apiKey, profile: { ...Profile.strict, ...traits }, headers: { "x-access": "mine", "OPENAI-project": "p" } },
        `${own}/responses`,
        { "x-access": "mine", "x-vendor": "1", "openai-project": "p" }
      ],
      [
        { apiKey, profile: { ...Profile.xAi, headers: { Authorization: "Bearer of the profile" } } },
        "https://api.x.ai/v1/responses",
        { authorization: `Bearer ${key}` }
      ]
    ]
    for (const [options, httpUrl, expected] of table) {
      it.effect(`${options.profile?.name ?? "none"} asks ${httpUrl} with ${Object.keys(expected).join(", ")}`, () =>
        Effect.gen(function*() {
          const endpoint = yield* Endpoint.make(options)
          assert.strictEqual(endpoint.httpUrl, httpUrl)
          assert.strictEqual(endpoint.profile, options.profile ?? Profile.openAi)
          assert.deepStrictEqual((yield* endpoint.credentials).headers, expected)
        }))
    }

    const refused: ReadonlyArray<readonly [what: string, ResponsesOptions.Endpoint, problem: string]> = [
      ["azure without an address", { apiKey, profile: Profile.azure }, "baseUrl: \"is needed with the profile \"azure"],
      ["strict without an address", { apiKey, profile: Profile.strict }, "baseUrl: \"is needed"],
      ["xAi without a key", { profile: Profile.xAi }, "apiKey: \"is needed for api.x.ai"],
      [
        "a key in the header of another vendor",
        { profile: Profile.xAi, headers: { "api-key": key } },
        "apiKey: \"is needed for api.x.ai"
      ],
      ["an address that is none", { apiKey, profile: { ...Profile.xAi, baseUrl: "x.ai" } }, "profile.baseUrl"],
      ["an age of zero", { apiKey, profile: { ...Profile.xAi, maxAge: 0 } }, "profile.maxAge"],
      ["a header's bad name", { apiKey, profile: { ...Profile.xAi, headers: { "a b": "1" } } }, "profile.headers"],
      [
        "a key with a newline, for azure",
        { apiKey: Redacted.make(`${key}\n`), profile: Profile.azure, baseUrl: own },
        "apiKey"
      ],
      [
        "another header's newline, for azure",
        { apiKey, profile: Profile.azure, baseUrl: own, headers: { "x-a": "a\n" } },
        "headers.x-a"
      ]
    ]
    for (const [what, options, problem] of refused) {
      it.effect(`is refused: ${what}`, () =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(Endpoint.make(options))
          assert.isTrue(ConfigError.isConfigError(error))
          assert.include(words(error).replaceAll("\\", ""), problem)
          assert.notInclude(words(error), key)
          assert.notInclude(JSON.stringify(error), key)
        }))
    }
  })

  describe("the key", () => {
    const current = (endpoint: Endpoint.Endpoint) =>
      Effect.map(Effect.all([endpoint.key, endpoint.credentials]), ([key, made]) => Equal.equals(key, made.key))

    it.effect("tells credentials made with it from those of the key before", () =>
      Effect.gen(function*() {
        let now = "key-of-monday"
        const endpoint = yield* Endpoint.make({
          // A new value each time, as from a vault.
          apiKey: Effect.sync(() => Redacted.make(now)),
          profile: Profile.azure,
          baseUrl: "https://a.test"
        })
        assert.isTrue(endpoint.canRotate)
        const old = yield* endpoint.credentials
        assert.isTrue(Equal.equals(yield* endpoint.key, old.key))
        now = "key-of-tuesday"
        assert.isFalse(Equal.equals(yield* endpoint.key, old.key))
        assert.isTrue(yield* current(endpoint))
        assert.deepInclude(yield* endpoint.credentials, { headers: { "api-key": "key-of-tuesday" } })
        now = "key-of-monday"
        assert.isTrue(Equal.equals(yield* endpoint.key, old.key))
      }))

    it.effect("is asked for alone: headers may change each time", () =>
      Effect.gen(function*() {
        const runs = { key: 0, headers: 0 }
        const endpoint = yield* Endpoint.make({
          apiKey: Effect.sync(() => {
            runs.key++
            return apiKey
          }),
          headers: Effect.sync(() => ({ "x-trace": `trace-${++runs.headers}` }))
        })
        const { headers, key } = yield* endpoint.credentials
        assert.isTrue(Equal.equals(yield* endpoint.key, key))
        assert.deepStrictEqual(runs, { key: 3, headers: 2 })
        assert.notDeepEqual((yield* endpoint.credentials).headers, headers)
      }))

    it.effect("that is constant cannot rotate, nor can none", () =>
      Effect.gen(function*() {
        const constant = yield* Endpoint.make({ apiKey })
        const none = yield* Endpoint.make({
          baseUrl: "http://localhost:1",
          headers: Effect.succeed({ Authorization: "x" })
        })
        assert.isFalse(constant.canRotate || none.canRotate)
        assert.isTrue(yield* current(constant))
        assert.isTrue(yield* current(none))
        assert.isUndefined(yield* none.key)
        assert.isFalse(Equal.equals(yield* none.key, yield* constant.key))
      }))

    for (
      const [what, next] of [["fails", Effect.fail(ConfigError.MissingData(["vault"], "is sealed"))], [
        "is unfit",
        Effect.succeed(Redacted.make(`${key}\n`))
      ]] as const
    ) {
      it.effect(`that ${what} later is a failure with nothing sent, and is not shown`, () =>
        Effect.gen(function*() {
          let runs = 0
          const endpoint = yield* Endpoint.make({
            apiKey: Effect.suspend(() => runs++ === 0 ? Effect.succeed(apiKey) : next)
          })
          const error = yield* Effect.flip(endpoint.key)
          assert.deepInclude(error, { _tag: "ConnectionError", reason: "Credentials", delivery: "unsent" })
          assert.notInclude(error.message, key)
          assert.notInclude(inspect(error, { depth: 9 }), key)
        }))
    }

    it.effect("is not shown by what prints it", () =>
      Effect.gen(function*() {
        const endpoint = yield* Endpoint.make({ apiKey })
        const made = { current: yield* endpoint.key, made: (yield* endpoint.credentials).key }
        const shown = [
          JSON.stringify(made),
          inspect(made, { depth: 9 }),
          Inspectable.toStringUnknown(made)
        ]
        assert.notInclude(shown.join(), key)
        assert.notInclude(inspect(endpoint, { depth: 9 }), key)
        assert.notInclude(JSON.stringify(endpoint), key)
      }))
  })

  describe("mistakes show when it is made, and never show a secret", () => {
    const value = (text: string) => Redacted.make(text)
    const table: ReadonlyArray<readonly [string, ResponsesOptions.Endpoint, option: string]> = [
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
    const letters = "abcdefghijklmnopqrstuvwxyz"
    const long = Redacted.make(`sk-${letters}`)
    const table: ReadonlyArray<readonly [string, ResponsesOptions.Endpoint, text: string, expected: string]> = [
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
      [
        "a key in a header that is not named like a secret",
        {
          baseUrl: "https://a.test",
          apiKey,
          profile: { ...Profile.strict, auth: { header: "X-Access", scheme: "Acme" } }
        },
        `Acme ${key}, ${key}`,
        "Acme <redacted>, <redacted>"
      ],
      [
        "the caller's own text in the header for the key",
        {
          baseUrl: "https://a.test",
          profile: { ...Profile.strict, auth: { header: "X-Access", scheme: undefined } },
          headers: { "x-access": "abcdefghij" }
        },
        "abcdefghij",
        "<redacted>"
      ],
      [
        "the key of azure",
        { baseUrl: "https://a.test", apiKey, profile: Profile.azure },
        `Bad ${key}`,
        "Bad <redacted>"
      ],
      [
        "a secret of the profile's",
        { apiKey, profile: { ...Profile.openAi, headers: { "X-Gateway-Token": "abcdefghij" } } },
        "abcdefghij",
        "<redacted>"
      ],
      [
        "what stands after any scheme",
        { apiKey, headers: { Authorization: "Basic abcdefghij" } },
        "abcdefghij",
        "<redacted>"
      ],
      [
        "a secret that begins with another",
        { apiKey, headers: { cookie: `${key}-and-more` } },
        `${key}-and-more`,
        "<redacted>"
      ],
      ["a text without secrets not at all", { apiKey }, "sk-other", "sk-other"],
      ["a percent-encoded key", { apiKey: Redacted.make("se+cret/key=") }, "?k=se%2Bcret%2Fkey%3D", "?k=<redacted>"],
      ["the same in lower case", { apiKey: Redacted.make("se+cret/key=") }, "?k=se%2bcret%2fkey%3d", "?k=<redacted>"],
      [
        "a key escaped as in JSON",
        { apiKey: Redacted.make("se/cret/key") },
        "{\"k\":\"se\\/cret\\/key",
        "{\"k\":\"<redacted>"
      ],
      [
        "a key with a quote escaped as in JSON",
        { apiKey, headers: { cookie: "a=\"secret\"" } },
        "{\"k\":\"a=\\\"secret\\\"\"}",
        "{\"k\":\"<redacted>\"}"
      ],
      [
        "a part of the URL's query that is named like a secret",
        { apiKey, baseUrl: "https://a.test/v1?api-version=2026-01-01-preview&Key=abcdefgh" },
        "/v1?api-version=2026-01-01-preview&Key=abcdefgh",
        "/v1?api-version=2026-01-01-preview&Key=<redacted>"
      ],
      [
        "a user and password, as the server reads them",
        { headers: { authorization: `Basic ${btoa("somebody:pass word")}` } },
        `not somebody:pass word, not pass word, not ${btoa("somebody:pass word")}`,
        "not <redacted>, not <redacted>, not <redacted>"
      ],
      ["the beginning of a key that was cut", { apiKey: long }, `Bad sk-${letters.slice(0, 9)}`, "Bad <redacted>"],
      ["the end of a key that was cut", { apiKey: long }, `${letters.slice(14)} is bad`, "<redacted> is bad"],
      ["the middle of a key", { apiKey: long }, `...${letters.slice(5, 20)}...`, "...<redacted>..."],
      ["less than 12 characters of a key not at all", { apiKey: long }, `sk-${letters.slice(0, 8)}`, "sk-abcdefgh"]
    ]
    for (const [name, options, text, expected] of table) {
      it.effect(`takes out ${name}`, () =>
        Effect.gen(function*() {
          assert.strictEqual(yield* redacted(options, text), expected)
        }))
    }

    // No character that is escaped in JSON or a URL: of a key with one, 12 characters of the escaped form are taken out as well.
    const anyKey = FastCheck.string({
      unit: FastCheck.constantFrom(..."abcXYZ019_-.~".split("")),
      minLength: 16,
      maxLength: 80
    })
    const anyPiece = FastCheck.tuple(FastCheck.nat(80), FastCheck.nat(80), FastCheck.string({ maxLength: 30 }))
    it.effect.prop(
      "leaves no 12 characters of any key in any text, and all else as it is",
      [anyKey, FastCheck.array(anyPiece, { maxLength: 8 }), FastCheck.constantFrom("", " ".repeat(9000))],
      ([secret, pieces, ahead]) =>
        Effect.gen(function*() {
          const endpoint = yield* Endpoint.make({ apiKey: Redacted.make(secret) })
          const { redact } = yield* endpoint.credentials
          const text = ahead + pieces.map(([from, to, between]) => secret.slice(from, to) + between).join("")
          const shown = redact(text)
          const parts = new Set(Array.from({ length: secret.length - 11 }, (_, at) => secret.slice(at, at + 12)))
          const partsIn = (text: string) =>
            Array.from({ length: Math.max(0, text.length - 11) }, (_, at) => at).filter((at) =>
              parts.has(text.slice(at, at + 12))
            )
          assert.deepStrictEqual(partsIn(shown), [])
          const hidden = new Set(partsIn(text).flatMap((start) => Array.from({ length: 12 }, (_, at) => start + at)))
          const kept = text.split("").filter((_, at) => !hidden.has(at)).join("")
          assert.strictEqual(shown.replaceAll("<redacted>", ""), kept.replaceAll("<redacted>", ""))
        }),
      { fastCheck: { numRuns: 60 } }
    )
  })

  describe("from the environment", () => {
    const read = (options: ResponsesOptions.FromConfig & Pick<ResponsesOptions.Endpoint, "profile">, env: object) =>
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

    const openAiVariables: ReadonlyArray<readonly [string, string]> = [
      ["OPENAI_API_KEY", key],
      ["OPENAI_BASE_URL", "https://api.openai.com/v1"],
      ["OPENAI_ORG_ID", "org_1"],
      ["OPENAI_PROJECT_ID", "proj_1"]
    ]
    const foreign: ReadonlyArray<
      readonly [string, ResponsesOptions.FromConfig & Pick<ResponsesOptions.Endpoint, "profile">]
    > = [
      ["azure", { profile: Profile.azure }],
      ["xAi", { profile: Profile.xAi }],
      ["strict", { profile: Profile.strict }],
      ["a server of one's own", { profile: { ...Profile.openAi, baseUrl: "http://localhost:1" } }],
      ["openAi at another address", { profile: Profile.openAi, baseUrl: Config.succeed("http://localhost:1") }],
      ["azure at its address", { profile: Profile.azure, baseUrl: Config.succeed("http://localhost:1") }]
    ]
    for (const [name, options] of foreign) {
      it.effect(`reads no variable of api.openai.com for ${name}`, () =>
        Effect.gen(function*() {
          const config = yield* Endpoint.fromConfig(options).pipe(
            Effect.withConfigProvider(ConfigProvider.fromMap(new Map(openAiVariables)))
          )
          const { apiKey, organization, profile, project } = config
          assert.deepStrictEqual({ apiKey, organization, project }, {
            apiKey: undefined,
            organization: undefined,
            project: undefined
          })
          assert.notStrictEqual(config.baseUrl, "https://api.openai.com/v1")
          assert.strictEqual(profile, options.profile)
        }))
    }

    it.effect("keeps the profile, and reads the usual names for one that is served at api.openai.com", () =>
      Effect.gen(function*() {
        const profile = { ...Profile.openAi, maxAge: "10 minutes" } as const
        assert.deepStrictEqual(yield* read({ profile }, Object.fromEntries(openAiVariables)), {
          url: "https://api.openai.com/v1/responses",
          headers: { authorization: `Bearer ${key}`, "openai-organization": "org_1", "openai-project": "proj_1" }
        })
      }))

    it.effect("takes what it is given for another vendor", () =>
      Effect.gen(function*() {
        const options = {
          profile: Profile.azure,
          apiKey: Config.redacted("AZURE_KEY"),
          baseUrl: Config.string("AZURE_URL")
        }
        const env = { ...Object.fromEntries(openAiVariables), AZURE_KEY: "azure-key", AZURE_URL: "https://r.test/v1" }
        assert.deepStrictEqual(yield* read(options, env), {
          url: "https://r.test/v1/responses",
          headers: { "api-key": "azure-key" }
        })
        const xAi = { profile: Profile.xAi, apiKey: Config.redacted("XAI_KEY") }
        assert.deepStrictEqual(yield* read(xAi, { OPENAI_API_KEY: key, XAI_KEY: "xai-key" }), {
          url: "https://api.x.ai/v1/responses",
          headers: { authorization: "Bearer xai-key" }
        })
      }))

    it.effect("names the variable that is missing", () =>
      Effect.gen(function*() {
        assert.include(words(yield* Effect.flip(read({}, {}))), "OPENAI_API_KEY")
      }))
  })
})
