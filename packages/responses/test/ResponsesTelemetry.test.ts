import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as MetricLabel from "effect/MetricLabel"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import type { ResponseEvent } from "../src/ResponseEvent.ts"
import * as Responses from "../src/Responses.ts"
import { ConnectionError } from "../src/ResponsesError.ts"
import * as ResponsesMetrics from "../src/ResponsesMetrics.ts"
import * as ResponsesSocket from "../src/ResponsesSocket.ts"
import * as ResponsesTelemetry from "../src/ResponsesTelemetry.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as Conversation from "./support/conversation.ts"
import * as FakeServer from "./support/fakeServer.ts"
import * as OpenResponse from "./support/openResponse.ts"

const request = { model: "gpt-5.5", input: "hi", max_output_tokens: 7 }

/** Metrics are the process's own: what counts is how much they grew. */
const growth = <Type, In, Out, A, E, R>(
  metric: Metric.Metric<Type, In, Out>,
  of: (state: Out) => number,
  run: Effect.Effect<A, E, R>
) =>
  Effect.gen(function*() {
    const before = of(yield* Metric.value(metric))
    yield* run
    return of(yield* Metric.value(metric)) - before
  })

const count = (state: { readonly count: number }) => state.count

const began = Metric.taggedWithLabels(ResponsesTelemetry.responses, [
  MetricLabel.make("transport", "websocket"),
  MetricLabel.make("input", "full"),
  MetricLabel.make("reason", "Off")
])

describe("metrics", () => {
  const mock = ResponsesTest.layer(() => ResponsesTest.text("Hello"))
  const run = Effect.provide(Responses.create(request), mock)

  it.effect("count each response, by how and why it was sent", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* growth(began, count, run), 1)
      assert.isAbove(yield* growth(ResponsesTelemetry.bytesSent, count, run), 0)
      assert.strictEqual(yield* growth(ResponsesTelemetry.queued, count, run), 1)
      assert.strictEqual(yield* growth(ResponsesTelemetry.firstEvent, count, run), 1)
    }))

  it.effect("count each repair, by its kind", () =>
    Effect.gen(function*() {
      const refused = new ConnectionError({ reason: "Refused", delivery: "unsent", description: "no", status: 426 })
      const service = Responses.orElse(
        { open: () => Effect.fail(refused) },
        yield* ResponsesTest.make([ResponsesTest.text("Hi")])
      )
      const metric = Metric.tagged(ResponsesTelemetry.recoveries, "recovery", "FellBack")
      const fallen = Effect.provideService(Responses.create(request), Responses.Responses, service)
      assert.strictEqual(yield* growth(metric, count, fallen), 1)
    }))
})

describe("numbers of a Layer", () => {
  const nothing: ResponsesMetrics.LayerNumbers = {
    serving: 0,
    retiring: 0,
    opening: 0,
    running: 0,
    waiting: 0,
    affineHits: 0,
    forks: 0,
    overruns: 0,
    headsLost: { AfterFailure: 0, Displaced: 0, Forgotten: 0, NewConnection: 0 }
  }
  const { affineHits, connections, forks, headsLost, overruns, running, waiting } = ResponsesMetrics
  const serving = Metric.tagged(connections, "state", "serving")
  const displaced = Metric.tagged(headsLost, "reason", "Displaced")

  /** What the metrics show more than at the beginning of the test. */
  const shown = Effect.gen(function*() {
    const state = Effect.all({
      serving: Effect.map(Metric.value(serving), ({ value }) => value),
      retiring: Effect.map(Metric.value(Metric.tagged(connections, "state", "retiring")), ({ value }) => value),
      opening: Effect.map(Metric.value(Metric.tagged(connections, "state", "opening")), ({ value }) => value),
      running: Effect.map(Metric.value(running), ({ value }) => value),
      waiting: Effect.map(Metric.value(waiting), ({ value }) => value),
      affineHits: Effect.map(Metric.value(affineHits), count),
      forks: Effect.map(Metric.value(forks), count),
      overruns: Effect.map(Metric.value(overruns), count),
      displaced: Effect.map(Metric.value(displaced), count),
      forgotten: Effect.map(Metric.value(Metric.tagged(headsLost, "reason", "Forgotten")), count)
    })
    const before = yield* state
    return Effect.map(state, (now) =>
      Object.fromEntries(
        Object.entries(now).map(([name, value]) => [name, value - before[name as keyof typeof before]]).filter(
          ([, value]) => value !== 0
        )
      ))
  })

  it.effect("are shown at once and by the schedule, summed up over Layers; at the end totals stay, and nothing runs", () =>
    Effect.gen(function*() {
      const seen = yield* shown
      let numbers: ResponsesMetrics.LayerNumbers = { ...nothing, serving: 2, waiting: 5, forks: 1 }
      const first = yield* Scope.make()
      const second = yield* Scope.make()
      const watched = ResponsesMetrics.watch(Effect.sync(() => numbers), Schedule.spaced("1 minute"))
      yield* Scope.extend(watched, first)
      assert.deepStrictEqual(yield* seen, { serving: 2, waiting: 5, forks: 1 })
      numbers = {
        ...nothing,
        serving: 1,
        retiring: 1,
        opening: 4,
        running: 3,
        affineHits: 7,
        forks: 2,
        overruns: 1,
        headsLost: { ...nothing.headsLost, Displaced: 9 }
      }
      const now = {
        serving: 1,
        retiring: 1,
        opening: 4,
        running: 3,
        affineHits: 7,
        forks: 2,
        overruns: 1,
        displaced: 9
      }
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(yield* seen, { serving: 2, waiting: 5, forks: 1 })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* seen, now)
      yield* Scope.extend(watched, second)
      assert.deepStrictEqual(
        yield* seen,
        Object.fromEntries(Object.entries(now).map(([name, value]) => [name, 2 * value]))
      )
      yield* Scope.close(second, Exit.void)
      numbers = { ...numbers, forks: 3, headsLost: { ...numbers.headsLost, Forgotten: 1 } }
      yield* Scope.close(first, Exit.void)
      const totals = { affineHits: 14, forks: 5, overruns: 2, displaced: 18, forgotten: 1 }
      assert.deepStrictEqual(yield* seen, totals)
      numbers = { ...numbers, forks: 100, running: 100 }
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(yield* seen, totals)
    }))

  it.effect("have the labels of who watches, whoever ends it", () =>
    Effect.gen(function*() {
      const mine = Metric.tagged(running, "layer", "mine")
      const scope = yield* Scope.make()
      const watched = ResponsesMetrics.watch(Effect.succeed({ ...nothing, running: 3 }))
      yield* Scope.extend(Effect.tagMetrics(watched, "layer", "mine"), scope)
      assert.deepStrictEqual(yield* Metric.value(mine), MetricState.gauge(3))
      yield* Effect.tagMetrics(Scope.close(scope, Exit.void), "layer", "another")
      assert.deepStrictEqual(yield* Metric.value(mine), MetricState.gauge(0))
    }))

  it.effect("are those of the socket's Layer", () =>
    Effect.gen(function*() {
      const seen = yield* shown
      const server = yield* FakeServer.make
      yield* Effect.gen(function*() {
        const hello = yield* Conversation.first(server, Conversation.ask([Conversation.hello]), "resp_1")
        const { hello: said, hi, more } = Conversation
        yield* Conversation.turn(hello.connection, Conversation.ask([said, hi, more]), "resp_2")
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(yield* seen, { serving: 1, affineHits: 1 })
      }).pipe(Effect.provide(Layer.provideMerge(ResponsesSocket.layerMetrics(), server.layer({ maxLanes: 2 }))))
      assert.deepStrictEqual(yield* seen, { affineHits: 1 })
    }))
})

describe("the span of a response", () => {
  const traced = <A, E>(effect: Effect.Effect<A, E>) => {
    const spans: Array<Tracer.Span> = []
    const native = Tracer.make({
      context: (f) => f(),
      span: (name, parent, context, links, startTime, kind) => {
        const attributes = new Map<string, unknown>()
        let status: Tracer.SpanStatus = { _tag: "Started", startTime }
        const span: Tracer.Span = {
          _tag: "Span",
          spanId: String(spans.length),
          traceId: "t",
          name,
          parent,
          context,
          links,
          kind,
          sampled: true,
          attributes,
          get status() {
            return status
          },
          attribute: (key, value) => void attributes.set(key, value),
          event: () => {},
          addLinks: () => {},
          end: (endTime, exit) => {
            status = { _tag: "Ended", startTime, endTime, exit }
          }
        }
        spans.push(span)
        return span
      }
    })
    return Effect.as(Effect.withTracer(Effect.exit(effect), native), spans)
  }

  it.effect("lasts as long as the response, and says what was asked, how it travelled and how it ended", () =>
    Effect.gen(function*() {
      const [span] = yield* traced(
        Effect.provide(Responses.create(request), ResponsesTest.layer([ResponsesTest.text("Hi")]))
      )
      assert(span !== undefined)
      assert.strictEqual(span.name, ResponsesTelemetry.spanName)
      assert.strictEqual(span.kind, "client")
      assert.strictEqual(span.status._tag, "Ended")
      const attributes = Object.fromEntries(span.attributes)
      assert.deepInclude(attributes, {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5.5",
        "gen_ai.request.max_tokens": 7,
        "gen_ai.response.id": "resp_1",
        "gen_ai.response.finish_reasons": "completed",
        "responses.transport": "websocket",
        "responses.input": "full",
        "responses.input.reason": "Off"
      })
      assert.isAbove(Number(attributes["gen_ai.usage.output_tokens"]), 0)
      assert.isTrue(Option.isNone(span.parent))
    }))

  it.scoped("says where it was served, how long it waited for that, and what it continues", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make
      const { answer, ask, hello, hi, more, begin } = Conversation
      const on = (lane: unknown, id: string) =>
        answer(id, [hi]).map((event) => ({ ...event, ...typeof lane === "string" ? { stream_id: lane } : {} }))
      const spans = yield* traced(
        Effect.gen(function*() {
          const first = yield* begin(ask([hello]))
          const connection = yield* server.connection
          const sent = yield* connection.request
          yield* connection.send(...on(sent["stream_id"], "resp_1"))
          yield* Fiber.join(first)
          // Two turns go on from the same response: the second is a fork of it.
          const next = yield* begin(ask([hello, hi, more]))
          const continued = yield* connection.request
          const fork = yield* begin(ask([hello, hi, hello]))
          const forked = yield* connection.request
          // There are no more lanes.
          const waits = yield* begin(ask([more]))
          yield* TestClock.adjust(300)
          yield* connection.send(...on(forked["stream_id"], "resp_3"))
          const waited = yield* connection.request
          yield* connection.send(...on(waited["stream_id"], "resp_4"), ...on(continued["stream_id"], "resp_5"))
          yield* Effect.forEach([next, fork, waits], Fiber.join)
        }).pipe(Effect.provide(server.layer({ maxLanes: 2 })), Effect.orDie)
      )
      const shown = spans.map(({ attributes }) =>
        ["connection", "lane", "continues", "queued_ms"].map((name) => attributes.get(`responses.${name}`))
      )
      assert.deepStrictEqual(shown, [
        [1, "1", undefined, 0],
        [1, "1", "latest", 0],
        [1, "2", "fork", 0],
        [1, "3", undefined, 300]
      ])
    }))

  const ends: ReadonlyArray<readonly [response: object, attributes: Readonly<Record<string, unknown>>]> = [
    [{ usage: { input_tokens: 3, output_tokens: 0 }, model: "m", status: "completed" }, {
      "gen_ai.usage.input_tokens": 3,
      "gen_ai.usage.output_tokens": 0,
      "gen_ai.response.model": "m",
      "gen_ai.response.finish_reasons": "completed"
    }],
    [{ usage: { input_tokens: "3", output_tokens: Infinity } }, {}],
    [{ usage: { input_tokens: null, output_tokens: [1] } }, {}],
    [{ usage: "many" }, {}],
    [{ usage: null, model: { name: "m" }, status: 3, incomplete_details: "length" }, {}],
    [{ incomplete_details: { reason: {} }, status: "incomplete" }, { "gen_ai.response.finish_reasons": "incomplete" }],
    [{ incomplete_details: { reason: "max_output_tokens" }, status: "incomplete" }, {
      "gen_ai.response.finish_reasons": "max_output_tokens"
    }],
    [{ model: "m".repeat(1_000_000) }, { "gen_ai.response.model": "m".repeat(256) }]
  ]
  for (const [response, expected] of ends) {
    it(`has of ${JSON.stringify(response).slice(0, 80)} what it can hold`, () => {
      const attributes = new Map<string, unknown>()
      const span = { attribute: (name: string, value: unknown) => attributes.set(name, value) }
      ResponsesTelemetry.annotateEnd(span as unknown as Tracer.Span, { id: "resp_1", ...response })
      assert.deepStrictEqual(Object.fromEntries(attributes), { "gen_ai.response.id": "resp_1", ...expected })
    })
  }

  it.effect("ends with the failure of the response", () =>
    Effect.gen(function*() {
      const failing = ResponsesTest.layer([ResponsesTest.error({ status: 400, code: "bad", message: "no" })])
      const [span] = yield* traced(Effect.provide(Responses.create(request), failing))
      assert(span !== undefined && span.status._tag === "Ended")
      assert.strictEqual(span.status.exit._tag, "Failure")
    }))

  it.effect("ends without the response, which is the caller's content", () =>
    Effect.gen(function*() {
      const [span] = yield* traced(
        Effect.provide(Responses.create(request), ResponsesTest.layer([ResponsesTest.text("Hi")]))
      )
      assert(span !== undefined && span.status._tag === "Ended")
      assert.deepStrictEqual(span.status.exit, Exit.void)
    }))

  it.effect("shows words and numbers of the server's without secrets, and nothing else in their place", () =>
    Effect.gen(function*() {
      const secret = "sk-very-secret"
      const answered = (response: object): Responses.OpenResponse => ({
        ...OpenResponse.make(
          "http",
          Stream.fromIterable<ResponseEvent>([
            { type: "response.completed", response: { id: `resp_${secret}`, output: [], ...response } }
          ])
        ),
        id: `resp_${secret}`,
        redact: (text) => text.replaceAll(secret, "<redacted>")
      })
      const shown = (response: object) =>
        Effect.map(
          traced(Effect.provideService(Responses.create(request), Responses.Responses, {
            open: () => Effect.succeed(answered(response))
          })),
          ([span]) => Object.fromEntries(span?.attributes ?? [])
        )
      assert.deepInclude(yield* shown({ model: `m-${secret}`, status: secret }), {
        "gen_ai.response.id": "resp_<redacted>",
        "gen_ai.response.model": "m-<redacted>",
        "gen_ai.response.finish_reasons": "<redacted>"
      })
      assert.doesNotHaveAnyKeys(
        yield* shown({
          model: { secret },
          incomplete_details: { reason: { secret } },
          usage: { input_tokens: secret, output_tokens: [secret] }
        }),
        [
          "gen_ai.response.model",
          "gen_ai.response.finish_reasons",
          "gen_ai.usage.input_tokens",
          "gen_ai.usage.output_tokens"
        ]
      )
    }))
})
