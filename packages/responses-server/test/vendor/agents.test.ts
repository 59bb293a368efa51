/** The vendor's Agents SDK over its WebSocket model, as it is published, against this server. */
import { assert, describe, it } from "@effect/vitest"
import { Agent, OpenAIProvider, Runner, setTracingDisabled, tool } from "@openai/agents"
import { Effect } from "effect"
import { ResponsesServer } from "effect-responses-server"
import { WebSocket } from "ws"
import { z } from "zod"

// Node 20 has none of its own, and the SDK looks nowhere else.
if (!("WebSocket" in globalThis)) Object.assign(globalThis, { WebSocket })

setTracingDisabled(true)

describe("@openai/agents", () => {
  for (const useResponsesWebSocket of [true, false]) {
    for (const streamed of [true, false]) {
      const how = `${useResponsesWebSocket ? "WebSocket" : "HTTP"}, ${streamed ? "streamed" : "not streamed"}`
      it.scoped(`a tool loop: ${how}`, () =>
        Effect.gen(function*() {
          const server = yield* ResponsesServer.make()
          const asked: Array<string> = []
          const weather = tool({
            name: "get_weather",
            description: "The weather of a city",
            parameters: z.object({ city: z.string() }),
            execute: ({ city }) => {
              asked.push(city)
              return `sunny in ${city}`
            }
          })
          const provider = new OpenAIProvider({
            apiKey: "sk-agents",
            baseURL: server.url,
            useResponses: true,
            useResponsesWebSocket
          })
          const runner = new Runner({ modelProvider: provider, tracingDisabled: true })
          const agent = new Agent({ name: "forecaster", model: "gpt-5.5", tools: [weather] })
          const input = "What is the weather? Use 3 tool calls."
          const output = yield* Effect.promise(async () => {
            if (!streamed) return (await runner.run(agent, input)).finalOutput
            const result = await runner.run(agent, input, { stream: true })
            for await (const _ of result) { /* Only the end matters. */ }
            await result.completed
            return result.finalOutput
          })
          yield* Effect.promise(() => provider.close())
          assert.strictEqual(asked.length, 3)
          assert.include(output, "After 3 tool calls")
          const requests = yield* server.requests
          assert.isTrue(requests.every(({ transport }) => (transport === "websocket") === useResponsesWebSocket))
          assert.strictEqual((yield* server.connections).opened, useResponsesWebSocket ? 1 : 0)
        }))
    }
  }
})
