/** A process in which many callers wait for one connection, or for a plain semaphore of Effect's. */
import * as NodeResponsesSocket from "effect-responses-node/NodeResponsesSocket"
import type * as Responses from "effect-responses/Responses"
import type { ResponsesError } from "effect-responses/ResponsesError"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import { setTimeout } from "node:timers/promises"
import * as Rpc from "../rpc.ts"
import * as Sink from "../ways/sink.ts"
import { apiKey } from "../ways/way.ts"

export type Way = "callers of one Layer" | "fibers at a semaphore"

const heap = async () => {
  for (let time = 0; time < 3; time++) {
    globalThis.gc?.()
    await setTimeout(10)
  }
  return process.memoryUsage().heapUsed
}

/**
 * Lets `count` callers wait, and gives the bytes for each, and whether they were served in their order. Who is not served
 * ends with the process.
 */
const wait = (
  count: number,
  caller: Effect.Effect<unknown, ResponsesError, Responses.Responses>,
  release: Effect.Effect<unknown>,
  serve: boolean
) =>
  Effect.gen(function*() {
    const order: Array<number> = []
    const before = yield* Effect.promise(heap)
    const fibers: Array<Fiber.Fiber<unknown, ResponsesError>> = []
    for (let index = 0; index < count; index++) {
      fibers.push(yield* Effect.forkDaemon(Effect.tap(caller, () => Effect.sync(() => order.push(index)))))
    }
    const after = yield* Effect.promise(heap)
    const bytes = (after - before) / count
    if (!serve) return { bytes, inOrder: undefined }
    yield* release
    for (const fiber of fibers) yield* Fiber.join(fiber)
    return { bytes, inOrder: order.length === count && order.every((caller, index) => caller === index) }
  })

const ask = (model: string) => Sink.forEach({ model, input: "Go", store: false }, () => {})

/** The first response is held by the server until all others wait. */
const behindOne = (url: string, count: number, serve: boolean) =>
  Effect.gen(function*() {
    yield* ask("burst:1")
    const held = yield* Effect.fork(ask("hold"))
    // Only then is it certain that the first one has the connection; any other would wait as well.
    yield* Effect.sleep("50 millis")
    const found = yield* wait(count, ask("burst:1"), Effect.promise(() => fetch(`${url}/release`)), serve)
    if (serve) yield* Fiber.join(held)
    return found
  })

const atSemaphore = (count: number, serve: boolean) =>
  Effect.gen(function*() {
    const semaphore = yield* Effect.makeSemaphore(1)
    yield* semaphore.take(1)
    return yield* wait(count, semaphore.withPermits(1)(Effect.void), semaphore.release(1), serve)
  })

interface Work {
  readonly url: string
  readonly count: number
  readonly way: Way
  readonly serve: boolean
}

const handlers = {
  wait: ({ count, serve, url, way }: Work) => {
    const runtime = ManagedRuntime.make(NodeResponsesSocket.layer({ apiKey: Redacted.make(apiKey), baseUrl: url }))
    return runtime.runPromise(
      way === "fibers at a semaphore" ? atSemaphore(count, serve) : behindOne(url, count, serve)
    )
  }
}

export type Handlers = typeof handlers

Rpc.serve(handlers)
