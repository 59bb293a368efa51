/** `@openai/agents`: its model over the socket, below the runner. What is new is sent by hand. */
import { type AgentInputItem, type Model, OpenAIProvider, setTracingDisabled } from "@openai/agents"
import { WebSocket } from "ws"
import * as Conversation from "./conversation.ts"
import { apiKey, type Open } from "./way.ts"

// Node 20 has none of its own, and the SDK looks nowhere else.
if (!("WebSocket" in globalThis)) Object.assign(globalThis, { WebSocket })

setTracingDisabled(true)

type Request = Parameters<Model["getStreamedResponse"]>[0]

const bare: Omit<Request, "input"> = {
  modelSettings: { store: false },
  tools: [],
  outputType: "text",
  handoffs: [],
  tracing: false
}

const withSettings: Omit<Request, "input"> = {
  ...bare,
  systemInstructions: Conversation.instructions,
  tools: Conversation.tools.map(({ description, name, parameters, strict }) => ({
    type: "function",
    name,
    description,
    parameters: { ...parameters, additionalProperties: false },
    strict
  }))
}

const outputItem = (callId: string, turn: number): AgentInputItem => ({
  type: "function_call_result",
  name: "tool_1",
  callId,
  status: "completed",
  output: Conversation.outputText(turn)
})

export const open: Open = async (url) => {
  const provider = new OpenAIProvider({ apiKey, baseURL: url, useResponses: true, useResponsesWebSocket: true })
  return {
    ask: async (name, onText) => {
      const model = await provider.getModel(name)
      for await (const event of model.getStreamedResponse({ ...bare, input: "Go" })) {
        if (event.type === "output_text_delta") onText(event.delta)
      }
    },
    loop: async (name, turns, onText) => {
      const model = await provider.getModel(name)
      let previous: string | undefined
      let input: Array<AgentInputItem> = [{ type: "message", role: "user", content: Conversation.question }]
      for (let turn = 1; turn <= turns; turn++) {
        const request: Request = {
          ...withSettings,
          ...previous === undefined ? {} : { previousResponseId: previous },
          input
        }
        for await (const event of model.getStreamedResponse(request)) {
          if (event.type === "model" && event.event.type === "response.function_call_arguments.delta") {
            onText(event.event.delta)
          } else if (event.type === "response_done") {
            previous = event.response.id
            input = event.response.output.flatMap((item) =>
              item.type === "function_call" ? [outputItem(item.callId, turn)] : []
            )
          }
        }
      }
    },
    close: () => provider.close()
  }
}
