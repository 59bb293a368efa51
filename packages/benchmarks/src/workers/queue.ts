/** A process in which many callers wait for the places of a Layer, or for a plain semaphore of Effect's. */
import * as NodeResponsesSocket from "effect-responses-node/NodeResponsesSocket"
import type * as Responses from "effect-responses/Responses"
import type { ResponsesError } from "effect-responses/ResponsesError"
import * as ResponsesSocket from "effect-responses/ResponsesSocket"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Rpc from "../rpc.ts"
import * as Sink from "../ways/sink.ts"
import { apiKey } from "../ways/way.ts"
import * as Heap from "./heap.ts"

export type Way = "callers of one Layer" | "callers, one at a time" | "fibers at a semaphore"

/**
 * Lets `count` callers wait, and gives the bytes for each, and whether they were served in their order. Who is not served
 * ends with the process.
 */
const wait = (
  caller: Effect.Effect<unknown, ResponsesError, Responses.Responses>,
  release: Effect.Effect<unknown>,
  { count, looksInside, serve }: Pick<Work, "count" | "looksInside" | "serve">
) =>
  Effect.gen(function*() {
    const order: Array<number> = []
    const kinds = looksInside ? yield* Effect.promise(Heap.kinds) : {}
    const before = yield* Effect.promise(Heap.size)
    const fibers: Array<Fiber.Fiber<unknown, ResponsesError>> = []
    for (let index = 0; index < count; index++) {
      fibers.push(yield* Effect.forkDaemon(Effect.tap(caller, () => Effect.sync(() => order.push(index)))))
    }
    const after = yield* Effect.promise(Heap.size)
    const bytes = (after - before) / count
    const parts = looksInside ? Heap.parts(kinds, yield* Effect.promise(Heap.kinds), count) : {}
    if (!serve) return { bytes, parts, inOrder: undefined }
    yield* release
    for (const fiber of fibers) yield* Fiber.join(fiber)
    return { bytes, parts, inOrder: order.length === count && order.every((caller, index) => caller === index) }
  })

const ask = (model: string) => Sink.forEach({ model, input: "Go", store: false }, () => {})

const running = Effect.flatMap(
  ResponsesSocket.ResponsesSocket,
  ({ stats }) => Effect.map(stats, ({ running }) => running)
)

/** The server holds a response in each place until all others wait. */
const behindAll = (work: Work, places: number) =>
  Effect.gen(function*() {
    yield* ask("burst:1")
    const held = yield* Effect.fork(
      Effect.all(Array.from({ length: places }, () => ask("hold")), { concurrency: "unbounded" })
    )
    // Only then is it certain that they have the places; any other would wait as well.
    while ((yield* running) < places) yield* Effect.sleep("50 millis")
    const found = yield* wait(ask("burst:1"), Effect.promise(() => fetch(`${work.url}/release`)), work)
    if (work.serve) yield* Fiber.join(held)
    return found
  })

const atSemaphore = (work: Work) =>
  Effect.gen(function*() {
    const semaphore = yield* Effect.makeSemaphore(1)
    yield* semaphore.take(1)
    return yield* wait(semaphore.withPermits(1)(Effect.void), semaphore.release(1), work)
  })

interface Work {
  readonly url: string
  readonly count: number
  readonly way: Way
  readonly serve: boolean
  readonly looksInside: boolean
}

const strict = { maxConnections: 1, maxLanes: 1 }

/** Eight connections with sixteen lanes. */
const placesOfALayer = 128

const handlers = {
  wait: (work: Work) => {
    const runtime = ManagedRuntime.make(NodeResponsesSocket.layer({
      apiKey: Redacted.make(apiKey),
      baseUrl: work.url,
      ...work.way === "callers, one at a time" ? strict : { maxConnections: 8, queueTimeout: "10 minutes" }
    }))
    if (work.way === "fibers at a semaphore") return runtime.runPromise(atSemaphore(work))
    return runtime.runPromise(behindAll(work, work.way === "callers, one at a time" ? 1 : placesOfALayer))
  }
}

export type Handlers = typeof handlers

Rpc.serve(handlers)
