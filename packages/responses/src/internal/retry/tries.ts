/** The tries of one request: counted, and each one later than the one before. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import * as Again from "../effect/again.ts"
import * as Policy from "./policy.ts"

export interface Next {
  readonly attempt: number
  readonly delay: Duration.Duration
  readonly error: Policy.Failure
}

export interface Tries {
  readonly begin: () => Again.Try
  /** Of a failure with which a try ended. `undefined`: it was the last. */
  readonly next: (one: Again.Try, failure: unknown) => Effect.Effect<Next | undefined>
}

export const make = (policy: Policy.Policy, around: Again.Try | undefined): Tries => {
  let attempt = 0
  let state = policy.schedule.initial

  const giveUp = (error: Policy.Failure): undefined => {
    if (around !== undefined) around.givenUp = error
    return undefined
  }

  const after = (error: Policy.Failure) =>
    Effect.flatMap(
      Clock.currentTimeMillis,
      (now) =>
        Effect.map(policy.schedule.step(now, error, state), ([next, , decision]): Next | undefined => {
          state = next
          if (ScheduleDecision.isDone(decision)) return giveUp(error)
          attempt++
          const planned = Duration.millis(Math.max(0, Math.round(ScheduleIntervals.start(decision.intervals) - now)))
          const delay = Duration.max(Duration.min(planned, policy.maxDelay), error.retryAfter ?? Duration.zero)
          return { attempt, delay, error }
        })
    )

  return {
    begin: () => Again.make(attempt === 0, around),
    next: (one, failure) =>
      Effect.suspend(() => {
        one.state = "over"
        if (!Policy.isFailure(failure)) return Effect.succeed(undefined)
        const error = Cause.originalError(failure)
        if (!Policy.allows(policy, error)) return Effect.succeed(undefined)
        return one.givenUp === error || attempt >= policy.times ? Effect.succeed(giveUp(error)) : after(error)
      })
  }
}
