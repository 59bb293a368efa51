/** A process in which fifteen read what they are sent, beside one that does not. */
import * as NodeResponsesSocket from "effect-responses-node/NodeResponsesSocket"
import * as Responses from "effect-responses/Responses"
import * as ResponsesSocket from "effect-responses/ResponsesSocket"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Rpc from "../rpc.ts"
import { apiKey } from "../ways/way.ts"
import * as Heap from "./heap.ts"

export type Way = "nobody" | "one that reads" | "one that sleeps" | "one that sleeps too long"

const others = 15

/** Of each of the others, one after the other. */
const turns = 4

/** An event of 250 characters each 25 ms. */
const answer = "chat:500:20"

/** Just below what may wait for one response (32 Mi characters), and above it. */
const flood = { within: 110_000, above: 160_000 }

const millis = 1500

const ask = (model: string, text: string) => Responses.stream({ model, store: false, input: text })

const reader = (number: number) =>
  Effect.gen(function*() {
    for (let turn = 1; turn <= turns; turn++) {
      // Each is a conversation of its own: what is compared here is how long it takes.
      yield* Stream.runDrain(ask(answer, `@${number * turns + turn}:1@`))
    }
  })

/** Takes the first chunk, and the rest when it is told to. */
const sleeper = (events: number, wakeUp: Deferred.Deferred<void>) =>
  Stream.runFoldEffect(
    ask(`flood:${events}:${millis}`, "Go"),
    { characters: 0 },
    ({ characters }, event) =>
      Effect.as(Deferred.await(wakeUp), {
        characters: characters + (event.type === "response.output_text.delta" ? JSON.stringify(event).length : 0)
      })
  )

const run = (way: Way) =>
  Effect.gen(function*() {
    const service = yield* ResponsesSocket.ResponsesSocket
    const wakeUp = yield* Deferred.make<void>()
    if (way === "one that reads") yield* Deferred.succeed(wakeUp, undefined)
    const before = yield* Effect.promise(Heap.size)
    let peak = 0
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss)
    }, 20)
    const rss = process.memoryUsage().rss
    const slow = way === "nobody" ? undefined : yield* Effect.fork(
      Effect.either(sleeper(way === "one that sleeps too long" ? flood.above : flood.within, wakeUp))
    )
    const start = performance.now()
    yield* Effect.all(Array.from({ length: others }, (_, index) => reader(index)), { concurrency: "unbounded" })
    const wall = performance.now() - start
    clearInterval(watch)
    const held = (yield* Effect.promise(Heap.size)) - before
    yield* Deferred.succeed(wakeUp, undefined)
    const end = slow === undefined ? undefined : yield* Fiber.join(slow)
    const { connections, overruns } = yield* service.stats
    return {
      wall,
      held,
      peak: peak - rss,
      connections,
      overruns,
      characters: end === undefined ? undefined : Either.isRight(end) ? end.right.characters : undefined,
      error: end !== undefined && Either.isLeft(end) ? end.left.message : undefined
    }
  })

const handlers = {
  run: async ({ url, way }: { readonly url: string; readonly way: Way }) => {
    const runtime = ManagedRuntime.make(
      NodeResponsesSocket.layer({ apiKey: Redacted.make(apiKey), baseUrl: url, maxConnections: 1 })
    )
    try {
      // The connection has lanes: then all of them run at once.
      await runtime.runPromise(Stream.runDrain(ask("burst:1", "Go")))
      return await runtime.runPromise(run(way))
    } finally {
      await runtime.dispose()
    }
  }
}

export type Handlers = typeof handlers

Rpc.serve(handlers)
