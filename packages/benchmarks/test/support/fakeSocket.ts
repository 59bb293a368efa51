/**
 * A socket without a network, whose server answers at once: as many events in a tick as the request asks for. Its events have
 * the name of their lane, as on a server with lanes: on one without, each new conversation opens a connection.
 */
import { Effect, Layer, Redacted } from "effect"
import { Connector, ResponsesSocket } from "effect-responses"
import * as Events from "../../src/server/events.ts"

/** Never ends. */
export const held = { model: "hold", input: "Go", store: false }

export const request = (events: number, perTick: number) => ({
  model: `${events}:${perTick}`,
  input: "Go",
  store: false
})

let responses = 0

interface Request {
  readonly model: string
  readonly stream_id?: string | undefined
}

const answer = ({ model, stream_id }: Request, listener: (text: string) => void) => {
  const lane = stream_id === undefined ? "}" : `,"stream_id":${JSON.stringify(stream_id)}}`
  const onMessage = (text: string) => listener(text.slice(0, -1) + lane)
  const [events = 0, perTick = 1] = model.split(":").map(Number)
  const id = `resp_${++responses}`
  const begin = () => {
    for (const text of [...Events.created(id, model), ...Events.textStart]) onMessage(text)
  }
  if (model === held.model) {
    setImmediate(begin)
    return
  }
  let sent = 0
  const tick = () => {
    if (sent === 0) begin()
    for (let end = sent + perTick; sent < end && sent < events; sent++) onMessage(Events.textDelta(sent + 4, "x"))
    if (sent < events) setImmediate(tick)
    else setImmediate(() => Events.textEnd(id, model, sent + 4).forEach((text) => onMessage(text)))
  }
  setImmediate(tick)
}

const connect: Connector.Connect = (_, { onMessage }) =>
  Effect.succeed({
    send: (text, done) => {
      const request: Request = JSON.parse(text)
      answer(request, onMessage)
      done()
      return text.length
    },
    ping: () => {},
    pause: () => {},
    resume: () => {}
  })

export const layerOf = (maxConnections: number) =>
  Layer.provide(
    ResponsesSocket.layer({ apiKey: Redacted.make("sk-counts"), baseUrl: "http://counts.test/v1", maxConnections }),
    Layer.succeed(Connector.Connector, connect)
  )

/** One connection: a turn that opened another one would count that, too. */
export const layer = layerOf(1)
