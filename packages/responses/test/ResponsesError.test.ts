import { assert, describe, it } from "@effect/vitest"
import { Duration, FastCheck } from "effect"
import * as wireError from "../src/internal/wire/wireError.ts"
import {
  canFallBack,
  ConnectionError,
  type Delivery,
  InvalidRequest,
  isUnsent,
  MalformedEvent,
  PreviousResponseNotFound,
  ResponseFailed,
  type ResponsesError
} from "../src/ResponsesError.ts"

const waiting = { delivery: "unacknowledged" } as const
const chained = { ...waiting, previousResponseId: "resp_abc" } as const
const notFound = "Previous response with id 'resp_abc' not found."

const failed = (fields: Partial<ConstructorParameters<typeof ResponseFailed>[0]>) =>
  new ResponseFailed({ description: "Broke", delivery: "unacknowledged", frame: {}, ...fields })

const lost = (fields: Partial<ConstructorParameters<typeof ConnectionError>[0]>) =>
  new ConnectionError({ reason: "Lost", delivery: "unacknowledged", description: "Broke", ...fields })

describe("a frame that fails a request", () => {
  const table: ReadonlyArray<readonly [string, object, wireError.RequestContext, object]> = [
    [
      "nested",
      {
        type: "error",
        status: 400,
        error: {
          type: "invalid_request_error",
          code: "previous_response_not_found",
          message: notFound,
          param: "previous_response_id"
        }
      },
      chained,
      { _tag: "PreviousResponseNotFound", previousResponseId: "resp_abc", description: notFound, status: 400 }
    ],
    [
      "flat",
      { type: "error", sequence_number: 2, code: "previous_response_not_found", message: notFound },
      chained,
      { _tag: "PreviousResponseNotFound", previousResponseId: "resp_abc", description: notFound }
    ],
    [
      "untyped, and in words only",
      { error: { message: "Response with id=resp_abc not found", type: "api_error" } },
      chained,
      { _tag: "PreviousResponseNotFound", description: "Response with id=resp_abc not found" }
    ],
    [
      "in the same words, but of a request that named no response",
      { error: { message: "Response with id=resp_abc not found", type: "api_error" } },
      waiting,
      { _tag: "ResponseFailed", type: "api_error" }
    ],
    [
      "in the same words, but with a code of its own",
      { error: { message: "Response with id=resp_abc not found", code: "other" } },
      chained,
      { _tag: "ResponseFailed", code: "other" }
    ],
    [
      "the connection's age, before output",
      { type: "error", status: 400, error: { code: "websocket_connection_limit_reached", message: "60 minutes" } },
      waiting,
      { _tag: "ConnectionError", reason: "Expired", delivery: "unsent", status: 400, description: "60 minutes" }
    ],
    [
      "the connection's age, after output",
      { type: "error", code: "websocket_connection_limit_reached" },
      { delivery: "partial" },
      {
        _tag: "ConnectionError",
        reason: "Expired",
        delivery: "partial",
        description: "The connection reached the server's age limit"
      }
    ],
    [
      "a request that is wrong: nothing ran",
      {
        type: "error",
        status: 400,
        error: { type: "invalid_request_error", message: "Bad", param: "tools[0]", code: null }
      },
      waiting,
      { _tag: "ResponseFailed", status: 400, param: "tools[0]", code: undefined, delivery: "unsent", retryable: false }
    ],
    [
      "the same after output",
      { type: "error", status: 400, error: { message: "Bad" } },
      { delivery: "partial" },
      { _tag: "ResponseFailed", delivery: "partial" }
    ],
    [
      "a fault of the server's: it may have run",
      { type: "error", status: 500, error: { type: "server_error", message: "Oops" } },
      waiting,
      { _tag: "ResponseFailed", status: 500, delivery: "unacknowledged", retryable: true }
    ],
    [
      "status_code in place of status",
      { type: "error", status_code: 429, error: { message: "Slow" } },
      waiting,
      { status: 429, retryable: true }
    ],
    ["status inside", { type: "error", error: { status: 503, message: "Busy" } }, waiting, {
      status: 503,
      retryable: true
    }],
    ["status_code inside", { type: "error", error: { status_code: 503 } }, waiting, { status: 503 }],
    [
      "a number for a code",
      { error: { code: 400, message: "Bad", type: "BadRequestError" } },
      waiting,
      { status: 400, code: undefined, type: "BadRequestError", delivery: "unsent" }
    ],
    [
      "no status and no code, but a type",
      { type: "error", sequence_number: 0, error: { type: "server_error", code: null, message: "Oops" } },
      waiting,
      { status: 500, type: "server_error", retryable: true }
    ],
    [
      "neither status, code nor type, but words of a passing fault",
      { type: "error", code: null, message: "Our servers are currently overloaded. Please try again later." },
      waiting,
      { status: 503, code: undefined, retryable: true }
    ],
    [
      "the words of a passing fault, and a type that says otherwise",
      { type: "error", error: { type: "invalid_request_error", message: "`overloaded` is no tool" } },
      waiting,
      { status: 400, retryable: false }
    ],
    [
      "no status, but a code",
      { type: "error", code: "rate_limit_exceeded", message: "Slow" },
      waiting,
      { status: 429, delivery: "unsent", retryable: true }
    ],
    [
      "a quota that is used up",
      { type: "error", status: 429, error: { type: "insufficient_quota", code: null, message: "Quota" } },
      waiting,
      { status: 429, retryable: false }
    ],
    ["words instead of details", { error: "Broke" }, waiting, { _tag: "ResponseFailed", description: "Broke" }],
    ["a detail", { type: "error", detail: "Broke" }, waiting, { description: "Broke" }],
    [
      "response.failed",
      { type: "response.failed", response: { id: "resp_1", error: { code: "server_error", message: "Oops" } } },
      waiting,
      { _tag: "ResponseFailed", code: "server_error", description: "Oops", responseId: "resp_1", status: 500 }
    ],
    [
      "response.failed with an empty code",
      { type: "response.failed", response: { id: "resp_1", error: { code: "", message: "Oops" } } },
      waiting,
      { code: undefined, description: "Oops" }
    ],
    [
      "response.failed with a code and no words",
      { type: "response.failed", response: { error: { code: "content_policy", message: " " } } },
      waiting,
      { code: "content_policy", description: "The server reported content_policy" }
    ],
    [
      "response.failed with nothing at all",
      { type: "response.failed" },
      waiting,
      { description: "The server reported a failure and gave no reason", status: undefined, delivery: "unacknowledged" }
    ],
    [
      "response.failed of a chain that is gone",
      { type: "response.failed", response: { error: { code: "previous_response_not_found", message: notFound } } },
      chained,
      { _tag: "PreviousResponseNotFound", description: notFound }
    ],
    [
      "headers beside the error",
      {
        type: "error",
        status: 429,
        headers: { "X-Request-Id": "req_1", "Retry-After": "7" },
        error: { message: "Slow" }
      },
      waiting,
      { requestId: "req_1", retryAfter: Duration.seconds(7) }
    ],
    [
      "headers inside the error",
      { type: "error", error: { message: "Slow", headers: { "x-request-id": "req_1", "retry-after-ms": "250" } } },
      waiting,
      { requestId: "req_1", retryAfter: Duration.millis(250) }
    ],
    ["a request id beside the error", { type: "error", request_id: "req_1" }, waiting, { requestId: "req_1" }]
  ]
  for (const [name, frame, context, expected] of table) {
    it(`shape: ${name}`, () => {
      const error = wireError.fromFrame(frame as Readonly<Record<string, unknown>>, context)
      for (const [field, value] of Object.entries(expected)) {
        assert.deepStrictEqual(Reflect.get(error, field), value, field)
      }
      if (error._tag === "ResponseFailed") assert.deepStrictEqual(error.frame, frame)
    })
  }

  const delays: ReadonlyArray<readonly [string, object, Duration.Duration | undefined]> = [
    ["seconds", { "retry-after": "7" }, Duration.seconds(7)],
    ["seconds as a number", { "retry-after": 7 }, Duration.seconds(7)],
    ["part of a second", { "retry-after": "0.5" }, Duration.millis(500)],
    ["no time at all", { "retry-after": "0" }, Duration.zero],
    ["milliseconds", { "retry-after-ms": "250" }, Duration.millis(250)],
    ["milliseconds as a number", { "retry-after-ms": 250 }, Duration.millis(250)],
    ["milliseconds before seconds", { "retry-after-ms": "250", "retry-after": "7" }, Duration.millis(250)],
    [
      "seconds where the milliseconds make no sense",
      { "retry-after-ms": "soon", "retry-after": "7" },
      Duration.seconds(7)
    ],
    [
      "a date, from the date of the answer",
      { "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", date: "Wed, 21 Oct 2026 07:28:00 GMT" },
      Duration.seconds(30)
    ],
    [
      "a date that is over",
      { "retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", date: "Wed, 21 Oct 2026 07:28:00 GMT" },
      Duration.zero
    ],
    ["a date with nothing to count from", { "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT" }, undefined],
    ["less than no time", { "retry-after": "-1" }, undefined],
    ["for ever", { "retry-after": "Infinity" }, undefined],
    ["an empty text", { "retry-after": "" }, undefined],
    ["words", { "retry-after": "soon" }, undefined],
    ["nothing", {}, undefined]
  ]
  for (const [name, headers, expected] of delays) {
    it(`retry-after: ${name}`, () => {
      const error = wireError.fromFrame({ type: "error", headers }, waiting)
      assert.deepStrictEqual((error as ResponseFailed).retryAfter, expected)
    })
  }
})

describe("an answer of HTTP", () => {
  it("has its own status, whatever its body says", () => {
    const error = wireError.fromHttpAnswer({ status: 502, headers: {}, body: "{\"status\":200,\"error\":\"Bad\"}" }, {})
    assert.deepInclude(error, { status: 502, description: "Bad", retryable: true })
  })

  it("has its headers", () => {
    const headers = { "x-request-id": "req_1", "Retry-After": "7" }
    assert.deepInclude(wireError.fromHttpAnswer({ status: 429, headers, body: "{}" }, {}), {
      requestId: "req_1",
      retryAfter: Duration.seconds(7)
    })
  })

  const bodies: ReadonlyArray<readonly [string, string]> = [
    ["", "The server answered with status 418"],
    ["{}", "The server answered with status 418"],
    ["[]", "The server answered with status 418"],
    ["null", "The server answered with status 418"],
    ["\"words\"", "The server answered with status 418"],
    ["  upstream timed out\n", "upstream timed out"],
    [`<html>${"x".repeat(1000)}`, `<html>${"x".repeat(194)}`]
  ]
  for (const [body, description] of bodies) {
    it(`describes ${JSON.stringify(body.slice(0, 30))}`, () => {
      assert.deepInclude(wireError.fromHttpAnswer({ status: 418, headers: {}, body }, {}), { description })
    })
  }
})

describe("a refused upgrade", () => {
  const table: ReadonlyArray<readonly [string, wireError.Answer, object]> = [
    [
      "JSON",
      {
        status: 401,
        headers: { "x-request-id": "req_1" },
        body: "{\"error\":{\"code\":\"invalid_api_key\",\"message\":\"Bad key\"}}"
      },
      {
        status: 401,
        code: "invalid_api_key",
        requestId: "req_1",
        description: "The server refused the connection: Bad key"
      }
    ],
    ["HTML", { status: 404, headers: {}, body: "<html>Not here</html>" }, {
      status: 404,
      description: "The server refused the connection: <html>Not here</html>"
    }],
    ["an empty body", { status: 426, headers: {}, body: "" }, {
      status: 426,
      description: "The server refused the connection"
    }],
    ["too many requests", { status: 429, headers: { "retry-after": "3" }, body: "" }, {
      status: 429,
      retryAfter: Duration.seconds(3)
    }]
  ]
  for (const [name, answer, expected] of table) {
    it(`with ${name}`, () => {
      const error = wireError.fromRefusal(answer)
      assert.deepInclude(error, { reason: "Refused", delivery: "unsent", ...expected })
      assert.include(error.message, `status ${answer.status}`)
    })
  }
})

describe("a close", () => {
  for (const code of [1000, 1001, 1005, 1006, 1008, 1009, 1011, 1012, 1013, 3000, 4999]) {
    for (const delivery of ["unsent", "unacknowledged", "partial"] as const) {
      it(`${code} is a failure, and says that the request is ${delivery}`, () => {
        const error = wireError.fromClose({ code, reason: "because" }, { delivery, hasBegun: true })
        assert.deepInclude(error, { _tag: "ConnectionError", reason: "Lost", closeCode: code, delivery })
        assert.include(error.message, String(code))
        assert.include(error.message, "because")
        assert.notInclude(wireError.fromClose({ code, reason: "" }, { delivery }).description, ":")
      })
    }
  }

  it("previous_response_not_found once a response has begun does not say that nothing ran", () => {
    const frame = { type: "error", error: { code: "previous_response_not_found", message: "not found" } }
    for (const delivery of ["unacknowledged", "partial"] as const) {
      const error = wireError.fromFrame(frame, { delivery, hasBegun: true })
      assert.deepInclude(error, { _tag: "ResponseFailed", delivery })
    }
    assert.strictEqual(wireError.fromFrame(frame, { delivery: "unacknowledged" })._tag, "PreviousResponseNotFound")
  })

  it("shows no key, wherever the server puts it and however it writes it", () => {
    const redact = (text: string) => text.replaceAll("sk-secret", "<redacted>")
    const headers = { "x-request-id": "sk-secret" }
    for (const body of ["{\"error\":{\"message\":\"\\u0073k-secret\",\"code\":\"sk-secret\"}}", "no sk-secret"]) {
      const answer = { status: 403, headers, body, redact }
      for (const error of [wireError.fromRefusal(answer), wireError.fromHttpAnswer(answer, {})]) {
        assert.notInclude(JSON.stringify(error) + error.message, "secret")
        assert.include(error.message, "<redacted>")
      }
    }
  })

  it("1009 in answer to something large says that the request was not taken in", () => {
    const close = { code: 1009, reason: "" }
    const delivery = "unacknowledged"
    const error = wireError.fromClose(close, { delivery, unheardBytes: 1024 * 1024 })
    assert.deepInclude(error, { reason: "TooLarge", delivery: "unsent", closeCode: 1009 })
    for (const context of [{ unheardBytes: 1024 }, { unheardBytes: 1024 * 1024, hasBegun: true }]) {
      assert.deepInclude(wireError.fromClose(close, { delivery, ...context }), { reason: "Lost", delivery })
    }
  })

  it("right after the upgrade is a refusal", () => {
    const error = wireError.fromCloseAfterUpgrade({ code: 1008, reason: "No." })
    assert.deepInclude(error, { reason: "Refused", delivery: "unsent", closeCode: 1008 })
    assert.include(error.message, "No.")
  })
})

describe("a status", () => {
  const numbers = [4, 0, -400, 101, 200, 204, 301, 399, 600, 1006, 10_000, 1e9, 400.5, Number.NaN, Infinity]
  const others = ["", "4", "200", "4290", "four hundred", "0x1a4", "4e2", null, true, {}, [429]]
  for (const value of [...numbers, ...others, ...numbers.map(String)]) {
    it(`${JSON.stringify(value)} is none, and does not say that nothing ran`, () => {
      const frames = ["status", "status_code", "statusCode", "code"].flatMap((field) => [
        { type: "error", [field]: value },
        { type: "error", error: { [field]: value, message: "No." } },
        { [field]: value, error: "No." },
        { type: "response.failed", response: { error: { [field]: value } } }
      ])
      for (const frame of frames) {
        assert.deepInclude(wireError.fromFrame(frame, waiting), { status: undefined, delivery: "unacknowledged" })
      }
    })
  }

  it("that is none gives way to one that is", () => {
    const frame = { type: "error", status: 200, error: { status: 4, code: 429 } }
    assert.deepInclude(wireError.fromFrame(frame, waiting), { status: 429, delivery: "unsent" })
    assert.deepInclude(wireError.fromFrame({ status: 0, code: "invalid_request" }, waiting), { status: 400 })
  })

  for (const value of [429, "429", " 429 ", "429 Too Many Requests"]) {
    it(`${JSON.stringify(value)} is 429`, () => {
      for (const frame of [{ status: value }, { error: { code: value } }, { error: { status_code: value } }]) {
        assert.deepInclude(wireError.fromFrame(frame, waiting), { status: 429, delivery: "unsent", retryable: true })
      }
    })
  }

  it("of an answer without a status is none", () => {
    for (const status of [0, 999, Number.NaN]) {
      assert.isUndefined(wireError.fromRefusal({ status, headers: {}, body: "" }).status)
      const error = wireError.fromHttpAnswer({ status, headers: {}, body: "" }, {})
      assert.deepInclude(error, { status: undefined, delivery: "unacknowledged" })
    }
    assert.strictEqual(wireError.fromRefusal({ status: 200, headers: {}, body: "" }).status, 200)
  })

  for (const status of [408, 424, 499, 500, 503]) {
    it(`${status} does not say that nothing ran`, () => {
      assert.deepInclude(wireError.fromFrame({ type: "error", status }, waiting), { delivery: "unacknowledged" })
      const error = wireError.fromHttpAnswer({ status, headers: {}, body: "" }, {})
      assert.deepInclude(error, { status, delivery: "unacknowledged" })
    })
  }
})

describe("a failure that does not say that nothing ran", () => {
  const table: ReadonlyArray<readonly [string, object]> = [
    ["words alone", { type: "error", message: "Rate limit reached. Please try again in 1s." }],
    ["an end of a response", { type: "response.failed", response: { error: { code: "rate_limit_exceeded" } } }],
    ["an end of a response with a status", { type: "response.failed", status: 400, response: {} }],
    ["an error of a response that has an id", { type: "error", status: 400, response_id: "resp_1" }]
  ]
  for (const [name, frame] of table) {
    it(`in ${name}`, () => {
      assert.deepInclude(wireError.fromFrame(frame as Readonly<Record<string, unknown>>, waiting), waiting)
    })
  }
})

describe("a failure in the shape of", () => {
  const table: ReadonlyArray<readonly [string, object, object]> = [
    [
      "xAI",
      { code: "The caller does not have permission to execute the specified operation", error: "No credits." },
      { description: "No credits.", status: 403, retryable: false }
    ],
    [
      "vLLM, flat",
      { object: "error", message: "Bad", type: "BadRequestError", param: null, code: 400 },
      { description: "Bad", type: "BadRequestError", status: 400, delivery: "unsent" }
    ],
    [
      "LiteLLM",
      { error: { message: "litellm.RateLimitError", type: "throttling_error", param: null, code: "429" } },
      { code: "429", type: "throttling_error", status: 429, retryable: true }
    ],
    ["Azure's gateway", { statusCode: 429, message: "Rate limit is exceeded. Try again in 7 seconds." }, {
      status: 429,
      retryAfter: Duration.seconds(7)
    }],
    ["FastAPI", { detail: [{ loc: ["body"], msg: "Field required", type: "missing" }] }, {
      description: "Field required",
      type: "missing"
    }],
    ["FastAPI, with details of its own", { detail: { code: "server_error", message: "Oops" } }, {
      description: "Oops",
      retryable: true
    }],
    ["Cloudflare", { success: false, errors: [{ code: 10_000, message: "Authentication error" }] }, {
      description: "Authentication error",
      status: undefined
    }],
    ["Bedrock", { __type: "com.amazon.coral#ThrottlingException", Message: "Slow" }, {
      description: "Slow",
      status: 429,
      retryable: true
    }]
  ]
  for (const [name, frame, expected] of table) {
    it(`${name} is read`, () => {
      assert.deepInclude(wireError.fromFrame(frame as Readonly<Record<string, unknown>>, waiting), expected)
      const body = JSON.stringify(frame)
      const { description } = wireError.fromHttpAnswer({ status: 503, headers: {}, body }, {}) as ResponseFailed
      assert.strictEqual(description, Reflect.get(expected, "description") ?? description)
    })
  }
})

describe("a message", () => {
  const value = FastCheck.oneof(
    FastCheck.jsonValue(),
    FastCheck.constantFrom("", " ", null, "429", "rate_limit_exceeded", "Try again in 1s."),
    FastCheck.integer({ min: 0, max: 700 })
  )
  const json = FastCheck.dictionary(
    FastCheck.constantFrom(
      "type",
      "error",
      "response",
      "code",
      "message",
      "status",
      "status_code",
      "headers",
      "param",
      "detail",
      "errors"
    ),
    FastCheck.oneof(
      value,
      FastCheck.array(FastCheck.dictionary(FastCheck.constantFrom("code", "msg", "message"), value)),
      FastCheck.dictionary(
        FastCheck.constantFrom(
          "code",
          "message",
          "type",
          "error",
          "status",
          "headers",
          "param",
          "id",
          "retry-after",
          "resets_at"
        ),
        FastCheck.oneof(value, FastCheck.dictionary(FastCheck.constantFrom("code", "message"), value))
      )
    )
  )
  const delivery = FastCheck.constantFrom<Array<Delivery>>("unsent", "unacknowledged", "partial")

  it.prop("has no status but one from 400 to 599, whatever the server sends", [json, delivery], ([frame, delivery]) => {
    for (
      const error of [
        wireError.fromFrame(frame, { delivery }),
        wireError.fromHttpAnswer({ status: 0, headers: {}, body: JSON.stringify(frame) }, {})
      ]
    ) {
      const status = (error as ResponseFailed).status
      assert.isTrue(status === undefined || (Number.isInteger(status) && status >= 400 && status <= 599), `${status}`)
      if (error._tag === "ResponseFailed" && error.delivery === "unsent" && delivery !== "unsent") {
        assert.isBelow(status!, 500)
      }
    }
  })

  it.prop("is never empty, whatever the server sends", [json, delivery], ([frame, delivery]) => {
    for (const previousResponseId of [undefined, "resp_1"]) {
      const error = wireError.fromFrame(frame, { delivery, previousResponseId })
      const description = (error as { readonly description: string }).description
      assert.notStrictEqual(description.trim(), "")
      assert.include(error.message, description)
      assert.notInclude(error.message, "undefined")
      assert.notInclude(error.message, "[object Object]")
    }
  })

  it.prop(
    "is never empty, whatever a proxy answers",
    [FastCheck.string(), FastCheck.integer({ min: 400, max: 599 })],
    ([body, status]) => {
      for (
        const error of [
          wireError.fromHttpAnswer({ status, headers: {}, body }, {}),
          wireError.fromRefusal({ status, headers: {}, body })
        ]
      ) {
        assert.notStrictEqual((error as { readonly description: string }).description.trim(), "")
        assert.include(error.message, String(status))
      }
    }
  )

  it("says what to do", () => {
    const table: ReadonlyArray<readonly [ResponsesError, string]> = [
      [
        new InvalidRequest({ field: "model", description: "must be there" }),
        "Invalid request, nothing was sent: `model` must be there"
      ],
      [
        lost({ closeCode: 1006, delivery: "unsent" }),
        "Broke (close code 1006): nothing was run, it is safe to send the request again"
      ],
      [
        lost({}),
        "Broke: the server may have run the request, send it again only if running it twice does no harm"
      ],
      [lost({ delivery: "partial" }), "Broke: part of the output was already delivered"],
      [
        new PreviousResponseNotFound({ description: "Gone", status: 400, requestId: "req_1" }),
        "Gone (status 400, request req_1): nothing was run, send the full input without previous_response_id"
      ],
      [failed({ status: 500 }), "Broke (status 500): passing, try again later"],
      [
        failed({ code: "context_length_exceeded", param: "input" }),
        "Broke (code context_length_exceeded, param input): sending the same request again will fail again"
      ],
      [
        new MalformedEvent({ description: "noise", frame: "{", delivery: "partial" }),
        "The server sent noise: part of the output was already delivered. It began: {"
      ]
    ]
    for (const [error, message] of table) assert.strictEqual(error.message, message)
  })
})

describe("retryable", () => {
  const table: ReadonlyArray<readonly [Parameters<typeof failed>[0], boolean]> = [
    [{}, false],
    [{ passing: true }, true],
    [{ passing: true, status: 400 }, true],
    [{ passing: false, status: 503 }, false],
    [{ description: "Too many requests" }, true],
    [{ status: 400 }, false],
    [{ status: 401 }, false],
    [{ status: 403 }, false],
    [{ status: 404 }, false],
    [{ status: 408 }, true],
    [{ status: 422 }, false],
    [{ status: 429 }, true],
    [{ status: 500 }, true],
    [{ status: 503 }, true],
    [{ status: 529 }, true],
    [{ code: "rate_limit_exceeded" }, true],
    [{ code: "server_error" }, true],
    [{ code: "server_is_overloaded" }, true],
    [{ code: "slow_down" }, true],
    [{ code: "insufficient_quota", status: 429 }, false],
    [{ type: "insufficient_quota", status: 429 }, false],
    [{ code: "billing_hard_limit_reached", status: 429 }, false],
    [{ code: "context_length_exceeded", status: 400 }, false],
    [{ code: "a_code_of_tomorrow" }, false],
    [{ code: "a_code_of_tomorrow", status: 502 }, true]
  ]
  for (const [fields, expected] of table) {
    it(`${JSON.stringify(fields)} is ${expected}`, () => assert.strictEqual(failed(fields).retryable, expected))
  }
})

describe("what may be done about an error", () => {
  const table: ReadonlyArray<readonly [string, ResponsesError, unsent: boolean, fallBack: boolean]> = [
    ["InvalidRequest", new InvalidRequest({ field: "model", description: "" }), true, false],
    ["PreviousResponseNotFound", new PreviousResponseNotFound({ description: "" }), true, false],
    ["MalformedEvent", new MalformedEvent({ description: "", frame: "", delivery: "unacknowledged" }), false, false],
    ["a refused request", failed({ delivery: "unsent" }), true, false],
    ["a failed response", failed({}), false, false],
    ["Credentials", lost({ reason: "Credentials", delivery: "unsent" }), true, false],
    ["Unreachable", lost({ reason: "Unreachable", delivery: "unsent" }), true, true],
    ["OpenTimeout", lost({ reason: "OpenTimeout", delivery: "unsent" }), true, true],
    ["Refused 401", lost({ reason: "Refused", delivery: "unsent", status: 401 }), true, false],
    ["Refused 403", lost({ reason: "Refused", delivery: "unsent", status: 403 }), true, false],
    ["Refused 404", lost({ reason: "Refused", delivery: "unsent", status: 404 }), true, true],
    ["Refused 426", lost({ reason: "Refused", delivery: "unsent", status: 426 }), true, true],
    ["Refused 429", lost({ reason: "Refused", delivery: "unsent", status: 429 }), true, true],
    ["Refused 503", lost({ reason: "Refused", delivery: "unsent", status: 503 }), true, true],
    ["Refused after the upgrade", lost({ reason: "Refused", delivery: "unsent", closeCode: 1008 }), true, true],
    ["Lost before sending", lost({ delivery: "unsent" }), true, true],
    ["Lost after sending", lost({}), false, false],
    ["Lost after output", lost({ delivery: "partial" }), false, false],
    ["Expired before running", lost({ reason: "Expired", delivery: "unsent" }), true, true],
    ["Expired after output", lost({ reason: "Expired", delivery: "partial" }), false, false],
    ["Closed", lost({ reason: "Closed", delivery: "unsent" }), true, false],
    ["QueueTimeout", lost({ reason: "QueueTimeout", delivery: "unsent" }), true, true],
    ["QueueFull", lost({ reason: "QueueFull", delivery: "unsent" }), true, true],
    ["NoRoom", lost({ reason: "NoRoom", delivery: "unsent" }), true, true]
  ]
  for (const [name, error, unsent, fallBack] of table) {
    it(`${name}: ${unsent ? "nothing ran" : "it may have run"}, ${fallBack ? "another" : "no other"} transport may serve`, () => {
      assert.strictEqual(isUnsent(error), unsent)
      assert.strictEqual(canFallBack(error), fallBack)
    })
  }
})
