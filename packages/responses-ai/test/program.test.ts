/** One program over both transports: equal parts, equal history, and on the socket only what is new. */
import { assert, describe, it } from "@effect/vitest"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import type * as ResponseScript from "effect-responses/ResponseScript"
import * as Effect from "effect/Effect"
import { program, script } from "./support/shop.ts"
import * as Ways from "./support/ways.ts"

const run = (way: Ways.Way) =>
  Effect.suspend(() => {
    const seen: Array<ReadonlyArray<string>> = []
    const watched = (script as ReadonlyArray<ResponseScript.Turn>).slice()
    const watching: ResponseScript.Script = (_request, { index, input }) => {
      seen.push(input.map((item) => item.type ?? "message"))
      return watched[index]!
    }
    return Effect.gen(function*() {
      const result = yield* program
      const { connections, requests } = yield* ResponsesServer.ResponsesServer
      return { result, sent: yield* Ways.sent, requests: yield* requests, opened: (yield* connections).opened, seen }
    }).pipe(Effect.provide(Ways.layer(way, watching)))
  })

const developer = { role: "developer", content: "You run a shop." }
const user = (text: string) => ({ role: "user", content: [{ type: "input_text", text }] })
const assistant = (text: string) => ({ role: "assistant", content: [{ type: "output_text", text }] })
const output = (call_id: string, output: string) => ({ type: "function_call_output", call_id, output })
const call = (call_id: string, name: string, args: string) => ({
  type: "function_call",
  call_id,
  name,
  arguments: args
})

const beforeTheOrder = [
  developer,
  user("Three lamps, please."),
  call("call_1_1", "get_price", "{\"item\":\"lamp\"}"),
  call("call_1_2", "get_stock", "{\"item\":\"lamp\"}"),
  output("call_1_1", "12.5"),
  output("call_1_2", "2"),
  assistant("Let me reserve three."),
  call("call_2_1", "reserve", "{\"item\":\"lamp\",\"count\":3}"),
  output("call_2_1", "{\"reason\":\"only 2 left, not 3\"}"),
  assistant("There are only two lamps left, at 12.50 each.")
]

describe("a program with a chat, three tools, a structured output and streams", () => {
  it.effect("has equal parts and an equal history over both transports", () =>
    Effect.gen(function*() {
      const [http, socket] = yield* Effect.all([run(Ways.overHttp), run(Ways.overResponses)])
      assert.deepStrictEqual(socket.result, http.result)
      assert.deepStrictEqual(socket.result.order, { item: "lamp", count: 2 })
      assert.deepStrictEqual(
        socket.result.history.map(({ role }) => role),
        "system user assistant tool assistant tool assistant user assistant user assistant".split(" ")
      )
      assert.isTrue(http.sent.every(({ transport }) => transport === "http"))
    }))

  it.effect("sends on the socket what is new, and the whole history where the request is another one", () =>
    Effect.gen(function*() {
      const { opened, requests, sent } = yield* run(Ways.overResponses)
      const transport = "websocket" as const
      assert.deepStrictEqual<unknown>(sent, [
        { transport, previous: null, input: [developer, user("Three lamps, please.")] },
        { transport, previous: "resp_1", input: [output("call_1_1", "12.5"), output("call_1_2", "2")] },
        { transport, previous: "resp_2", input: [output("call_2_1", "{\"reason\":\"only 2 left, not 3\"}")] },
        { transport, previous: null, input: [...beforeTheOrder, user("What is my order now?")] },
        {
          transport,
          previous: "resp_3",
          input: [user("What is my order now?"), assistant("{\"item\":\"lamp\",\"count\":2}"), user("Thank you.")]
        }
      ])
      assert.strictEqual(opened, 1)
      const { input: _input, tools, ...rest } = requests[0]!.body
      assert.deepStrictEqual<unknown>(rest, {
        type: "response.create",
        model: "gpt-5.5",
        // The lane that the Layer has chosen.
        stream_id: "1",
        include: [],
        text: { format: { type: "text" } },
        tool_choice: "auto"
      })
      assert.deepStrictEqual(tools?.map((tool) => "name" in tool && tool.name), ["get_price", "get_stock", "reserve"])
    }))

  it.effect("keeps with the server the reasoning that the history loses over HTTP", () =>
    Effect.gen(function*() {
      const [http, socket] = yield* Effect.all([run(Ways.overHttp), run(Ways.overResponses)])
      const calls = ["function_call", "function_call"]
      const outputs = ["function_call_output", "function_call_output"]
      assert.deepStrictEqual(http.seen[1], ["message", "message", ...calls, ...outputs])
      assert.deepStrictEqual(socket.seen[1], ["message", "message", "reasoning", ...calls, ...outputs])
    }))
})
