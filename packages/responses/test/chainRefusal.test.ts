import { assert, describe, it } from "@effect/vitest"
import * as ChainRefusal from "../src/internal/wire/chainRefusal.ts"
import * as wireError from "../src/internal/wire/wireError.ts"
import { isUnsent } from "../src/ResponsesError.ts"
import { notRefusals, refusals } from "./support/refusals.ts"

const id = "resp_1"

const read = (frame: object, previousResponseId: string | undefined, hasBegun = false) =>
  wireError.fromFrame({ type: "error", ...frame }, { delivery: "unacknowledged", hasBegun, previousResponseId })

describe("a refusal of the response that was named", () => {
  for (const [what, frame] of Object.entries(refusals)) {
    it(`${what}: is recognized, and nothing ran`, () => {
      const error = read(frame, id)
      assert.isTrue(ChainRefusal.isRefusal(error, id), error.message)
      assert.isTrue(isUnsent(error), error.message)
    })

    it(`${what}: after the response began, something may have run`, () => {
      const error = read(frame, id, true)
      assert.strictEqual(error._tag, "ResponseFailed")
      assert.isFalse(isUnsent(error), error.message)
    })
  }

  for (const [what, frame] of Object.entries(notRefusals)) {
    it(`${what}: is none`, () => {
      assert.isFalse(ChainRefusal.isRefusal(read(frame, id), id))
    })
  }

  it("without a status does not say that nothing ran if no response was named", () => {
    const frame = { error: { message: "Invalid `previous_response_id`." } }
    assert.isFalse(isUnsent(read(frame, undefined)))
    assert.isTrue(isUnsent(read(frame, id)))
  })

  it("names an id by the whole of it", () => {
    const says = (message: string) => ChainRefusal.isNamed({ status: 400, description: message }, {}, id)
    assert.isTrue(says("Cannot go on from resp_1."))
    assert.isTrue(says("'resp_1': no such thing"))
    assert.isFalse(says("Cannot go on from resp_12"))
    assert.isFalse(says("Cannot go on from my-resp_1"))
    assert.isFalse(ChainRefusal.isNamed({ status: 400, description: "No" }, {}, ""))
  })
})

describe("a failure that does not name the response", () => {
  const table: ReadonlyArray<readonly [what: string, frame: object, isSuspected: boolean]> = [
    ["400", { status: 400, error: { message: "Bad tool" } }, true],
    ["404", { status: 404, error: { message: "No" } }, true],
    ["409", { status: 409, error: { message: "No" } }, true],
    ["422", { status: 422, error: { message: "No" } }, true],
    ["500", { status: 500, error: { message: "No" } }, true],
    ["no status", { error: { message: "No" } }, true],
    ["401", { status: 401, error: { message: "No" } }, false],
    ["402", { status: 402, error: { message: "No" } }, false],
    ["403", { status: 403, error: { message: "No" } }, false],
    ["429", { status: 429, error: { message: "No" } }, false],
    ["503", { status: 503, error: { message: "No" } }, false],
    ["a rate limit without a status", { error: { code: "rate_limit_exceeded", message: "No" } }, false],
    ["overload in words", { error: { message: "Our servers are currently overloaded" } }, false]
  ]
  for (const [what, frame, isSuspected] of table) {
    it(`${what}: ${isSuspected ? "may be about it" : "is not about it"}`, () => {
      assert.strictEqual(ChainRefusal.isSuspected(read(frame, id)), isSuspected)
    })
  }
})
