import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { ResponseScript } from "effect-responses"
import { ResponsesServer } from "effect-responses-server"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Program from "../../responses-node/test/support/program.ts"

interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

const main = new URL("../src/demo/main.ts", import.meta.url)

const program = await Program.bundle(main)

interface Start {
  /** What `node` is to run. Default: the program, which needs less time to start as one file than with `tsx`. */
  readonly run?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** Tells when to press Ctrl-C. */
  readonly until?: (stdout: string) => boolean
}

/** The program as a person starts it, but without a terminal. */
const demo = (args: ReadonlyArray<string>, options: Start = {}): Effect.Effect<Ended> =>
  Effect.async((resume) => {
    const { OPENAI_API_KEY: _key, OPENAI_BASE_URL: _url, ...env } = process.env
    const child = spawn(process.execPath, [...options.run ?? [program], ...args], {
      env: { ...env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
      if (options.until?.(stdout) === true) child.kill("SIGINT")
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text
    })
    child.once("close", (status) => resume(Effect.succeed({ status, stdout, stderr })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const timeout = 60_000

const escape = "\u001b"

const isReadable = ({ stderr, stdout }: Ended) => {
  assert.notInclude(stdout + stderr, escape)
  assert.notMatch(stdout + stderr, /\n\s+at .*\d+:\d+/, "a stack trace")
}

describe("demo", () => {
  it.live("tells in plain lines what happens, what went wrong and how it was repaired", () =>
    Effect.gen(function*() {
      const ended = yield* demo([])
      const { status, stdout } = ended
      assert.strictEqual(status, 0, stdout + ended.stderr)
      isReadable(ended)
      assert.match(stdout, /^ {2}1 {2}socket {2}full: first .* kB .* ms {2}search_logs\(/m)
      assert.match(stdout, /^ {2}2 {2}socket {2}delta /m)
      assert.match(
        stdout,
        /× the server forgets its last response\n.*✓ sent again in full .*\n {2}3 {2}socket {2}full: forgotten /
      )
      assert.match(stdout, /× the connection reaches its age limit.*\n.*✓ .*\n {2}6 {2}socket {2}full: new connection /)
      assert.match(stdout, /× the connection is cut.*\n.*✓ served over HTTP instead .*\n {2}9 {2}http {4}full /)
      assert.match(
        stdout,
        /× the server takes connections again\n.*✓ served over HTTP instead .*\n 10 {2}http {4}full /
      )
      assert.match(stdout, /\n 1[1-9] {2}socket {2}full: new connection /)
      assert.strictEqual(stdout.match(/After 48 tool calls: /g)?.length, 2)
      assert.match(stdout, /^ +socket +http$/m)
      assert.match(stdout, /^ {2}bytes sent +[\d.]+ kB +[\d.]+ MB$/m)
      assert.match(stdout, /✓ Both runs ended with the same conversation\./)
      assert.match(stdout, /✓ 3 of 3 planned faults happened and were repaired\./)
    }), timeout)

  it.live(
    "--json gives one object, and the socket sends at most a fifth of what HTTP sends",
    () =>
      Effect.gen(function*() {
        const { status, stderr, stdout } = yield* demo(["--json"])
        assert.strictEqual(status, 0, stderr)
        assert.strictEqual(stderr, "")
        const outcome = JSON.parse(stdout)
        assert.isTrue(outcome.ok)
        assert.isTrue(outcome.sameConversation)
        assert.isTrue(outcome.wholeHistorySeen)
        assert.isAtLeast(outcome.turns, 2)
        assert.isAtLeast(outcome.toolCalls, 20)
        assert.isAtLeast(outcome.socket.resentInFull, 1)
        assert.isAtLeast(outcome.socket.httpTurns, 1)
        assert.isAtLeast(outcome.socket.connections, 3)
        assert.isAbove(outcome.socket.bytesSent, 0)
        assert.isAtMost(outcome.socket.bytesSent, outcome.http.bytesSent / 5)
      }),
    timeout
  )

  it.live("--help", () =>
    Effect.gen(function*() {
      const ended = yield* demo(["--help"], { run: ["--import", "tsx", fileURLToPath(main)] })
      assert.strictEqual(ended.status, 0)
      isReadable(ended)
      for (const option of ["--json", "--live", "--model", "OPENAI_API_KEY"]) assert.include(ended.stdout, option)
    }), timeout)

  it.live("names an option that it does not know", () =>
    Effect.gen(function*() {
      const ended = yield* demo(["--bogus"])
      assert.strictEqual(ended.status, 1)
      isReadable(ended)
      assert.include(ended.stderr, "--bogus")
      assert.strictEqual(ended.stdout, "")
    }), timeout)

  it.live("--live without a key says what is missing", () =>
    Effect.gen(function*() {
      const ended = yield* demo(["--live", "--json"])
      assert.strictEqual(ended.status, 1)
      isReadable(ended)
      assert.include(ended.stderr, "OPENAI_API_KEY")
      assert.strictEqual(ended.stdout, "")
    }), timeout)

  it.live("Ctrl-C ends it cleanly", () =>
    Effect.gen(function*() {
      const ended = yield* demo([], { until: (stdout) => /^ {2}2 {2}socket/m.test(stdout) })
      assert.strictEqual(ended.status, 130)
      isReadable(ended)
      assert.strictEqual(ended.stderr, "")
    }), timeout)
})

describe("demo --live", () => {
  const key = "sk-test-of-the-live-mode"
  const env = (server: ResponsesServer.Service) => ({ OPENAI_API_KEY: key, OPENAI_BASE_URL: server.url })

  it.scopedLive("completes both runs and leaves open whether they are the same", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey: Redacted.make(key) })
      const { status, stderr, stdout } = yield* demo(["--live", "--json", "--model", "some-model"], {
        env: env(server)
      })
      assert.strictEqual(status, 0, stderr)
      const outcome = JSON.parse(stdout)
      assert.isNull(outcome.sameConversation)
      assert.deepStrictEqual(outcome.faults, [])
      assert.isAtLeast(outcome.toolCalls, 20)
      assert.strictEqual(outcome.socket.connections, 1)
      const requests = yield* server.requests
      assert.deepStrictEqual([...new Set(requests.map(({ body }) => body.model))], ["some-model"])
    }), timeout)

  it.scopedLive("says in the table why a run ended early, and fails", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({
        script: [ResponseScript.failed({ code: "server_error", message: "Out of order" })]
      })
      const ended = yield* demo(["--live"], { env: env(server) })
      assert.strictEqual(ended.status, 1)
      isReadable(ended)
      assert.match(ended.stdout, /× The socket run ended early: Out of order/)
    }), timeout)

  it.scopedLive("fails without a stack trace for a wrong key", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey: Redacted.make("another-key") })
      const ended = yield* demo(["--live"], { env: env(server) })
      assert.strictEqual(ended.status, 1)
      isReadable(ended)
      assert.match(ended.stdout, /× The socket run ended early: .*status 401/)
      assert.notInclude(ended.stdout + ended.stderr, key)
    }), timeout)
})
