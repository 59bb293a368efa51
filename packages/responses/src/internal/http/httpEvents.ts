/** The body of an answer over HTTP, read into an exchange. */
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { ConnectionError, type Delivery, MalformedEvent, type ResponsesError } from "../../ResponsesError.ts"
import type { Time } from "../effect/time.ts"
import type { Exchange } from "../exchange/exchange.ts"
import type { Credentials } from "../options/credentials.ts"
import { reasonOf } from "../wire/foreignError.ts"
import * as EventBody from "./eventBody.ts"

type Redact = Credentials["redact"]

const lost = (description: string) => (delivery: Delivery) =>
  new ConnectionError({ reason: "Lost", delivery, description })

export type ReadError = MalformedEvent | HttpClientError.HttpClientError

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

/** Gives what else was said after the last event. */
export const read = (
  answer: HttpClientResponse.HttpClientResponse,
  exchange: Exchange,
  flow: Flow
): Effect.Effect<string, ReadError> =>
  Effect.suspend(() => {
    const body = EventBody.make(answer.headers["content-type"], exchange)
    return Stream.runForEachChunk(answer.stream, (chunk) =>
      Effect.suspend(() => {
        flow.hear()
        for (const bytes of chunk) {
          const failure = body.feed(bytes)
          if (failure !== undefined) return Effect.fail(failure)
        }
        return exchange.hasEnded() ? Effect.void : flow.caughtUp
      })).pipe(Effect.flatMap(body.end))
  })

/** Why nothing more comes, for a response that has not ended by itself. */
export const endOf = (exit: Exit.Exit<string, ReadError>, redact: Redact) => (delivery: Delivery): ResponsesError => {
  if (Exit.isSuccess(exit)) {
    const said = redact(exit.value).slice(0, 200)
    return lost(`The server ended its answer before the response had ended${said === "" ? "" : `: ${said}`}`)(delivery)
  }
  if (Cause.isInterruptedOnly(exit.cause)) return lost("The response was given up, its scope is closed")(delivery)
  const error = Cause.squash(exit.cause)
  return error instanceof MalformedEvent
    ? new MalformedEvent({ description: redact(error.description), frame: redact(error.frame).slice(0, 200), delivery })
    : lost(
      `The connection was lost: ${
        redact(reasonOf(HttpClientError.isHttpClientError(error) ? error.cause : error).message)
      }`
    )(delivery)
}
