/** One answer over HTTP: as server-sent events or, without `stream`, as one JSON body. */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { ResponseEvent } from "effect-responses"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { Buffer } from "node:buffer"
import type { Outcome } from "../Observation.ts"
import type { Core, Json } from "./core.ts"
import { type Frame, type Portion, portions, toText } from "./play.ts"
import type { Run } from "./run.ts"

const record = (value: unknown): Json => Predicate.isRecord(value) ? value : {}

const textFields = (value: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(record(value)).filter((entry): entry is [string, string] => Predicate.isString(entry[1]))
  )

/** What a stream would carry as an `error` frame is a status when nothing was sent before. */
const fromErrorFrame = (frame: Json): HttpServerResponse.HttpServerResponse => {
  const { headers: nestedHeaders, ...nested } = record(frame["error"])
  const { code, headers, message, param, status, status_code } = frame
  const found = [status, status_code].find(Predicate.isNumber) ?? 500
  const type = found < 500 ? "invalid_request_error" : "server_error"
  const error = Predicate.isRecord(frame["error"]) ? nested : { message, type, param, code }
  return HttpServerResponse.unsafeJson({ error }, {
    status: found,
    headers: { ...textFields(headers), ...textFields(nestedHeaders) }
  })
}

const isError = (frame: object | string): frame is Json =>
  typeof frame === "object" && ResponseEvent.isFailure(frame as ResponseEvent.ServerEvent) && "error" in frame ||
  typeof frame === "object" && "type" in frame && frame.type === "error"

const sse = (frame: object | string): string => {
  const type: unknown = typeof frame === "string" ? undefined : Reflect.get(frame, "type")
  const lines = toText(frame).split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`).join("")
  return `${Predicate.isString(type) ? `event: ${type}\n` : ""}${lines}\n`
}

/** One answer while it is being given. */
interface Exchange {
  readonly core: Core
  readonly request: HttpServerRequest.HttpServerRequest
  readonly run: Run
  cut: boolean
}

const socketOf = ({ request }: Exchange) => NodeHttpServerRequest.toIncomingMessage(request).socket

const cut = (exchange: Exchange, portion: Portion & { readonly _tag: "Cut" }) =>
  Effect.suspend(() => {
    exchange.cut = true
    const socket = socketOf(exchange)
    const { bytes, frame } = portion
    // A piece of the chunked body that says it is longer than what comes.
    if (frame !== undefined) {
      const text = Buffer.from(sse(frame))
      socket.write(`${text.length.toString(16)}\r\n`)
      socket.write(text.subarray(0, bytes))
    }
    socket.destroySoon()
    return Effect.never
  })

const ended = (exchange: Exchange) =>
  Effect.sync(() => {
    const outcome: Outcome = exchange.run.outcome() ?? (exchange.cut ? "closed" : "abandoned")
    exchange.core.publish({
      _tag: "ResponseEnded",
      responseId: exchange.run.responseId,
      transport: "http",
      outcome
    })
  })

/** `none` ends the body. */
const play = (exchange: Exchange) => (portion: Portion): Effect.Effect<Option.Option<ReadonlyArray<Frame>>> => {
  switch (portion._tag) {
    case "Send":
      return Effect.sync(() =>
        Option.some(portion.frames.map(({ frame, ...more }) => ({ ...more, frame: exchange.run.send(frame) })))
      )
    case "Wait":
      return Effect.as(Effect.sleep(portion.millis), Option.some([]))
    case "Silence":
      return Effect.never
    case "Close":
      return Effect.sync(() => {
        exchange.cut = true
        return Option.none()
      })
    case "Cut":
      return cut(exchange, portion)
    case "Forget":
      return Effect.sync(() => {
        exchange.core.forget(portion.what, exchange.run.request?.previous_response_id)
        return Option.some([])
      })
    // A socket's own.
    case "Expire":
    case "Pings":
      return Effect.succeed(Option.some([]))
  }
}

const frames = (exchange: Exchange, portions: ReadonlyArray<Portion>) =>
  Stream.fromIterable(portions).pipe(
    Stream.rechunk(1),
    Stream.mapEffect(play(exchange)),
    Stream.takeWhile(Option.isSome),
    Stream.map((some) => some.value)
  )

const streamed = (exchange: Exchange, rest: ReadonlyArray<Portion>): HttpServerResponse.HttpServerResponse => {
  // Clients wait for the head, whatever the turn does then.
  const flushed = Stream.execute(
    Effect.sync(() => NodeHttpServerRequest.toServerResponse(exchange.request).flushHeaders())
  )
  const body = flushed.pipe(
    Stream.concat(Stream.map(frames(exchange, rest), (frames) => frames.map(({ frame }) => sse(frame)).join(""))),
    Stream.filter((text) => text !== ""),
    Stream.ensuring(ended(exchange)),
    Stream.encodeText
  )
  return HttpServerResponse.stream(body, { contentType: "text/event-stream; charset=utf-8" }).pipe(
    HttpServerResponse.setHeader("cache-control", "no-cache")
  )
}

const whole = (exchange: Exchange, rest: ReadonlyArray<Portion>) =>
  frames(exchange, rest).pipe(
    Stream.runCollect,
    Effect.map((all) => {
      const terminal = [...all].flat().map(({ frame }) => frame).find((frame): frame is Json =>
        typeof frame === "object" && ResponseEvent.isTerminal(frame as ResponseEvent.ServerEvent)
      )
      if (terminal === undefined) return HttpServerResponse.empty({ status: 502 })
      return isError(terminal) ? fromErrorFrame(terminal) : HttpServerResponse.unsafeJson(terminal["response"])
    }),
    Effect.ensuring(ended(exchange))
  )

/** What a server does with a request that it has read. */
export const answer = Effect.fnUntraced(
  function*(core: Core, request: HttpServerRequest.HttpServerRequest, parsed: Json) {
    const { stream, ...body } = parsed
    const run = yield* core.engine.respond(Predicate.isBoolean(stream) ? body : parsed, "http", core.store)
    const exchange: Exchange = { core, request, run, cut: false }
    const all = portions(run.steps)
    const waits = all.findIndex((portion) => portion._tag !== "Wait")
    for (const wait of all.slice(0, waits)) yield* Effect.onInterrupt(play(exchange)(wait), () => ended(exchange))
    const [first, ...rest] = all.slice(waits)
    if (first?._tag === "Send") {
      const [begin] = first.frames
      if (begin !== undefined && isError(begin.frame)) {
        run.send(begin.frame)
        yield* ended(exchange)
        return fromErrorFrame(begin.frame)
      }
    } else if (first?._tag === "Cut") {
      return yield* Effect.onInterrupt(cut(exchange, first), () => ended(exchange))
    }
    const portionsLeft = first === undefined ? rest : [first, ...rest]
    return stream === true ? streamed(exchange, portionsLeft) : yield* whole(exchange, portionsLeft)
  }
)
