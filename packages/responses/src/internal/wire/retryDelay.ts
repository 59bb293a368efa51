/**
 * How long a server asks to wait before the same request is sent again. No clock of this process is asked.
 * `Duration.decode` takes neither `1m30s` nor `2.5s`, and `@effect/platform` does not read `retry-after`.
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import { maxText, type Verdict } from "./errorTable.ts"

type Json = Readonly<Record<string, unknown>>

const milliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

const unit = "(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z])"

const amount = `\\d{1,9}(?:\\.\\d{1,9})?\\s?${unit}`

/** `2.5s`, `1m30s`, `2 minutes and 5 seconds`. */
const span = `${amount}(?:,?\\s?(?:and\\s)?${amount}){0,4}`

const amounts = /(\d+(?:\.\d+)?)\s?([a-z]+)/gi

const letters = (name: string): string => /^m(?:s|illi)/i.test(name) ? "ms" : name.slice(0, 1).toLowerCase()

const ofSpan = (text: string): number =>
  [...text.matchAll(amounts)].reduce(
    (sum, [, value, name = ""]) => sum + Number(value) * milliseconds[letters(name)]!,
    0
  )

const wholeSpan = new RegExp(`^${span}$`, "i")

/** "Please try again in 2.5s", "retry after 20 seconds", "wait for another 2 minutes". */
const waiting = new RegExp(
  `\\b(?:try again|retry|wait)(?:\\s(?:your request|again|at least|another|about|in|after|for)){0,4}\\s(${span})`,
  "i"
)

/** Fractions of a millisecond are of no use to a timer. */
const delay = (millis: number): Duration.Duration | undefined =>
  Number.isFinite(millis) && millis >= 0 ? Duration.millis(Math.round(millis)) : undefined

const numberOf = (value: unknown): number =>
  Predicate.isNumber(value) ? value : Predicate.isString(value) && value.trim() !== "" ? Number(value) : Number.NaN

/** A number of units, or a text with units of its own. */
const amountOf = (value: unknown, scale: number): Duration.Duration | undefined =>
  Predicate.isString(value) && value.length <= 100 && wholeSpan.test(value.trim())
    ? delay(ofSpan(value))
    : delay(numberOf(value) * scale)

/** As a number it is seconds since 1970, or milliseconds where it would be thousands of years ahead. */
const momentOf = (value: unknown): number => {
  const number = numberOf(value)
  if (Number.isFinite(number)) return number < 1e11 ? number * 1000 : number
  return Predicate.isString(value) ? Date.parse(value) : Number.NaN
}

/** A moment counts from the answer's own `date`: the clocks of two machines differ. Without one it says nothing. */
const untilMoment = (value: unknown, headers: Json): Duration.Duration | undefined => {
  const millis = momentOf(value) - momentOf(headers["date"])
  return delay(Math.max(0, millis))
}

const ofHeaders = (headers: Json): Duration.Duration | undefined =>
  amountOf(headers["retry-after-ms"], 1) ??
    amountOf(headers["retry-after"], 1000) ??
    (Number.isNaN(numberOf(headers["retry-after"])) ? untilMoment(headers["retry-after"], headers) : undefined)

const ofFields = (fields: Json, headers: Json): Duration.Duration | undefined =>
  amountOf(fields["resets_in_seconds"], 1000) ??
    amountOf(fields["retry_after_ms"], 1) ??
    amountOf(fields["retry_after"], 1000) ??
    amountOf(fields["retry_after_seconds"], 1000) ??
    untilMoment(fields["resets_at"], headers)

const ofText = (text: string | undefined): Duration.Duration | undefined => {
  const found = text === undefined ? undefined : waiting.exec(text.slice(0, maxText))?.[1]
  return found === undefined ? undefined : delay(ofSpan(found))
}

/** The limits that are reached: those of which nothing remains. After a 429 that names none, all of them. */
const ofLimits = (headers: Json, status: number | undefined): Duration.Duration | undefined => {
  const limits = ["requests", "tokens"].map((name) => ({
    reset: amountOf(headers[`x-ratelimit-reset-${name}`], 1000),
    remaining: numberOf(headers[`x-ratelimit-remaining-${name}`])
  }))
  const reached = limits.filter(({ remaining }) => remaining <= 0)
  return (reached.length > 0 || status !== 429 ? reached : limits)
    .flatMap(({ reset }) => reset ?? [])
    .reduce<Duration.Duration | undefined>((longest, reset) => Duration.max(longest ?? reset, reset), undefined)
}

export interface Asked {
  /** Names in lower case. */
  readonly headers: Json
  /** The objects that may have the fields, the first one first. */
  readonly fields: ReadonlyArray<Json>
  readonly text: string | undefined
  readonly verdict: Verdict
  readonly status: number | undefined
}

/**
 * What is meant for this request goes before what is said of a limit. The words of a final failure may quote the request,
 * and a limit that is reached ends no failure but a passing one.
 */
export const of = ({ fields, headers, status, text, verdict }: Asked): Duration.Duration | undefined => {
  const stated = ofHeaders(headers) ??
    fields.reduce<Duration.Duration | undefined>((found, one) => found ?? ofFields(one, headers), undefined)
  if (stated !== undefined || verdict === "final") return stated
  return ofText(text) ?? (verdict === "passing" ? ofLimits(headers, status) : undefined)
}
