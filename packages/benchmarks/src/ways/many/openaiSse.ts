/** The `openai` package over HTTP. */
import OpenAI from "openai"
import type * as Vendor from "openai/resources/responses/responses"
import { apiKey } from "../way.ts"
import { type OpenProgram, says, settings } from "./way.ts"

export const open: OpenProgram = async (url) => {
  const client = new OpenAI({ apiKey, baseURL: url })
  return {
    begin: async (number) => {
      const input: Array<Vendor.ResponseInputItem> = []
      let turns = 0
      return {
        turn: async (model, onText) => {
          input.push(says(number, ++turns))
          const events = await client.responses.create({ model, ...settings, input, stream: true })
          for await (const event of events) {
            if (event.type === "response.output_text.delta") onText(event.delta)
            else if (event.type === "response.completed") {
              for (const item of event.response.output) if (item.type === "message") input.push(item)
            }
          }
        }
      }
    },
    close: async () => {}
  }
}
