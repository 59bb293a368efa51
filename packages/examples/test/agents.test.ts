import { Terminal } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Mailbox, Redacted } from "effect"
import { ResponseScript } from "effect-responses"
import { ResponsesServer } from "effect-responses-server"
import { agent, modelOver } from "../src/agents/chat.ts"

const { reasoning, text, toolCall, turn } = ResponseScript

const script: ResponseScript.Script = [
  turn([
    reasoning("Look first."),
    toolCall({ name: "get_stock", arguments: { article: "lamp" } }),
    toolCall({ name: "reserve", arguments: { article: "lamp", count: 3 } })
  ]),
  text("There are only two lamps."),
  text("As you like.")
]

/** A customer who says two things and leaves. */
const customer = (shown: Array<string>) => {
  const lines = ["Three lamps, please.", "Then none."]
  return Layer.succeed(
    Terminal.Terminal,
    Terminal.Terminal.of({
      columns: Effect.succeed(80),
      rows: Effect.succeed(24),
      isTTY: Effect.succeed(false),
      readInput: Mailbox.make<Terminal.UserInput>(),
      readLine: Effect.suspend(() => {
        const line = lines.shift()
        return line === undefined ? Effect.fail(new Terminal.QuitException()) : Effect.succeed(line)
      }),
      display: (text) => Effect.sync(() => shown.push(text))
    })
  )
}

const run = (transport: "http" | "socket") =>
  Effect.gen(function*() {
    const shown: Array<string> = []
    const server = yield* ResponsesServer.make({ apiKey: Redacted.make("sk-agent"), script, idPrefix: "" })
    const environment = new Map([["OPENAI_API_KEY", "sk-agent"], ["OPENAI_BASE_URL", server.url]])
    yield* agent.pipe(
      Effect.provide([
        modelOver(transport).pipe(Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(environment)))),
        customer(shown)
      ])
    )
    const sent = (yield* server.requests).map(({ body, transport }) => `${transport} ${body.input?.length}`)
    return { said: shown.join(""), sent }
  })

describe("the chat agent", () => {
  it.scoped("says the same over both transports, and sends less on the socket", () =>
    Effect.gen(function*() {
      const { http, socket } = yield* Effect.all({ http: run("http"), socket: run("socket") })
      assert.strictEqual(socket.said, "There are only two lamps.\nAs you like.\nGood-bye.\n")
      assert.strictEqual(http.said, socket.said)
      assert.deepStrictEqual(http.sent, ["http 2", "http 6", "http 8"])
      assert.deepStrictEqual(socket.sent, ["websocket 2", "websocket 2", "websocket 1"])
    }))
})
