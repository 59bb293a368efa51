import { assert, describe, it } from "@effect/vitest"
import { FastCheck, identity } from "effect"
import * as ErrorTable from "../src/internal/wire/errorTable.ts"
import * as Redact from "../src/internal/wire/redact.ts"
import * as wireError from "../src/internal/wire/wireError.ts"
import type { ResponseFailed } from "../src/ResponsesError.ts"

const waiting = { delivery: "unacknowledged" } as const

const count = (value: unknown): number =>
  typeof value === "object" && value !== null
    ? Object.values(value).reduce<number>((sum, inner) => sum + count(inner), 1)
    : 1

/** With what its normalising cost: how often a text was redacted, and how many characters of them. */
const failure = (frame: object) => {
  let calls = 0
  let length = 0
  const redact = (text: string) => {
    calls++
    length += text.length
    return text
  }
  const error = wireError.fromFrame(frame as Readonly<Record<string, unknown>>, {
    ...waiting,
    redact
  }) as ResponseFailed
  return { calls, length, error }
}

const many = (length: number) => Array.from({ length }, (_, index) => `v${index}`)

describe("what is kept of a failure", () => {
  it.prop(
    "is the same, within the bounds",
    [FastCheck.dictionary(FastCheck.string(), FastCheck.jsonValue())],
    ([json]) => {
      const value: unknown = JSON.parse(JSON.stringify(json))
      assert.deepStrictEqual(Redact.json(value, identity), value)
    }
  )

  it.prop(
    "has every text and name redacted",
    [FastCheck.jsonValue({ maxDepth: 5, stringUnit: FastCheck.constantFrom("a", "b", "sk-secret") })],
    ([value]) => {
      const redacted = Redact.json(value, (text) => text.replaceAll("sk-secret", "-"))
      assert.notInclude(JSON.stringify(redacted), "sk-secret")
    }
  )

  it("has a name that objects inherit", () => {
    const value: unknown = JSON.parse("{\"__proto__\":{\"a\":1},\"constructor\":2}")
    assert.strictEqual(JSON.stringify(Redact.json(value, identity)), JSON.stringify(value))
  })

  it("of a million values is some thousand, and its details come first", () => {
    const frames = [
      { type: "error", junk: many(1_000_000), error: { code: "server_error", message: "Oops", param: "p" } },
      {
        type: "error",
        junk: Object.fromEntries(many(100_000).map((name) => [name, 1])),
        code: "server_error",
        message: "Oops"
      },
      {
        type: "error",
        a: many(100_000),
        b: many(100_000),
        c: [many(100_000)],
        error: { code: "server_error", message: "Oops" }
      },
      {
        type: "error",
        headers: Object.fromEntries(many(100_000).map((name) => [name, name])),
        code: "server_error",
        message: "Oops"
      },
      { type: "error", error: { junk: many(1_000_000).map(() => ({})), code: "server_error", message: "Oops" } }
    ]
    for (const frame of frames) {
      const { calls, error } = failure(frame)
      assert.deepInclude(error, { code: "server_error", description: "Oops", retryable: true })
      assert.isAtMost(calls, 2 * Redact.maxValues + 2)
      assert.isAtMost(count(error.frame), Redact.maxValues + 2)
    }
  })

  it("of 20 MB of text is bounded, and each text is searched once", () => {
    const long = "Please try again in 1s. response with id ".repeat(500_000)
    const { calls, error, length } = failure({ type: "error", error: { message: long } })
    assert.strictEqual(calls, 5)
    assert.isAtMost(length, long.length + 100)
    assert.strictEqual(error.description.length, ErrorTable.maxText)
    assert.isTrue(error.description.endsWith("…"))
    assert.isAtMost(JSON.stringify(error.frame).length, Redact.maxLength + 100)
    assert.isTrue(
      JSON.stringify(error.frame).startsWith("{\"type\":\"error\",\"error\":{\"message\":\"Please try again")
    )
  })

  it("of many long texts is bounded", () => {
    const { error, length } = failure({
      type: "error",
      error: { message: "Oops" },
      texts: many(2000).map((text) => text.repeat(5000))
    })
    assert.strictEqual(error.description, "Oops")
    assert.isAtMost(JSON.stringify(error.frame).length, Redact.maxText * 1.1)
    assert.isAtMost(length, Redact.maxText * 1.1)
  })

  it("can be written, however deep it was", () => {
    const depth = 200_000
    for (const [open, close] of [["[", "]"], ["{\"a\":", "}"]] as const) {
      const deep: unknown = JSON.parse(`${open.repeat(depth)}1${close.repeat(depth)}`)
      const { error } = failure({ type: "error", deep, error: { message: "Oops", deep } })
      assert.strictEqual(error.description, "Oops")
      assert.isBelow(JSON.stringify(error).length, 2000)
    }
  })

  it("names of every length and code are bounded", () => {
    const text = "x".repeat(1_000_000)
    const { error } = failure({
      error: { code: text, type: text, param: text, [text]: 1 },
      request_id: text,
      response_id: text
    })
    assert.isBelow(error.message.length, 2000)
    assert.isFalse(error.retryable)
  })
})

describe("a secret", () => {
  const redact = (secret: string) => (text: string) => text.replaceAll(secret, "<redacted>")
  const secrets = ["sk-0123456789abcdef", `sk-${many(600).join("")}`]
  for (const secret of secrets) {
    const parts = Array.from({ length: secret.length - 15 }, (_, index) => secret.slice(index, index + 16))
    it(`of ${secret.length} characters is found where the text is cut`, () => {
      for (
        const at of [
          180,
          199,
          ErrorTable.maxText - 20,
          ErrorTable.maxText - 1,
          Redact.maxLength - 10,
          Redact.maxText - 8
        ]
      ) {
        const message = `${"y".repeat(at)}${secret}${secret}${"z".repeat(1000)}`
        const context = { redact: redact(secret) }
        const errors = [
          wireError.fromFrame({ type: "error", error: { message, code: message } }, { ...waiting, ...context }),
          wireError.fromFrame({ response_id: message, request_id: message, error: message }, {
            ...waiting,
            ...context
          }),
          wireError.fromFrame({ type: "error", [message]: message, error: secret }, { ...waiting, ...context }),
          wireError.fromHttpAnswer(
            { status: 500, headers: { "x-request-id": message }, body: message, ...context },
            {}
          ),
          wireError.fromRefusal({ status: 403, headers: {}, body: JSON.stringify({ error: { message } }), ...context })
        ]
        for (const error of errors) {
          const shown = error.message + JSON.stringify(error)
          assert.isUndefined(parts.find((part) => shown.includes(part)), String(at))
        }
      }
    })
  }
})
