/** Tells a new connection the conversations that the old one served last, so that the next turn on it sends only what is new. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as ResponseRequest from "../../ResponseRequest.ts"
import type { Time } from "../effect/time.ts"
import * as Utf8 from "../wire/utf8.ts"
import type { Connection } from "./connection.ts"
import type { Heads } from "./heads.ts"
import type { Naming } from "./naming.ts"
import type { Served } from "./served.ts"

export interface Options {
  readonly time: Time
  readonly heads: Heads
  readonly naming: Naming
  /** How long all of it may take. */
  readonly limit: Duration.Duration
  readonly maxFrameBytes: number
  readonly onRewarmed: () => void
}

/** No context may end with a call that nobody has answered: then the next turn brings the calls along. */
const warmUpOf = ({ isComplete, output, request }: Served): ResponseRequest.ResponseRequest => ({
  ...request,
  input: isComplete ? [...ResponseRequest.items(request), ...output] : ResponseRequest.items(request),
  generate: false
})

/** So many at once: a server takes no more than its lanes, and others come meanwhile. */
const concurrency = 4

/**
 * Never fails: a conversation that could not be told is sent in full by its next turn. `false`: a warm-up failed, and
 * the connection with it, as on servers that serve nothing more after an error.
 */
export const make = (options: Options) => (successor: Connection, old: Connection): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    // What one key's owner said is not for another's.
    if (!Equal.equals(successor.key, old.key)) return Effect.succeed(true)
    return Effect.forEach(options.heads.latest(old), (served) => warmUp(options, successor, served), { concurrency })
      .pipe(
        Effect.map((warmed) => warmed.every(Boolean)),
        Effect.timeoutTo({
          duration: options.limit,
          onSuccess: (isWarm) => isWarm,
          onTimeout: () => successor.isOpen()
        })
      )
  })

const warmUp = (options: Options, successor: Connection, served: Served): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const { heads, maxFrameBytes, naming, onRewarmed, time } = options
    const request = warmUpOf(served)
    const lane = naming.by === "callers" ? successor.laneNamed(request.stream_id ?? "") : successor.unusedLane()
    if (lane === undefined || lane.tag !== "Free" || successor.hasEnded()) return Effect.succeed(successor.isOpen())
    const place = { connection: successor, lane }
    // What a program has put into its items may not be comparable any more.
    const taken = Either.try(() => heads.take(place, request))
    if (Either.isLeft(taken)) {
      return Effect.as(Effect.logDebug("The conversation could not be compared", taken.left), true)
    }
    const planned = taken.right
    const streamId = naming.by === "callers"
      ? request.stream_id
      : naming.sendsNames && lane.name !== ""
      ? lane.name
      : undefined
    const frame = ResponseRequest.toFrame({ ...planned.plan.request, stream_id: streamId })
    if (Either.isLeft(frame) || Utf8.isLongerThan(frame.right, maxFrameBytes)) return Effect.succeed(true)
    successor.hold(lane)
    const { exchange } = successor.request({
      frame: frame.right,
      lane,
      previousResponseId: undefined,
      renamed: undefined,
      granted: time.now(),
      onEnd: (exchange) => {
        const answer = exchange.answer()
        if (answer === undefined) return
        heads.commit(place, planned, answer, frame.right.length)
        onRewarmed()
      }
    })
    exchange.abandon()
    successor.release(lane)
    return exchange.ended.pipe(
      Effect.zipRight(Effect.suspend(() => {
        const error = exchange.error()
        if (error === undefined) return Effect.succeed(true)
        return Effect.as(
          Effect.logDebug("The conversation could not be warmed up on the new connection", error),
          error._tag === "ConnectionError" || successor.isOpen()
        )
      }))
    )
  })
