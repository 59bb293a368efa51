/** Reads the file that `--script` names: JSON, or a module. */
import * as FileSystem from "@effect/platform/FileSystem"
import type { ResponseScript } from "effect-responses"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import * as ScriptFile from "../ScriptFile.ts"
import type * as Upgrade from "../Upgrade.ts"

export class UnreadableScript extends Data.TaggedError("UnreadableScript")<{
  readonly file: string
  readonly description: string
}> {
  override get message(): string {
    return `${this.file}: ${this.description}`
  }
}

const isScript = (value: unknown): value is ResponseScript.Script => Predicate.isFunction(value) || Array.isArray(value)

const isUpgrades = (value: unknown): value is Upgrade.Upgrades => Predicate.isFunction(value) || Array.isArray(value)

const unreadable = (file: string) => (error: unknown) =>
  new UnreadableScript({ file, description: error instanceof Error ? error.message : String(error) })

const fromModule = (file: string) =>
  Effect.flatMap(
    Effect.tryPromise({
      try: () => import(pathToFileURL(resolve(file)).href) as Promise<Readonly<Record<string, unknown>>>,
      catch: unreadable(file)
    }),
    (module) => {
      const script = module["script"] ?? module["default"]
      const upgrades = module["upgrades"] ?? []
      return isScript(script) && isUpgrades(upgrades)
        ? Effect.succeed<ScriptFile.ScriptFile>({ script, upgrades })
        : Effect.fail(unreadable(file)("The module exports no `script`: a function, or a list of turns."))
    }
  )

const fromJson = Effect.fnUntraced(function*(file: string) {
  const files = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(files.readFileString(file), unreadable(file))
  const value = yield* Either.try({ try: () => JSON.parse(text) as unknown, catch: unreadable(file) })
  return yield* Either.mapLeft(ScriptFile.decode(value), unreadable(file))
})

export const read = (file: string): Effect.Effect<ScriptFile.ScriptFile, UnreadableScript, FileSystem.FileSystem> =>
  /\.json$/i.test(file) ? fromJson(file) : fromModule(file)
