/**
 * What a request cost: on each response, in metrics and on spans. Attributes follow the OpenTelemetry conventions for
 * generative AI where there is one.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { identity } from "effect/Function"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"
import * as Predicate from "effect/Predicate"
import type * as Tracer from "effect/Tracer"
import type { FullReason } from "./Continuation.ts"
import type { Response } from "./ResponseEvent.ts"
import type { ResponseRequest } from "./ResponseRequest.ts"
import type { ConnectionError, PreviousResponseNotFound, ResponseFailed } from "./ResponsesError.ts"

/**
 * What was repaired before the server answered, unseen by the caller.
 *
 * @since 0.1.0
 * @category models
 */
export type Recovery =
  | { readonly _tag: "Reconnected"; readonly error: ConnectionError }
  /** The server refused the `previous_response_id` that the library had chosen. */
  | { readonly _tag: "ResentInFull"; readonly error: PreviousResponseNotFound | ResponseFailed }
  | { readonly _tag: "FellBack"; readonly error: ConnectionError }

/**
 * What travelled for a request, and how long it took until the server began to answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sending {
  readonly transport: "websocket" | "http"
  /** Whether the whole input travelled, or only what is new since `previous_response_id`. */
  readonly input: "full" | "delta"
  /** Why the library sent everything, or left the request as it was; absent for a delta of its own. */
  readonly reason?: FullReason | undefined
  /** Size of the request as sent, in bytes; a request that was repeated counts each time. */
  readonly bytesSent: number
  /** About how many bytes of input did not have to travel. */
  readonly bytesSaved: number
  /** How long the request waited for other responses on the connection. */
  readonly queued: Duration.Duration
  /** From the end of that wait to the first event of the response; connecting and repairs are in it. */
  readonly firstEvent: Duration.Duration
  readonly recoveries: ReadonlyArray<Recovery>
  /** The connections of a Layer are numbered from 1 on in the order in which they were opened. Absent over HTTP. */
  readonly connection?: number | undefined
  /** The name of the lane that it runs on; empty for the one without a name. Absent over HTTP. */
  readonly lane?: string | undefined
  /**
   * What a delta of the library's own continues: the `latest` response of its lane, as a `fork` that of another lane, or one
   * that is `stored`, which any connection can. Absent for everything else.
   */
  readonly continues?: "latest" | "fork" | "stored" | undefined
}

/**
 * Responses that began, tagged with `transport`, `input` and the `reason` why everything was sent, if it was.
 *
 * @since 0.1.0
 * @category metrics
 */
export const responses = Metric.counter("effect_responses_total", {
  description: "Responses that began",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const bytesSent = Metric.counter("effect_responses_sent_bytes", {
  description: "Size of the requests sent",
  incremental: true
})

/**
 * @since 0.1.0
 * @category metrics
 */
export const bytesSaved = Metric.counter("effect_responses_saved_bytes", {
  description: "About how much input did not have to travel",
  incremental: true
})

/**
 * Repairs, tagged with `recovery`: `Reconnected`, `ResentInFull` or `FellBack`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const recoveries = Metric.counter("effect_responses_recoveries", {
  description: "Requests that were repaired before the server answered",
  incremental: true
})

/**
 * 1 while `ResponsesFallback` has the second transport serve, else 0; the sum, where a process has several of them.
 *
 * @since 0.1.0
 * @category metrics
 */
export const fallback = Metric.gauge("effect_responses_fallback", {
  description: "Whether the second transport serves because the first cannot be had"
})

/**
 * Attempts of `ResponsesFallback` to have the first transport again, tagged with `outcome`: `succeeded` or `failed`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const probes = Metric.counter("effect_responses_probes", {
  description: "Attempts to have the first transport again",
  incremental: true
})

const milliseconds = MetricBoundaries.exponential({ start: 1, factor: 2, count: 18 })

/**
 * In milliseconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const queued = Metric.histogram(
  "effect_responses_queued_millis",
  milliseconds,
  "Time that requests waited for other responses on their connection"
)

/**
 * In milliseconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const firstEvent = Metric.histogram(
  "effect_responses_first_event_millis",
  milliseconds,
  "Time from the turn of a request to the first event of its response"
)

/** A tagged metric is made once: to make it costs more than to count. */
const tagged = <K extends string, M>(make: (key: K) => M) => {
  const made = new Map<K, M>()
  return (key: K): M => {
    const found = made.get(key) ?? make(key)
    made.set(key, found)
    return found
  }
}

type Kind = `${Sending["transport"]} ${Sending["input"]} ${FullReason["_tag"] | ""}`

const responsesOf = tagged((kind: Kind) => {
  const [transport = "", input = "", reason = ""] = kind.split(" ")
  return Metric.taggedWithLabels(responses, [
    MetricLabel.make("transport", transport),
    MetricLabel.make("input", input),
    MetricLabel.make("reason", reason)
  ])
})

const recoveriesOf = tagged((tag: Recovery["_tag"]) => Metric.tagged(recoveries, "recovery", tag))

/**
 * What a response that has begun counts for, in the metrics and in the `stats` of a Layer alike.
 *
 * @since 0.1.0
 * @category models
 */
export interface Measures {
  /** 1 for a request that was sent with only what was new, else 0. */
  readonly deltas: number
  /** In bytes. */
  readonly bytesSent: number
  /** In bytes. */
  readonly bytesSaved: number
  /** Each recovery counts once. */
  readonly recoveries: ReadonlyArray<Recovery["_tag"]>
}

/**
 * @since 0.1.0
 * @category getters
 */
export const measures = ({ bytesSaved, bytesSent, input, recoveries }: Sending): Measures => ({
  deltas: input === "delta" ? 1 : 0,
  bytesSent,
  bytesSaved,
  recoveries: recoveries.map(({ _tag }) => _tag)
})

/**
 * Counts a response that has begun.
 *
 * @since 0.1.0
 * @category metrics
 */
export const count = (sending: Sending): Effect.Effect<void> =>
  Effect.withFiberRuntime((fiber) => {
    const labels = fiber.getFiberRef(FiberRef.currentMetricLabels)
    const { input, reason, transport } = sending
    const measured = measures(sending)
    responsesOf(`${transport} ${input} ${reason?._tag ?? ""}`).unsafeUpdate(1, labels)
    bytesSent.unsafeUpdate(measured.bytesSent, labels)
    bytesSaved.unsafeUpdate(measured.bytesSaved, labels)
    queued.unsafeUpdate(Duration.toMillis(sending.queued), labels)
    firstEvent.unsafeUpdate(Duration.toMillis(sending.firstEvent), labels)
    for (const tag of measured.recoveries) recoveriesOf(tag).unsafeUpdate(1, labels)
    return Effect.void
  })

/**
 * The name of the span that lasts as long as a response.
 *
 * @since 0.1.0
 * @category spans
 */
export const spanName = "Responses.open"

const annotate = (span: Tracer.Span, attributes: Readonly<Record<string, unknown>>): void => {
  for (const [name, value] of Object.entries(attributes)) {
    if (Predicate.isNotNullable(value)) span.attribute(name, value)
  }
}

type Redact = (text: string) => string

/** A server may put anything where a word is due: a secret that it was sent, or megabytes. */
const word = (value: unknown, redact: Redact = identity): string | undefined =>
  Predicate.isString(value) ? redact(value).slice(0, 256) : undefined

const number = (value: unknown): number | undefined =>
  Predicate.isNumber(value) && Number.isFinite(value) ? value : undefined

/**
 * @since 0.1.0
 * @category spans
 */
export const requestAttributes = (request: ResponseRequest): Readonly<Record<string, unknown>> => ({
  "gen_ai.operation.name": "chat",
  ...Predicate.isNotNullable(request.model) ? { "gen_ai.request.model": request.model } : {},
  ...Predicate.isNotNullable(request.max_output_tokens)
    ? { "gen_ai.request.max_tokens": request.max_output_tokens }
    : {},
  ...Predicate.isNotNullable(request.temperature) ? { "gen_ai.request.temperature": request.temperature } : {},
  ...Predicate.isNotNullable(request.top_p) ? { "gen_ai.request.top_p": request.top_p } : {}
})

/**
 * Puts what is known when a response has begun on its span. `redact` takes secrets out of what the server chose.
 *
 * @since 0.1.0
 * @category spans
 */
export const annotateOpen = (
  span: Tracer.Span,
  response: Sending & { readonly id: string | undefined; readonly redact?: Redact | undefined }
): void =>
  annotate(span, {
    "gen_ai.response.id": word(response.id, response.redact),
    "responses.transport": response.transport,
    "responses.input": response.input,
    "responses.input.reason": response.reason?._tag,
    "responses.bytes_sent": response.bytesSent,
    "responses.bytes_saved": response.bytesSaved,
    "responses.connection": response.connection,
    "responses.lane": response.lane,
    "responses.continues": response.continues,
    "responses.queued_ms": Duration.toMillis(response.queued),
    "responses.first_event_ms": Duration.toMillis(response.firstEvent),
    "responses.recoveries": response.recoveries.length === 0
      ? undefined
      : response.recoveries.map((recovery) => recovery._tag).join(",")
  })

/**
 * Puts what is known when a response has ended on its span. `redact` takes secrets out of what the server chose.
 *
 * @since 0.1.0
 * @category spans
 */
export const annotateEnd = (
  span: Tracer.Span,
  response: Response,
  redact?: Redact
): void =>
  annotate(span, {
    "gen_ai.response.id": word(response.id, redact),
    "gen_ai.response.model": word(response.model, redact),
    "gen_ai.response.finish_reasons": word(response.incomplete_details?.reason, redact) ??
      word(response.status, redact),
    "gen_ai.usage.input_tokens": number(response.usage?.input_tokens),
    "gen_ai.usage.output_tokens": number(response.usage?.output_tokens)
  })
