/**
 * Scripts as JSON, for whoever writes none in TypeScript: turns by the names of their constructors in `ResponseScript`,
 * upgrades by theirs in `Upgrade`.
 *
 * @since 0.1.0
 */
import type { ResponseScript } from "effect-responses"
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { model } from "./internal/model.ts"
import * as Lines from "./internal/scriptLines.ts"
import type * as Upgrade from "./Upgrade.ts"

/**
 * What is wrong with a script, and where.
 *
 * @since 0.1.0
 * @category errors
 */
export class ScriptError extends Data.TaggedError("ScriptError")<{ readonly description: string }> {
  override get message(): string {
    return `The script is not valid: ${this.description}`
  }
}

/**
 * Two options of a server.
 *
 * @since 0.1.0
 * @category models
 */
export interface ScriptFile {
  readonly script: ResponseScript.Script
  readonly upgrades: Upgrade.Upgrades
}

type Play = (request: Parameters<typeof model>[0], context: ResponseScript.Context) => ResponseScript.Turn

const known: ReadonlySet<string> = new Set(["turns", "afterwards", "upgrades"])

const list = <A>(
  values: unknown,
  path: string,
  decode: (value: unknown, path: string) => Either.Either<A, string>
): Either.Either<ReadonlyArray<A>, string> =>
  Array.isArray(values)
    ? Either.all(values.map((value, index) => decode(value, `${path}[${index}]`)))
    : Either.left(`${path}: expected a list`)

/** What happens when the list has run out; `undefined` lets the server say that it has. */
const after = (choice: unknown, turns: ReadonlyArray<Play>): Either.Either<Play | undefined, string> => {
  switch (choice) {
    case undefined:
    case "error":
      return Either.right(undefined)
    case "model":
      return Either.right(model)
    case "repeat":
      return turns.length === 0
        ? Either.left("afterwards: there is nothing to repeat")
        : Either.right((request, context) => {
          const turn = turns[context.index % turns.length]
          return turn === undefined ? model(request, context) : turn(request, context)
        })
    default:
      return Either.left("afterwards: expected \"error\", \"model\" or \"repeat\"")
  }
}

/**
 * Takes a list of turns, or `{ turns, afterwards, upgrades }`. `afterwards` says what comes when the turns have run out: `error` (the
 * default), `model` (the built-in one) or `repeat`.
 *
 * @example
 * ```ts
 * import { Either } from "effect"
 * import { ResponsesServer, ScriptFile } from "effect-responses-server"
 *
 * const file: unknown = {
 *   upgrades: [{ refuse: { status: 503 } }],
 *   turns: [
 *     { toolCall: { name: "get_weather", arguments: { city: "Oslo" } } },
 *     ["It is sunny.", { drop: { after: 4 } }],
 *     "It is sunny."
 *   ]
 * }
 *
 * export const server = ResponsesServer.layer(Either.getOrThrow(ScriptFile.decode(file)))
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (value: unknown): Either.Either<ScriptFile, ScriptError> =>
  Either.gen(function*() {
    const file: Readonly<Record<string, unknown>> = Array.isArray(value)
      ? { turns: value }
      : Predicate.isRecord(value)
      ? value
      : yield* Either.left("expected a list of turns or an object with turns")
    const other = Object.keys(file).find((name) => !known.has(name))
    if (other !== undefined) return yield* Either.left(`${other}: unknown; there are turns, afterwards and upgrades`)
    const turns = yield* list(file["turns"] ?? [], "turns", Lines.turn)
    const upgrades = yield* list(file["upgrades"] ?? [], "upgrades", Lines.upgrade)
    const rest = yield* after("turns" in file ? file["afterwards"] : file["afterwards"] ?? "model", turns)
    const script: ResponseScript.Script = (request, context) => {
      if (request.generate === false) return { parts: [{ _tag: "Completed" }] }
      const turn = turns[context.index] ?? rest
      return turn === undefined ? Lines.exhausted(context.index) : turn(request, context)
    }
    return { script, upgrades }
  }).pipe(Either.mapLeft((description) => new ScriptError({ description })))
