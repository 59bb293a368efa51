/** Async tools over a socket, with the local server as the judge of what travels. */
import { assert, describe, it } from "@effect/vitest"
import { ResponsesServer } from "effect-responses-server"
import * as Conversation from "effect-responses/Conversation"
import * as ResponseRequest from "effect-responses/ResponseRequest"
import type * as Responses from "effect-responses/Responses"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as ResponseTool from "effect-responses/ResponseTool"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as NodeResponsesSocket from "../src/NodeResponsesSocket.ts"

const apiKey = Redacted.make("sk-async")

const script: ResponseScript.Script = [
  ResponseScript.turn([
    ResponseScript.toolCall({ name: "build", arguments: {}, callId: "build" }),
    ResponseScript.toolCall({ name: "look", arguments: {}, callId: "look" })
  ]),
  ResponseScript.text("It is being built."),
  ResponseScript.text("It is sunny."),
  ResponseScript.text("It is built."),
  ResponseScript.text("You are welcome.")
]

const typesOf = (request: ResponseRequest.ResponseRequest) =>
  ResponseRequest.items(request).map((item) => item.type ?? "message")

describe("a conversation with an async tool", () => {
  for (const store of [true, false]) {
    it.scoped(`sends deltas only, with the output where it has come (store: ${String(store)})`, () =>
      Effect.gen(function*() {
        const server = yield* ResponsesServer.make({ apiKey, script })
        const opened: Array<Responses.OpenResponse> = []
        const built = yield* Deferred.make<string>()
        const parameters = Schema.Struct({})
        const build = ResponseTool.make({
          name: "build",
          parameters,
          async: true,
          handler: () => Deferred.await(built)
        })
        const look = ResponseTool.make({ name: "look", parameters, handler: () => Effect.succeed("seen") })
        yield* Effect.gen(function*() {
          const conversation = yield* Conversation.make({
            model: "m",
            store,
            tools: [build, look],
            onOpen: (response) => Effect.sync(() => opened.push(response))
          })
          yield* Stream.runDrain(conversation.run("Build it, and look."))
          yield* Stream.runDrain(conversation.run("And the weather?"))
          yield* Deferred.succeed(built, "done")
          yield* conversation.settled
          yield* Stream.runDrain(conversation.resume)
          yield* Stream.runDrain(conversation.run("Thanks."))
        }).pipe(Effect.provide(NodeResponsesSocket.layer({ apiKey, baseUrl: server.url })))

        const requests = yield* server.requests
        const inputs = requests.map(({ body }) => typesOf(body))
        assert.deepStrictEqual(inputs, [
          ["message"],
          ["function_call_output"],
          ["message"],
          ["function_call_output"],
          ["message"]
        ])
        const [first, ...rest] = requests.map(({ body }) => typeof body.previous_response_id)
        assert.deepStrictEqual([first, ...new Set(rest)], ["undefined", "string"])
        assert.deepStrictEqual(opened.map(({ input }) => input), ["full", "delta", "delta", "delta", "delta"])
      }))
  }

  it.scoped("sends the whole history where the connection is lost, and the server takes the call without an output", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey, script })
      const build = ResponseTool.make({
        name: "build",
        parameters: Schema.Struct({}),
        async: true,
        handler: () => Effect.never
      })
      const look = ResponseTool.make({
        name: "look",
        parameters: Schema.Struct({}),
        handler: () => Effect.succeed("x")
      })
      const settings = { model: "m", store: false, tools: [build, look] } as const
      const connected = Effect.provide(NodeResponsesSocket.layer({ apiKey, baseUrl: server.url }))
      const history = yield* Effect.gen(function*() {
        const conversation = yield* Conversation.make(settings)
        yield* Stream.runDrain(conversation.run("Build it, and look."))
        return yield* conversation.history
      }).pipe(connected)
      yield* Effect.gen(function*() {
        const conversation = yield* Effect.flatMap(Conversation.make({ ...settings, history }), (one) => one.fork)
        yield* Stream.runDrain(conversation.run("And the weather?"))
      }).pipe(connected)
      const last = (yield* server.requests).at(-1)
      assert.deepStrictEqual(last && typesOf(last.body), [
        "message",
        "function_call",
        "function_call",
        "function_call_output",
        "message",
        "message"
      ])
    }))
})
