/** Every transport that needs no network, each behind the same script of turns. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as ResponseSteps from "../../src/internal/script/responseSteps.ts"
import type { ResponseRequest } from "../../src/ResponseRequest.ts"
import type * as Responses from "../../src/Responses.ts"
import type { Turn } from "../../src/ResponseScript.ts"
import { ConnectionError } from "../../src/ResponsesError.ts"
import * as ResponsesFallback from "../../src/ResponsesFallback.ts"
import * as ResponsesHttp from "../../src/ResponsesHttp.ts"
import * as ResponsesTest from "../../src/ResponsesTest.ts"
import * as FakeServer from "./fakeServer.ts"

const request: ResponseRequest = { model: "m", input: "hi" }

type Turns = ReadonlyArray<Turn>

/** The steps of one turn after the other. */
const player = (turns: Turns) => {
  let index = 0
  return () => {
    const turn = turns[index]
    if (turn === undefined) throw new Error(`the script has ${turns.length} turns`)
    const context = { request, responseId: `resp_${index + 1}`, createdAt: 0, index, input: [] }
    index++
    return ResponseSteps.steps(turn, context)
  }
}

const frameOf = (frame: object | string) => typeof frame === "string" ? frame : JSON.stringify(frame)

const socket = (turns: Turns): Layer.Layer<Responses.Responses> =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const server = yield* FakeServer.make
    const next = player(turns)
    const serve = (connection: FakeServer.FakeConnection) =>
      connection.request.pipe(
        Effect.flatMap(() =>
          Effect.forEach(next(), (step) => {
            switch (step._tag) {
              case "Send":
                return Effect.zipRight(connection.send(frameOf(step.frame)), Effect.yieldNow())
              case "Silence":
                return Effect.never
              default:
                return connection.close(1006)
            }
          }, { discard: true })
        ),
        Effect.forever,
        Effect.race(connection.closed)
      )
    yield* server.connection.pipe(Effect.flatMap(serve), Effect.forever, Effect.forkScoped)
    return server.layer()
  }))

const http = (turns: Turns): Layer.Layer<Responses.Responses> => {
  const next = player(turns)
  const body = () => {
    const steps = next().values()
    const encoder = new TextEncoder()
    return new ReadableStream<Uint8Array>({
      pull: (controller) => {
        const step = steps.next().value
        if (step === undefined) return controller.close()
        if (step._tag === "Send") return controller.enqueue(encoder.encode(`data: ${frameOf(step.frame)}\n\n`))
        return step._tag === "Silence" ? new Promise<void>(() => {}) : controller.error(new TypeError("terminated"))
      }
    }, { highWaterMark: 0 })
  }
  const client = HttpClient.make((asked) =>
    Effect.sync(() =>
      HttpClientResponse.fromWeb(asked, new Response(body(), { headers: { "content-type": "text/event-stream" } }))
    )
  )
  return ResponsesHttp.layer({ apiKey: Redacted.make("sk-secret") }).pipe(
    Layer.provide(Layer.succeed(HttpClient.HttpClient, client)),
    Layer.orDie
  )
}

const refused = new ConnectionError({ reason: "Refused", delivery: "unsent", description: "No sockets", status: 426 })

/** HTTP behind a socket that nobody opens. */
const fallback = (turns: Turns): Layer.Layer<Responses.Responses> =>
  Layer.unwrapEffect(Effect.map(FakeServer.make, (server) => {
    server.plan(...Array.from({ length: 20 }, () => refused))
    return Layer.orDie(ResponsesFallback.layer(server.layer(), http(turns)))
  }))

export const transports: ReadonlyArray<
  readonly [name: string, make: (turns: Turns) => Layer.Layer<Responses.Responses>]
> = [
  ["socket", socket],
  ["HTTP", http],
  ["HTTP in place of the socket", fallback],
  ["mock", ResponsesTest.layer]
]
