/** `ws` and `JSON.parse`, and nothing else: what all others are compared with. Sends what is new by hand. */
import { WebSocket } from "ws"
import { firstItem, outputItem, settings } from "./conversation.ts"
import { apiKey, type Open, socketUrl } from "./way.ts"

interface Event {
  readonly type: string
  readonly delta: string
  readonly response: { readonly id: string; readonly output: ReadonlyArray<{ readonly call_id?: string }> }
}

const connect = (url: string) =>
  new Promise<WebSocket>((resolve, reject) => {
    const ws = new WebSocket(socketUrl(url), {
      headers: { authorization: `Bearer ${apiKey}` },
      perMessageDeflate: false
    })
    ws.once("open", () => resolve(ws))
    ws.once("error", reject)
  })

const request = (ws: WebSocket, body: object, deltas: string, onText: (text: string) => void) =>
  new Promise<Event["response"]>((resolve, reject) => {
    const onMessage = (data: Buffer) => {
      const event: Event = JSON.parse(data.toString())
      if (event.type === deltas) onText(event.delta)
      else if (event.type === "response.completed") {
        ws.off("message", onMessage)
        ws.off("close", reject)
        resolve(event.response)
      }
    }
    ws.on("message", onMessage)
    ws.on("close", reject)
    ws.send(JSON.stringify({ type: "response.create", ...body }))
  })

const make = (continues: boolean): Open => async (url) => {
  const ws = await connect(url)
  return {
    ask: async (model, onText) => {
      await request(ws, { model, input: "Go", store: false }, "response.output_text.delta", onText)
    },
    loop: async (model, turns, onText) => {
      let previous: string | undefined
      let input: Array<object> = [firstItem]
      for (let turn = 1; turn <= turns; turn++) {
        const body = { model, ...settings, previous_response_id: previous, input }
        const response = await request(ws, body, "response.function_call_arguments.delta", onText)
        const added = response.output.flatMap(({ call_id }) => call_id === undefined ? [] : [outputItem(call_id, turn)])
        input = continues ? added : [...input, ...response.output, ...added]
        if (continues) previous = response.id
      }
    },
    close: async () => ws.close()
  }
}

export const open = make(true)

/** Sends everything, every turn. */
export const openFull = make(false)
