import { Config, Effect, Redacted } from "effect"
import { Profile } from "effect-responses"
import { NodeResponses } from "effect-responses-node"

/** A gateway of which nothing is known but its address and its age limit. */
export const Gateway = NodeResponses.layerConfig({
  profile: { ...Profile.strict, maxAge: "10 minutes" },
  baseUrl: Config.succeed("https://llm.example.com/v1"),
  apiKey: Config.redacted("GATEWAY_KEY")
})

/** Azure with tokens that run out: the Effect is asked again, and new turns move to a connection with the new one. */
export const azure = (fetchToken: Effect.Effect<string>) =>
  Effect.map(Effect.cachedWithTTL(fetchToken, "45 minutes"), (token) =>
    NodeResponses.layer({
      profile: { ...Profile.azure, auth: Profile.openAi.auth },
      baseUrl: "https://example.openai.azure.com/openai/v1",
      apiKey: Effect.map(token, Redacted.make)
    }))
