/**
 * Reads a response to its end, whatever its consumer does: the consumer may ask the model again before it has taken all
 * events, and where every place is taken that request waits for this response. What is unread is bounded by an error, as to
 * hold the server back would have the two wait for each other.
 */
import type * as ResponseEvent from "effect-responses/ResponseEvent"
import type { OpenResponse } from "effect-responses/Responses"
import { ConnectionError, type ResponsesError } from "effect-responses/ResponsesError"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** What a value without text, or a name's quotes, colon and comma, take. In characters, about. */
const small = 8

/** One list for all: it is empty between two calls. */
const pending: Array<unknown> = []

/** About what an event is as JSON, in characters. */
const sizeOf = (event: ResponseEvent.ResponseEvent): number => {
  let size = 0
  pending.push(event)
  while (pending.length > 0) {
    const value = pending.pop()
    size += small
    if (typeof value === "string") size += value.length
    if (typeof value !== "object" || value === null) continue
    for (const name in value) {
      size += name.length
      pending.push((value as Readonly<Record<string, unknown>>)[name])
    }
  }
  return size
}

const unread = (limit: number) =>
  new ConnectionError({
    reason: "Overrun",
    delivery: "partial",
    description: `The program has left more than ${limit} characters of events unread (maxUnreadSize)`
  })

/** `close` gives the response up, or back, once nothing more of it is read. */
export const make = (
  response: OpenResponse,
  maxUnread: number,
  close: (exit: Exit.Exit<void, ResponsesError>) => Effect.Effect<void>
): Effect.Effect<Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const latch = yield* Effect.makeLatch()
    const overrun = yield* Deferred.make<never, ResponsesError>()
    let batch: Array<ResponseEvent.ResponseEvent> = []
    let size = 0
    let end: Exit.Exit<void, ResponsesError> | undefined

    const keep = (event: ResponseEvent.ResponseEvent) => {
      batch.push(event)
      size += sizeOf(event)
      latch.unsafeOpen()
      if (size > maxUnread) Deferred.unsafeDone(overrun, Effect.fail(unread(maxUnread)))
    }

    yield* Effect.raceFirst(response.forEach(keep), Deferred.await(overrun)).pipe(
      Effect.onExit((exit) =>
        Effect.zipRight(
          close(exit),
          Effect.sync(() => {
            end = exit
            latch.unsafeOpen()
          })
        )
      ),
      Effect.ignore,
      Effect.interruptible,
      Effect.forkScoped
    )

    const take = Effect.suspend(() => {
      if (batch.length === 0 && end !== undefined) {
        return Effect.zipRight(Effect.mapError(end, Option.some), Effect.fail(Option.none()))
      }
      const taken = batch
      batch = []
      size = 0
      if (end === undefined) latch.unsafeClose()
      return Effect.succeed(Chunk.unsafeFromArray(taken))
    })
    return Stream.repeatEffectChunkOption(Effect.zipRight(latch.await, take))
  })
