/**
 * The `openai` package and the lanes of its sockets. It has neither deltas nor a pool, so both are made by hand: as many
 * conversations on a socket as may run there at once, each on a lane of its own.
 */
import OpenAI from "openai"
import { ResponsesWebSocketSession } from "openai/lib/responses/responses-websocket-session"
import type { Response } from "openai/resources/responses/responses"
import { ResponsesWS } from "openai/resources/responses/ws"
import { apiKey } from "../way.ts"
import { type OpenProgram, says, settings } from "./way.ts"

const lanes = 16
const limits = { maxLanes: lanes, maxBufferedEvents: 100_000, maxBufferedBytes: 64 * 2 ** 20 }

const isDelta = (event: object): event is { readonly delta: string } =>
  "type" in event && event.type === "response.output_text.delta"

const isEnd = (event: object): event is { readonly response: Response } =>
  "type" in event && event.type === "response.completed"

export const open: OpenProgram = async (url) => {
  const client = new OpenAI({ apiKey, baseURL: url })
  const sockets: Array<ResponsesWS> = []
  let session: Promise<ResponsesWebSocketSession> | undefined
  let begun = 0
  const connect = () => {
    const socket = new ResponsesWS(client)
    sockets.push(socket)
    return new Promise<ResponsesWebSocketSession>((resolve, reject) => {
      socket.socket.once("open", () => resolve(new ResponsesWebSocketSession(socket, limits)))
      socket.socket.once("error", reject)
    })
  }
  return {
    begin: async (number) => {
      if (session === undefined || begun % lanes === 0) session = connect()
      begun++
      const lane = (await session).lane(String(number))
      let previous: string | null = null
      let turns = 0
      return {
        turn: async (model, onText) => {
          lane.create({
            model,
            ...settings,
            ...previous === null ? {} : { previous_response_id: previous },
            input: [says(number, ++turns)]
          })
          for (;;) {
            const event = await lane.receive()
            if (isDelta(event)) onText(event.delta)
            else if (event.type === "error") throw new Error(JSON.stringify(event))
            else if (isEnd(event)) {
              previous = event.response.id
              return
            }
          }
        }
      }
    },
    close: async () => {
      for (const socket of sockets) socket.close()
    }
  }
}
