/** The judge of all frames is itself looked at: what it takes, and what it does not. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { ResponsesServer } from "effect-responses-server"
import { stream } from "./client.ts"
import { problem } from "./support/judge.ts"
import { asVendors, Event } from "./support/published.ts"

describe("the judge", () => {
  it.scoped("a field that is missing, one that is too much, one of the wrong type", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make()
      const tools = [{ type: "function", name: "f" }]
      const frames = yield* stream(server.url, { input: "Hi", tools })
      assert.isAbove(frames.length, 10)
      for (const frame of frames) {
        const fields: ReadonlyArray<readonly [string, unknown]> = Object.entries(frame)
        assert.isUndefined(problem(frame))
        assert.isDefined(problem({ ...frame, more: 1 }))
        for (const [name] of fields.filter(([name]) => name !== "type")) {
          assert.isDefined(problem({ ...frame, [name]: {} }), `${frame.type}.${name} of another type`)
          assert.isDefined(
            problem(Object.fromEntries(fields.filter(([other]) => other !== name))),
            `${frame.type} without ${name}`
          )
        }
      }
      const { response } = frames[0] ?? {}
      for (const name of Object.keys(response ?? {})) {
        const rest = Object.fromEntries(Object.entries(response ?? {}).filter(([other]) => other !== name))
        assert.isDefined(problem({ ...frames[0], response: rest }), `a response without ${name}`)
      }
    }))

  it.scoped("what it takes has the vendor's type, as the compiler says", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make()
      for (const frame of yield* stream(server.url, { input: "Hi" })) {
        const event = yield* Schema.decodeUnknown(Event)(frame)
        assert.strictEqual(asVendors(event), event)
      }
    }))
})
