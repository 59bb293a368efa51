/** A socket without a network, whose server answers at once: as many events in a tick as the request asks for. */
import { Effect, Layer, Redacted } from "effect"
import { Connector, ResponsesSocket } from "effect-responses"
import * as Events from "../../src/server/events.ts"

export const request = (events: number, perTick: number) => ({
  model: `${events}:${perTick}`,
  input: "Go",
  store: false
})

let responses = 0

const answer = (model: string, onMessage: (text: string) => void) => {
  const [events = 0, perTick = 1] = model.split(":").map(Number)
  const id = `resp_${++responses}`
  let sent = 0
  const tick = () => {
    if (sent === 0) { for (const text of [...Events.created(id, model), ...Events.textStart]) onMessage(text) }
    for (let end = sent + perTick; sent < end && sent < events; sent++) onMessage(Events.textDelta(sent + 4, "x"))
    if (sent < events) setImmediate(tick)
    else setImmediate(() => Events.textEnd(id, model, sent + 4).forEach((text) => onMessage(text)))
  }
  setImmediate(tick)
}

const connect: Connector.Connect = (_, { onMessage }) =>
  Effect.succeed({
    send: (text, done) => {
      const { model }: { readonly model: string } = JSON.parse(text)
      answer(model, onMessage)
      done()
      return text.length
    },
    ping: () => {},
    pause: () => {},
    resume: () => {}
  })

export const layer = Layer.provide(
  ResponsesSocket.layer({ apiKey: Redacted.make("sk-counts"), baseUrl: "http://counts.test/v1" }),
  Layer.succeed(Connector.Connector, connect)
)
