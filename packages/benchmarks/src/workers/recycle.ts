/** A process that asks again and again, while its connection is replaced, or not. */
import * as NodeResponsesSocket from "effect-responses-node/NodeResponsesSocket"
import * as ResponsesSocket from "effect-responses/ResponsesSocket"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Rpc from "../rpc.ts"
import * as Sink from "../ways/sink.ts"
import { apiKey } from "../ways/way.ts"

export type Way = "no recycle" | "recycle, successor opened before" | "close, then open"

const turns = 20

/** In the middle of the turns, whatever their number. */
const replaceAfter = "200 millis"

/** The longest time without an event, from the first one on. */
const makeMeter = () => {
  let last: number | undefined
  let longest = 0
  let events = 0
  return {
    onEvent: () => {
      const now = performance.now()
      longest = Math.max(longest, now - (last ?? now))
      last = now
      events++
    },
    found: () => ({ longest, events })
  }
}

const asking = (onEvent: () => void, count: number) =>
  Effect.gen(function*() {
    for (let turn = 0; turn < count; turn++) {
      yield* Sink.forEach({ model: "burst:20", input: "Go", store: false }, onEvent)
    }
  })

const connections = Effect.flatMap(
  ResponsesSocket.ResponsesSocket,
  ({ stats }) => Effect.map(stats, ({ connections }) => connections)
)

const work = (way: Way, url: string) => {
  const recycle = way === "recycle, successor opened before" ? Schedule.duration(replaceAfter) : Schedule.stop
  const layer = NodeResponsesSocket.layer({ apiKey: Redacted.make(apiKey), baseUrl: url, recycle })
  const meter = makeMeter()
  const half = asking(meter.onEvent, turns / 2)
  const first = Effect.zipRight(asking(() => {}, 3), half)
  const opened = way === "close, then open"
    ? Effect.zipWith(
      Effect.provide(Effect.zipRight(first, connections), layer),
      Effect.provide(Effect.zipRight(half, connections), layer),
      (before, after) => before + after
    )
    : Effect.provide(Effect.zipRight(first, Effect.zipRight(half, connections)), layer)
  return Effect.map(opened, (connections) => ({ ...meter.found(), connections }))
}

const handlers = {
  run: ({ url, way }: { readonly url: string; readonly way: Way }) => Effect.runPromise(work(way, url))
}

export type Handlers = typeof handlers

Rpc.serve(handlers)
