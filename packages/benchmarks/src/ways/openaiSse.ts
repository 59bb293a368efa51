/** The `openai` package over HTTP. */
import OpenAI from "openai"
import type * as Vendor from "openai/resources/responses/responses"
import { firstItem, outputItem, settings } from "./conversation.ts"
import { apiKey, type Open } from "./way.ts"

export const open: Open = async (url) => {
  const client = new OpenAI({ apiKey, baseURL: url })
  return {
    ask: async (model, onText) => {
      const events = await client.responses.create({ model, input: "Go", store: false, stream: true })
      for await (const event of events) {
        if (event.type === "response.output_text.delta") onText(event.delta)
      }
    },
    loop: async (model, turns, onText) => {
      const input: Array<Vendor.ResponseInputItem> = [firstItem]
      for (let turn = 1; turn <= turns; turn++) {
        const events = await client.responses.create({ model, ...settings, input, stream: true })
        for await (const event of events) {
          if (event.type === "response.function_call_arguments.delta") onText(event.delta)
          else if (event.type === "response.completed") {
            for (const item of event.response.output) {
              if (item.type !== "function_call") continue
              input.push(item, outputItem(item.call_id, turn))
            }
          }
        }
      }
    },
    close: async () => {}
  }
}
