/** A long history as coding agents have it: messages, reasoning, calls and their outputs, and sixteen tools. */
import type { ResponseItem } from "effect-responses/ResponseItem"
import type { ResponseRequest } from "effect-responses/ResponseRequest"
import { words } from "../ways/conversation.ts"

export const item = (index: number, bytes: number): ResponseItem => {
  const body = words(index + 1, bytes)
  const call_id = `call_${index - (index % 5)}`
  switch (index % 5) {
    case 0:
      return { type: "message", role: "user", content: [{ type: "input_text", text: body }] }
    case 1:
      return { type: "reasoning", id: `rs_${index}`, summary: [], encrypted_content: body }
    case 2:
      return {
        type: "function_call",
        id: `fc_${index}`,
        status: "completed",
        call_id,
        name: "read_file",
        arguments: JSON.stringify({ path: `src/${index}.ts`, around: body })
      }
    case 3:
      return { type: "function_call_output", call_id, output: body }
    default:
      return {
        type: "message",
        id: `msg_${index}`,
        status: "completed",
        role: "assistant",
        content: [{ type: "output_text", text: body, annotations: [], logprobs: [] }]
      }
  }
}

const tool = (index: number) => ({
  type: "function",
  name: `tool_${index}`,
  description: words(index, 200),
  strict: true,
  parameters: {
    type: "object",
    properties: {
      path: { type: "string", description: words(index, 120) },
      from: { type: ["integer", "null"], minimum: 0 },
      kind: { type: "string", enum: ["file", "folder", "link"] },
      options: {
        type: "object",
        properties: { deep: { type: "boolean" }, limit: { type: "integer" } },
        required: ["deep"]
      }
    },
    required: ["path", "from", "kind", "options"],
    additionalProperties: false
  }
})

export const settings: ResponseRequest = {
  model: "gpt-5.5",
  store: false,
  instructions: words(7, 12_000),
  tools: Array.from({ length: 16 }, (_, index) => tool(index)),
  reasoning: { effort: "high", summary: "auto" },
  include: ["reasoning.encrypted_content"]
}
