/** The support agent as its user starts it: in processes of its own, of which Ctrl-C ends the first one while a tool runs. */
import { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { ResponseScript } from "effect-responses"
import { ResponsesServer } from "effect-responses-server"
import { spawn } from "node:child_process"
import { readFileSync, realpathSync } from "node:fs"
import * as Program from "../../responses-node/test/support/program.ts"
import { script } from "../src/agents/supportScript.ts"

const file = new URL("../src/agents/support.ts", import.meta.url)

// Node names the main module by its real path.
const program = realpathSync(await Program.bundle(file))

const apiKey = Redacted.make("sk-support")

interface Start {
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  /** Once it has said this, it gets what Ctrl-C sends. */
  readonly interruptAfter?: ReadonlyArray<string>
}

const run = ({ args, env, interruptAfter }: Start) =>
  Effect.async<{ readonly code: number | null; readonly said: string; readonly complaint: string }>((resume) => {
    const child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let said = ""
    let complaint = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text
      // A second signal would end it at once, without its finalizers.
      if (!child.killed && interruptAfter?.every((words) => said.includes(words)) === true) child.kill("SIGINT")
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint += text
    })
    child.on("close", (code) => resume(Effect.succeed({ code, said, complaint })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const { error, silence, text, turn } = ResponseScript

/** A server with a script, and how to start the agent with it and with a directory of its own. */
const world = Effect.fnUntraced(function*(script: ResponseScript.Script) {
  const fs = yield* FileSystem.FileSystem
  const server = yield* ResponsesServer.make({ apiKey, script })
  const env = {
    OPENAI_API_KEY: Redacted.value(apiKey),
    OPENAI_BASE_URL: server.url,
    JOURNAL: yield* fs.makeTempDirectoryScoped()
  }
  const start = (args: ReadonlyArray<string>, carrierDelay = "0 seconds") => ({
    args,
    env: { ...env, CARRIER_DELAY: carrierDelay }
  })
  return { server, start }
})

describe("the support agent in a process", () => {
  it("has fewer than 100 lines", () => {
    assert.isBelow(readFileSync(file, "utf8").trimEnd().split("\n").length, 100)
  })

  it.scopedLive("leaves with 130 at Ctrl-C, and other processes go on to the end", () =>
    Effect.gen(function*() {
      const { server, start } = yield* world(script)
      const left = yield* run({
        ...start(["My lamp has not come."], "1 hour"),
        interruptAfter: ["track_parcel …", "check_stock: Output", "get_policy: Output"]
      })
      assert.deepInclude(left, { code: 130, complaint: "" })
      assert.match(left.said, /^\nResponseFailed: again in .*\n\nget_order …\nget_order: Output\n/)
      assert.notInclude(left.said, "track_parcel:")
      assert.strictEqual((yield* server.waitFor("ConnectionClosed")).code, 1000)
      assert.lengthOf(yield* server.requests, 3)

      assert.deepStrictEqual(yield* run(start([])), {
        code: 0,
        said:
          "\ntrack_parcel …\ntrack_parcel: Output\nThe parcel is lost.\n--approve or --reject? refund {\"order\":17}\n",
        complaint: ""
      })
      assert.lengthOf(yield* server.requests, 4)

      assert.deepStrictEqual(yield* run(start(["--approve"])), {
        code: 0,
        said: "\nrefund …\nrefund: Output\nYou have your money back.\n",
        complaint: ""
      })
      const requests = yield* server.requests
      assert.lengthOf(requests, 5)
      const input = requests.at(-1)?.body.input
      const outputs = (typeof input === "object" ? input : []).flatMap((item) =>
        item.type === "function_call_output" ? [item.output] : []
      )
      // Each call has one output, that of the tool.
      assert.deepStrictEqual(outputs.slice(0, -1), [
        "{\"article\":\"lamp\",\"cents\":4900}",
        "Lost on the way",
        "14",
        "What is lost on the way is refunded."
      ])
      assert.match(JSON.stringify(outputs.at(-1)), /^"Order 17 is refunded, as ada:/)

      assert.deepStrictEqual(yield* run(start([])), { code: 0, said: "\n", complaint: "" })
      assert.lengthOf(yield* server.requests, 5)
    }).pipe(Effect.provide(NodeFileSystem.layer)), 120_000)

  const moments: ReadonlyArray<readonly [name: string, turn: ResponseScript.Turn, said: string]> = [
    ["while the model speaks", turn([text("It is somewhere else."), silence({ after: 5 })]), "It is"],
    [
      "while it waits for another try",
      error({ status: 429, code: "rate_limit_exceeded", message: "Wait", headers: { "retry-after": "50" } }),
      "again in 50s"
    ]
  ]
  for (const [name, interrupted, said] of moments) {
    it.scopedLive(
      `leaves with 130 at Ctrl-C ${name}, and asks anew when it is started again`,
      () =>
        Effect.gen(function*() {
          const { server, start } = yield* world([interrupted, text("It is in Oslo.")])
          const left = yield* run({ ...start(["Where is my lamp?"]), interruptAfter: [said] })
          assert.deepInclude(left, { code: 130, complaint: "" })
          assert.deepStrictEqual(yield* run(start([])), { code: 0, said: "It is in Oslo.\n", complaint: "" })
          assert.lengthOf(yield* server.requests, 2)
        }).pipe(Effect.provide(NodeFileSystem.layer)),
      120_000
    )
  }
})
