import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as MetricLabel from "effect/MetricLabel"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { ResponseEvent } from "../src/ResponseEvent.ts"
import * as Responses from "../src/Responses.ts"
import { ConnectionError } from "../src/ResponsesError.ts"
import * as ResponsesTelemetry from "../src/ResponsesTelemetry.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
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
