/** A process whose turns continue one of many heads, over a socket without a network whose server answers at once. */
import * as Connector from "effect-responses/Connector"
import type { ResponseItem } from "effect-responses/ResponseItem"
import * as ResponsesSocket from "effect-responses/ResponsesSocket"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import { median } from "../report/result.ts"
import * as Rpc from "../rpc.ts"
import * as Events from "../server/events.ts"
import { words } from "../ways/conversation.ts"
import * as Sink from "../ways/sink.ts"
import { apiKey } from "../ways/way.ts"
import { item } from "./history.ts"

/** So many turns are measured together. The history of a single conversation grows meanwhile, so it begins shorter. */
const inARow = 10

/** So many times, after some that do not count: the process has slept while others had their turn. */
const times = { before: 3, measured: 10 }

const bytesOfAnItem = 200

let responses = 0

/** When the latest request was handed to the socket. */
let sentAt = 0

const answer = (text: string, tell: (text: string) => void) => {
  const { model, stream_id }: { readonly model: string; readonly stream_id?: string } = JSON.parse(text)
  const lane = stream_id === undefined ? "}" : `,"stream_id":"${stream_id}"}`
  const id = `resp_${++responses}`
  setImmediate(() => {
    for (const event of [...Events.created(id, model), ...Events.textStart, ...Events.textEnd(id, model, 4)]) {
      tell(event.slice(0, -1) + lane)
    }
  })
}

const connect: Connector.Connect = (_, { onMessage, onSign }) =>
  Effect.succeed({
    send: (text, done) => {
      sentAt = performance.now()
      answer(text, onMessage)
      done()
      return text.length
    },
    ping: onSign,
    pause: () => {},
    resume: () => {}
  })

const layer = Layer.provide(
  ResponsesSocket.layer({ apiKey: Redacted.make(apiKey), baseUrl: "http://placement/v1", maxConnections: 32 }),
  Layer.succeed(Connector.Connector, connect)
)

type Conversation = Array<ResponseItem>

const user = (text: string): ResponseItem => ({ type: "message", role: "user", content: text })

const begin = (number: number, items: number): Conversation => [
  user(`conversation ${number}`),
  ...Array.from({ length: items - 1 }, (_, index) => item(number * items + index, bytesOfAnItem))
]

/** The history as the caller hands it over, and the conversation that the answer is put into. */
interface Asked {
  readonly conversation: Conversation
  readonly input: ReadonlyArray<ResponseItem>
}

const turn = ({ conversation, input }: Asked) =>
  Sink.forEach({ model: "placement", store: false, input }, (event) => {
    if (event.type === "response.completed") conversation.push(...event.response.output ?? [])
  })

const stats = Effect.flatMap(ResponsesSocket.ResponsesSocket, ({ stats }) => stats)

const say = (conversation: Conversation) => {
  conversation.push(user(words(conversation.length, bytesOfAnItem)))
  return conversation
}

const copy = (items: ReadonlyArray<ResponseItem>): ReadonlyArray<ResponseItem> => JSON.parse(JSON.stringify(items))

export interface Work {
  readonly heads: number
  readonly items: number
  /** Which conversation has the next turn: another one each time, or the same one. */
  readonly next: "another" | "same"
  /** The caller has its history as objects of its own, or reads it anew each time. */
  readonly given: "same objects" | "fresh copies"
}

const open = async ({ heads, items }: Work) => {
  const runtime = ManagedRuntime.make(layer)
  const conversations = Array.from({ length: heads }, (_, number) => begin(number, items))
  for (const conversation of conversations) await runtime.runPromise(turn({ conversation, input: say(conversation) }))
  return { runtime, conversations }
}

let opened: Awaited<ReturnType<typeof open>> | undefined
let at = 0

/**
 * In microseconds, for each turn: from the call to the request that is handed to the socket, which is one step. Each conversation
 * has had a turn before.
 */
const measure = async (work: Work): Promise<ReadonlyArray<number>> => {
  // The histories of few conversations would grow from time to time.
  if (work.heads <= inARow) {
    await opened?.runtime.dispose()
    opened = undefined
  }
  opened ??= await open(work)
  const { conversations, runtime } = opened
  const next = (): Conversation => conversations[at++ % conversations.length] ?? []
  const same = next()
  if (work.next === "same") await runtime.runPromise(turn({ conversation: same, input: say(same) }))
  // Copies are made before, which can be done where each of the conversations has one turn.
  const asked = (): Asked => {
    const conversation = work.next === "same" ? same : next()
    return { conversation, input: say(conversation) }
  }
  const copies = work.given === "same objects" ? [] : Array.from({ length: inARow }, () => {
    const { conversation, input } = asked()
    return { conversation, input: copy(input) }
  })
  const { deltas } = await runtime.runPromise(stats)
  const micros: Array<number> = []
  for (let index = 0; index < inARow; index++) {
    const next = copies[index] ?? asked()
    const start = performance.now()
    const answered = runtime.runPromise(turn(next))
    if (sentAt < start) throw new Error("the request was not sent in one step")
    micros.push((sentAt - start) * 1000)
    await answered
  }
  const found = await runtime.runPromise(stats)
  if (found.deltas - deltas !== inARow) throw new Error(`${found.deltas - deltas} of ${inARow} turns were deltas`)
  return micros
}

const handlers = {
  /** The median of all turns of a round: what else the machine does meanwhile hits few of them. */
  turns: async (work: Work) => {
    for (let time = 0; time < times.before; time++) await measure(work)
    const all: Array<number> = []
    for (let time = 0; time < times.measured; time++) all.push(...await measure(work))
    return median(all)
  }
}

export type Handlers = typeof handlers

Rpc.serve(handlers)
