/** What a request may ask for beside what its Layer was given: its time, its headers, its transport. */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { inspect } from "node:util"
import * as Responses from "../src/Responses.ts"
import { ConnectionError } from "../src/ResponsesError.ts"
import * as ResponsesFallback from "../src/ResponsesFallback.ts"
import * as ResponsesHttp from "../src/ResponsesHttp.ts"
import type { RequestOptions } from "../src/ResponsesOptions.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import { assertConnectionError, endsAfter, settle } from "./support/clocks.ts"
import * as FakeServer from "./support/fakeServer.ts"
import { pair, request } from "./support/fallback.ts"

interface Server {
  readonly fake: FakeServer.FakeServer
  readonly posts: ReadonlyArray<HttpClientRequest.HttpClientRequest>
  readonly layer: (name: Name) => Layer.Layer<Responses.Responses | ResponsesFallback.ResponsesFallback>
}

type Name = "socket" | "HTTP" | "both" | "mock"

const body = (events: ReadonlyArray<object>) => events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")

/** Answers over HTTP unless it is given another answer; what comes over the socket is the test's to answer. */
const make = (
  answer: (asked: HttpClientRequest.HttpClientRequest) => Response | "never" = () =>
    new Response(body(FakeServer.answer("resp_1")), { headers: { "content-type": "text/event-stream" } })
): Effect.Effect<Server> =>
  Effect.map(FakeServer.make, (fake) => {
    const posts: Array<HttpClientRequest.HttpClientRequest> = []
    const client = HttpClient.make((asked) =>
      Effect.suspend(() => {
        posts.push(asked)
        const answered = answer(asked)
        return answered === "never" ? Effect.never : Effect.succeed(HttpClientResponse.fromWeb(asked, answered))
      })
    )
    const http = ResponsesHttp.layer({ apiKey: Redacted.make("sk-of-the-layer"), headers: { "x-tag": "layer" } }).pipe(
      Layer.provide(Layer.succeed(HttpClient.HttpClient, client)),
      Layer.orDie
    )
    const layers = {
      socket: () => fake.layer(),
      HTTP: () => http,
      both: () => Layer.orDie(ResponsesFallback.layer(fake.layer(), http)),
      mock: () => ResponsesTest.layer([ResponsesTest.text("Hello")])
    }
    return { fake, posts, layer: (name) => layers[name]() as ReturnType<Server["layer"]> }
  })

const names: ReadonlyArray<Name> = ["socket", "HTTP", "both", "mock"]

const ask = (options?: RequestOptions) => Responses.create(request, options)

const failing = (options?: RequestOptions) => Effect.fork(Effect.flip(ask(options)))

const refusal = (options: RequestOptions) =>
  Effect.map(Effect.flip(ask(options)), (error) => {
    assert(error._tag === "InvalidRequest", String(error))
    return error
  })

describe("options that mean nothing are refused, and nothing is sent", () => {
  const wrong: ReadonlyArray<readonly [field: keyof RequestOptions, value: unknown]> = [
    ["timeout", 0],
    ["timeout", -1],
    ["timeout", "soon"],
    ["timeout", Number.NaN],
    ["headers", { "a name": "a-value-to-hide" }],
    ["headers", { "": "a-value-to-hide" }],
    ["headers", { "x-tag": "" }],
    ["headers", { "x-tag": "a-value-to-hide\r\nx-other: 1" }],
    ["headers", { "x-tag": Redacted.make("a-value-to-hide\u0000") }],
    ["headers", { "x-tag": 5 }],
    ["headers", { "x-tag": undefined }],
    ["transport", "sse"],
    ["transport", "toString"]
  ]
  for (const [field, value] of wrong) {
    it.scoped(`${field}: ${inspect(value)}`, () =>
      Effect.gen(function*() {
        for (const name of names) {
          const server = yield* make()
          const error = yield* Effect.provide(refusal({ [field]: value }), server.layer(name))
          assert.strictEqual(error.field, field, name)
          assert.notInclude(`${error.message} ${inspect(error)}`, "a-value-to-hide")
          assert.deepStrictEqual([server.fake.dials(), server.posts.length], [0, 0])
        }
      }))
  }
})

describe("a transport that the Layer does not have is refused, and nothing is sent", () => {
  const wrong: ReadonlyArray<readonly [Name, RequestOptions, field: string, hint: RegExp]> = [
    ["socket", { headers: { "x-tag": "a" } }, "headers", /NodeResponses\.layer/],
    ["socket", { transport: "http" }, "transport", /ResponsesFallback\.layer/],
    ["HTTP", { transport: "websocket" }, "transport", /ResponsesSocket\.layer/],
    ...names.map((name) =>
      [name, { transport: "websocket", headers: { "x-tag": "a" } }, "headers", /leave out one/] as const
    )
  ]
  for (const [name, options, field, hint] of wrong) {
    it.scoped(`${name}: ${inspect(options)}`, () =>
      Effect.gen(function*() {
        const server = yield* make()
        const error = yield* Effect.provide(refusal(options), server.layer(name))
        assert.strictEqual(error.field, field)
        assert.match(error.message, hint)
        assert.deepStrictEqual([server.fake.dials(), server.posts.length], [0, 0])
      }))
  }

  it.scoped("and no headers are none", () =>
    Effect.gen(function*() {
      const server = yield* make()
      const asked = yield* Effect.fork(Effect.provide(ask({ headers: {} }), server.layer("both")))
      const connection = yield* server.fake.connection
      yield* connection.request
      yield* connection.send(...FakeServer.answer("resp_1"))
      assert.strictEqual((yield* Fiber.join(asked)).id, "resp_1")
    }))
})

describe("timeout", () => {
  for (const seconds of [2, 3600]) {
    it.scoped(`is ${seconds} seconds on a socket, whatever the Layer's is`, () =>
      Effect.gen(function*() {
        const server = yield* FakeServer.make
        const never = { firstEventTimeout: "2 days", stallTimeout: "2 days", pingTimeout: "2 days" } as const
        yield* Effect.gen(function*() {
          const asked = yield* failing({ timeout: `${seconds} seconds` })
          const connection = yield* server.connection
          yield* connection.request
          yield* connection.send(FakeServer.created("resp_1"))
          assertConnectionError(yield* endsAfter(asked, `${seconds} seconds`), "TurnTimeout", "unacknowledged")
        }).pipe(Effect.provide(server.layer(never)))
      }))
  }

  it.scoped("is the request's own: the next one has the Layer's", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make
      yield* Effect.gen(function*() {
        const first = yield* failing({ timeout: "1 second" })
        yield* Effect.flatMap(server.connection, ({ request }) => request)
        yield* endsAfter(first, "1 second")
        const second = yield* failing()
        yield* Effect.flatMap(server.connection, ({ request }) => request)
        yield* endsAfter(second, "5 seconds")
      }).pipe(Effect.provide(server.layer({ turnTimeout: "5 seconds" })))
    }))

  const hanging: ReadonlyArray<readonly [when: string, () => Response | "never"]> = [
    ["before the answer", () => "never"],
    ["within it", () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode(body([FakeServer.created("resp_1")])))
        }),
        { headers: { "content-type": "text/event-stream" } }
      )]
  ]
  for (const [when, answer] of hanging) {
    it.scoped(`over HTTP, ${when}`, () =>
      Effect.gen(function*() {
        const server = yield* make(answer)
        const asked = yield* Effect.provide(failing({ timeout: "7 seconds" }), server.layer("HTTP"))
        yield* settle
        assertConnectionError(yield* endsAfter(asked, "7 seconds"), "TurnTimeout", "unacknowledged")
      }))
  }

  it.scoped("in the mock, too", () =>
    Effect.gen(function*() {
      const mock = ResponsesTest.layer([ResponsesTest.silence()])
      const asked = yield* Effect.provide(failing({ timeout: "7 seconds" }), mock)
      yield* settle
      assertConnectionError(yield* endsAfter(asked, "7 seconds"), "TurnTimeout", "unacknowledged")
    }))

  it.scoped("that a request set for itself is no outage of the socket", () =>
    Effect.gen(function*() {
      const { first, service, stats } = yield* pair()
      first.opens(
        Effect.fail(new ConnectionError({ reason: "TurnTimeout", delivery: "unacknowledged", description: "Late" }))
      )
      for (let times = 0; times < 5; times++) {
        yield* Effect.flip(Effect.scoped(service.open(request, { timeout: 1 })))
      }
      assert.deepInclude(yield* stats, { serving: "first", fallbacks: 0 })
    }))
})

describe("a socket with HTTP behind it", () => {
  const over = (options: RequestOptions) =>
    Effect.map(
      Effect.scoped(Effect.tap(Responses.open(request, options), Responses.collect)),
      ({ recoveries, transport }) => ({ recoveries, transport })
    )
  const stats = Effect.flatMap(ResponsesFallback.ResponsesFallback, ({ stats }) => stats)

  it.scoped("sends a request with headers over HTTP; they win over the Layer's", () =>
    Effect.gen(function*() {
      const { fake, layer, posts } = yield* make()
      yield* Effect.gen(function*() {
        const headers = { "X-Tag": "mine", "authorization": Redacted.make("Bearer sk-mine"), accept: "text/html" }
        assert.deepStrictEqual(yield* over({ headers }), { transport: "http", recoveries: [] })
        assert.deepInclude(posts[0]?.headers, {
          "x-tag": "mine",
          authorization: "Bearer sk-mine",
          accept: "text/event-stream"
        })
        yield* over({ transport: "http" })
        assert.deepInclude(posts[1]?.headers, { "x-tag": "layer", authorization: "Bearer sk-of-the-layer" })
        assert.strictEqual(fake.dials(), 0)
        assert.deepInclude(yield* stats, { serving: "first", fallbacks: 0, fellBack: 0, lastError: undefined })
      }).pipe(Effect.provide(layer("both")))
    }))

  it.scoped("does not fall back where the socket was asked for", () =>
    Effect.gen(function*() {
      const { first, second, service, stats } = yield* known
      const refused = new ConnectionError({ reason: "Refused", delivery: "unsent", description: "No", status: 426 })
      first.opens(Effect.fail(refused))
      const only = Effect.scoped(service.open(request, { transport: "websocket" }))
      assert.strictEqual(yield* Effect.flip(only), refused)
      assert.deepStrictEqual([first.calls.opens, second.calls.opens], [1, 0])
      assert.deepInclude(yield* stats, { serving: "second", fallbacks: 1, fellBack: 0 })
      // It is asked for although it is known to be down, and serves the others if it is there again.
      first.opens(Effect.void)
      assert.strictEqual((yield* only).transport, "websocket")
      yield* settle
      assert.deepInclude(yield* stats, { serving: "first", fallbacks: 1, fellBack: 0 })
    }))

  it.scoped("counts what HTTP serves because it was asked for neither as an outage nor as fallen back", () =>
    Effect.gen(function*() {
      const { first, second, service, stats } = yield* known
      second.opens(Effect.fail(new ConnectionError({ reason: "Refused", delivery: "unsent", description: "No" })))
      yield* Effect.flip(Effect.scoped(service.open(request, { transport: "http" })))
      second.opens(Effect.void)
      yield* Effect.scoped(service.open(request, { transport: "http" }))
      assert.deepStrictEqual([first.calls.opens, second.calls.opens], [0, 2])
      assert.deepInclude(yield* stats, { serving: "first", fallbacks: 0, fellBack: 0, probes: 0 })
    }))

  it.scoped("a warm-up stays with the socket, which refuses headers", () =>
    Effect.gen(function*() {
      const { fake, layer, posts } = yield* make()
      const error = yield* Effect.flip(
        Effect.provide(
          Effect.scoped(Responses.open({ ...request, generate: false }, { headers: { "x-tag": "a" } })),
          layer("both")
        )
      )
      assert.deepInclude(error, { _tag: "InvalidRequest", field: "headers" })
      assert.deepStrictEqual([fake.dials(), posts.length], [0, 0])
    }))

  it.scoped("is one of several in a row", () =>
    Effect.gen(function*() {
      const { first, second } = yield* known
      const third = { ...second, open: () => Effect.dieMessage("third") }
      const row = Responses.orElse(Responses.orElse(first, second), third)
      assert.deepStrictEqual(row.transports, ["websocket", "http"])
      const asked = yield* Effect.scoped(row.open(request, { transport: "http" }))
      assert.strictEqual(asked.transport, "http")
    }))
})

/** Two transports that say what they are. */
const known = Effect.gen(function*() {
  const { first, second } = yield* pair()
  const service = yield* ResponsesFallback.make(
    { ...first, transports: ["websocket"] },
    { ...second, transports: ["http"] }
  )
  return {
    first: { ...first, transports: ["websocket"] as const },
    second: { ...second, transports: ["http"] as const },
    service,
    stats: service.stats
  }
})

describe("values of headers", () => {
  const value = "of-tenant-4711-only"

  const echoes: ReadonlyArray<readonly [what: string, () => Response]> = [
    [
      "a refusal",
      () =>
        new Response(JSON.stringify({ error: { code: value, message: `Who is ${value}?`, type: value } }), {
          status: 400,
          headers: { "x-request-id": value, "content-type": "application/json" }
        })
    ],
    ["a failed response", () =>
      new Response(
        body([FakeServer.created(`resp_${value}`), {
          type: "response.failed",
          response: {
            id: `resp_${value}`,
            status: "failed",
            error: { code: value, message: encodeURIComponent(value) }
          }
        }]),
        { headers: { "content-type": "text/event-stream", "x-request-id": value } }
      )],
    ["nonsense", () => new Response(`<p>${value}</p>`, { headers: { "content-type": "text/html" } })]
  ]
  for (const [what, echo] of echoes) {
    for (const given of [value, Redacted.make(value)]) {
      it.scoped(`are in no error, log and span: ${what} that quotes ${Redacted.isRedacted(given) ? "a secret" : "a plain one"}`, () =>
        Effect.gen(function*() {
          const server = yield* make(echo)
          const logged: Array<unknown> = []
          const spans: Array<Tracer.Span> = []
          const logger = Logger.make((entry) => void logged.push(entry))
          const tracer = yield* recording(spans)
          const exit = yield* Effect.exit(ask({ headers: { "x-tenant": given } })).pipe(
            Effect.tap(Effect.logError),
            Effect.withTracer(tracer),
            Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
            Logger.withMinimumLogLevel(LogLevel.All),
            Effect.provide(server.layer("both"))
          )
          assert(exit._tag === "Failure")
          assert.strictEqual(server.posts[0]?.headers["x-tenant"], value)
          assert.isAbove(logged.length, 0)
          assert.isAbove(spans.length, 1)
          const seen = [
            exit,
            Cause.pretty(exit.cause),
            logged,
            spans.map(({ attributes, status }) => [attributes, status])
          ]
          assert.notInclude(inspect(seen, { depth: 20 }), value)
        }))
    }
  }
})

const recording = (spans: Array<Tracer.Span>) =>
  Effect.map(Effect.tracer, (tracer) =>
    Tracer.make({
      context: (run, fiber) => tracer.context(run, fiber),
      span: (...args) => {
        const span = tracer.span(...args)
        spans.push(span)
        return span
      }
    }))

describe("the mock", () => {
  it.scoped("keeps the options of each request, and serves as a socket with HTTP behind it", () =>
    Effect.gen(function*() {
      const mock = yield* ResponsesTest.make(() => ResponsesTest.text("Hello"))
      const opened = (options?: RequestOptions) =>
        Effect.map(Effect.scoped(mock.open(request, options)), ({ transport }) => transport)
      const headers = { "x-tag": "a" }
      assert.strictEqual(yield* opened(), "websocket")
      assert.strictEqual(yield* opened({ headers }), "http")
      assert.strictEqual(yield* opened({ transport: "http" }), "http")
      assert.isTrue(Either.isLeft(yield* Effect.either(opened({ timeout: 0 }))))
      assert.deepStrictEqual(yield* mock.requestOptions, [{}, { headers }, { transport: "http" }])
    }))

  it.scoped("is told the options by every way of asking", () =>
    Effect.gen(function*() {
      const mock = yield* ResponsesTest.make(() => ResponsesTest.text("Hello"))
      const timeout = "1 minute"
      const ways: ReadonlyArray<Effect.Effect<unknown, unknown, Responses.Responses | Scope.Scope>> = [
        Responses.open(request, { timeout }),
        Responses.create(request, { timeout }),
        Responses.forEach(request, () => {}, { timeout }),
        Responses.warmUp(request, { timeout }),
        Stream.runDrain(Responses.stream(request, { timeout, onOpen: () => Effect.void }))
      ]
      yield* Effect.forEach(ways, Effect.provideService(Responses.Responses, mock))
      assert.deepStrictEqual(yield* mock.requestOptions, ways.map(() => ({ timeout })))
    }))
})
