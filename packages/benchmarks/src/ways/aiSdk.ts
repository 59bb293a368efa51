/** `@ai-sdk/openai` over HTTP, its model without the SDK above it. */
import { createOpenAI } from "@ai-sdk/openai"
import * as Conversation from "./conversation.ts"
import { apiKey, type Open } from "./way.ts"

type Model = ReturnType<ReturnType<typeof createOpenAI>["responses"]>
type Options = Parameters<Model["doStream"]>[0]
type Message = Options["prompt"][number]

const user = (text: string): Message => ({ role: "user", content: [{ type: "text", text }] })

const tools: NonNullable<Options["tools"]> = Conversation.tools.map(({ description, name, parameters, strict }) => ({
  type: "function",
  name,
  description,
  inputSchema: parameters,
  strict
}))

const providerOptions = { openai: { store: false } }

const results = (toolCallId: string, toolName: string, input: string, turn: number): ReadonlyArray<Message> => [
  { role: "assistant", content: [{ type: "tool-call", toolCallId, toolName, input: JSON.parse(input) }] },
  {
    role: "tool",
    content: [{
      type: "tool-result",
      toolCallId,
      toolName,
      output: { type: "text", value: Conversation.outputText(turn) }
    }]
  }
]

export const open: Open = async (url) => {
  const provider = createOpenAI({ apiKey, baseURL: url })
  return {
    ask: async (model, onText) => {
      const { stream } = await provider.responses(model).doStream({ prompt: [user("Go")], providerOptions })
      for await (const part of stream) {
        if (part.type === "text-delta") onText(part.delta)
        else if (part.type === "error") throw part.error
      }
    },
    loop: async (model, turns, onText) => {
      const prompt: Array<Message> = [
        { role: "system", content: Conversation.instructions },
        user(Conversation.question)
      ]
      for (let turn = 1; turn <= turns; turn++) {
        const { stream } = await provider.responses(model).doStream({ prompt, tools, providerOptions })
        for await (const part of stream) {
          if (part.type === "tool-input-delta") onText(part.delta)
          else if (part.type === "error") throw part.error
          else if (part.type === "tool-call") prompt.push(...results(part.toolCallId, part.toolName, part.input, turn))
        }
      }
    },
    close: async () => {}
  }
}
