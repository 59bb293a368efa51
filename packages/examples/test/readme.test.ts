/** The README's programs are files of this package: the page shows them to the letter, and they run. */
import { Command, FileSystem } from "@effect/platform"
import { NodeCommandExecutor, NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Redacted, TestClock } from "effect"
import { ResponseItem, ResponsesTest, ResponseTool } from "effect-responses"
import { ResponsesServer } from "effect-responses-server"
import { fileURLToPath } from "node:url"
import { continueFrom } from "../src/readme/errors.ts"
import * as Numbers from "../src/readme/numbers.ts"
import * as Server from "../src/readme/server.ts"
import { booking } from "../src/readme/tool.ts"

const root = fileURLToPath(new URL("../../..", import.meta.url))

const Node = NodeCommandExecutor.layer.pipe(Layer.provideMerge(NodeFileSystem.layer))

const apiKey = Redacted.make("sk-readme")

/** Runs a file as a reader would, with the environment pointing at a local server. */
const run = (file: string, env: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function*() {
    const server = yield* ResponsesServer.make({ apiKey })
    const output = yield* Command.make("node", "--import", "tsx", `packages/examples/src/readme/${file}`).pipe(
      Command.workingDirectory(root),
      Command.env({ ...env, OPENAI_API_KEY: Redacted.value(apiKey), OPENAI_BASE_URL: server.url }),
      Command.string
    )
    return { output, requests: yield* server.requests }
  }).pipe(Effect.provide(Node))

describe("README.md", () => {
  it.effect("shows the files as they are", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const page = yield* fs.readFileString(`${root}README.md`)
      const shown = [...page.matchAll(/<!-- (\S+) -->\n+```ts\n([^]*?)```/g)]
      assert.isAtLeast(shown.length, 6)
      assert.lengthOf([...page.matchAll(/```ts/g)], shown.length, "every program is a file")
      for (const [, file, text] of shown) {
        assert.strictEqual(text, yield* fs.readFileString(`${root}${file}`), file)
      }
    }).pipe(Effect.provide(Node)))

  it.scopedLive("the first program prints the answer as it streams, over one socket", () =>
    Effect.gen(function*() {
      const { output, requests } = yield* run("first.ts")
      assert.include(output.replaceAll("\n", ""), "You said: Say hello in five languages.")
      assert.deepStrictEqual(requests.map((request) => request.transport), ["websocket"])
    }), 30_000)

  it.scopedLive("the agent calls its tool and sends only what is new", () =>
    Effect.gen(function*() {
      const { output, requests } = yield* run("agent.ts")
      assert.match(output, /function_call/)
      assert.match(output, /message After 1 tool call: get_weather said/)
      const [first, ...rest] = requests
      assert.notProperty(first?.body, "previous_response_id")
      for (const { body } of rest) assert.isString(body.previous_response_id)
    }), 30_000)

  it.scopedLive("the agent that is started again goes on where the one before was", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const whole = yield* run("resumed.ts", { JOURNAL: directory })
      assert.match(whole.output, /^pay .* as order-17:/)
      const file = `${directory}/order-17.jsonl`
      const lines = (yield* fs.readFileString(file)).split("\n").filter((line) => line !== "")
      // As if it had been killed while the tool ran.
      yield* fs.writeFileString(file, `${lines.slice(0, 4).join("\n")}\n`)
      const again = yield* run("resumed.ts", { JOURNAL: directory })
      assert.strictEqual(again.output, whole.output)
      assert.deepStrictEqual([whole.requests.length, again.requests.length], [2, 1])
      const ended = yield* run("resumed.ts", { JOURNAL: directory })
      assert.strictEqual(ended.output, whole.output.slice(whole.output.indexOf("\n") + 1))
      assert.lengthOf(ended.requests, 0)
    }).pipe(Effect.provide(NodeFileSystem.layer)), 60_000)

  it.effect("a forgotten response is answered by sending everything", () =>
    Effect.gen(function*() {
      const history = [ResponseItem.user("Hello"), ResponseItem.message("assistant", "Hi")]
      yield* continueFrom("resp_0", history, ResponseItem.user("More"))
      const { requests } = yield* ResponsesTest.ResponsesTest
      assert.deepStrictEqual((yield* requests).map(({ input }) => input?.length), [1, 3])
    }).pipe(Effect.provide(ResponsesTest.layer([
      ResponsesTest.error({ status: 400, code: "previous_response_not_found", message: "not found" }),
      ResponsesTest.text("Hi again")
    ]))))

  it.effect("the tool is tried again where that may help, and the model is told in the tool's words", () =>
    Effect.gen(function*() {
      const told = (guests: number) =>
        ResponseTool.answer([booking], {
          type: "function_call",
          call_id: "c",
          name: "book_table",
          arguments: JSON.stringify({ guests })
        }, "fail")
      const { output } = yield* told(12)
      assert.strictEqual(output, "the largest table has 8 seats. Ask the user for another time.")
      const fiber = yield* Effect.fork(told(2))
      yield* TestClock.adjust("1999 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).output, "Busy. Ask the user for another time.")
    }))

  it.effect("the numbers are told before the first event", () =>
    Numbers.program.pipe(Effect.provide(ResponsesTest.layer([ResponsesTest.text("Hello")]))))

  it.live("two turns survive a connection that was closed in between", () =>
    Effect.map(
      Server.program,
      (responses) =>
        assert.deepStrictEqual(responses.map((response) => response.output.map(ResponseItem.text)), [["One"], ["Two"]])
    ))
})
