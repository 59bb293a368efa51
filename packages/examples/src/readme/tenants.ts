import { Config, Effect, LayerMap, Stream } from "effect"
import { Conversation } from "effect-responses"
import { NodeResponses } from "effect-responses-node"

/** To be provided as `Tenants.Default`. A Layer for each tenant, with the key that the environment has for it: `KEY_acme`. */
export class Tenants extends LayerMap.Service<Tenants>()("Tenants", {
  lookup: (tenant: string) => NodeResponses.layerConfig({ apiKey: Config.redacted(`KEY_${tenant}`) }),
  idleTimeToLive: "10 minutes"
}) {}

/** The Layer is in use for as long as the effect runs to which it is provided: the whole dialogue, not only its beginning. */
export const dialogue = (tenant: string, messages: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const conversation = yield* Conversation.make({ model: "gpt-5.5", store: false })
    yield* Effect.forEach(messages, (message) => Stream.runDrain(conversation.send(message)))
    return yield* conversation.history
  }).pipe(Effect.provide(Tenants.get(tenant)))
