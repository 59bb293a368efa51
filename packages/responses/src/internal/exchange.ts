/** One request and what comes back for it: the reader puts events in, synchronously, and the caller takes them out. */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ResponseEvent from "../ResponseEvent.ts"
import type { FinalResponse } from "../Responses.ts"
import type { Delivery, ResponsesError } from "../ResponsesError.ts"
import * as Output from "./output.ts"
import * as Scrub from "./scrub.ts"
import * as wireError from "./wireError.ts"

export interface Options {
  readonly previousResponseId?: string | undefined
  /** The caller is behind (`true`), or has caught up. */
  readonly onPressure: (behind: boolean) => void
  /** Takes the key out of what a server says. */
  readonly scrub: (text: string) => string
  /** Nothing more comes, for a response that had begun or not. Called once, before anybody can take the end. */
  readonly onEnd?: ((hasBegun: boolean) => void) | undefined
}

export interface Exchange {
  /** Size in characters, for back-pressure. */
  readonly offer: (event: ResponseEvent.ServerEvent, size: number) => void
  /** Ends the exchange from this side; after the end it changes nothing. */
  readonly fail: (error: (delivery: Delivery, hasBegun: boolean) => ResponsesError) => void
  /** The server has said its last word on this request. */
  readonly isFinished: () => boolean
  /** Nothing more comes, whoever ended it. */
  readonly hasEnded: () => boolean
  /** What it failed with, if it did. */
  readonly error: () => ResponsesError | undefined
  /** What waits to be taken, in characters. */
  readonly size: () => number
  /** Set by the first event that has it. */
  readonly responseId: () => string | undefined
  /** The response as it stands at its end, once it has ended well. */
  readonly result: () => FinalResponse | undefined
  /** Waits until the server begins to answer. */
  readonly started: Effect.Effect<string, ResponsesError>
  /** Can be run once, or `forEach` can. */
  readonly events: Stream.Stream<ResponseEvent.ResponseEvent, ResponsesError>
  /** Has the reader call a function with each event, and waits for the end. */
  readonly forEach: (onEvent: (event: ResponseEvent.ResponseEvent) => void) => Effect.Effect<void, ResponsesError>
  /** Nobody takes any more: what has come and what still comes is thrown away, and the reader need not wait. */
  readonly abandon: () => void
  /** Waits for the end of an abandoned exchange. */
  readonly ended: Effect.Effect<void>
}

const readTwice = "The events of a response can be read once"

const readTooLate = "The events of a response were read after its scope was closed"

/** In characters: some thousand small events, or one image. */
const highWaterMark = 1 << 20

/** What can be held for a response that has not begun, in characters: nobody can take it, and its beginning is still to come. */
export const maxBeforeBeginning = 16 * highWaterMark

type End = { readonly _tag: "Done" } | { readonly _tag: "Failed"; readonly error: ResponsesError }

export const make = (options: Options): Exchange => {
  let batch: Array<ResponseEvent.ResponseEvent> = []
  let size = 0
  let id: string | undefined
  let delivery: Delivery = "unacknowledged"
  let end: End | undefined
  let finished = false
  let abandoned = false
  let read = false
  let sink: ((event: ResponseEvent.ResponseEvent) => void) | undefined
  let result: FinalResponse | undefined
  const output = Output.make()
  let wake: (() => void) | undefined

  /**
   * Looks again when it registers: events may come while the fiber is on its way here. Without a canceller, as to wake a
   * fiber that was interrupted does nothing.
   */
  const until = (isReady: () => boolean) =>
    Effect.async<void>((resume) => {
      if (isReady()) return resume(Effect.void)
      wake = () => {
        wake = undefined
        resume(Effect.void)
      }
    })

  const hasEnded = () => end !== undefined
  const hasEvents = () => batch.length > 0 || hasEnded()

  const finish = (how: End, last?: ResponseEvent.EndEvent) => {
    if (end !== undefined) return
    end = how
    try {
      options.onEnd?.(id !== undefined)
    } finally {
      if (last !== undefined) sink?.(last)
      wake?.()
    }
  }

  const scrubbed = (event: ResponseEvent.FailureEvent): ResponseEvent.FailureEvent => {
    try {
      return Scrub.json(event, options.scrub) as ResponseEvent.FailureEvent
    } catch {
      // What is nested a hundred thousand times deep can be read, but not written.
      return { type: "error", error: { message: "The server reported a failure that cannot be shown" } }
    }
  }

  const offer = (event: ResponseEvent.ServerEvent, length: number) => {
    if (end !== undefined) return
    if (ResponseEvent.isFailure(event)) {
      finished = true
      const { previousResponseId, scrub } = options
      const error = wireError.fromFrame(scrubbed(event), {
        delivery,
        hasBegun: id !== undefined,
        // The server chose it, in the response before.
        previousResponseId: previousResponseId === undefined ? undefined : scrub(previousResponseId)
      })
      return finish({ _tag: "Failed", error })
    }
    id ??= ResponseEvent.responseId(event)
    if (!abandoned && sink === undefined) {
      batch.push(event)
      size += length
    }
    output.add(event)
    if (delivery !== "partial" && ResponseEvent.isOutput(event)) delivery = "partial"
    if (ResponseEvent.isEnd(event)) {
      finished = true
      result = { ...event.response, output: output.of(event.response) }
      return finish({ _tag: "Done" }, event)
    }
    if (sink !== undefined) return sink(event)
    // Before the response has begun nobody takes anything, and its beginning may be what is still to come.
    if (size >= highWaterMark && id !== undefined) options.onPressure(true)
    wake?.()
  }

  const take = () => {
    const taken = batch
    batch = []
    if (size >= highWaterMark) options.onPressure(false)
    size = 0
    return taken
  }

  const started: Exchange["started"] = Effect.async<string, ResponsesError>((resume) => {
    const settle = () => {
      if (id !== undefined) resume(Effect.succeed(id))
      else if (end?._tag === "Failed") resume(Effect.fail(end.error))
      else return
      wake = undefined
    }
    wake = settle
    settle()
  })

  const next: Channel.Channel<Chunk.Chunk<ResponseEvent.ResponseEvent>, unknown, ResponsesError, unknown, void> =
    Channel
      .suspend(() => {
        if (abandoned) return Channel.fromEffect(Effect.dieMessage(readTooLate))
        if (!hasEvents()) return Channel.flatMap(Channel.fromEffect(until(hasEvents)), () => next)
        const chunk = Channel.write(Chunk.unsafeFromArray(take()))
        if (end === undefined) return Channel.flatMap(chunk, () => next)
        const last = end._tag === "Failed" ? Channel.fail(end.error) : Channel.void
        return Channel.flatMap(chunk, () => last)
      })

  const events: Exchange["events"] = Stream.suspend(() => {
    if (read) return Stream.dieMessage(readTwice)
    read = true
    return Stream.fromChannel(next)
  })

  const abandon = () => {
    abandoned = true
    sink = undefined
    take()
  }

  /** A function that throws gets nothing more, and the reader goes on as if its caller had left. */
  const guarded =
    (onEvent: (event: ResponseEvent.ResponseEvent) => void, fail: (defect: unknown) => void) =>
    (event: ResponseEvent.ResponseEvent) => {
      try {
        onEvent(event)
      } catch (defect) {
        abandon()
        fail(defect)
      }
    }

  const forEach: Exchange["forEach"] = (onEvent) =>
    Effect.async<void, ResponsesError>((resume) => {
      if (read || abandoned) return resume(Effect.dieMessage(read ? readTwice : readTooLate))
      read = true
      let hasThrown = false
      const settle = () => {
        wake = undefined
        resume(end?._tag === "Failed" ? Effect.fail(end.error) : Effect.void)
      }
      const call = guarded(onEvent, (defect) => {
        hasThrown = true
        wake = undefined
        resume(Effect.die(defect))
      })
      while (batch.length > 0) {
        for (const event of take()) {
          call(event)
          if (hasThrown) return
        }
      }
      if (hasEnded()) return settle()
      sink = call
      wake = settle
      return Effect.sync(abandon)
    })

  const ended: Exchange["ended"] = Effect.suspend(() =>
    hasEnded() ? Effect.void : Effect.zipRight(until(hasEnded), ended)
  )

  return {
    offer,
    fail: (error) => finish({ _tag: "Failed", error: error(delivery, id !== undefined) }),
    isFinished: () => finished,
    hasEnded,
    error: () => end?._tag === "Failed" ? end.error : undefined,
    size: () => size,
    responseId: () => id,
    result: () => result,
    started,
    events,
    forEach,
    abandon,
    ended
  }
}
