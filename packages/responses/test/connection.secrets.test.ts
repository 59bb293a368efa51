/** What ends a connection is told to the next request on it, without the secrets that the server repeats. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted } from "effect"
import { inspect } from "node:util"
import type { Listener } from "../src/Connector.ts"
import * as Timers from "../src/internal/effect/timers.ts"
import * as Endpoint from "../src/internal/options/endpoint.ts"
import * as Timeouts from "../src/internal/options/timeouts.ts"
import { Backlog } from "../src/internal/socket/backlog.ts"
import type { Connection } from "../src/internal/socket/connection.ts"
import * as Dial from "../src/internal/socket/dial.ts"
import { Naming } from "../src/internal/socket/naming.ts"
import type { ConnectionError } from "../src/ResponsesError.ts"

const key = "sk-very-secret"

interface Failing extends Error {
  readonly rawPacket: Buffer
}

const failing: Failing = Object.assign(new Error(`write failed for ${key}`), { rawPacket: Buffer.from(key) })

const ends: ReadonlyArray<
  readonly [how: string, end: (listener: Listener) => void, reason: ConnectionError["reason"]]
> = [
  ...["websocket_connection_limit_reached", "other", key].map((code) =>
    [
      `an error frame with the code ${code.replace(key, "that is the key")}`,
      ({ onMessage }: Listener) =>
        onMessage(
          JSON.stringify({ type: "error", error: { code, message: `Bearer ${key}`, request_id: key, [key]: key } })
        ),
      code === "websocket_connection_limit_reached" ? "Expired" : "Lost"
    ] as const
  ),
  ["a close with a reason", ({ onClose }) => onClose({ code: 1012, reason: `gone with ${key}` }), "Lost"],
  ["a message that is no event", ({ onMessage }) => onMessage(`{"${key}`), "Lost"]
]

describe("a connection that ended while idle", () => {
  const open = Effect.gen(function*() {
    let told: Listener | undefined
    const endpoint = yield* Endpoint.make({ apiKey: Redacted.make(key) })
    const connection = yield* Dial.open({
      connect: (_, listener) => {
        told = listener
        return Effect.succeed({
          send: (text, done) => {
            done(failing)
            return text.length
          },
          ping: () => {},
          pause: () => {},
          resume: () => {}
        })
      },
      endpoint,
      ping: Duration.infinity,
      pingTimeout: Duration.seconds(10),
      timeouts: Timeouts.defaults,
      maxOutputSize: Infinity,
      keepsOutput: true,
      timers: yield* Timers.make,
      naming: new Naming({ maxConnections: 1, maxLanes: 1, profile: { lanes: true } }),
      backlog: new Backlog({ response: Infinity, connection: Infinity, layer: Infinity }, () => {}),
      nextNumber: () => 1,
      isWaitedFor: () => false,
      onDead: () => {},
      onNews: () => {}
    })
    assert(told !== undefined)
    return { connection, listener: told }
  })

  const ask = (connection: Connection) => {
    const lane = connection.lanes.use("")
    connection.hold(lane)
    const request = {
      frame: "{}",
      lane,
      previousResponseId: undefined,
      renamed: undefined,
      granted: 0,
      onEnd: () => {}
    }
    return Effect.flip(connection.request(request).exchange.started)
  }

  for (const [how, end, reason] of ends) {
    it.scoped(`by ${how}`, () =>
      Effect.gen(function*() {
        const { connection, listener } = yield* open
        end(listener)
        assert.isFalse(connection.isOpen())
        const error = yield* ask(connection)
        assert.deepInclude(error, { _tag: "ConnectionError", reason, delivery: "unsent" })
        assert.notInclude(error.message + inspect(error, { depth: Infinity, showHidden: true }), key)
      }))
  }

  it.scoped("as a request could not be written: its cause has words, and nothing else that the platform gave", () =>
    Effect.gen(function*() {
      const { connection } = yield* open
      const error = yield* ask(connection)
      assert(error._tag === "ConnectionError" && error.cause instanceof Error)
      assert.strictEqual(error.cause.message, "write failed for <redacted>")
      assert.notProperty(error.cause, "rawPacket")
      assert.notInclude(inspect(error, { depth: Infinity, showHidden: true }), key)
    }))
})
