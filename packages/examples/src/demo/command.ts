/** The command line: options, which view, and the exit status. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Terminal from "@effect/platform/Terminal"
import * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as LiveView from "./liveView.ts"
import type { Outcome } from "./outcome.ts"
import * as PlainView from "./plainView.ts"
import * as Runs from "./runs.ts"
import * as Table from "./table.ts"
import * as Text from "./text.ts"
import type { View } from "./view.ts"

/** Why the exit status is not 0. What there is to read has been written, unless there is a `description`. */
export class DemoFailed extends Data.TaggedError("DemoFailed")<{ readonly description?: string | undefined }> {}

const json = Options.boolean("json").pipe(
  Options.withDescription("Write one JSON object to standard output, and nothing else")
)

const live = Options.boolean("live").pipe(
  Options.withDescription(
    "Talk to the vendor instead of a local server (costs money). Reads OPENAI_API_KEY and, if set, OPENAI_BASE_URL"
  )
)

const model = Options.text("model").pipe(
  Options.withDescription("The model to ask for; the local server plays whichever it is"),
  Options.withDefault("gpt-5.5")
)

/** For the eye. */
const deltaDelay = "10 millis"

/** Empty means unset, as `NO_COLOR` has it. */
const variable = (name: string) => Effect.orDie(Config.withDefault(Config.string(name), ""))

const requireKey = Effect.flatMap(variable("OPENAI_API_KEY"), (key) =>
  key !== "" ? Effect.void : new DemoFailed({
    description: "--live needs an API key: set OPENAI_API_KEY in the environment, or leave --live out to run against " +
      "a local server"
  }))

const silent: View = { show: () => Effect.void }

const printTable = (outcome: Outcome, paper: Text.Paper) =>
  Effect.flatMap(Terminal.Terminal, (terminal) =>
    Effect.ignore(
      terminal.display(Table.lines(outcome).map((segments) => `${Text.line(segments, paper).trimEnd()}\n`).join(""))
    ))

export const demo = Command.make("demo", { json, live, model }, (options) =>
  Effect.gen(function*() {
    if (options.live) yield* requireKey
    const terminal = yield* Terminal.Terminal
    const isTerminal = !options.json && (yield* terminal.isTTY) && (yield* variable("TERM")) !== "dumb"
    const colours = isTerminal && (yield* variable("NO_COLOR")) === ""
    const run = (view: View) =>
      options.live
        ? Runs.live({ view, model: options.model })
        : Runs.local({ view, model: options.model, deltaDelay: isTerminal ? deltaDelay : 0 })

    const outcome = yield* Effect.scoped(
      Effect.flatMap(
        options.json ? Effect.succeed(silent) : isTerminal ? LiveView.make(colours) : PlainView.make,
        run
      )
    )
    if (options.json) yield* Effect.ignore(terminal.display(`${JSON.stringify(outcome, null, 2)}\n`))
    else yield* printTable(outcome, { colours, width: Number.POSITIVE_INFINITY })
    return yield* outcome.ok ? Effect.void : new DemoFailed({})
  })).pipe(
    Command.withDescription(
      "An agent investigates an incident with tools, once over a WebSocket and once over HTTP, and both are compared. " +
        "On the way the local server forgets a response, closes the connection for its age, and refuses new ones. " +
        "The exit status is 0 if both runs ended with the same conversation and every fault was repaired."
    )
  )
