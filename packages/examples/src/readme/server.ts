import { Effect, Layer, Redacted } from "effect"
import { Responses, ResponseScript } from "effect-responses"
import { NodeResponses } from "effect-responses-node"
import { ResponsesServer } from "effect-responses-server"

const apiKey = Redacted.make("any")

const Client = Layer.unwrapEffect(Effect.map(
  ResponsesServer.ResponsesServer,
  ({ url }) => NodeResponses.layer({ apiKey, baseUrl: url })
))

const Server = ResponsesServer.layer({ apiKey, script: [ResponseScript.text("One"), ResponseScript.text("Two")] })

/** Two turns on a connection that the server closes in between. */
export const program = Effect.gen(function*() {
  const server = yield* ResponsesServer.ResponsesServer
  const first = yield* Responses.create({ model: "m", input: "1" })
  yield* server.expire
  yield* server.waitFor("ConnectionClosed")
  const second = yield* Responses.create({ model: "m", input: "2" })
  return [first, second]
}).pipe(Effect.provide(Layer.provideMerge(Client, Server)))
