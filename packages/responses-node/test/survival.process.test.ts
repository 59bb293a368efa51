/** Programs in a process of their own: their clocks fire though nothing else is going on, and nothing of ours keeps them. */
import { assert, describe, it } from "@effect/vitest"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import * as Upgrade from "effect-responses-server/Upgrade"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import * as Program from "./support/program.ts"
import * as RawServer from "./support/rawServer.ts"
import { accepted, apiKey, completed, created } from "./support/survival.ts"

const program = await Program.bundle(new URL("./support/programs/client.ts", import.meta.url))

/** What a program said last, once it has ended by itself. */
const run = (way: string, url: string) =>
  Effect.async<{ readonly said: string; readonly code: unknown; readonly complaint: string }>((resume) => {
    const child = execFile(
      process.execPath,
      [program, way, url],
      (error, stdout, complaint) =>
        resume(
          Effect.succeed({
            said: stdout.trim().split("\n").at(-1) ?? "",
            code: error === null ? 0 : error.code,
            complaint
          })
        )
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const endsBy = (way: string, url: string, said: string) =>
  Effect.map(run(way, url), (ended) => assert.deepStrictEqual(ended, { said, code: 0, complaint: "" }))

const timeout = 60_000

describe("a program ends by itself", () => {
  const text = ResponseScript.text("Hi")
  const cases: ReadonlyArray<readonly [name: string, way: string, said: string, options?: ResponsesServer.Options]> = [
    ["after a response", "completed", "completed"],
    ["while HTTP serves for an interval", "twice", "completed", { upgrades: () => Upgrade.refuse(426) }],
    ["after it interrupted a response", "interrupted", "interrupted", { script: [ResponseScript.silence()] }],
    ["after it interrupted a response that had begun", "interrupted", "interrupted", {
      script: [ResponseScript.turn([text, ResponseScript.silence({ after: 4 })])]
    }],
    ["after it interrupted an upgrade", "interrupted", "interrupted", { upgrades: () => Upgrade.stall }],
    ["with a response that is to be drained, and does not end", "interruptedInTheMiddle", "interrupted", {
      script: [ResponseScript.turn([text, ResponseScript.silence({ after: 4 })])]
    }],
    ["though a response it has forgotten still runs", "forgotten", "left", { script: [ResponseScript.silence()] }],
    ["though an upgrade it has forgotten is not answered", "forgotten", "left", { upgrades: () => Upgrade.stall }]
  ]
  for (const [name, way, said, options] of cases) {
    it.scopedLive(name, () =>
      Effect.flatMap(
        ResponsesServer.make({ apiKey, ...options }),
        ({ url }) => endsBy(way, url, said)
      ), timeout)
  }

  it.scopedLive("though the server never answers the close", () =>
    Effect.gen(function*() {
      const server = yield* RawServer.make
      const serving = Effect.flatMap(accepted(server), (peer) =>
        Effect.zipRight(
          peer.send(created, completed),
          Effect.sync(() => peer.tcp.pause())
        ))
      yield* Effect.all([serving, endsBy("completed", server.url, "undefined")], { concurrency: 2 })
    }), timeout)
})

describe("a clock fires though nothing else is going on", () => {
  const cases: ReadonlyArray<readonly [name: string, way: string, said: string, options: ResponsesServer.Options]> = [
    ["for the first event", "firstEvent", "FirstEventTimeout", { script: [ResponseScript.silence()] }],
    ["for a sign of life", "stalled", "Stalled", {
      script: [ResponseScript.turn([ResponseScript.text("Hi"), ResponseScript.silence({ after: 4 })])]
    }]
  ]
  for (const [name, way, said, options] of cases) {
    it.scopedLive(
      name,
      () => Effect.flatMap(ResponsesServer.make({ apiKey, ...options }), ({ url }) => endsBy(way, url, said)),
      timeout
    )
  }

  it.scopedLive(
    "between two tries to connect, when there is no socket at all",
    () => endsBy("reconnect", "http://127.0.0.1:9/v1", "Unreachable"),
    timeout
  )

  it.scopedLive("for the upgrade, and HTTP serves", () =>
    Effect.flatMap(
      ResponsesServer.make({ apiKey, upgrades: () => Upgrade.stall }),
      ({ url }) => endsBy("openTimeout", url, "completed")
    ), timeout)
})
