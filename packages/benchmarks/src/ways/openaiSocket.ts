/** The `openai` package over its socket. It has no deltas of its own, so what is new is sent by hand. */
import OpenAI from "openai"
import type * as Vendor from "openai/resources/responses/responses"
import { ResponsesWS } from "openai/resources/responses/ws"
import { firstItem, outputItem, settings } from "./conversation.ts"
import { apiKey, type Open } from "./way.ts"

type Create = Omit<Extract<Vendor.ResponsesClientEvent, { type: "response.create" }>, "type">

const request = (
  socket: ResponsesWS,
  body: Create,
  deltas: "response.output_text.delta" | "response.function_call_arguments.delta",
  onText: (text: string) => void
) =>
  new Promise<Vendor.Response>((resolve, reject) => {
    const onEvent = (event: Vendor.ResponsesServerEvent) => {
      if (event.type === deltas) onText(event.delta)
      else if (event.type === "response.completed") {
        socket.off("event", onEvent)
        socket.off("error", reject)
        resolve(event.response)
      }
    }
    socket.on("event", onEvent)
    socket.on("error", reject)
    socket.send({ type: "response.create", ...body })
  })

export const open: Open = async (url) => {
  const socket = new ResponsesWS(new OpenAI({ apiKey, baseURL: url }))
  return {
    ask: async (model, onText) => {
      await request(socket, { model, input: "Go", store: false }, "response.output_text.delta", onText)
    },
    loop: async (model, turns, onText) => {
      let previous: string | null = null
      let input: Array<Vendor.ResponseInputItem> = [firstItem]
      for (let turn = 1; turn <= turns; turn++) {
        const response: Vendor.Response = await request(
          socket,
          { model, ...settings, ...previous === null ? {} : { previous_response_id: previous }, input },
          "response.function_call_arguments.delta",
          onText
        )
        input = response.output.flatMap((item) => item.type === "function_call" ? [outputItem(item.call_id, turn)] : [])
        previous = response.id
      }
    },
    close: async () => socket.close()
  }
}
