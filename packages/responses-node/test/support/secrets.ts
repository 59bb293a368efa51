/** A key that no ordinary text contains, programs that use it, and the search for it in all that they print. */
import { assert } from "@effect/vitest"
import * as ResponseItem from "effect-responses/ResponseItem"
import * as Responses from "effect-responses/Responses"
import * as ResponsesFallback from "effect-responses/ResponsesFallback"
import * as ResponsesSocket from "effect-responses/ResponsesSocket"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as NodeResponses from "../../src/NodeResponses.ts"
import * as NodeResponsesHttp from "../../src/NodeResponsesHttp.ts"
import * as NodeResponsesSocket from "../../src/NodeResponsesSocket.ts"
import * as Hostile from "./hostile.ts"
import * as Witness from "./witness.ts"

/** No 16 characters come twice, and no ordinary text has them. */
const makeKey = (length: number, seed: number): string => {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
  let state = seed
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return letters[(state >>> 16) % letters.length]
  }).join("")
}

export const keys = [["of 2,400 characters", makeKey(2400, 1)], ["of 20 characters", makeKey(20, 2)]] as const

export const transports = {
  socket: NodeResponsesSocket.layer,
  http: NodeResponsesHttp.layer,
  both: NodeResponses.layer
}

export type Transport = keyof typeof transports

/** As many turns of one conversation, and what they tell besides the output, which is the caller's. */
export const ask = (witness: Witness.Witness, turns = 1) =>
  Effect.gen(function*() {
    const input: Array<ResponseItem.ResponseItem> = []
    for (let index = 0; index < turns; index++) {
      input.push(ResponseItem.user("Hi"))
      const output = yield* Effect.scoped(Effect.gen(function*() {
        const response = yield* Responses.open({ model: "m", input })
        witness.see("response", [response.recoveries, response.reason])
        return (yield* Responses.collect(response)).output
      }))
      input.push(...output)
    }
  })

export const stats = (witness: Witness.Witness): Effect.Effect<void> =>
  Effect.gen(function*() {
    const socket = yield* Effect.serviceOption(ResponsesSocket.ResponsesSocket)
    const fallback = yield* Effect.serviceOption(ResponsesFallback.ResponsesFallback)
    if (Option.isSome(socket)) witness.see("stats", yield* socket.value.stats)
    if (Option.isSome(fallback)) witness.see("stats", yield* fallback.value.stats)
  })

export const assertNowhere = (witness: Witness.Witness, key: string, what: string) => {
  const find = Witness.finder(key)
  for (const [where, text] of witness.seen) {
    const found = find(text)
    if (found !== undefined) assert.fail(`${what}: the key is in the ${where}: ${found}`)
  }
}

/** Metrics are the process's, and have been counted by all tests before. */
export const assertNotCounted = (key: string): Effect.Effect<void> =>
  Effect.map(Metric.snapshot, (pairs) => {
    const witness = Witness.make()
    witness.see("metrics", pairs)
    assertNowhere(witness, key, "at the end")
  })

interface Run {
  readonly key: string
  readonly transport: Transport
  readonly answers: Hostile.Answers
  readonly turns?: number | undefined
  readonly options?: Partial<NodeResponses.Options> | undefined
  /** What comes behind the server's URL. */
  readonly query?: string | undefined
}

export const runAgainst = ({ answers, key, options, query = "", transport, turns }: Run) =>
  Effect.gen(function*() {
    const url = yield* Hostile.make(answers)
    const witness = Witness.make()
    const layer: Layer.Layer<Responses.Responses, unknown> = transports[transport]({
      apiKey: Redacted.make(key),
      baseUrl: url + query,
      reconnect: Schedule.stop,
      closeTimeout: "20 millis",
      firstEventTimeout: "2 seconds",
      ...options
    })
    const exit = yield* witness.watch(
      ask(witness, turns).pipe(Effect.ensuring(stats(witness)), Effect.provide(layer))
    )
    return { witness, exit }
  }).pipe(Effect.scoped)
