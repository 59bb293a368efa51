/** The body of an answer over HTTP, read into an exchange: server-sent events, or the response as a whole. */
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { createParser } from "eventsource-parser"
import type { Credentials } from "../Endpoint.ts"
import * as ResponseEvent from "../ResponseEvent.ts"
import { ConnectionError, type Delivery, MalformedEvent, type ResponsesError } from "../ResponsesError.ts"
import { type Exchange, maxBeforeBeginning } from "./exchange.ts"
import { maxErrorSize, readText, reasonOf } from "./httpFailure.ts"
import type { Time } from "./time.ts"

/** In characters. An image in base64 is some megabytes. */
const maxEventSize = 64 * 1024 * 1024

type Scrub = Credentials["scrub"]

const lost = (description: string) => (delivery: Delivery) =>
  new ConnectionError({ reason: "Lost", delivery, description })

interface Parser {
  readonly feed: (bytes: Uint8Array) => void
  /** The last event counts without the blank line after it. */
  readonly end: () => void
}

/** Takes the bytes of an event stream as the network cut them, and gives the `data` of each event. */
const makeParser = (onData: (data: string) => void, onOverflow: () => void): Parser => {
  const decoder = new TextDecoder()
  const parser = createParser({
    maxBufferSize: maxEventSize,
    onEvent: (event) => onData(event.data),
    onError: (error) => error.type === "max-buffer-size-exceeded" && onOverflow()
  })
  return {
    feed: (bytes) => parser.feed(decoder.decode(bytes, { stream: true })),
    end: () => parser.feed(`${decoder.decode()}\n\n`)
  }
}

export type ReadError = MalformedEvent | HttpClientError.HttpClientError

/** The delivery is the exchange's to say, and the frame is cut once the key is out of it. */
const malformed = (description: string, frame: string) =>
  new MalformedEvent({ description, frame: frame.slice(0, 2000), delivery: "unacknowledged" })

/** How the body flows in: not faster than it is taken. */
export interface Flow {
  readonly onPressure: (behind: boolean) => void
  /** Waits while the consumer is behind. */
  readonly caughtUp: Effect.Effect<void>
  readonly hear: () => void
  /** When something last came, as a time of `Time.now`; `undefined` while nobody listens. */
  readonly heardAt: () => number | undefined
}

export const makeFlow = (time: Time): Flow => {
  const gate = Effect.unsafeMakeLatch(true)
  let isBehind = false
  let heardAt = time.now()
  const hear = () => {
    heardAt = time.now()
  }
  return {
    onPressure: (behind) => {
      isBehind = behind
      hear()
      if (behind) gate.unsafeClose()
      else gate.unsafeOpen()
    },
    caughtUp: gate.await,
    hear,
    heardAt: () => isBehind ? undefined : heardAt
  }
}

/** Reads on after the end of the response: a body that was read to its end leaves its connection to the next request. */
const readEvents = (answer: HttpClientResponse.HttpClientResponse, exchange: Exchange, flow: Flow) =>
  Effect.suspend((): Effect.Effect<void, ReadError> => {
    let failure: MalformedEvent | undefined
    const parser = makeParser(
      (data) => {
        if (failure !== undefined) return
        if (data === "[DONE]") return exchange.fail(lost("The server ended the events before the response had ended"))
        Either.match(ResponseEvent.decode(data, "unacknowledged"), {
          onLeft: (error) => {
            failure = malformed(error.description, data)
          },
          onRight: (event) => {
            exchange.offer(event, data.length)
            if (exchange.responseId() === undefined && exchange.size() > maxBeforeBeginning) {
              failure = malformed("events of no response", "")
            }
          }
        })
      },
      () => {
        failure = malformed(`an event of more than ${maxEventSize} characters`, "")
      }
    )
    return Stream.runForEachChunk(answer.stream, (chunk) =>
      Effect.suspend(() => {
        flow.hear()
        for (const bytes of chunk) {
          parser.feed(bytes)
          if (failure !== undefined) return Effect.fail(failure)
        }
        return exchange.isFinished() ? Effect.void : flow.caughtUp
      })).pipe(
        // An event that the end cut off is lost, not malformed.
        Effect.tap(() => Effect.sync(parser.end))
      )
  })

const endOfStatus: ReadonlyMap<string, ResponseEvent.EndEvent["type"] | "response.failed"> = new Map([
  ["completed", "response.completed"],
  ["incomplete", "response.incomplete"],
  ["failed", "response.failed"],
  ["cancelled", "response.failed"]
])

/** Some servers cannot stream: their answer is the response as it stands at its end. */
const decodeWhole = (body: string): Either.Either<ResponseEvent.ServerEvent, MalformedEvent> => {
  const response = Either.getOrUndefined(Either.try((): unknown => JSON.parse(body)))
  if (!Predicate.isRecord(response) || !Predicate.isString(response["id"])) {
    return ResponseEvent.decode(body, "unacknowledged")
  }
  const status = response["status"] ?? "completed"
  const type = Predicate.isString(status) ? endOfStatus.get(status) : undefined
  return type === undefined
    ? Either.left(malformed("a response that has not ended instead of its events", body))
    : ResponseEvent.decode(`{"type":"${type}","response":${body}}`, "unacknowledged")
}

export const read = (
  answer: HttpClientResponse.HttpClientResponse,
  exchange: Exchange,
  flow: Flow
): Effect.Effect<void, ReadError> => {
  const type = (answer.headers["content-type"] ?? "text/event-stream").split(";", 1).join().trim().toLowerCase()
  if (type === "text/event-stream") return readEvents(answer, exchange, flow)
  if (type !== "application/json") {
    return Effect.flatMap(
      readText(answer, maxErrorSize),
      (body) => Effect.fail(malformed(`${type} instead of events`, body))
    )
  }
  return readText(answer, maxEventSize).pipe(
    Effect.flatMap(decodeWhole),
    Effect.map((event) => exchange.offer(event, 0))
  )
}

/** Why nothing more comes, for a response that has not ended by itself. */
export const endOf = (exit: Exit.Exit<void, ReadError>, scrub: Scrub) => (delivery: Delivery): ResponsesError => {
  if (Exit.isSuccess(exit)) return lost("The server ended its answer before the response had ended")(delivery)
  if (Cause.isInterruptedOnly(exit.cause)) return lost("The response was given up, its scope is closed")(delivery)
  const error = Cause.squash(exit.cause)
  return error instanceof MalformedEvent
    ? new MalformedEvent({ description: scrub(error.description), frame: scrub(error.frame).slice(0, 200), delivery })
    : lost(
      `The connection was lost: ${
        scrub(reasonOf(HttpClientError.isHttpClientError(error) ? error.cause : error).message)
      }`
    )(delivery)
}
