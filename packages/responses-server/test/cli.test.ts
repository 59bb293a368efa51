/** The command, as its users start it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as Program from "../../responses-node/test/support/program.ts"
import { json, post, type Response } from "./client.ts"

const main = new URL("../src/cli/main.ts", import.meta.url)

const program = [await Program.bundle(main)]

/** As `pnpm start` runs it. */
const source = ["--import", "tsx", fileURLToPath(main)]

/** Lines of standard output, and the end with what was said on standard error. */
const start = Effect.fnUntraced(function*(args: ReadonlyArray<string>, run: ReadonlyArray<string> = program) {
  const lines = yield* Queue.unbounded<string>()
  const child = yield* Effect.acquireRelease(
    Effect.sync((): ChildProcess => spawn(process.execPath, [...run, ...args])),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  let complaint = ""
  child.stderr?.on("data", (data) => (complaint += String(data)))
  if (child.stdout !== null) createInterface({ input: child.stdout }).on("line", (line) => lines.unsafeOffer(line))
  const ended = new Promise<{ readonly code: number | null; readonly complaint: string }>((resolve) =>
    child.on("close", (code) => resolve({ code, complaint }))
  )
  return { child, line: Queue.take(lines), ended: Effect.promise(() => ended) }
})

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "responses-server-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const timeout = 30_000

describe("responses-server", () => {
  it.scopedLive("says where it is, each request in a line, and stops on SIGINT", () =>
    Effect.gen(function*() {
      const script = join(yield* directory, "script.json")
      writeFileSync(script, JSON.stringify({ turns: ["From the file"], afterwards: "repeat" }))
      const { child, ended, line } = yield* start(
        [
          "--port",
          "0",
          "--key",
          "sk-cli",
          "--seed",
          "5",
          "--age-limit",
          "5 minutes",
          "--log",
          "json",
          "--script",
          script
        ]
      )
      const { url }: { readonly url: string } = JSON.parse(yield* line)
      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/v1$/)
      const answer = yield* post(url, {}, { authorization: "Bearer sk-cli" })
      const body = yield* json<Response>(answer)
      assert.match(body.id, /^resp_000005_1$/)
      assert.strictEqual(body.output[0]?.content[0]?.text, "From the file")
      const received: Readonly<Record<string, unknown>> = JSON.parse(yield* line)
      assert.deepInclude(received, { _tag: "RequestReceived", transport: "http", model: "test" })
      assert.deepInclude({ ...JSON.parse(yield* line) }, { _tag: "ResponseEnded", outcome: "completed" })
      yield* post(url, {})
      const refused = yield* line
      assert.deepInclude({ ...JSON.parse(refused) }, { _tag: "RequestRefused", status: 401 })
      child.kill("SIGINT")
      assert.deepStrictEqual(yield* ended, { code: 0, complaint: "" })
    }), timeout)

  it.scopedLive("a module as the script, and lines for people", () =>
    Effect.gen(function*() {
      const script = join(yield* directory, "script.mjs")
      writeFileSync(
        script,
        "export const script = (request) => ({ parts: [{ _tag: \"Item\", item: { type: \"message\", role: \"assistant\", " +
          "content: `You are ${request.user}` } }] })\n" +
          "export const upgrades = [{ _tag: \"Refuse\", status: 503 }]\n"
      )
      const { child, ended, line } = yield* start(["--port", "0", "--script", script], source)
      const listening = yield* line
      const url = /http:\S+/.exec(listening)?.[0] ?? ""
      assert.include(listening, `${url.replace("http", "ws")}/responses`)
      const body = yield* json<Response>(yield* post(url, { user: "Ada" }))
      assert.strictEqual(body.output[0]?.content[0]?.text, "You are Ada")
      assert.match(yield* line, /^\d\d:\d\d:\d\d\.\d{3} http POST test 0 items \d+ B$/)
      assert.match(yield* line, / http resp_\S+ completed$/)
      child.kill("SIGINT")
      assert.strictEqual((yield* ended).code, 0)
    }), timeout)

  it.scopedLive("what is wrong with the options is said, and the status is 1", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const bad = join(path, "bad.json")
      writeFileSync(bad, "[{ \"txet\": \"x\" }]")
      const empty = join(path, "empty.mjs")
      writeFileSync(empty, "export {}")
      const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, complaint: RegExp]> = [
        [["--age-limit", "soon"], /--age-limit: "soon" is no duration/],
        [["--script", bad], /bad\.json: The script is not valid: turns\[0\]/],
        [["--script", empty], /exports no `script`/]
      ]
      yield* Effect.forEach(cases, ([args, complaint]) =>
        Effect.gen(function*() {
          const ended = yield* (yield* start(["--port", "0", ...args])).ended
          assert.strictEqual(ended.code, 1)
          assert.match(ended.complaint, complaint)
        }), { discard: true })
    }), timeout)
})
