import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Responses, ResponsesTest } from "effect-responses"

const greet = (name: string) =>
  Responses.create({ model: "gpt-5.5", input: `Greet ${name}.` }).pipe(
    Effect.map((response) => response.output.length),
    Effect.catchTag("ResponseFailed", (error) => Effect.succeed(error.retryable ? -1 : -2))
  )

it.effect("greets, and tells an overloaded server from a refusal", () =>
  Effect.gen(function*() {
    assert.strictEqual(yield* greet("Ada"), 1)
    assert.strictEqual(yield* greet("Grace"), -1)
    const { requests } = yield* ResponsesTest.ResponsesTest
    assert.deepStrictEqual((yield* requests).map((request) => request.input), ["Greet Ada.", "Greet Grace."])
  }).pipe(Effect.provide(ResponsesTest.layer([
    ResponsesTest.text("Hello, Ada!"),
    ResponsesTest.error({ status: 503, code: "server_is_overloaded", message: "Try again" })
  ]))))
