/** `OPENAI_API_KEY=… tsx packages/examples/src/web/main.ts`, then `curl -N -d Hello http://127.0.0.1:3000/chats/1` */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Config, Layer } from "effect"
import { NodeResponses } from "effect-responses-node"
import { createServer } from "node:http"
import { Backend } from "./backend.ts"

const Http = NodeHttpServer.layerConfig(createServer, {
  host: Config.succeed("127.0.0.1"),
  port: Config.withDefault(Config.port("PORT"), 3000)
})

Backend.pipe(Layer.provide([Http, NodeResponses.layerConfig()]), Layer.launch, NodeRuntime.runMain)
