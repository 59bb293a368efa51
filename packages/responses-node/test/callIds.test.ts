/** A server that numbers the calls of each response anew, with the local server as the judge of what travels. */
import { assert, describe, it } from "@effect/vitest"
import { ResponsesServer } from "effect-responses-server"
import * as Context from "effect-responses-server/Context"
import * as Conversation from "effect-responses/Conversation"
import type * as Responses from "effect-responses/Responses"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as ResponseTool from "effect-responses/ResponseTool"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as NodeResponsesHttp from "../src/NodeResponsesHttp.ts"
import * as NodeResponsesSocket from "../src/NodeResponsesSocket.ts"

const call = ResponseScript.toolCall({ name: "status", callId: "call_0" })

const transports: ReadonlyArray<
  readonly [
    name: string,
    input: "delta" | "full",
    (baseUrl: string) => Layer.Layer<Responses.Responses, ConfigError.ConfigError>
  ]
> = [
  ["a socket", "delta", (baseUrl) => NodeResponsesSocket.layer({ baseUrl })],
  ["HTTP", "full", (baseUrl) => NodeResponsesHttp.layer({ baseUrl })]
]

describe("a call that comes again under one call_id", () => {
  for (const [name, input, layer] of transports) {
    for (const store of [true, false]) {
      for (const doublesCalls of [true, false]) {
        it.scoped(`is run and answered each time over ${name}, store: ${store}, doubled: ${doublesCalls}`, () =>
          Effect.gen(function*() {
            const server = yield* ResponsesServer.make({
              dialect: { doublesCalls },
              script: [call, call, ResponseScript.text("done"), call, ResponseScript.text("done again")]
            })
            const opened: Array<string> = []
            let polls = 0
            const status = ResponseTool.make({
              name: "status",
              parameters: Schema.Struct({}),
              handler: () => Effect.sync(() => `still running ${++polls}`)
            })
            yield* Effect.gen(function*() {
              const conversation = yield* Conversation.make({
                model: "m",
                store,
                tools: [status],
                onOpen: (response) => Effect.sync(() => opened.push(response.input))
              })
              assert.strictEqual((yield* conversation.ask("poll")).text, "done")
              assert.strictEqual((yield* conversation.ask("poll")).text, "done again")
              const history = yield* conversation.history
              assert.deepStrictEqual(
                history.flatMap((item) => item.type === "function_call_output" ? [item.output] : []),
                ["still running 1", "still running 2", "still running 3"]
              )
              assert.strictEqual((yield* server.contexts).at(-1)?.hash, Context.hash(history.slice(0, -1)))
            }).pipe(Effect.provide(layer(server.url)))
            assert.deepStrictEqual(opened, ["full", ...Array.from({ length: 4 }, () => input)])
          }))
      }
    }
  }
})
