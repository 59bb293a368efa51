/** Vercel's provider over HTTP, as it is published, against this server. It asks for Node 22, and runs on 20 as well. */
import { createOpenAI } from "@ai-sdk/openai"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { ResponseScript } from "effect-responses"
import { ResponsesServer } from "effect-responses-server"

const prompt = (text: string) => [{ role: "user" as const, content: [{ type: "text" as const, text }] }]

const tools = [{
  type: "function" as const,
  name: "get_weather",
  inputSchema: { type: "object" as const, properties: { city: { type: "string" as const } }, required: ["city"] }
}]

const script = [
  ResponseScript.turn([
    ResponseScript.reasoning("Hm."),
    ResponseScript.toolCall({ name: "get_weather", arguments: { city: "Oslo" }, callId: "call_1" })
  ]),
  ResponseScript.text("Sunny")
]

describe("@ai-sdk/openai", () => {
  it.scoped("doGenerate: a call, its result, an answer", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script })
      const model = createOpenAI({ apiKey: "sk-ai", baseURL: server.url }).responses("gpt-5.5")
      const first = yield* Effect.promise(async () => model.doGenerate({ prompt: prompt("Weather?"), tools }))
      const call = first.content.find((part) => part.type === "tool-call")
      assert(call !== undefined)
      assert.deepStrictEqual(JSON.parse(call.input), { city: "Oslo" })
      assert.strictEqual(first.finishReason.unified, "tool-calls")
      const second = yield* Effect.promise(async () =>
        model.doGenerate({
          tools,
          prompt: [
            ...prompt("Weather?"),
            {
              role: "assistant",
              content: [{
                type: "tool-call",
                toolCallId: call.toolCallId,
                toolName: call.toolName,
                input: JSON.parse(call.input)
              }]
            },
            {
              role: "tool",
              content: [{
                type: "tool-result",
                toolCallId: call.toolCallId,
                toolName: call.toolName,
                output: { type: "text", value: "sunny" }
              }]
            }
          ]
        })
      )
      assert.deepInclude(second.content.find((part) => part.type === "text"), { text: "Sunny" })
      assert.strictEqual(second.finishReason.unified, "stop")
      assert.isAbove(second.usage.inputTokens.total ?? 0, 0)
    }))

  it.scoped("doStream: deltas, a call, usage", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script })
      const model = createOpenAI({ apiKey: "sk-ai", baseURL: server.url }).responses("gpt-5.5")
      const { stream } = yield* Effect.promise(async () => model.doStream({ prompt: prompt("Weather?"), tools }))
      const parts = [...yield* Stream.runCollect(Stream.fromReadableStream(() => stream, String))]
      assert.deepStrictEqual(parts.filter((part) => part.type === "error"), [])
      const call = parts.find((part) => part.type === "tool-call")
      assert.strictEqual(call?.toolName, "get_weather")
      assert.strictEqual(parts.at(-1)?.type, "finish")
    }))
})
