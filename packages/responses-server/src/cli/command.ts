/** The command line: options, the line that says where the server is, and one for each thing that it sees. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as ResponsesServer from "../ResponsesServer.ts"
import * as Lines from "./lines.ts"
import * as Script from "./script.ts"

class BadOption extends Data.TaggedError("BadOption")<{ readonly description: string }> {
  override get message(): string {
    return this.description
  }
}

const port = Options.integer("port").pipe(
  Options.withDescription("Where to listen; 0 takes any free port"),
  Options.withDefault(8787)
)

const host = Options.text("host").pipe(
  Options.withDescription("The address to listen on"),
  Options.withDefault("127.0.0.1")
)

const key = Options.redacted("key").pipe(
  Options.withDescription("The API key that clients must send; without it nobody is asked for one"),
  Options.optional
)

const script = Options.file("script", { exists: "yes" }).pipe(
  Options.withDescription("What the model says and what goes wrong: a JSON file, or a module that exports `script`"),
  Options.optional
)

const seed = Options.integer("seed").pipe(
  Options.withDescription("Makes ids, times and the sizes of deltas repeat"),
  Options.optional
)

const ageLimit = Options.text("age-limit").pipe(
  Options.withDescription("How old a connection becomes, for instance \"90 seconds\""),
  Options.withDefault("60 minutes")
)

const deltaDelay = Options.text("delta-delay").pipe(
  Options.withDescription("The time before each delta, for instance \"20 millis\""),
  Options.withDefault("0 millis")
)

const log = Options.choice("log", ["json", "pretty"]).pipe(
  Options.withDescription("How requests are told on standard output"),
  Options.withDefault("pretty" as const)
)

const duration = (name: string, text: string) =>
  Effect.mapError(
    Duration.decodeUnknown(text),
    () => new BadOption({ description: `--${name}: "${text}" is no duration; write for instance "90 seconds"` })
  )

export const command = Command.make(
  "responses-server",
  { port, host, key, script, seed, ageLimit, deltaDelay, log },
  (options) =>
    Effect.gen(function*() {
      const file = yield* Effect.transposeMapOption(options.script, Script.read)
      const server = yield* ResponsesServer.make({
        port: options.port,
        host: options.host,
        apiKey: Option.getOrUndefined(options.key),
        seed: Option.getOrUndefined(options.seed),
        ageLimit: yield* duration("age-limit", options.ageLimit),
        deltaDelay: yield* duration("delta-delay", options.deltaDelay),
        ...Option.getOrUndefined(file)
      })
      yield* Console.log(
        options.log === "json"
          ? JSON.stringify({ _tag: "Listening", url: server.url })
          : `Listening on ${server.url} (HTTP and WebSocket: ${server.url.replace(/^http/, "ws")}/responses)`
      )
      yield* Stream.runForEach(server.events, (event) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Console.log(Lines.line(event, options.log, new Date(now)))))
    }).pipe(Effect.scoped)
).pipe(Command.withDescription("A local server of the Responses API: HTTP, WebSocket mode, and faults on demand"))
