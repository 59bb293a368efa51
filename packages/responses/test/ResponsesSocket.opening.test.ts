import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { Connector } from "../src/Connector.ts"
import { ConnectionError } from "../src/ResponsesError.ts"
import * as ResponsesSocket from "../src/ResponsesSocket.ts"
import { assertConnectionError, endsAfter, failing } from "./support/clocks.ts"
import { firstTurn, serve, socket } from "./support/socket.ts"

const busy = new ConnectionError({ reason: "Refused", delivery: "unsent", description: "no", status: 503 })

describe("clocks of the connection", () => {
  socket("an upgrade that is not answered", (server) =>
    Effect.gen(function*() {
      server.plan("never")
      const fiber = yield* failing()
      assertConnectionError(yield* endsAfter(fiber, "3 seconds"), "OpenTimeout", "unsent")
      assert.strictEqual(server.dials(), 1)
      yield* serve(yield* firstTurn(server), "resp_2")
    }), { connectTimeout: "3 seconds" })

  socket("all tries together", (server) =>
    Effect.gen(function*() {
      server.plan(busy, busy, "never")
      const fiber = yield* failing()
      assertConnectionError(yield* endsAfter(fiber, "15 seconds"), "OpenTimeout", "unsent")
      assert.strictEqual(server.dials(), 3)
      yield* firstTurn(server)
    }), { reconnect: Schedule.spaced("4 seconds") })
})

describe("an option of time", () => {
  const options = [
    "queueTimeout",
    "firstEventTimeout",
    "stallTimeout",
    "turnTimeout",
    "connectTimeout",
    "reconnectTimeout",
    "ping",
    "pingTimeout"
  ]
  for (const option of options) {
    it.effect(`${option} must be a duration above zero`, () =>
      Effect.forEach(
        [0, -1, "0 seconds", "soon", Number.NaN],
        (value) =>
          ResponsesSocket.make({ apiKey: Redacted.make("k"), [option]: value }).pipe(
            Effect.provideService(Connector, () => Effect.never),
            Effect.scoped,
            Effect.flip,
            Effect.tap((error) =>
              Effect.sync(() => {
                assert.include(Cause.pretty(Cause.fail(error)), `(Invalid data at ${option}:`)
              })
            )
          )
      ))
  }
})
