import type { HttpClientRequest } from "@effect/platform"
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Chunk,
  ConfigError,
  ConfigProvider,
  Deferred,
  Duration,
  Effect,
  Exit,
  FastCheck,
  Fiber,
  Layer,
  Redacted,
  Scope,
  Stream,
  TestClock
} from "effect"
import type { ResponseRequest } from "../src/ResponseRequest.ts"
import * as Responses from "../src/Responses.ts"
import type { ConnectionError, ResponsesError } from "../src/ResponsesError.ts"
import * as ResponsesHttp from "../src/ResponsesHttp.ts"
import * as Thorough from "./support/thorough.ts"

const key = "sk-very-secret"
const options: ResponsesHttp.Options = { apiKey: Redacted.make(key), baseUrl: "https://example.test/v1" }
const request: ResponseRequest = { model: "m", input: "Grüße 🚀" }

const text = new TextEncoder()
const created = { type: "response.created", response: { id: "resp_1", status: "in_progress" } }
const delta = (delta: string) => ({ type: "response.output_text.delta", item_id: "msg_1", delta })
const completed = { type: "response.completed", response: { id: "resp_1", status: "completed", output: [] } }
const turn = [created, delta("Grüße"), delta(" 🚀"), completed]

const sse = (...events: ReadonlyArray<object | string>) =>
  events.map((event) => `data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`).join("")

const eventStream = { "content-type": "text/event-stream; charset=utf-8" }

/** A body of these pieces; `more` is what comes after them: the end, an error, or nothing at all. */
const body = (pieces: ReadonlyArray<string | Uint8Array>, more: "end" | "error" | "nothing" = "end") => {
  let next = 0
  return new ReadableStream<Uint8Array>({
    pull: (controller) => {
      const piece = pieces[next++]
      if (piece !== undefined) return controller.enqueue(typeof piece === "string" ? text.encode(piece) : piece)
      if (more === "end") return controller.close()
      if (more === "error") {
        return controller.error(new TypeError("terminated", { cause: { message: "other side closed" } }))
      }
      return new Promise<void>(() => {})
    }
  })
}

interface Seen {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly signal: AbortSignal
}

type Answer = () => Effect.Effect<
  Response,
  (request: HttpClientRequest.HttpClientRequest) => HttpClientError.HttpClientError
>

const serve = (answer: Answer) => {
  const seen: Array<Seen> = []
  const client = HttpClient.make((request, _url, signal) =>
    Effect.suspend(() => {
      seen.push({ request, signal })
      return Effect.mapBoth(answer(), {
        onSuccess: (response) => HttpClientResponse.fromWeb(request, response),
        onFailure: (error) => error(request)
      })
    })
  )
  return { seen, client, layer: Layer.succeed(HttpClient.HttpClient, client) }
}

const answering = (...args: ConstructorParameters<typeof Response>) =>
  serve(() => Effect.sync(() => new Response(...args)))

const streaming = (...args: Parameters<typeof body>) =>
  serve(() => Effect.sync(() => new Response(body(...args), { headers: eventStream })))

const failing = (cause: unknown) =>
  serve(() => Effect.fail((request) => new HttpClientError.RequestError({ request, reason: "Transport", cause })))

const http = (server: { readonly client: HttpClient.HttpClient }, own: Partial<ResponsesHttp.Options> = {}) =>
  ResponsesHttp.make({ ...options, ...own }).pipe(
    Effect.provideService(HttpClient.HttpClient, server.client),
    Effect.orDie
  )

const open = (server: { readonly client: HttpClient.HttpClient }, own: ResponseRequest = request) =>
  Effect.flatMap(http(server), (responses) => responses.open(own))

/** All events, and the error if the response failed. */
const collect = (response: Responses.OpenResponse) =>
  Effect.suspend(() => {
    const events: Array<object> = []
    return Stream.runForEach(response.events, (event) => Effect.sync(() => events.push(event))).pipe(
      Effect.either,
      Effect.map((end) => ({ events, error: end._tag === "Left" ? end.left : undefined }))
    )
  })

const openError = (server: { readonly client: HttpClient.HttpClient }, own?: ResponseRequest) =>
  Effect.flip(Effect.scoped(open(server, own)))

const assertConnectionError = (error: ResponsesError | undefined, expected: Partial<ConnectionError>) => {
  assert.strictEqual(error?._tag, "ConnectionError")
  assert.deepInclude(error, expected)
}

const bodyOf = (seen: Seen | undefined) => {
  const sent = seen?.request.body
  if (sent?._tag !== "Uint8Array") throw new Error("a body of another kind")
  return sent.body
}

const words = (error: unknown) => Cause.pretty(Cause.fail(error))

describe("ResponsesHttp", () => {
  describe("what is sent", () => {
    it.scoped("is a streamed POST with the credentials, and says how long it was", () =>
      Effect.gen(function*() {
        const server = streaming([sse(...turn)])
        const response = yield* open(server, { ...request, stream_id: "lane", previous_response_id: "resp_0" })
        const { request: sent } = server.seen[0]!
        assert.strictEqual(sent.method, "POST")
        assert.strictEqual(sent.url, "https://example.test/v1/responses")
        assert.deepInclude(sent.headers, {
          authorization: `Bearer ${key}`,
          accept: "text/event-stream",
          "content-type": "application/json"
        })
        assert.deepStrictEqual(JSON.parse(new TextDecoder().decode(bodyOf(server.seen[0]))), {
          model: "m",
          input: "Grüße 🚀",
          previous_response_id: "resp_0",
          stream: true
        })
        assert.deepInclude(response, {
          id: "resp_1",
          transport: "http",
          input: "delta",
          bytesSent: bodyOf(server.seen[0]).byteLength
        })
        assert.deepStrictEqual(response.recoveries, [])
      }))

    it.scoped("is the full input without previous_response_id", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* open(streaming([sse(...turn)]))).input, "full")
      }))

    it.scoped("is timed until the first event", () =>
      Effect.gen(function*() {
        const server = serve(() =>
          Effect.as(TestClock.adjust(100), new Response(body([sse(...turn)]), { headers: eventStream }))
        )
        yield* TestClock.adjust(1000)
        const response = yield* open(server)
        assert.deepStrictEqual([response.firstEvent, response.queued], [Duration.millis(100), Duration.zero])
      }))

    it.effect("has the key of this very request", () =>
      Effect.gen(function*() {
        let reads = 0
        const server = streaming([sse(...turn)])
        const responses = yield* http(server, { apiKey: Effect.sync(() => Redacted.make(`key-${reads++}`)) })
        yield* Effect.scoped(responses.open(request))
        yield* Effect.scoped(responses.open(request))
        assert.deepStrictEqual(server.seen.map(({ request }) => request.headers["authorization"]), [
          "Bearer key-1",
          "Bearer key-2"
        ])
      }))

    it.effect("is nothing when the key cannot be had any more", () =>
      Effect.gen(function*() {
        let reads = 0
        const server = streaming([sse(...turn)])
        const responses = yield* http(server, {
          apiKey: Effect.suspend(() =>
            reads++ === 0
              ? Effect.succeed(Redacted.make(key))
              : Effect.fail(ConfigError.MissingData(["vault"], "is sealed"))
          )
        })
        const error = yield* Effect.flip(Effect.scoped(responses.open(request)))
        assertConnectionError(error, { reason: "Credentials", delivery: "unsent" })
        assert.include(error.message, "is sealed")
        assert.strictEqual(server.seen.length, 0)
      }))

    it.effect("is nothing for a warm-up, which HTTP would turn into paid work", () =>
      Effect.gen(function*() {
        const server = streaming([sse(...turn)])
        const error = yield* Effect.flip(
          Responses.warmUp(request).pipe(
            Effect.provide(Layer.provide(ResponsesHttp.layer(options), server.layer))
          )
        )
        assert.deepInclude(error, { _tag: "InvalidRequest", field: "generate" })
        assert.strictEqual(server.seen.length, 0)
      }))

    it.effect("is nothing for a request that is wrong", () =>
      Effect.gen(function*() {
        const server = streaming([sse(...turn)])
        assert.deepInclude(yield* openError(server, { model: "" }), { _tag: "InvalidRequest", field: "model" })
        assert.strictEqual(server.seen.length, 0)
      }))
  })

  describe("redirects", () => {
    it.effect("are refusals, because following would carry the key elsewhere", () =>
      Effect.gen(function*() {
        for (const status of [301, 302, 303, 307, 308]) {
          const server = answering(null, { status, headers: { location: "https://elsewhere.test/" } })
          assertConnectionError(yield* openError(server), { reason: "Refused", delivery: "unsent", status })
          assert.strictEqual(server.seen.length, 1)
        }
      }))

    it.effect("are not followed by fetch, whose other options stay", () =>
      Effect.gen(function*() {
        const inits: Array<RequestInit | undefined> = []
        const fetch: typeof globalThis.fetch = (_url, init) => {
          inits.push(init)
          return Promise.resolve(new Response(body([sse(...turn)]), { headers: eventStream }))
        }
        const layer = ResponsesHttp.layer(options).pipe(
          Layer.provide(FetchHttpClient.layer),
          Layer.provide(Layer.succeed(FetchHttpClient.RequestInit, { keepalive: true })),
          Layer.provide(Layer.succeed(FetchHttpClient.Fetch, fetch))
        )
        const create = Responses.create(request)
        yield* Effect.gen(function*() {
          yield* create
          yield* Effect.provideService(create, FetchHttpClient.RequestInit, { mode: "cors", redirect: "follow" })
        }).pipe(Effect.provide(layer))
        assert.deepInclude(inits[0], { redirect: "manual", keepalive: true })
        assert.deepInclude(inits[1], { redirect: "manual", keepalive: true, mode: "cors" })
      }))
  })

  describe("the answer", () => {
    it.scoped("opens at the first event with an id, and what came before it is delivered first", () =>
      Effect.gen(function*() {
        const early = { type: "codex.rate_limits", limit: 1 }
        const response = yield* open(streaming([": hello\n\n", sse(early), sse(created), sse(completed)]))
        assert.strictEqual(response.id, "resp_1")
        assert.deepStrictEqual((yield* collect(response)).events, [early, created, completed])
      }))

    it.effect("opens before the rest has come", () =>
      Effect.gen(function*() {
        const response = yield* Effect.scoped(open(streaming([sse(created)], "nothing")))
        assert.strictEqual(response.id, "resp_1")
      }))

    it.scoped("keeps the chunks of the network", () =>
      Effect.gen(function*() {
        const response = yield* open(streaming([sse(created, delta("a"), delta("b"), completed)]))
        const chunks = yield* Stream.runCollect(Stream.chunks(response.events))
        assert.deepStrictEqual(Chunk.toReadonlyArray(chunks).map(Chunk.size), [4])
      }))

    it.effect.prop(
      "gives the same events wherever the network cuts its bytes",
      [
        FastCheck.array(FastCheck.nat(), { maxLength: 12 }),
        FastCheck.constantFrom("\n", "\r\n", "\r"),
        FastCheck.boolean()
      ],
      ([cuts, newline, doneMarker]) =>
        Effect.gen(function*() {
          const comment = ": ping\n\nevent: response.created\nid: 1\nretry: 3000\n"
          const whole = text.encode(
            (comment + sse(...turn, ...(doneMarker ? ["[DONE]"] : []))).replaceAll("\n", newline)
          )
          const at = [0, ...cuts.map((cut) => cut % whole.length).toSorted((a, b) => a - b), whole.length]
          const pieces = at.slice(1).map((end, index) => whole.slice(at[index], end))
          const response = yield* open(streaming(pieces))
          const { error, events } = yield* collect(response)
          assert.isUndefined(error)
          assert.deepStrictEqual(events, turn)
        }).pipe(Effect.scoped)
    )

    it.scoped("gives the same events cut after each byte, and at each single place", () =>
      Effect.gen(function*() {
        const whole = text.encode(sse(...turn))
        const bytes = Array.from(whole, (byte) => Uint8Array.of(byte))
        assert.deepStrictEqual((yield* collect(yield* open(streaming(bytes)))).events, turn)
        const { first, step } = Thorough.steps(0)
        for (let cut = 1 + first; cut < whole.length; cut += step) {
          const { events } = yield* collect(yield* open(streaming([whole.slice(0, cut), whole.slice(cut)])))
          assert.deepStrictEqual(events, turn)
        }
      }))

    it.scoped("may lack the blank line after its last event", () =>
      Effect.gen(function*() {
        const { error, events } = yield* collect(yield* open(streaming([sse(...turn).trimEnd()])))
        assert.isUndefined(error)
        assert.strictEqual(events.length, turn.length)
      }))

    it.scoped("has no events after its end", () =>
      Effect.gen(function*() {
        const trailing = sse({ type: "response.done", response: { id: "resp_1" } }, { type: "error", message: "late" })
        const { error, events } = yield* collect(yield* open(streaming([sse(...turn) + trailing, trailing], "nothing")))
        assert.isUndefined(error)
        assert.strictEqual(events.length, turn.length)
      }))

    it.scoped("does not run ahead of a caller that is behind", () =>
      Effect.gen(function*() {
        let pulled = 0
        const piece = sse(delta("x".repeat(1 << 18)))
        const stream = new ReadableStream<Uint8Array>({
          pull: (controller) => {
            pulled += 1
            controller.enqueue(text.encode(pulled === 1 ? sse(created) : pulled === 100 ? sse(completed) : piece))
            if (pulled === 100) controller.close()
          }
        }, { highWaterMark: 0 })
        const response = yield* open(serve(() => Effect.sync(() => new Response(stream, { headers: eventStream }))))
        for (let i = 0; i < 1000; i++) yield* Effect.yieldNow()
        assert.isBelow(pulled, 10)
        assert.strictEqual((yield* collect(response)).events.length, 100)
      }))

    it.effect("in one piece of JSON is the end of the response", () =>
      Effect.gen(function*() {
        const table = [
          [{ id: "resp_1", status: "completed", output: [] }, "response.completed"],
          [{ id: "resp_1", output: [] }, "response.completed"],
          [{ id: "resp_1", status: "incomplete" }, "response.incomplete"]
        ] as const
        for (const [response, type] of table) {
          const server = answering(JSON.stringify(response), { headers: { "content-type": "application/json" } })
          const { error, events } = yield* Effect.scoped(Effect.flatMap(open(server), collect))
          assert.isUndefined(error)
          assert.deepStrictEqual(events, [{ type, response }])
        }
      }))

    it.effect("in one piece of JSON can be a failure", () =>
      Effect.gen(function*() {
        const table = [
          [
            JSON.stringify({ id: "resp_1", status: "failed", error: { code: "server_error", message: "Broke" } }),
            { _tag: "ResponseFailed", code: "server_error", description: "Broke", responseId: "resp_1" }
          ],
          [
            JSON.stringify({ error: { code: "slow_down", message: `Slow down, ${key}` } }),
            { _tag: "ResponseFailed", code: "slow_down", description: "Slow down, <redacted>" }
          ],
          [JSON.stringify({ id: "resp_1", status: "queued" }), { _tag: "MalformedEvent" }],
          [JSON.stringify({ id: "resp_1", status: 3 }), { _tag: "MalformedEvent" }],
          [JSON.stringify([1]), { _tag: "MalformedEvent", description: "a message that is not an object" }],
          ["", { _tag: "MalformedEvent", description: "a message that is not JSON" }]
        ] as const
        for (const [json, expected] of table) {
          const server = answering(json, { headers: { "content-type": "application/json" } })
          assert.deepInclude(yield* openError(server), expected)
        }
      }))

    it.effect("of another kind is told apart", () =>
      Effect.gen(function*() {
        const error = yield* openError(answering(`<html>Log in ${key}`, { headers: { "content-type": "text/html" } }))
        assert.deepInclude(error, {
          _tag: "MalformedEvent",
          description: "text/html instead of events",
          frame: "<html>Log in <redacted>",
          delivery: "unacknowledged"
        })
      }))
  })

  describe("failures", () => {
    it.effect("of the status become typed errors without the key", () =>
      Effect.gen(function*() {
        const json = (error: object) => JSON.stringify({ error })
        const table = [
          [401, json({ code: "invalid_api_key", message: `Incorrect API key: ${key}` }), {
            _tag: "ResponseFailed",
            status: 401,
            delivery: "unsent",
            description: "Incorrect API key: <redacted>",
            retryable: false
          }],
          [400, json({ code: "previous_response_not_found", message: "Not found." }), {
            _tag: "PreviousResponseNotFound",
            previousResponseId: "resp_0"
          }],
          [429, json({ code: "rate_limit_exceeded" }), { _tag: "ResponseFailed", status: 429, retryable: true }],
          [502, "<html>Bad gateway</html>", { description: "<html>Bad gateway</html>", status: 502, retryable: true }],
          [503, "", { description: "The server answered with status 503", delivery: "unacknowledged" }],
          [500, "x".repeat(1 << 20), { description: "x".repeat(200), status: 500 }]
        ] as const
        for (const [status, text, expected] of table) {
          const error = yield* openError(answering(text, { status }), { ...request, previous_response_id: "resp_0" })
          assert.deepInclude(error, expected)
          assert.notInclude(JSON.stringify(error), key)
        }
      }))

    it.effect("of the status are the same with a client that takes them for errors", () =>
      Effect.gen(function*() {
        const server = answering("{\"error\":{\"message\":\"No.\"}}", { status: 403 })
        const error = yield* openError({ client: HttpClient.filterStatusOk(server.client) })
        assert.deepInclude(error, { _tag: "ResponseFailed", status: 403, description: "No." })
      }))

    it.effect("of the status do not wait long for a body that does not come", () =>
      Effect.gen(function*() {
        const waiting = yield* Deferred.make<void>()
        const stream = new ReadableStream<Uint8Array>({
          pull: () => {
            Deferred.unsafeDone(waiting, Effect.void)
            return new Promise(() => {})
          }
        }, { highWaterMark: 0 })
        const server = serve(() => Effect.sync(() => new Response(stream, { status: 503 })))
        const fiber = yield* Effect.fork(openError(server))
        yield* Deferred.await(waiting)
        yield* TestClock.adjust("10 seconds")
        assert.deepInclude(yield* Fiber.join(fiber), { status: 503 })
        assert.isTrue(server.seen[0]!.signal.aborted)
      }))

    it.effect("of the status do not wait for a body that never ends", () =>
      Effect.gen(function*() {
        const server = serve(() =>
          Effect.sync(() => new Response(body(["x".repeat(1 << 17)], "nothing"), { status: 500 }))
        )
        assert.deepInclude(yield* openError(server), { status: 500 })
        assert.isTrue(server.seen[0]!.signal.aborted)
      }))

    it.effect("before an answer are unsent only where that is certain", () =>
      Effect.gen(function*() {
        const system = (code: string, syscall?: string) =>
          Object.assign(new Error(`${syscall} ${code}`), { code, syscall })
        const fetchFailed = (cause: unknown) => new TypeError("fetch failed", { cause })
        const table = [
          [system("ECONNREFUSED", "connect"), "unsent", "connect ECONNREFUSED"],
          [fetchFailed(system("ENOTFOUND", "getaddrinfo")), "unsent", "getaddrinfo ENOTFOUND"],
          [fetchFailed(system("ETIMEDOUT", "connect")), "unsent", "connect ETIMEDOUT"],
          [fetchFailed(system("EHOSTUNREACH", "connect")), "unsent", "connect EHOSTUNREACH"],
          [
            fetchFailed(Object.assign(new Error("timed out"), { code: "UND_ERR_CONNECT_TIMEOUT" })),
            "unsent",
            "timed out"
          ],
          [
            fetchFailed(
              Object.assign(new AggregateError([system("ECONNREFUSED", "connect")]), { code: "ECONNREFUSED" })
            ),
            "unsent",
            "connect ECONNREFUSED"
          ],
          [fetchFailed(Object.assign(new Error("expired"), { code: "CERT_HAS_EXPIRED" })), "unsent", "expired"],
          [fetchFailed(system("ECONNRESET", "read")), "unacknowledged", "read ECONNRESET"],
          [fetchFailed(system("ETIMEDOUT", "read")), "unacknowledged", "read ETIMEDOUT"],
          [
            fetchFailed(Object.assign(new Error("other side closed"), { code: "UND_ERR_SOCKET" })),
            "unacknowledged",
            "other"
          ],
          [new TypeError("fetch failed"), "unacknowledged", "fetch failed"],
          [undefined, "unacknowledged", "no reason is known"],
          ["just words", "unacknowledged", "just words"],
          [new Error(`Headers: Bearer ${key}`), "unacknowledged", "Headers: Bearer <redacted>"]
        ] as const
        for (const [cause, delivery, words] of table) {
          const error = yield* openError(failing(cause))
          assertConnectionError(error, { reason: delivery === "unsent" ? "Unreachable" : "Lost", delivery })
          assert.include(error.message, words)
        }
      }))

    it.effect("leave the client's error behind, which holds the headers", () =>
      Effect.gen(function*() {
        const cause: { cause?: unknown } = {}
        cause.cause = cause
        const error = yield* openError(failing(cause))
        assert.isFalse("cause" in error && error.cause !== undefined)
        assert.notInclude(JSON.stringify(error), key)
      }))

    const failures: ReadonlyArray<readonly [string, ReadonlyArray<object>, object]> = [
      ["response.failed", [created, {
        type: "response.failed",
        response: { id: "resp_1", error: { code: "server_error", message: "Broke" } }
      }], { _tag: "ResponseFailed", code: "server_error", delivery: "unacknowledged", responseId: "resp_1" }],
      ["an error frame", [created, delta("a"), { type: "error", code: "server_error", message: "Broke" }], {
        _tag: "ResponseFailed",
        delivery: "partial"
      }],
      ["an untyped error", [created, delta("a"), { error: { message: "Broke" } }], {
        _tag: "ResponseFailed",
        description: "Broke"
      }],
      ["a known event without its field", [created, { type: "response.output_text.delta" }], {
        _tag: "MalformedEvent",
        delivery: "unacknowledged"
      }]
    ]
    for (const [name, events, expected] of failures) {
      it.scoped(`${name} fails the events, after those before it`, () =>
        Effect.gen(function*() {
          const end = yield* collect(yield* open(streaming([sse(...events)], "nothing")))
          assert.deepInclude(end.error, expected)
          assert.deepStrictEqual(end.events, events.slice(0, -1))
        }))
    }

    it.scoped("nothing that follows a malformed event is delivered", () =>
      Effect.gen(function*() {
        const end = yield* collect(yield* open(streaming([sse(created, "noise", delta("a"), completed)])))
        assert.deepInclude(end.error, { _tag: "MalformedEvent", frame: "noise", delivery: "unacknowledged" })
        assert.deepStrictEqual(end.events, [created])
      }))

    it.effect("before the response has an id fail the opening", () =>
      Effect.gen(function*() {
        const table: ReadonlyArray<readonly [ReturnType<typeof serve>, object]> = [
          [streaming([sse({ type: "error", code: "slow_down", message: "Slow" })]), {
            _tag: "ResponseFailed",
            delivery: "unsent"
          }],
          [streaming([]), { _tag: "ConnectionError", reason: "Lost", delivery: "unacknowledged" }],
          [streaming([sse("[DONE]")]), { _tag: "ConnectionError", reason: "Lost", delivery: "unacknowledged" }],
          [streaming([], "error"), { _tag: "ConnectionError", reason: "Lost", delivery: "unacknowledged" }],
          [streaming([sse("{not json")]), { _tag: "MalformedEvent", delivery: "unacknowledged" }],
          [streaming([`data: ${JSON.stringify(created).slice(0, 20)}`]), { _tag: "ConnectionError", reason: "Lost" }],
          [answering(null, { status: 200 }), { _tag: "ConnectionError", reason: "Lost" }]
        ]
        for (const [server, expected] of table) assert.deepInclude(yield* openError(server), expected)
      }))

    it.effect("in the middle are lost connections, and say whether output came", () =>
      Effect.gen(function*() {
        const table = [
          [streaming([sse(created)]), "unacknowledged", "ended its answer"],
          [streaming([sse(created, delta("a"))]), "partial", "ended its answer"],
          [streaming([sse(created, delta("a"), "[DONE]")]), "partial", "ended the events"],
          [streaming([sse(created, delta("a"))], "error"), "partial", "other side closed"],
          [streaming([sse(created)], "error"), "unacknowledged", "other side closed"]
        ] as const
        for (const [server, delivery, words] of table) {
          const { error } = yield* Effect.scoped(Effect.flatMap(open(server), collect))
          assertConnectionError(error, { reason: "Lost", delivery })
          assert.include(error?.message, words)
        }
      }))

    it.scoped("an event that never ends is given up before memory is", () =>
      Effect.gen(function*() {
        const piece = text.encode("x".repeat(1 << 22))
        const endless = function*() {
          yield text.encode(sse(created) + "data: ")
          while (true) yield piece
        }
        const pieces = endless()
        const server = serve(() =>
          Effect.sync(() =>
            new Response(
              new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(pieces.next().value) }),
              { headers: eventStream }
            )
          )
        )
        const { error } = yield* collect(yield* open(server))
        assert.strictEqual(error?._tag, "MalformedEvent")
      }))
  })

  describe("giving up", () => {
    const aborted = (server: { readonly seen: ReadonlyArray<Seen> }) => server.seen.map(({ signal }) => signal.aborted)

    it.effect("while connecting aborts the request", () =>
      Effect.gen(function*() {
        const asked = yield* Deferred.make<void>()
        const server = serve(() => Effect.zipRight(Deferred.succeed(asked, undefined), Effect.never))
        const fiber = yield* Effect.fork(Effect.scoped(open(server)))
        yield* Deferred.await(asked)
        assert.deepStrictEqual(aborted(server), [false])
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        assert.deepStrictEqual(aborted(server), [true])
      }))

    it.effect("while the first event is due aborts the request", () =>
      Effect.gen(function*() {
        const waiting = yield* Deferred.make<void>()
        const stream = new ReadableStream<Uint8Array>({
          pull: () => {
            Deferred.unsafeDone(waiting, Effect.void)
            return new Promise(() => {})
          }
        }, { highWaterMark: 0 })
        const server = serve(() => Effect.sync(() => new Response(stream, { headers: eventStream })))
        const fiber = yield* Effect.fork(Effect.scoped(open(server)))
        yield* Deferred.await(waiting)
        assert.deepStrictEqual(aborted(server), [false])
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        assert.deepStrictEqual(aborted(server), [true])
      }))

    it.effect("in the middle aborts the request", () =>
      Effect.gen(function*() {
        const server = streaming([sse(created, delta("a"))], "nothing")
        const first = yield* Responses.stream(request).pipe(
          Stream.take(1),
          Stream.runCollect,
          Effect.provide(Layer.provide(ResponsesHttp.layer(options), server.layer))
        )
        assert.strictEqual(first.length, 1)
        assert.deepStrictEqual(aborted(server), [true])
      }))

    it.effect("ends with the caller's scope, and whoever still reads is told", () =>
      Effect.gen(function*() {
        const server = streaming([sse(created, delta("a"))], "nothing")
        const scope = yield* Scope.make()
        const response = yield* Scope.extend(open(server), scope)
        const reading = yield* Effect.fork(collect(response))
        yield* Effect.yieldNow()
        assert.deepStrictEqual(aborted(server), [false])
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(aborted(server), [true])
        assertConnectionError((yield* Fiber.join(reading)).error, { reason: "Lost", delivery: "partial" })
      }))

    it.effect("a failed attempt gives its connection back at once", () =>
      Effect.gen(function*() {
        const server = streaming([sse({ type: "error", message: "No." })], "nothing")
        const scope = yield* Scope.make()
        yield* Effect.flip(Scope.extend(open(server), scope))
        assert.deepStrictEqual(aborted(server), [true])
        yield* Scope.close(scope, Exit.void)
      }))

    it.effect("nothing is cut off once the body was read to its end", () =>
      Effect.gen(function*() {
        let cancelled = false
        const pieces = [sse(...turn), sse("[DONE]")]
        const stream = new ReadableStream<Uint8Array>({
          // One turn of the event loop between the pieces, as on a network.
          pull: async (controller) => {
            await new Promise((resolve) => setImmediate(resolve))
            const piece = pieces.shift()
            if (piece === undefined) controller.close()
            else controller.enqueue(text.encode(piece))
          },
          cancel: () => {
            cancelled = true
          }
        }, { highWaterMark: 0 })
        const server = serve(() => Effect.sync(() => new Response(stream, { headers: eventStream })))
        yield* Effect.scoped(Effect.flatMap(open(server), (response) => Stream.runDrain(response.events)))
        assert.isFalse(cancelled)
      }))

    it.effect("a defect of the client stays a defect", () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(Effect.scoped(open(serve(() => Effect.dieMessage("bug")))))
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      }))
  })

  describe("layers", () => {
    const created = (
      layer: Layer.Layer<Responses.Responses, ConfigError.ConfigError, HttpClient.HttpClient>,
      env: object
    ) =>
      Effect.gen(function*() {
        const server = streaming([sse(...turn)])
        yield* Responses.create(request).pipe(
          Effect.provide(Layer.provide(layer, server.layer)),
          Effect.withConfigProvider(ConfigProvider.fromJson(env))
        )
        const { headers, url } = server.seen[0]!.request
        return { url, authorization: headers["authorization"] }
      })

    it.effect("take the key and the server from the environment", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* created(ResponsesHttp.layerConfig(), { OPENAI_API_KEY: "k" }), {
          url: "https://api.openai.com/v1/responses",
          authorization: "Bearer k"
        })
        assert.deepStrictEqual(
          yield* created(ResponsesHttp.layerConfig(), {
            OPENAI_API_KEY: "k",
            OPENAI_BASE_URL: "http://localhost:1/v1"
          }),
          { url: "http://localhost:1/v1/responses", authorization: "Bearer k" }
        )
      }))

    it.effect("fail when they are built without a key", () =>
      Effect.gen(function*() {
        assert.include(words(yield* Effect.flip(created(ResponsesHttp.layerConfig(), {}))), "OPENAI_API_KEY")
        assert.include(words(yield* Effect.flip(created(ResponsesHttp.layer({}), {}))), "apiKey")
      }))
  })
})
