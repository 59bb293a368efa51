/** `node:http` and `JSON.parse`: HTTP at its cheapest, over one kept connection or a new one for each turn. */
import * as Http from "node:http"
import { firstItem, outputItem, settings } from "./conversation.ts"
import { apiKey, type Open } from "./way.ts"

interface Event {
  readonly type: string
  readonly delta: string
  readonly response: { readonly output: ReadonlyArray<{ readonly call_id?: string }> }
}

const request = (
  url: string,
  agent: Http.Agent,
  body: object,
  deltas: string,
  onText: (text: string) => void
) =>
  new Promise<Event["response"]>((resolve, reject) => {
    const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" }
    const sent = Http.request(`${url}/responses`, { method: "POST", agent, headers }, (answer) => {
      let rest = ""
      let end: Event["response"] | undefined
      answer.setEncoding("utf8")
      answer.on("data", (text: string) => {
        const messages = (rest + text).split("\n\n")
        rest = messages.pop() ?? ""
        for (const message of messages) {
          const event: Event = JSON.parse(message.slice(message.indexOf("\ndata: ") + 7))
          if (event.type === deltas) onText(event.delta)
          else if (event.type === "response.completed") end = event.response
        }
      })
      answer.once("end", () => end === undefined ? reject(new Error("no end")) : resolve(end))
      answer.once("error", reject)
    })
    sent.once("error", reject)
    sent.end(JSON.stringify({ ...body, stream: true }))
  })

const make = (keepAlive: boolean): Open => async (url) => {
  const agent = new Http.Agent({ keepAlive })
  return {
    ask: async (model, onText) => {
      await request(url, agent, { model, input: "Go", store: false }, "response.output_text.delta", onText)
    },
    loop: async (model, turns, onText) => {
      const input: Array<object> = [firstItem]
      for (let turn = 1; turn <= turns; turn++) {
        const body = { model, ...settings, input }
        const { output } = await request(url, agent, body, "response.function_call_arguments.delta", onText)
        for (const item of output) if (item.call_id !== undefined) input.push(item, outputItem(item.call_id, turn))
      }
    },
    close: async () => agent.destroy()
  }
}

export const open = make(true)
export const openNew = make(false)
