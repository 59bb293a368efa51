/** The span of a request over HTTP: in place of the client's own, whose exit holds the request with its headers. */
import { HttpClient, HttpClientError, type HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, identity, Layer, Redacted, Tracer } from "effect"
import { inspect } from "node:util"
import * as ResponsesHttp from "../src/ResponsesHttp.ts"

const key = "sk-very-secret"
const request = { model: "m", input: "Hi" }

const events = [
  { type: "response.created", response: { id: "resp_1", output: [] } },
  { type: "response.completed", response: { id: "resp_1", output: [] } }
].map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")

interface Made extends Tracer.Span {
  exit?: Exit.Exit<unknown, unknown>
}

/** Opens one response, and gives the spans and the headers that there were. */
const open = Effect.fnUntraced(function*(
  answer: (
    request: HttpClientRequest.HttpClientRequest
  ) => Effect.Effect<Response, HttpClientError.HttpClientError>,
  options: {
    readonly own?: Partial<ResponsesHttp.Options>
    readonly set?: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  } = {}
) {
  const spans: Array<Made> = []
  const tracer = Tracer.make({
    context: (f) => f(),
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      const span: Made = {
        _tag: "Span",
        name,
        spanId: "00f067aa0ba902b7",
        traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
        parent,
        context,
        links,
        kind,
        sampled: true,
        status: { _tag: "Started", startTime },
        attributes,
        attribute: (name, value) => attributes.set(name, value),
        end: (_, exit) => {
          span.exit = exit
        },
        event: () => {},
        addLinks: () => {}
      }
      spans.push(span)
      return span
    }
  })
  const sent: Array<HttpClientRequest.HttpClientRequest["headers"]> = []
  const client = HttpClient.make((request) => {
    sent.push(request.headers)
    return Effect.map(answer(request), (response) => HttpClientResponse.fromWeb(request, response))
  })
  const responses = yield* ResponsesHttp.make({
    apiKey: Redacted.make(key),
    baseUrl: `https://example.test/v1?token=${key}&api-version=1`,
    ...options.own
  }).pipe(Effect.provide(Layer.succeed(HttpClient.HttpClient, client)))
  const { set = identity } = options
  const exit = yield* set(Effect.exit(Effect.scoped(responses.open(request)))).pipe(Effect.withTracer(tracer))
  return { exit, spans, headers: sent[0] }
})

const streams = () => Effect.sync(() => new Response(events, { headers: { "content-type": "text/event-stream" } }))

const refuses = () => Effect.sync(() => new Response("no", { status: 403, headers: { "x-request-id": `r ${key}` } }))

describe("the span of a request over HTTP", () => {
  for (const [what, answer, status] of [["a success", streams, 200], ["a refusal", refuses, 403]] as const) {
    it.effect(`of ${what} tells where it went and the status, and shows no secret`, () =>
      Effect.gen(function*() {
        const { spans } = yield* open(answer, { own: { headers: { "api-key": key } } })
        assert.strictEqual(spans.length, 1)
        const [span] = spans
        assert(span !== undefined)
        assert.deepInclude(Object.fromEntries(span.attributes), {
          "http.request.method": "POST",
          "server.address": "https://example.test",
          "url.path": "/v1/responses",
          "url.query": "token=<redacted>&api-version=1",
          "http.response.status_code": status
        })
        assert.strictEqual(
          span.attributes.get("http.response.header.x-request-id"),
          status === 403 ? "r <redacted>" : undefined
        )
        assert.deepStrictEqual(span.exit, Exit.void)
        assert.notInclude(inspect([span.attributes, span.exit], { depth: Infinity, showHidden: true }), key)
      }))
  }

  it.effect("of a request without an answer ends with the failure that the caller sees", () =>
    Effect.gen(function*() {
      const { exit, spans } = yield* open((request) =>
        Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause: new Error(key) }))
      )
      assert(Exit.isFailure(exit) && spans[0]?.exit !== undefined && Exit.isFailure(spans[0].exit))
      const error = Cause.squash(exit.cause)
      assert.include(error, { _tag: "ConnectionError", reason: "Lost" })
      assert.strictEqual(Cause.squash(spans[0].exit.cause), error)
    }))

  const settings: ReadonlyArray<
    readonly [
      what: string,
      spans: number,
      isTold: boolean,
      set: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
    ]
  > = [
    ["is known to the server", 1, true, identity],
    [
      "is not known to the server without propagation",
      1,
      false,
      Effect.locally(HttpClient.currentTracerPropagation, false)
    ],
    [
      "is not made where the spans of HTTP clients are off",
      0,
      false,
      Effect.locally(HttpClient.currentTracerDisabledWhen, () => true)
    ],
    ["is not made where tracing is off", 0, false, Effect.withTracerEnabled(false)]
  ]
  for (const [what, count, isTold, set] of settings) {
    it.effect(what, () =>
      Effect.gen(function*() {
        const { headers, spans } = yield* open(streams, { set })
        assert.strictEqual(spans.length, count)
        assert.strictEqual(headers?.["traceparent"] !== undefined, isTold)
      }))
  }
})
