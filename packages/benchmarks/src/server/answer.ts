/**
 * What is answered to a request. Its model says what is wanted, because a model is what every client passes on:
 * `burst:EVENTS`, `flood:EVENTS:MILLISECONDS`, `paced:EVENTS:MILLISECONDS:STREAMS`, `loop:TURNS[:MILLISECONDS]`,
 * `chat:MILLISECONDS:EVENTS` and `hold`.
 */
import * as Chat from "./chat.ts"
import * as Events from "./events.ts"
import type { Out } from "./out.ts"
import { encode, type Encoding } from "./wire.ts"

const bursts = new Map<string, Buffer>()

/** The same for every response, so it is made once. */
const burst = (encoding: Encoding, count: number): Buffer => {
  const key = `${encoding.transport}:${encoding.lane}:${count}`
  const found = bursts.get(key)
  if (found !== undefined) return found
  const texts = Array.from({ length: count }, (_, index) => Events.textDelta(index + 4, `${index} `))
  const made = encode(encoding, [...Events.textStart, ...texts])
  bursts.set(key, made)
  return made
}

let responses = 0
const nextId = () => `resp_${++responses}`

const all = (out: Out, texts: ReadonlyArray<string>) => {
  out.write(encode(out.encoding, texts))
  out.end()
}

const answerBurst = (out: Out, model: string, count: number) => {
  const id = nextId()
  out.write(Buffer.concat([
    encode(out.encoding, Events.created(id, model)),
    burst(out.encoding, count),
    encode(out.encoding, Events.textEnd(id, model, count + 4))
  ]))
  out.end()
}

const steps = 40

/** The same events, spread over some time: more than a consumer takes that sleeps. */
const answerFlood = (out: Out, model: string, count: number, millis: number) => {
  const id = nextId()
  const part = burst(out.encoding, Math.ceil(count / steps))
  out.write(encode(out.encoding, Events.created(id, model)))
  let sent = 0
  const step = () => {
    if (!out.isOpen()) return
    out.write(part)
    if (++sent < steps) setTimeout(step, millis / steps)
    else all(out, Events.textEnd(id, model, count + 4))
  }
  step()
}

let pacedStreams = 0

/**
 * Each event carries the time when it was sent, of a clock that all processes of a machine share. The streams that run at once
 * are spread over the interval, whenever they were asked for: otherwise the events of a client whose requests happen to
 * arrive together come together too, and cost it one wake-up instead of ten.
 */
const answerPaced = (out: Out, model: string, count: number, interval: number, streams: number) => {
  const id = nextId()
  out.write(encode(out.encoding, [...Events.created(id, model), ...Events.textStart]))
  const phase = pacedStreams++ % streams * interval / streams
  const start = Math.ceil(performance.now() / interval) * interval + phase
  let sent = 0
  const step = () => {
    if (!out.isOpen()) return
    out.write(encode(out.encoding, [Events.textDelta(sent + 4, `${process.hrtime.bigint()} `)]))
    if (++sent < count) setTimeout(step, start + (sent + 1) * interval - performance.now())
    else all(out, Events.textEnd(id, model, count + 4))
  }
  setTimeout(step, start + interval - performance.now())
}

/** Which turn it is stands in the last output that came: it is in what travels, whether that is all or only what is new. */
const lastTurn = (body: string): number => {
  const at = body.lastIndexOf("\"call_id\":\"call_")
  return at === -1 ? 0 : Number.parseInt(body.slice(at + 16, at + 26), 10)
}

/** Whether the answer comes at once, or some time after its beginning. */
const answerLoop = (out: Out, model: string, turns: number, pause: number, body: string) => {
  const turn = lastTurn(body) + 1
  const id = `resp_loop_${turn}`
  const previous = /"previous_response_id":"([^"]*)"/.exec(body)?.[1]
  if (previous !== undefined && previous !== `resp_loop_${turn - 1}`) {
    throw new Error(`turn ${turn} continues ${previous}`)
  }
  const created = Events.created(id, model)
  const rest = turn < turns
    ? Events.call(id, model, `call_${turn}`)
    : [...Events.textStart, ...Events.textEnd(id, model, 4)]
  if (pause === 0) return all(out, [...created, ...rest])
  out.write(encode(out.encoding, created))
  setTimeout(() => out.isOpen() && all(out, rest), pause)
}

let held: Array<() => void> = []

/** Lets go of everything that asked to be held. */
export const release = (): void => {
  const released = held
  held = []
  for (const go of released) go()
}

const answerHold = (out: Out, model: string) => {
  const id = nextId()
  out.write(encode(out.encoding, [...Events.created(id, model), ...Events.textStart]))
  held.push(() => all(out, Events.textEnd(id, model, 4)))
}

export const answer = (out: Out, body: string): void => {
  const model = /"model":"([^"]*)"/.exec(body)?.[1] ?? ""
  const [kind, first, second, third] = model.split(":")
  switch (kind) {
    case "burst":
      return answerBurst(out, model, Number(first))
    case "paced":
      return answerPaced(out, model, Number(first), Number(second), Number(third))
    case "flood":
      return answerFlood(out, model, Number(first), Number(second))
    case "chat":
      return Chat.answer(out, model, Number(first), Number(second), body)
    case "loop":
      return answerLoop(out, model, Number(first), Number(second ?? 0), body)
    case "hold":
      return answerHold(out, model)
    default:
      throw new Error(`no such model: ${model}`)
  }
}
