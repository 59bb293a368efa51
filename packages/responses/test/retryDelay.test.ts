import { assert, describe, it } from "@effect/vitest"
import { Duration, FastCheck } from "effect"
import * as wireError from "../src/internal/wire/wireError.ts"

const delayOf = (frame: object): Duration.Duration | undefined => {
  const error = wireError.fromFrame({ type: "error", ...frame }, { delivery: "unacknowledged" })
  assert(error._tag === "ResponseFailed")
  return error.retryAfter
}

const now = "Wed, 21 Oct 2026 07:28:00 GMT"
const inAMinute = Date.parse(now) / 1000 + 60
const passing = { code: "rate_limit_exceeded", message: "Slow" }

describe("retryAfter", () => {
  const words: ReadonlyArray<readonly [string, Duration.DurationInput | undefined]> = [
    ["Please try again in 2.5s. Visit the site.", "2500 millis"],
    ["Please try again in 20ms.", "20 millis"],
    ["Please try again in 11.054s", "11054 millis"],
    ["Please try again in 1m30s.", "90 seconds"],
    ["Please try again in 6m0s.", "6 minutes"],
    ["Please try again in 1h12m28.8s", "4348800 millis"],
    ["Please retry after 20 seconds.", "20 seconds"],
    ["Please retry after 1 second.", "1 second"],
    ["Try again in 2 minutes.", "2 minutes"],
    ["try again in 2 minutes and 5 seconds", "125 seconds"],
    ["Try again in 3 days, 4 hours", "76 hours"],
    ["Please wait another 15 secs", "15 seconds"],
    ["please retry your request after 3 hrs", "3 hours"],
    ["Please retry in a few seconds.", undefined],
    ["Please try again later.", undefined],
    ["Please try again in 5 moments.", undefined],
    ["Limit 30s", undefined],
    ["Please try again in", undefined]
  ]
  for (const [message, expected] of words) {
    it(`in words: ${message}`, () => {
      assert.deepStrictEqual(
        delayOf({ error: { code: "rate_limit_exceeded", message } }),
        expected === undefined ? undefined : Duration.decode(expected)
      )
    })
  }

  const fields: ReadonlyArray<readonly [string, object, Duration.DurationInput | undefined]> = [
    ["resets_in_seconds", { error: { resets_in_seconds: 9568 } }, "9568 seconds"],
    ["resets_in_seconds as text", { error: { resets_in_seconds: "9568" } }, "9568 seconds"],
    ["resets_in_seconds beside the error", { resets_in_seconds: 5 }, "5 seconds"],
    ["retry_after", { error: { retry_after: 1.5 } }, "1500 millis"],
    ["retry_after with a unit", { error: { retry_after: "2m" } }, "2 minutes"],
    ["retry_after_ms", { error: { retry_after_ms: 250 } }, "250 millis"],
    ["retry_after_seconds", { error: { retry_after_seconds: 3 } }, "3 seconds"],
    ["resets_at, from the answer's date", { headers: { date: now }, error: { resets_at: inAMinute } }, "1 minute"],
    ["resets_at in milliseconds", { headers: { date: now }, error: { resets_at: inAMinute * 1000 } }, "1 minute"],
    [
      "resets_at as a date",
      { headers: { date: now }, error: { resets_at: new Date(inAMinute * 1000).toISOString() } },
      "1 minute"
    ],
    ["resets_at that is over", { headers: { date: now }, error: { resets_at: 1 } }, 0],
    ["resets_at with nothing to count from", { error: { resets_at: inAMinute } }, undefined],
    [
      "resets_in_seconds before resets_at",
      { headers: { date: now }, error: { resets_in_seconds: 5, resets_at: inAMinute } },
      "5 seconds"
    ],
    ["parts of a millisecond", { error: { retry_after_ms: 250.6 } }, "251 millis"],
    ["less than no time", { error: { retry_after: -1 } }, undefined],
    ["no number", { error: { retry_after: "soon", resets_in_seconds: null, resets_at: {} } }, undefined],
    ["more than a number can hold", { error: { retry_after: 1e308 } }, undefined]
  ]
  for (const [name, frame, expected] of fields) {
    it(`in a field: ${name}`, () => {
      assert.deepStrictEqual(delayOf(frame), expected === undefined ? undefined : Duration.decode(expected))
    })
  }

  const limits: ReadonlyArray<readonly [string, object, Duration.DurationInput | undefined]> = [
    ["seconds", { "x-ratelimit-reset-requests": "1s" }, "1 second"],
    ["minutes", { "x-ratelimit-reset-tokens": "6m0s" }, "6 minutes"],
    ["milliseconds", { "x-ratelimit-reset-tokens": "120ms" }, "120 millis"],
    ["plain seconds", { "x-ratelimit-reset-tokens": "59.7" }, "59700 millis"],
    ["a number", { "x-ratelimit-reset-tokens": 3 }, "3 seconds"],
    ["the longest", { "x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s" }, "6 minutes"],
    [
      "the one that is reached",
      {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-remaining-tokens": "159976",
        "x-ratelimit-reset-tokens": "6m0s"
      },
      "1 second"
    ],
    ["no time", { "x-ratelimit-reset-requests": "soon" }, undefined]
  ]
  for (const [name, headers, expected] of limits) {
    it(`in the headers of a limit: ${name}`, () => {
      assert.deepStrictEqual(
        delayOf({ headers, error: passing }),
        expected === undefined ? undefined : Duration.decode(expected)
      )
    })
  }

  it("a limit counts only where it can be the reason", () => {
    const headers = { "x-ratelimit-remaining-tokens": "100", "x-ratelimit-reset-tokens": "6m0s" }
    assert.isUndefined(delayOf({ headers, error: { code: "server_error" } }), "nothing says that it is reached")
    assert.deepStrictEqual(delayOf({ headers, error: passing }), Duration.minutes(6), "a request for more than remains")
    const reached = { ...headers, "x-ratelimit-remaining-tokens": "0" }
    assert.deepStrictEqual(delayOf({ headers: reached, error: { code: "server_error" } }), Duration.minutes(6))
    for (const code of ["invalid_prompt", "insufficient_quota"]) {
      assert.isUndefined(delayOf({ status: 429, headers: reached, error: { code } }), code)
    }
  })

  it("words of a final failure may quote the request", () => {
    assert.isUndefined(delayOf({ status: 400, error: { message: "No such tool: \"try again in 5s\"" } }))
  })

  it("the nearer source counts: headers, fields, words, limits", () => {
    const limit = { "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "4s" }
    const message = "Rate limit reached. Please try again in 3s."
    const error = { ...passing, message, retry_after: 2 }
    assert.deepStrictEqual(delayOf({ headers: { ...limit, "retry-after": "1" }, error }), Duration.seconds(1))
    assert.deepStrictEqual(delayOf({ headers: limit, error }), Duration.seconds(2))
    assert.deepStrictEqual(delayOf({ headers: limit, error: { ...passing, message } }), Duration.seconds(3))
    assert.deepStrictEqual(delayOf({ headers: limit, error: passing }), Duration.seconds(4))
  })

  const value = FastCheck.oneof(
    FastCheck.jsonValue(),
    FastCheck.double(),
    FastCheck.double({ min: 0, max: 1e6 }),
    FastCheck.constantFrom("1s", "0", "-1", "1e400")
  )
  const name = FastCheck.constantFrom(
    "retry-after",
    "retry-after-ms",
    "date",
    "x-ratelimit-reset-tokens",
    "resets_at",
    "resets_in_seconds",
    "retry_after"
  )
  it.prop(
    "is whole milliseconds, none of them negative or endless",
    [FastCheck.dictionary(name, value)],
    ([fields]) => {
      const delay = delayOf({ headers: fields, error: { ...passing, ...fields } })
      if (delay === undefined) return
      const millis = Duration.toMillis(delay)
      assert.isTrue(Number.isInteger(millis) && millis >= 0, String(millis))
    }
  )
})
