/** `OPENAI_API_KEY=… tsx packages/examples/src/agents/main.ts [--http]` */
import { NodeRuntime, NodeTerminal } from "@effect/platform-node"
import { Effect } from "effect"
import { agent, modelOver } from "./chat.ts"

const transport = process.argv.includes("--http") ? "http" : "socket"

agent.pipe(Effect.provide([modelOver(transport), NodeTerminal.layer]), NodeRuntime.runMain)
