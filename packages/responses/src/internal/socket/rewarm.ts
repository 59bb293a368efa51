/** Tells a new connection the conversation that the old one serves, so that the next turn on it sends only what is new. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as ResponseRequest from "../../ResponseRequest.ts"
import type { Time } from "../effect/time.ts"
import * as Utf8 from "../wire/utf8.ts"
import type { Connection } from "./connection.ts"
import type { Heads, Served } from "./heads.ts"

export interface Options {
  readonly time: Time
  readonly heads: Heads
  readonly maxFrameBytes: number
  readonly onRewarmed: () => void
}

/** No context may end with a call that nobody has answered: then the next turn brings the calls along. */
const warmUpOf = ({ isComplete, output, request }: Served): ResponseRequest.ResponseRequest => ({
  ...request,
  input: isComplete ? [...ResponseRequest.items(request), ...output] : ResponseRequest.items(request),
  generate: false
})

/**
 * Never fails: a conversation that could not be told is sent in full by its next turn. `false`: the warm-up failed, and
 * the connection with it, as on servers that serve nothing more after an error.
 */
export const make = (options: Options) => (successor: Connection, old: Connection): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const served = options.heads.latest(old)
    // What one key's owner said is not for another's.
    if (served === undefined || !Equal.equals(successor.key, old.key)) return Effect.succeed(true)
    const request = warmUpOf(served)
    const lane = successor.lanes.use(request.stream_id ?? "")
    const place = { connection: successor, lane }
    // What a program has put into its items may not be comparable any more.
    const taken = Either.try(() => options.heads.take(place, request))
    if (Either.isLeft(taken)) {
      return Effect.as(Effect.logDebug("The conversation could not be compared", taken.left), true)
    }
    const planned = taken.right
    const frame = ResponseRequest.toFrame(planned.plan.request)
    if (Either.isLeft(frame) || Utf8.isLongerThan(frame.right, options.maxFrameBytes)) {
      return Effect.succeed(true)
    }
    lane.hold()
    const { exchange } = successor.request({
      frame: frame.right,
      lane,
      previousResponseId: undefined,
      granted: options.time.now(),
      onEnd: (exchange) => {
        const answer = exchange.answer()
        if (answer === undefined) return
        options.heads.commit(place, planned, answer, frame.right.length)
        options.onRewarmed()
      }
    })
    exchange.abandon()
    lane.release()
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
