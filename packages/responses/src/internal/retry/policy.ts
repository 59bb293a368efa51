/** Which failures are tried again, how often, and after how long. */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import { ConnectionError, Delivery, InvalidRequest, ResponseFailed } from "../../ResponsesError.ts"
import type { RetryOptions } from "../../ResponsesOptions.ts"
import * as ErrorTable from "../wire/errorTable.ts"

export interface Policy {
  readonly times: number
  readonly delivery: Delivery
  readonly maxDelay: Duration.Duration
  readonly schedule: Schedule.Schedule<unknown, Failure>
}

/** All others are never retryable. */
export type Failure = ConnectionError | ResponseFailed

export const isFailure = (error: unknown): error is Failure =>
  error instanceof ConnectionError || error instanceof ResponseFailed

const defaultTimes = 3

const defaultSchedule: Schedule.Schedule<unknown> = Schedule.exponential("500 millis").pipe(
  Schedule.jittered,
  Schedule.modifyDelay((_, delay) => Duration.min(delay, "30 seconds"))
)

const invalid = (field: keyof RetryOptions, description: string) =>
  new InvalidRequest({ field: `retry.${field}`, description })

const isDelivery = (value: unknown): value is Delivery => Delivery.literals.some((literal) => literal === value)

const isCount = (value: unknown): value is number =>
  value === Infinity || (Predicate.isNumber(value) && Number.isInteger(value) && value >= 0)

export const check = (options: RetryOptions): Either.Either<Policy, InvalidRequest> => {
  const { delivery = "unsent", maxDelay = "1 minute", schedule } = options
  const { times = schedule === undefined ? defaultTimes : Infinity } = options
  if (!isCount(times)) return Either.left(invalid("times", "is not a whole number from 0 on"))
  if (!isDelivery(delivery)) return Either.left(invalid("delivery", `is none of ${Delivery.literals.join(", ")}`))
  if (schedule !== undefined && !Schedule.isSchedule(schedule)) {
    return Either.left(invalid("schedule", "is not a Schedule"))
  }
  return Option.match(Duration.decodeUnknown(maxDelay), {
    onNone: () => Either.left(invalid("maxDelay", "is not a duration")),
    onSome: (maxDelay) => Either.right({ times, delivery, maxDelay, schedule: schedule ?? defaultSchedule })
  })
}

/** The server has not taken the request on: a rate limit or overload, whether or not its response had been created. */
const notTaken: ReadonlySet<number | undefined> = new Set([429, 503, 529])

const isNotTaken = (error: Failure): boolean => {
  if (error._tag !== "ResponseFailed" || error.delivery === "partial") return false
  const { code, description, status, type } = error
  return notTaken.has(ErrorTable.judge({ names: [code, type], status, text: description }).status)
}

const reach = (delivery: Delivery): number => Delivery.literals.indexOf(delivery)

/** Whether the failure is one that may be tried again, however often that was done. */
export const allows = ({ delivery, maxDelay }: Policy, error: Failure): boolean =>
  error.retryable &&
  (reach(error.delivery) <= reach(delivery) || isNotTaken(error)) &&
  (error.retryAfter === undefined || Duration.lessThanOrEqualTo(error.retryAfter, maxDelay))
