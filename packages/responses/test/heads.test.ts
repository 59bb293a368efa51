import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Continuation from "../src/internal/compare/continuation.ts"
import * as Heads from "../src/internal/socket/heads.ts"
import type * as ResponseRequest from "../src/ResponseRequest.ts"
import { ask, hello, hi, more } from "./support/conversation.ts"
import * as FakeSocket from "./support/fakeSocket.ts"

const make = Effect.fnUntraced(function*(keepsServed: boolean) {
  const { connection } = yield* FakeSocket.make()
  const heads = Heads.make({
    keepsServed,
    rule: Continuation.automatic,
    continuesWithInstructions: true,
    uniqueIds: true,
    now: () => 0
  })
  const place = { connection, lane: connection.lanes.use("") }
  return {
    latest: () => heads.latest(connection),
    plan: (request: ResponseRequest.ResponseRequest) => heads.take(place, request).plan._tag,
    serve: (request: ResponseRequest.ResponseRequest) => {
      const output = [hi]
      heads.commit(place, heads.take(place, request), {
        response: { id: "resp_1", output },
        output,
        alternatives: []
      }, 100)
    }
  }
})

describe("what was served last", () => {
  it.scoped("is kept where a successor is to be told of it", () =>
    Effect.gen(function*() {
      const { latest, serve } = yield* make(true)
      assert.isUndefined(latest())
      serve(ask([hello]))
      assert.deepStrictEqual(latest(), { request: ask([hello]), output: [hi], isComplete: true })
    }))

  it.scoped("is not kept where nobody asks for it, and the conversation goes on all the same", () =>
    Effect.gen(function*() {
      const { latest, plan, serve } = yield* make(false)
      serve(ask([hello]))
      assert.isUndefined(latest())
      assert.strictEqual(plan(ask([hello, hi, more])), "Delta")
    }))

  it.scoped("is not kept where the server has it by its id", () =>
    Effect.gen(function*() {
      for (const request of [ask([hello], { store: true }), ask([hello], { previous_response_id: "resp_1" })]) {
        const { latest, serve } = yield* make(true)
        serve(ask([hello]))
        serve(request)
        assert.isUndefined(latest())
      }
    }))
})
