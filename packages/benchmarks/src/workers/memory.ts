/** A process with conversations that have nothing to do. */
import * as NodeResponsesSocket from "effect-responses-node/NodeResponsesSocket"
import * as Conversation from "effect-responses/Conversation"
import type { ResponseItem } from "effect-responses/ResponseItem"
import type * as Responses from "effect-responses/Responses"
import * as ResponsesSocket from "effect-responses/ResponsesSocket"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Rpc from "../rpc.ts"
import { says } from "../ways/many/way.ts"
import * as Sink from "../ways/sink.ts"
import { apiKey } from "../ways/way.ts"
import * as Heap from "./heap.ts"
import { item } from "./history.ts"

export type Way =
  | "the same JSON, parsed"
  | "what the Layer knows of it"
  | "that, and the caller's history"
  | "that, and a Conversation"

const items = 40
const bytesOfAnItem = 500

const model = "chat:0:1"

/** As it is read from somewhere: nobody else has the same objects and texts. */
const history = (number: number): string =>
  JSON.stringify([
    ...Array.from({ length: items - 1 }, (_, index) => item(5 * (number * items + index), bytesOfAnItem)),
    says(number, 1)
  ])

const parse = (text: string): Array<ResponseItem> => JSON.parse(text)

type Keep = (number: number) => Promise<unknown>

type Runtime = ManagedRuntime.ManagedRuntime<Responses.Responses | ResponsesSocket.ResponsesSocket, unknown>

const keeping = (way: Way, runtime: Runtime): Keep => {
  if (way === "the same JSON, parsed") return async (number) => parse(history(number))
  const ask = async (input: Array<ResponseItem>) => {
    await runtime.runPromise(Sink.forEach({ model, store: false, input }, (event) => {
      if (event.type === "response.completed") input.push(...event.response.output ?? [])
    }))
    return input
  }
  switch (way) {
    case "what the Layer knows of it":
      return async (number) => {
        await ask(parse(history(number)))
      }
    case "that, and the caller's history":
      return (number) => ask(parse(history(number)))
    case "that, and a Conversation":
      return (number) =>
        runtime.runPromise(Effect.gen(function*() {
          const all = parse(history(number))
          const conversation = yield* Conversation.make({ model, store: false, history: all.slice(0, -1) })
          yield* Stream.runDrain(conversation.send(all.slice(-1)))
          return conversation
        }))
  }
}

interface Work {
  readonly url: string
  readonly way: Way
  readonly count: number
  readonly looksInside: boolean
}

const displaced = Effect.flatMap(
  ResponsesSocket.ResponsesSocket,
  ({ stats }) => Effect.map(stats, ({ headsLost }) => headsLost.Displaced)
)

const handlers = {
  /** In bytes for each, beside the length of its JSON. */
  keep: async ({ count, looksInside, url, way }: Work) => {
    const runtime = ManagedRuntime.make(NodeResponsesSocket.layer({ apiKey: Redacted.make(apiKey), baseUrl: url }))
    const keep = keeping(way, runtime)
    const warm = 16
    const kept: Array<unknown> = []
    for (let number = 0; number < warm; number++) await keep(number)
    const kinds = looksInside ? await Heap.kinds() : {}
    const before = await Heap.size()
    for (let number = warm; number < warm + count; number++) kept.push(await keep(number))
    const after = await Heap.size()
    const parts = looksInside ? Heap.parts(kinds, await Heap.kinds(), count) : {}
    if (kept.length !== count || await runtime.runPromise(displaced) > 0) throw new Error("not all are kept")
    return { bytes: (after - before) / count, json: history(1).length, parts }
  }
}

export type Handlers = typeof handlers

Rpc.serve(handlers)
