/** Help and errors of the command line come with colours, whoever reads them. */
import * as Effect from "effect/Effect"
import { stripVTControlCharacters } from "node:util"

const plain = (value: unknown): unknown => typeof value === "string" ? stripVTControlCharacters(value) : value

const wantsColours = (stream: { readonly isTTY: boolean }): boolean => stream.isTTY && !process.env["NO_COLOR"]

/** Takes the colours out of what goes to a file or a pipe, or where `NO_COLOR` is set. */
export const withoutColours = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.consoleWith((console) =>
    Effect.withConsole(self, {
      ...console,
      log: (...args) => console.log(...wantsColours(process.stdout) ? args : args.map(plain)),
      error: (...args) => console.error(...wantsColours(process.stderr) ? args : args.map(plain))
    })
  )
