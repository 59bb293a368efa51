import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ResponseEvent } from "../src/ResponseEvent.ts"
import * as Responses from "../src/Responses.ts"
import * as ResponsesError from "../src/ResponsesError.ts"
import * as ResponsesFetch from "../src/ResponsesFetch.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as OpenResponse from "./support/openResponse.ts"

const url = "https://api.openai.com/v1/responses"

const body = (more: object = {}) => JSON.stringify({ model: "gpt-5.5", input: "Hi", stream: true, ...more })

const created: ResponseEvent = { type: "response.created", sequence_number: 0, response: { id: "resp_1" } }
const delta: ResponseEvent = { type: "response.output_text.delta", sequence_number: 1, item_id: "msg_1", delta: "ä" }

const opened = (events: Responses.OpenResponse["events"]) => OpenResponse.make("websocket", events)

interface Log {
  /** Set when a response was opened, and when its scope was closed. */
  readonly begun: Deferred.Deferred<void>
  readonly closed: Deferred.Deferred<Exit.Exit<unknown, unknown>>
}

/** A transport that does as it is told, and tells when it was left. */
const transport = (open: Effect.Effect<Responses.OpenResponse, ResponsesError.ResponsesError>) =>
  Effect.gen(function*() {
    const log: Log = {
      begun: yield* Deferred.make<void>(),
      closed: yield* Deferred.make<Exit.Exit<unknown, unknown>>()
    }
    const service: Responses.Service = {
      open: () =>
        Effect.addFinalizer((exit) => Deferred.succeed(log.closed, exit)).pipe(
          Effect.zipRight(Deferred.succeed(log.begun, undefined)),
          Effect.zipRight(open)
        )
    }
    return { log, service }
  })

const make = (service: Responses.Service, options?: ResponsesFetch.Options) =>
  Effect.provideService(ResponsesFetch.make(options), Responses.Responses, service)

const promise = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: (error) => error })

const post = (fetch: typeof globalThis.fetch, init: RequestInit = {}) =>
  fetch(url, { method: "POST", body: body(), ...init })

const parse = (text: string) =>
  text.split("\n\n").filter((message) => message !== "").map((message) => {
    const [event = "", data = ""] = message.split("\n")
    const parsed: { readonly type: string; readonly [field: string]: unknown } = JSON.parse(data.slice("data: ".length))
    assert.strictEqual(event, `event: ${parsed.type}`)
    return parsed
  })

describe("what goes over Responses", () => {
  const mock = Effect.flatMap(
    ResponsesTest.make([ResponsesTest.text("Hello"), ResponsesTest.text("Hello"), ResponsesTest.text("Hello")]),
    (service) => {
      const passed: Array<string> = []
      const real: typeof globalThis.fetch = (input, init) => {
        passed.push(init?.method ?? (input instanceof Request ? input.method : "GET"))
        return Promise.resolve(new globalThis.Response("real"))
      }
      return Effect.map(make(service, { fetch: real }), (fetch) => ({ fetch, passed, requests: service.requests }))
    }
  )

  it.scoped("a streamed POST of a response, whatever its body is held in", () =>
    Effect.gen(function*() {
      const { fetch, passed, requests } = yield* mock
      const first = yield* promise(() => post(fetch))
      const text = yield* promise(() => first.text())
      const second = yield* promise(() =>
        fetch(new URL(url), { method: "post", body: new TextEncoder().encode(body()) })
      )
      const third = yield* promise(() => fetch(new Request(url, { method: "POST", body: body() })))
      assert.deepStrictEqual([first, second, third].map(({ ok }) => ok), [true, true, true])
      assert.strictEqual(first.headers.get("content-type"), "text/event-stream; charset=utf-8")
      const types = parse(text).map(({ type }) => type)
      assert.strictEqual(types[0], "response.created")
      assert.strictEqual(types.at(-1), "response.completed")
      assert.deepStrictEqual(passed, [])
      assert.strictEqual((yield* requests)[0]?.model, "gpt-5.5")
    }))

  it.scoped("a stored prompt, which brings its model", () =>
    Effect.gen(function*() {
      const { fetch, requests } = yield* mock
      const prompt = { id: "pmpt_1" }
      const answer = yield* promise(() =>
        fetch(url, { method: "POST", body: JSON.stringify({ stream: true, prompt, input: [] }) })
      )
      assert.strictEqual(answer.status, 200)
      assert.include(yield* promise(() => answer.text()), "event: response.completed")
      assert.deepStrictEqual(yield* requests, [{ stream: true, prompt, input: [] }])
      const without = yield* promise(() => fetch(url, { method: "POST", body: "{\"stream\":true}" }))
      assert.strictEqual(without.status, 400)
      assert.match(yield* promise(() => without.text()), /"param":"model"/)
    }))

  it.scoped("nothing else", () =>
    Effect.gen(function*() {
      const { fetch, passed, requests } = yield* mock
      const get = yield* promise(() => fetch(url))
      assert.strictEqual(yield* promise(() => get.text()), "real")
      const others: ReadonlyArray<readonly [string | Request, RequestInit?]> = [
        [url, { method: "POST", body: "{\"stream\":false}" }],
        [url, { method: "POST", body: "not JSON" }],
        [url, { method: "POST", body: body({ background: true }) }],
        [url, { method: "POST", body: new FormData() }],
        [`${url}/compact`, { method: "POST", body: body() }],
        [new Request(url, { method: "DELETE" })]
      ]
      for (const [input, init] of others) yield* promise(() => fetch(input, init))
      assert.deepStrictEqual(passed, ["GET", ...Array.from({ length: 5 }, () => "POST"), "DELETE"])
      assert.deepStrictEqual(yield* requests, [])
    }))

  it.scoped("with the options that a program makes of the SDK's headers, and no header else", () =>
    Effect.gen(function*() {
      const service = yield* ResponsesTest.make(() => ResponsesTest.text("Hello"))
      const fetch = yield* make(service, {
        requestOptions: (headers) =>
          headers.has("x-tag") ? { headers: { "x-tag": headers.get("x-tag") ?? "" } } : undefined
      })
      const headers = { "x-tag": "a", authorization: "Bearer sk-of-the-sdk" }
      yield* promise(() => post(fetch, { headers }))
      yield* promise(() => fetch(new Request(url, { method: "POST", body: body(), headers })))
      yield* promise(() => post(fetch, { headers: { authorization: "Bearer sk-of-the-sdk" } }))
      const refused = yield* promise(() => post(fetch, { headers: { "x-tag": " " } }))
      assert.strictEqual(refused.status, 400)
      const own = { headers: { "x-tag": "a" } }
      assert.deepStrictEqual(yield* service.requestOptions, [own, own, {}])
    }))

  it.scoped("what a program says", () =>
    Effect.gen(function*() {
      const seen: Array<string | undefined> = []
      const service = yield* ResponsesTest.make([ResponsesTest.text("Hello")])
      const fetch = yield* make(service, {
        fetch: () => Promise.resolve(new globalThis.Response("real")),
        matches: ({ hostname }) => hostname === "localhost",
        onOpen: ({ id }) => Effect.sync(() => seen.push(id))
      })
      const other = yield* promise(() => post(fetch))
      assert.strictEqual(yield* promise(() => other.text()), "real")
      yield* promise(() => fetch("http://localhost/x", { method: "POST", body: body() }))
      assert.deepStrictEqual(seen, ["resp_1"])
    }))
})

describe("the stream", () => {
  it.scoped("has every event as it came, unknown ones too", () =>
    Effect.gen(function*() {
      const unknown = { type: "codex.rate_limits", deep: [1, null, "ä"] } as unknown as ResponseEvent
      const completed: ResponseEvent = { type: "response.completed", response: { id: "resp_1" } }
      const events = [created, unknown, delta, completed]
      const { log, service } = yield* transport(Effect.succeed(opened(Stream.rechunk(Stream.fromIterable(events), 1))))
      const fetch = yield* make(service)
      const answer = yield* promise(() => post(fetch))
      assert.deepStrictEqual<unknown>(parse(yield* promise(() => answer.text())), events)
      assert.isTrue(Exit.isSuccess(yield* Deferred.await(log.closed)))
    }))

  it.scoped("is read ahead: a response that nobody reads ends all the same", () =>
    Effect.gen(function*() {
      const service = yield* ResponsesTest.make([ResponsesTest.text("x".repeat(10_000)), ResponsesTest.text("Next")])
      const fetch = yield* make(service)
      const unread = yield* promise(() => post(fetch))
      const next = yield* promise(() => post(fetch))
      assert.include(yield* promise(() => next.text()), "Next")
      assert.include(yield* promise(() => unread.text()), "response.completed")
    }))
})

const failed = (more: object) =>
  new ResponsesError.ResponseFailed({ description: "Slow down", delivery: "unsent", frame: {}, ...more })

const lost = (delivery: ResponsesError.Delivery) =>
  new ResponsesError.ConnectionError({ reason: "Lost", delivery, description: "Gone" })

describe("a failure before the first event", () => {
  const responseFailed = { type: "response.failed", response: { id: "resp_1", error: { code: "x", message: "Sorry" } } }

  const answers: ReadonlyArray<
    readonly [what: string, error: ResponsesError.ResponsesError, status: number, code: string | null, message: string]
  > = [
    ["a status", failed({ status: 429, code: "rate_limit_exceeded" }), 429, "rate_limit_exceeded", "Slow down"],
    ["no status", failed({}), 500, null, "Slow down"],
    [
      "an unknown previous response",
      new ResponsesError.PreviousResponseNotFound({ description: "Not found" }),
      400,
      "previous_response_not_found",
      "Not found"
    ],
    [
      "a refused upgrade",
      new ResponsesError.ConnectionError({
        reason: "Refused",
        delivery: "unsent",
        description: "No",
        status: 401,
        code: "invalid_api_key"
      }),
      401,
      "invalid_api_key",
      "No"
    ],
    [
      "an invalid request",
      new ResponsesError.InvalidRequest({ field: "model", description: "must be a non-empty string" }),
      400,
      null,
      "Invalid request, nothing was sent: `model` must be a non-empty string"
    ],
    [
      "what is no event",
      new ResponsesError.MalformedEvent({ description: "a message that is not JSON", frame: "{", delivery: "unsent" }),
      500,
      null,
      "The server sent a message that is not JSON: nothing was run, and the same request would fail again. It began: {"
    ]
  ]

  for (const [what, error, status, code, message] of answers) {
    it.scoped(`with ${what}, is the answer that HTTP would have given`, () =>
      Effect.gen(function*() {
        const { service } = yield* transport(Effect.fail(error))
        const fetch = yield* make(service)
        const answer = yield* promise(() => post(fetch))
        assert.strictEqual(answer.status, status)
        assert.strictEqual(answer.headers.get("content-type"), "application/json")
        const { error: problem } = (yield* promise(() => answer.json())) as { readonly error: object }
        assert.deepInclude(problem, { code, message })
      }))
  }

  it.scoped("says whether asking again can help, whatever the status lets an SDK think", () =>
    Effect.gen(function*() {
      for (
        const [code, status, expected] of [
          ["rate_limit_exceeded", 429, "true"],
          ["insufficient_quota", 429, "false"],
          ["conversation_locked", 400, "true"],
          ["invalid_prompt", undefined, "false"]
        ] as const
      ) {
        const { service } = yield* transport(Effect.fail(failed({ code, ...status === undefined ? {} : { status } })))
        const fetch = yield* make(service)
        const { headers } = yield* promise(() => post(fetch))
        assert.strictEqual(headers.get("x-should-retry"), expected, code)
      }
    }))

  it.scoped("keeps retry-after and the id of the request", () =>
    Effect.gen(function*() {
      const error = failed({ status: 429, requestId: "req_7", retryAfter: Duration.millis(1500) })
      const { service } = yield* transport(Effect.fail(error))
      const fetch = yield* make(service)
      const { headers } = yield* promise(() => post(fetch))
      assert.strictEqual(headers.get("retry-after"), "2")
      assert.strictEqual(headers.get("retry-after-ms"), "1500")
      assert.strictEqual(headers.get("x-request-id"), "req_7")
    }))

  const unusual: ReadonlyArray<
    readonly [
      what: string,
      given: { readonly status: number; readonly requestId?: string; readonly retryAfter?: Duration.Duration },
      headers: Readonly<Record<string, string | null>>
    ]
  > = [
    ["an id with a line break", { status: 429, requestId: "req\r\nx-other: 1" }, {
      "x-request-id": null,
      "x-other": null
    }],
    ["an id in another script", { status: 429, requestId: "запрос" }, { "x-request-id": null }],
    ["a wait without an end", { status: 429, retryAfter: Duration.infinity }, { "retry-after": null }],
    ["a wait of a fraction", { status: 429, retryAfter: Duration.millis(0.5) }, { "retry-after-ms": "1" }],
    ["a status that is none", { status: 700, requestId: "req_7" }, { "x-request-id": "req_7" }],
    ["a status that has no body", { status: 204 }, { "content-type": "application/json" }],
    ["a status of another kind", { status: 429.5 }, { "content-type": "application/json" }]
  ]
  for (const [what, given, expected] of unusual) {
    it.scoped(`is an answer, with ${what}`, () =>
      Effect.gen(function*() {
        const { service } = yield* transport(Effect.fail(failed(given)))
        const fetch = yield* make(service)
        const { headers, status } = yield* promise(() => post(fetch))
        assert.strictEqual(status, given.status === 429 ? 429 : 500)
        for (const [name, value] of Object.entries(expected)) assert.strictEqual(headers.get(name), value)
      }))
  }

  const cycle: { self?: unknown; readonly type: string } = { type: "response.failed" }
  cycle.self = cycle
  for (
    const [what, frame] of Object.entries({ "a BigInt in it": { ...responseFailed, big: 1n }, "itself in it": cycle })
  ) {
    it.scoped(`a response.failed that cannot be written, with ${what}, is told as any other failure`, () =>
      Effect.gen(function*() {
        const { service } = yield* transport(Effect.fail(failed({ frame, status: 500 })))
        const fetch = yield* make(service)
        const answer = yield* promise(() => post(fetch))
        assert.strictEqual(answer.status, 500)
        assert.deepInclude((yield* promise(() => answer.json())) as object, {
          error: { message: "Slow down", type: null, param: null, code: null }
        })
      }))
  }

  it.scoped("a response.failed is an event, as over HTTP", () =>
    Effect.gen(function*() {
      const { service } = yield* transport(Effect.fail(failed({ frame: responseFailed, status: 500 })))
      const fetch = yield* make(service)
      const answer = yield* promise(() => post(fetch))
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual<unknown>(parse(yield* promise(() => answer.text())), [responseFailed])
    }))

  it.scoped("of the connection, is what fetch says when there is no network", () =>
    Effect.gen(function*() {
      const error = lost("unacknowledged")
      const { service } = yield* transport(Effect.fail(error))
      const fetch = yield* make(service)
      const thrown = yield* Effect.flip(promise(() => post(fetch)))
      assert(thrown instanceof TypeError)
      assert.strictEqual(thrown.message, "fetch failed")
      assert.strictEqual(thrown.cause, error)
    }))

  it.scoped("a defect is one, too", () =>
    Effect.gen(function*() {
      const { service } = yield* transport(Effect.dieMessage("Oops"))
      const fetch = yield* make(service)
      assert.instanceOf(yield* Effect.flip(promise(() => post(fetch))), TypeError)
    }))
})

describe("a failure after events", () => {
  const after = (error: ResponsesError.ResponsesError) =>
    Effect.gen(function*() {
      const { service } = yield* transport(
        Effect.succeed(opened(Stream.concat(Stream.make(created, delta), Stream.fail(error))))
      )
      const fetch = yield* make(service)
      return yield* promise(() => post(fetch))
    })

  it.scoped("is not lost where the body may not grow any more: it breaks off", () =>
    Effect.gen(function*() {
      const { service } = yield* transport(
        Effect.succeed(opened(Stream.concat(Stream.make(created, delta), Stream.fail(failed({ status: 429 })))))
      )
      const fetch = yield* make(service, { maxUnreadSize: 300 })
      const answer = yield* promise(() => post(fetch))
      const thrown = yield* Effect.flip(promise(() => answer.text()))
      assert(thrown instanceof TypeError)
      assert.include(String(thrown.cause), "maxUnreadSize")
    }))

  it.scoped("said by the server, is the last event", () =>
    Effect.gen(function*() {
      const answer = yield* after(failed({ status: 429, code: "rate_limit_exceeded", type: "rate_limit_error" }))
      const problem = { code: "rate_limit_exceeded", message: "Slow down", param: null }
      assert.deepStrictEqual<unknown>(parse(yield* promise(() => answer.text())).at(-1), {
        type: "error",
        sequence_number: 2,
        ...problem,
        error: { type: "rate_limit_error", ...problem }
      })
    }))

  it.scoped("of the connection, breaks the body off", () =>
    Effect.gen(function*() {
      const error = lost("partial")
      const answer = yield* after(error)
      const thrown = yield* Effect.flip(promise(() => answer.text()))
      assert(thrown instanceof TypeError)
      assert.strictEqual(thrown.message, "terminated")
      assert.strictEqual(thrown.cause, error)
    }))
})

describe("an event", () => {
  const event = (json: string): ResponseEvent => JSON.parse(json)
  const over = (...events: ReadonlyArray<ResponseEvent>) =>
    Effect.gen(function*() {
      const all = Stream.concat(Stream.fromIterable(events), Stream.fail(failed({ status: 429 })))
      const { service } = yield* transport(Effect.succeed(opened(all)))
      const fetch = yield* make(service)
      const answer = yield* promise(() => post(fetch))
      return yield* promise(() => answer.text())
    })

  it.scoped("nested 20,000 levels deep goes through as it came", () =>
    Effect.gen(function*() {
      const json = `{"type":"response.of_tomorrow","deep":${"[".repeat(20_000)}${"]".repeat(20_000)}}`
      const text = yield* over(created, event(json), delta)
      assert.isTrue(text.includes(`\n\nevent: response.of_tomorrow\ndata: ${json}\n\n`))
      assert.include(text, "response.output_text.delta")
    }))

  for (const lineBreak of ["\\n", "\\r", "\\r\\n", "\\n\\n"]) {
    it.scoped(`with ${lineBreak} in its type is one message`, () =>
      Effect.gen(function*() {
        const json = `{"type":"a${lineBreak}data: {}${lineBreak}"}`
        const text = yield* over(event(json))
        assert.isTrue(text.startsWith(`data: ${json}\n\nevent: error\n`))
      }))
  }

  for (const [number, next] of [["5", 6], ["\"5\"", 1], ["null", 1], ["1e999", 1], ["0.5", 1], ["[]", 1]] as const) {
    it.scoped(`with the number ${number} has ${next} after it`, () =>
      Effect.gen(function*() {
        const text = yield* over(event(`{"type":"keepalive","sequence_number":${number}}`))
        assert.strictEqual(parse(text).at(-1)?.["sequence_number"], next)
      }))
  }
})

describe("an AbortSignal", () => {
  const reason = new Error("I have seen enough")

  it.scoped("that is aborted already, lets nothing be sent", () =>
    Effect.gen(function*() {
      const service = yield* ResponsesTest.make([ResponsesTest.text("Hello")])
      const fetch = yield* make(service)
      const thrown = yield* Effect.flip(promise(() => post(fetch, { signal: AbortSignal.abort(reason) })))
      assert.strictEqual(thrown, reason)
      assert.deepStrictEqual(yield* service.requests, [])
    }))

  it.scoped("ends the wait for the first event", () =>
    Effect.gen(function*() {
      const { log, service } = yield* transport(Effect.never)
      const fetch = yield* make(service)
      const controller = new AbortController()
      const answer = post(fetch, { signal: controller.signal })
      yield* Deferred.await(log.begun)
      controller.abort(reason)
      assert.strictEqual(yield* Effect.flip(promise(() => answer)), reason)
      assert.isTrue(Exit.isFailure(yield* Deferred.await(log.closed)))
    }))

  it.scoped("ends the wait for the next event", () =>
    Effect.gen(function*() {
      const { log, service } = yield* transport(
        Effect.succeed(opened(Stream.concat(Stream.make(created), Stream.never)))
      )
      const fetch = yield* make(service)
      const controller = new AbortController()
      const answer = yield* promise(() => post(fetch, { signal: controller.signal }))
      const reader = answer.body!.getReader()
      yield* promise(() => reader.read())
      const rest = reader.read()
      controller.abort(reason)
      assert.strictEqual(yield* Effect.flip(promise(() => rest)), reason)
      yield* Deferred.await(log.closed)
    }))

  it.scoped("takes away what was not read, even of a response that has ended", () =>
    Effect.gen(function*() {
      const service = yield* ResponsesTest.make([ResponsesTest.text("Hello"), ResponsesTest.text("Next")])
      const fetch = yield* make(service)
      const controller = new AbortController()
      const answer = yield* promise(() => post(fetch, { signal: controller.signal }))
      // The next one begins when this one has ended.
      yield* promise(() => post(fetch))
      controller.abort(reason)
      assert.strictEqual(yield* Effect.flip(promise(() => answer.text())), reason)
    }))

  it.scoped("does nothing after the last byte, and is let go", () =>
    Effect.gen(function*() {
      const service = yield* ResponsesTest.make([ResponsesTest.text("Hello")])
      const fetch = yield* make(service)
      const { signal } = new AbortController()
      let listeners = 0
      const add = signal.addEventListener.bind(signal)
      const remove = signal.removeEventListener.bind(signal)
      Object.assign(signal, {
        addEventListener: (...args: Parameters<typeof add>) => (listeners++, add(...args)),
        removeEventListener: (...args: Parameters<typeof remove>) => (listeners--, remove(...args))
      })
      const answer = yield* promise(() => post(fetch, { signal }))
      assert.strictEqual(listeners, 1)
      yield* promise(() => answer.text())
      assert.strictEqual(listeners, 0)
    }))
})

describe("leaving", () => {
  const endless = transport(Effect.succeed(opened(Stream.concat(Stream.make(created), Stream.never))))

  it.scoped("by the body gives the response up", () =>
    Effect.gen(function*() {
      const { log, service } = yield* endless
      const fetch = yield* make(service)
      const answer = yield* promise(() => post(fetch))
      yield* promise(() => answer.body!.cancel())
      assert.isTrue(yield* Deferred.isDone(log.closed))
    }))

  it.effect("the scope breaks off what is under way, and serves nothing more", () =>
    Effect.gen(function*() {
      const { log, service } = yield* endless
      const scope = yield* Scope.make()
      const fetch = yield* Scope.extend(make(service), scope)
      const answer = yield* promise(() => post(fetch))
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(yield* Deferred.isDone(log.closed))
      assert.instanceOf(yield* Effect.flip(promise(() => answer.text())), TypeError)
      assert.instanceOf(yield* Effect.flip(promise(() => post(fetch))), TypeError)
    }))

  it.scoped("that nobody reads is given up once too much of it is unread", () =>
    Effect.gen(function*() {
      const service = yield* ResponsesTest.make([ResponsesTest.text("x".repeat(2000))])
      const fetch = yield* make(service, { maxUnreadSize: 1000 })
      const answer = yield* promise(() => post(fetch))
      const error = yield* Effect.flip(promise(() => answer.text()))
      assert.include(String(Reflect.get(error as object, "cause")), "maxUnreadSize")
    }))
})
