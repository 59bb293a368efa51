import { assert, describe, it } from "@effect/vitest"
import { Duration, FastCheck } from "effect"
import * as ErrorTable from "../src/internal/wire/errorTable.ts"
import * as wireError from "../src/internal/wire/wireError.ts"
import { ResponseFailed } from "../src/ResponsesError.ts"

const waiting = { delivery: "unacknowledged" } as const

const failure = (frame: object): ResponseFailed => {
  const error = wireError.fromFrame(frame as Readonly<Record<string, unknown>>, waiting)
  assert(error._tag === "ResponseFailed")
  return error
}

const answer = (status: number, body: object, headers: Readonly<Record<string, string>> = {}): ResponseFailed => {
  const error = wireError.fromHttpAnswer({ status, headers, body: JSON.stringify(body) }, {})
  assert(error._tag === "ResponseFailed")
  return error
}

const passing = [
  ["rate_limit_exceeded", 429],
  ["rate_limit_error", 429],
  ["slow_down", 429],
  ["server_error", 500],
  ["server_is_overloaded", 503],
  ["service_unavailable", 503],
  ["service_unavailable_error", 503],
  ["vector_store_timeout", undefined],
  ["flex_unavailable", 429],
  ["server_overloaded", 503],
  ["request_timeout", 408],
  ["connection_failed", undefined],
  ["internal_error", 500],
  ["conversation_locked", 400],
  ["too_many_requests", 429],
  ["RATE_LIMITED", 429],
  ["Timeout", 408],
  ["InternalServerError", 500],
  ["Some resource has been exhausted", 429],
  ["RESOURCE_EXHAUSTED", 429],
  ["The service is currently unavailable", 503],
  ["UNAVAILABLE", 503],
  ["Deadline expired before operation could complete", 504],
  ["DEADLINE_EXCEEDED", 504],
  ["overloaded", 503],
  ["overloaded_error", 503],
  ["timeout_error", 504],
  ["throttling_error", 429],
  ["BadGatewayError", 502],
  ["APIConnectionError", undefined],
  ["provider_overloaded", 503],
  ["ThrottlingException", 429],
  ["ModelNotReadyException", 429],
  ["ModelTimeoutException", 408],
  ["InternalServerException", 500],
  ["ServiceUnavailableException", 503],
  ["response_already_in_flight", undefined]
] as const

const spent = [
  ["insufficient_quota", 429],
  ["credit_balance_exhausted", 429],
  ["organization_spend_limit_exceeded", 429],
  ["organization_usage_limit_exceeded", 429],
  ["project_spend_limit_exceeded", 429],
  ["usage_limit_exceeded", 429],
  ["session_budget_exceeded", undefined],
  ["usage_limit_reached", 429],
  ["usage_not_included", 429],
  ["budget_exceeded", 429],
  ["payment_required", 402],
  ["credits_exhausted", 429],
  ["daily_cost_limit_exceeded", 429],
  ["ServiceQuotaExceededException", 400]
] as const

const final = [
  ["invalid_request_error", 400],
  ["authentication_error", 401],
  ["invalid_api_key", 401],
  ["permission_error", 403],
  ["not_found_error", 404],
  ["context_length_exceeded", 400],
  ["invalid_prompt", undefined],
  ["invalid_request", 400],
  ["resource_not_found", 404],
  ["bio_policy", undefined],
  ["cyber_policy", undefined],
  ["misalignment_policy_violation", undefined],
  ["image_content_policy_violation", undefined],
  ["websocket_stream_limit_reached", 400],
  ["invalid_stream_id", 400],
  ["content_filter", 400],
  ["DeploymentNotFound", 404],
  ["Client specified an invalid argument", 400],
  ["INVALID_ARGUMENT", 400],
  ["The request does not have valid authentication credentials", 401],
  ["UNAUTHENTICATED", 401],
  ["The caller does not have permission to execute the specified operation", 403],
  ["PERMISSION_DENIED", 403],
  ["BadRequestError", 400],
  ["ValidationException", 400],
  ["AccessDeniedException", 403]
] as const

describe("names", () => {
  it("each has a row of its own in one of the three lists", () => {
    const rows = Object.values(ErrorTable.names).flatMap(Object.keys)
    const listed = [...passing, ...spent, ...final].map(([name]) => name)
    assert.deepStrictEqual(rows.toSorted(), listed.toSorted())
    const keys = rows.map((name) => name.replace(/[^a-z]/gi, "").toLowerCase())
    assert.strictEqual(new Set(keys).size, keys.length, "no two rows are one name")
  })

  const lists = { passing, spent, final }
  for (const [verdict, list] of Object.entries(lists)) {
    for (const [name, status] of list) {
      it(`${name} is ${verdict}, wherever it stands`, () => {
        const errors = [
          failure({ type: "error", error: { code: name, message: "No." } }),
          failure({ type: "error", error: { type: name, code: null, message: "No." } }),
          failure({ type: "error", error: { type: name, code: "of_tomorrow", message: "No." } }),
          failure({ type: "error", code: name, message: "No." }),
          failure({ type: "response.failed", response: { error: { code: name, message: "No." } } })
        ]
        for (const error of errors) {
          assert.strictEqual(error.retryable, verdict === "passing")
          assert.strictEqual(error.status, status)
        }
        // A status that says otherwise does not outweigh the name.
        const other = verdict === "passing" ? 418 : 503
        assert.strictEqual(answer(other, { error: { code: name, message: "No." } }).retryable, verdict === "passing")
        const made = new ResponseFailed({ description: "No.", delivery: "unsent", frame: {}, code: name })
        assert.strictEqual(made.retryable, verdict === "passing")
      })
    }
  }

  it("the spelling makes no difference", () => {
    for (
      const name of ["RateLimitError", "Rate Limit Error", "com.amazon.coral#ThrottlingException", "TOO-MANY-REQUESTS"]
    ) {
      assert.isTrue(failure({ type: "error", error: { type: name } }).retryable, name)
    }
  })

  it("a name in place of a status counts, as Google's does", () => {
    const error = failure({ error: { code: 8, message: "No.", status: "RESOURCE_EXHAUSTED" } })
    assert.deepInclude(error, { retryable: true, status: 429 })
  })

  it("the code counts before the type", () => {
    const error = (code: string, type: string) => failure({ type: "error", error: { code, type } }).retryable
    assert.isTrue(error("conversation_locked", "invalid_request_error"))
    assert.isFalse(error("context_length_exceeded", "server_error"))
  })

  it("a spent quota counts before everything, also under names that nobody knows yet", () => {
    for (const code of ["billing_hard_limit_reached", "billing_not_active", "billing_of_tomorrow"]) {
      assert.isFalse(failure({ type: "error", status: 429, error: { type: "rate_limit_error", code } }).retryable, code)
    }
    assert.isFalse(failure({ type: "error", error: { code: "server_error", type: "insufficient_quota" } }).retryable)
    assert.isFalse(
      failure({ type: "error", code: "rate_limit_exceeded", message: "You exceeded your current quota." }).retryable
    )
  })

  const known = new Set([...passing, ...spent, ...final].map(([name]) => name.replace(/[^a-z]/gi, "").toLowerCase()))
  const unknown = FastCheck.oneof(
    FastCheck.string(),
    FastCheck.tuple(
      FastCheck.constantFrom("not_", "x_", ""),
      FastCheck.constantFrom(...passing).map(([name]) => name),
      FastCheck.constantFrom("_x", "_2", "_of_tomorrow")
    ).map((parts) => parts.join(""))
  ).filter((name) => !known.has(name.replace(/[^a-z0-9]/gi, "").toLowerCase()) && !/^\s*\d{3}/.test(name))

  it.prop("a name that is in no row makes nothing passing", [unknown], ([name]) => {
    for (
      const error of [{ code: name }, { type: name }, { status: name }, { code: name, type: "invalid_request_error" }]
    ) {
      assert.isFalse(failure({ type: "error", error: { ...error, message: "No." } }).retryable)
      assert.isFalse(failure({ type: "error", error }).retryable, "its description names the code")
    }
  })
})

describe("statuses", () => {
  const table: ReadonlyArray<readonly [number, boolean]> = [
    ...[408, 409, 425, 429, 500, 502, 503, 504, 520, 524, 529, 599].map((status) => [status, true] as const),
    ...[400, 401, 402, 403, 404, 405, 410, 413, 415, 418, 422, 424, 426, 451, 499, 501, 505].map((status) =>
      [status, false] as const
    )
  ]
  for (const [status, expected] of table) {
    it(`${status} alone is ${expected ? "passing" : "final"}`, () => {
      const errors = [
        failure({ type: "error", status, error: { message: "No." } }),
        failure({ type: "error", status_code: String(status), error: { message: "No.", code: "of_tomorrow" } }),
        answer(status, {}),
        new ResponseFailed({ description: "No.", delivery: "unsent", frame: {}, status })
      ]
      for (const error of errors) assert.deepInclude(error, { retryable: expected, status })
    })
  }
})

describe("words", () => {
  const table: ReadonlyArray<readonly [string, boolean, number | undefined]> = [
    ["You exceeded your current quota, please check your plan and billing details.", false, 429],
    ["Billing hard limit has been reached", false, 429],
    ["The usage limit has been reached", false, 429],
    ["You've hit your usage limit. Try again in 3 days 2 hours.", false, 429],
    ["Your team 1 has either used all available credits or reached its monthly spending limit.", false, 429],
    ["Your newly created team doesn't have any credits or licenses yet.", false, 403],
    ["You have run out of credits or need a Grok subscription.", false, 403],
    ["This request requires more credits, or fewer max_tokens.", false, 402],
    ["Insufficient credits", false, 402],
    ["Insufficient Balance", false, 402],
    ["Your credit balance is too low to access the API.", false, 402],
    ["Our servers are currently overloaded. Please try again later.", true, 503],
    ["Rate limit reached for gpt-5.5 on tokens per min (TPM): Limit 1, Used 1.", true, 429],
    ["litellm.RateLimitError: AzureException", true, 429],
    ["Your requests have exceeded the token rate limit.", true, 429],
    ["Too Many Requests", true, 429],
    ["The system is currently experiencing high demand and cannot process your request.", true, 429],
    ["An error occurred while processing your request. You can retry your request.", true, 500],
    ["Internal Server Error", true, 500],
    ["Service Unavailable", true, 503],
    ["The model is temporarily unavailable.", true, 503],
    ["Another process is at work. Please retry in a few seconds.", true, undefined],
    ["Please try again in 2.5s.", true, undefined],
    ["The model does not exist.", false, undefined]
  ]
  for (const [text, expected, status] of table) {
    it(`"${text}" is ${expected ? "passing" : "not passing"}`, () => {
      const frames = [
        { error: { message: text } },
        { type: "error", error: { code: "of_tomorrow", type: "of_today", message: text } },
        { type: "error", code: null, message: text },
        { type: "response.failed", response: { error: { code: "", message: text } } }
      ]
      for (const error of frames.map(failure)) {
        assert.deepInclude(error, { retryable: expected, status, delivery: "unacknowledged" })
      }
    })
  }

  it("each row is needed", () => {
    for (const { words } of ErrorTable.words) {
      assert.isTrue(
        table.some(([text]) => ErrorTable.words.find((row) => row.words.test(text))?.words === words),
        `${words}`
      )
    }
  })

  it("a quota is spent whatever the status says, and whatever code stands beside it", () => {
    const message = "Your team has either used all available credits or reached its monthly spending limit."
    assert.isFalse(answer(429, { code: "Some resource has been exhausted", error: message }).retryable)
    assert.isFalse(answer(500, { error: { message } }).retryable)
  })

  it("of a refusal do not count: they may quote the request", () => {
    const message = "`too many requests` is no tool, `rate limit` and `overloaded` neither"
    assert.isFalse(answer(400, { error: { message } }).retryable)
    assert.isFalse(failure({ type: "error", error: { type: "invalid_request_error", message } }).retryable)
  })

  it("count from the beginning of a text only", () => {
    const description = `${"x".repeat(ErrorTable.maxText)} overloaded`
    assert.isFalse(failure({ error: { message: description } }).retryable)
    assert.isFalse(new ResponseFailed({ description, delivery: "unsent", frame: {} }).retryable)
    assert.isTrue(failure({ error: { message: "x ".repeat(100) + "overloaded" + " x".repeat(10_000_000) } }).retryable)
  })
})

describe("x-should-retry", () => {
  const frame = (code: string, value: unknown) => ({
    type: "error",
    headers: { "X-Should-Retry": value },
    error: { code }
  })
  it("decides whatever the rest says", () => {
    assert.isTrue(failure(frame("invalid_prompt", "true")).retryable)
    assert.isTrue(failure(frame("insufficient_quota", true)).retryable)
    assert.isFalse(failure(frame("server_error", "false")).retryable)
    assert.isFalse(answer(503, {}, { "x-should-retry": "false" }).retryable)
    assert.isTrue(answer(400, {}, { "x-should-retry": "true" }).retryable)
  })
  it("with another value decides nothing", () => {
    for (const value of ["", "maybe", 1, null, {}, { toString: 1, valueOf: 1 }]) {
      assert.isTrue(failure(frame("server_error", value)).retryable)
    }
  })
})

describe("a refused upgrade", () => {
  it("has the code and the delay of the same table", () => {
    const body = {
      error: { type: "usage_limit_reached", code: "usage_limit_reached", resets_in_seconds: 60, message: "No." }
    }
    const refused = wireError.fromRefusal({ status: 429, headers: {}, body: JSON.stringify(body) })
    assert.deepInclude(refused, { status: 429, code: "usage_limit_reached", retryAfter: Duration.minutes(1) })
    const words = { error: { code: "429", message: "Call rate limit exceeded. Please retry after 7 seconds." } }
    const limited = wireError.fromRefusal({ status: 429, headers: {}, body: JSON.stringify(words) })
    assert.deepInclude(limited, { status: 429, code: "429", retryAfter: Duration.seconds(7) })
  })
})
