import * as Command from "@effect/cli/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import { demo, DemoFailed } from "./command.ts"
import { withoutColours } from "./console.ts"

const cli = Command.run(demo, { name: "demo", version: "0.1.0" })

const text = (problem: unknown): string => String(problem)

/** Whoever reads has left, as `head` does. */
const outputClosed = Effect.async<never, DemoFailed>((resume) => {
  process.stdout.once("error", () => resume(new DemoFailed({})))
})

cli(process.argv).pipe(
  Effect.raceFirst(outputClosed),
  Effect.tapError((error) => {
    switch (error._tag) {
      case "DemoFailed":
        return error.description === undefined ? Effect.void : Console.error(error.description)
      case "ServeError":
        return Console.error(`The local server does not start: ${text(error.cause)}`)
      case "ConfigError":
        return Console.error(`A setting is wrong: ${text(error)}`)
      case "HelpRequested":
        return Effect.void
      default:
        return Console.error("demo --help tells what there is.")
    }
  }),
  Effect.tapDefect((cause) => Console.error(Cause.pretty(cause))),
  withoutColours,
  // Standard output is for the result.
  Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.stringLogger))),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    disablePrettyLogger: true,
    teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) ? 0 : Cause.isInterruptedOnly(exit.cause) ? 130 : 1)
  })
)
