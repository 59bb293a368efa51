/** This library, as its users use it: one Layer for all, whole histories from the callers, and no names. */
import * as NodeResponses from "effect-responses-node/NodeResponses"
import * as NodeResponsesHttp from "effect-responses-node/NodeResponsesHttp"
import * as NodeResponsesSocket from "effect-responses-node/NodeResponsesSocket"
import type { ResponseItem } from "effect-responses/ResponseItem"
import type * as Responses from "effect-responses/Responses"
import type { ResponsesError } from "effect-responses/ResponsesError"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Sink from "../sink.ts"
import { apiKey } from "../way.ts"
import { type Conversation, type OpenProgram, says, settings } from "./way.ts"

type Ours = Layer.Layer<Responses.Responses, ConfigError.ConfigError>

const build = (layer: Ours, scope: Scope.Scope) =>
  Effect.map(Scope.extend(Layer.toRuntime(layer), scope), (runtime) => Runtime.runPromise(runtime))

type Run = (effect: Effect.Effect<void, ResponsesError, Responses.Responses>) => Promise<void>

const conversation = (number: number, run: Run): Conversation => {
  const input: Array<ResponseItem> = []
  let turns = 0
  return {
    turn: async (model, onText) => {
      input.push(says(number, ++turns))
      let output: ReadonlyArray<ResponseItem> = []
      await run(Sink.forEach({ model, ...settings, input }, (event) => {
        if (event.type === "response.output_text.delta") onText(event.delta)
        else if (event.type === "response.completed") output = event.response.output ?? []
      }))
      input.push(...output)
    }
  }
}

const one = (layer: (url: string) => Ours): OpenProgram => async (url) => {
  const scope = await Effect.runPromise(Scope.make())
  const run = await Effect.runPromise(build(layer(url), scope))
  return {
    begin: async (number) => conversation(number, run),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const key = Redacted.make(apiKey)

export const openOne = one((baseUrl) => NodeResponses.layer({ apiKey: key, baseUrl }))
export const openHttp = one((baseUrl) => NodeResponsesHttp.layer({ apiKey: key, baseUrl }))

/** Fewer places than conversations. */
export const openSmall = one((baseUrl) => NodeResponses.layer({ apiKey: key, baseUrl, maxConnections: 8 }))

/** One connection, so that there are fewer places than conversations. */
export const openOneConnection = one((baseUrl) =>
  NodeResponsesSocket.layer({ apiKey: key, baseUrl, maxConnections: 1 })
)

/** What is to be done where one Layer serves one conversation. */
export const openEach: OpenProgram = async (url) => {
  const scope = await Effect.runPromise(Scope.make())
  const layer = NodeResponses.layer({ apiKey: key, baseUrl: url })
  return {
    begin: async (number) => conversation(number, await Effect.runPromise(build(layer, scope))),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
