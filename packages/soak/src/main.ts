/** `pnpm soak`: see `--help`. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fuzz from "./fuzz/fuzz.ts"
import { specs } from "./layers.ts"
import * as Report from "./report.ts"
import * as Soak from "./soak.ts"

const turns = Options.integer("turns").pipe(
  Options.withDefault(20_000),
  Options.withDescription("How many, at the least")
)
const callers = Options.integer("callers").pipe(
  Options.withDefault(2 * specs.length),
  Options.withDescription("Two for each Layer, unless said otherwise")
)
const seed = Options.integer("seed").pipe(
  Options.optional,
  Options.withDescription("Everything that is left to chance comes from it. Default: another one each time")
)
const layer = Options.text("layer").pipe(
  Options.withDefault(""),
  Options.withDescription("Only Layers that have this in their names")
)
const fuzz = Options.integer("fuzz").pipe(
  Options.withDefault(0),
  Options.withDescription("So many turns with mutated frames, instead of the soak")
)
const json = Options.file("json").pipe(Options.optional, Options.withDescription("Where to write the result as JSON"))

const runFuzz = (seed: number, turns: number) =>
  Effect.gen(function*() {
    const facts = yield* Fuzz.run({ seed, turns, programs: 100 })
    yield* Console.log(JSON.stringify(facts, null, 2))
    if (facts.violations.length > 0) process.exitCode = 1
  })

const soak = Command.make("soak", { turns, callers, seed, layer, fuzz, json }, (options) =>
  Effect.gen(function*() {
    const seed = Option.getOrElse(options.seed, () => Date.now() % 1_000_000)
    yield* Console.error(`seed ${seed}`)
    if (options.fuzz > 0) return yield* runFuzz(seed, options.fuzz)
    const facts = yield* Soak.run({
      ...options,
      seed,
      onTenth: (tenth, heap) => process.stderr.write(`${tenth * 10}%, heap ${(heap / 1e6).toFixed(1)} MB\n`)
    })
    yield* Console.log(Report.toText(facts))
    if (Option.isSome(options.json)) {
      const files = yield* FileSystem.FileSystem
      yield* files.writeFileString(options.json.value, `${JSON.stringify(Report.toJson(facts), null, 2)}\n`)
    }
    if (facts.violations.length > 0) process.exitCode = 1
  })).pipe(
    Command.withDescription(
      "Thousands of turns with every fault there is, and a judge. The exit status is 1 if anything was wrong."
    )
  )

Command.run(soak, { name: "soak", version: "0.0.0" })(process.argv).pipe(
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain
)
