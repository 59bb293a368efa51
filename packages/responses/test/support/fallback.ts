/** Two transports that do what they are told, one with the other behind it. */
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ResponseRequest } from "../../src/ResponseRequest.ts"
import type * as Responses from "../../src/Responses.ts"
import { ConnectionError, type ResponsesError } from "../../src/ResponsesError.ts"
import * as ResponsesFallback from "../../src/ResponsesFallback.ts"
import * as OpenResponse from "./openResponse.ts"

export const request: ResponseRequest = { model: "m", input: "Hello" }

export const connectionError = (fields: Partial<ConstructorParameters<typeof ConnectionError>[0]> = {}) =>
  new ConnectionError({ reason: "Refused", delivery: "unsent", description: "No", ...fields })

export const outage = connectionError({ status: 503 })

export interface Scripted extends Responses.Service {
  readonly calls: { opens: number; connects: number; interrupted: number; connecting: number; mostConnecting: number }
  /** What opening does from now on. */
  readonly opens: (how: Effect.Effect<unknown, ResponsesError>) => void
  /** What connecting does from now on. */
  readonly connects: (how: Effect.Effect<unknown, ResponsesError>) => void
}

export const scripted = (transport: "websocket" | "http"): Scripted => {
  const calls = { opens: 0, connects: 0, interrupted: 0, connecting: 0, mostConnecting: 0 }
  let opening: Effect.Effect<unknown, ResponsesError> = Effect.void
  let connecting: Effect.Effect<unknown, ResponsesError> = Effect.void
  return {
    calls,
    opens: (how) => {
      opening = how
    },
    connects: (how) => {
      connecting = how
    },
    open: () =>
      Effect.suspend(() => {
        calls.opens++
        return Effect.as(opening, OpenResponse.make(transport, Stream.empty, `resp_${calls.opens}`))
      }),
    connect: Effect.suspend(() => {
      calls.connects++
      calls.connecting++
      calls.mostConnecting = Math.max(calls.mostConnecting, calls.connecting)
      return Effect.asVoid(connecting)
    }).pipe(
      Effect.onInterrupt(() => Effect.sync(() => calls.interrupted++)),
      Effect.ensuring(Effect.sync(() => calls.connecting--))
    )
  }
}

/** Chance takes nothing off an interval. */
export const unjittered = Effect.withRandom(Random.fixed([0]))

/** Lets the fibers in the background come to where they wait. */
export const settle = Effect.repeatN(Effect.yieldNow(), 10)

export interface Pair {
  readonly first: Scripted
  readonly second: Scripted
  readonly service: ResponsesFallback.Service
  readonly stats: ResponsesFallback.Service["stats"]
  /** The response, which is given up at once. */
  readonly open: Effect.Effect<Responses.OpenResponse, ResponsesError>
  readonly warmUp: Effect.Effect<Responses.OpenResponse, ResponsesError>
  /** What served, and everything in the background has come to rest. */
  readonly ask: Effect.Effect<"websocket" | "http", ResponsesError>
}

export const pair = (
  options?: ResponsesFallback.Options
): Effect.Effect<Pair, ConfigError.ConfigError, Scope.Scope> =>
  Effect.gen(function*() {
    const first = scripted("websocket")
    const second = scripted("http")
    const service = yield* ResponsesFallback.make(first, second, options)
    const opened = (request: ResponseRequest) => unjittered(Effect.scoped(service.open(request)))
    const open = opened(request)
    return {
      first,
      second,
      service,
      stats: service.stats,
      open,
      warmUp: opened({ ...request, generate: false }),
      ask: Effect.zipLeft(Effect.map(open, (response) => response.transport), settle)
    }
  })
