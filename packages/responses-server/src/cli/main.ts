#!/usr/bin/env node
import * as Command from "@effect/cli/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { command } from "./command.ts"

const text = (problem: unknown): string => String(problem)

Command.run(command, { name: "responses-server", version: "0.1.0" })(process.argv).pipe(
  Effect.tapError((error) => {
    switch (error._tag) {
      case "ServeError":
        return Console.error(`The server does not start: ${text(error.cause)}`)
      case "BadOption":
      case "UnreadableScript":
        return Console.error(error.message)
      default:
        return Effect.void
    }
  }),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    disablePrettyLogger: true,
    // To be stopped is what a server is for.
    teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause) ? 0 : 1)
  })
)
