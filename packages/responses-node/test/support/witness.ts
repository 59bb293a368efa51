/** Sees everything that a program can print, and finds a secret in it. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Tracer from "effect/Tracer"
import { inspect } from "node:util"

const windowSize = 16

/** Gives the first 16 characters in a row that a text shares with a secret. */
export const finder = (secret: string): (text: string) => string | undefined => {
  const windows = new Set<string>()
  for (let at = 0; at + windowSize <= secret.length; at++) windows.add(secret.slice(at, at + windowSize))
  return (text) => {
    for (let at = 0; at + windowSize <= text.length; at++) {
      if (windows.has(text.slice(at, at + windowSize))) return text.slice(Math.max(0, at - 200), at + windowSize)
    }
    return undefined
  }
}

/** All ways in which a value gets into a log. */
const shown = (value: unknown): ReadonlyArray<string> => [
  String(value),
  Either.getOrElse(Either.try(() => JSON.stringify(value) ?? ""), String),
  inspect(value, { depth: Infinity, showHidden: true, maxStringLength: null, maxArrayLength: null }),
  ...Exit.isExit(value) && Exit.isFailure(value) ? shownCause(value.cause) : []
]

const shownCause = (cause: Cause.Cause<unknown>): ReadonlyArray<string> => [
  Cause.pretty(cause, { renderErrorCause: true }),
  ...[...Cause.failures(cause), ...Cause.defects(cause)].flatMap((error) => [
    ...shown(error),
    ...error instanceof Error ? [error.message, String(error.stack), ...shown(error.cause)] : []
  ])
]

export interface Witness {
  /** Everything that was printed so far, by what printed it. */
  readonly seen: ReadonlyArray<readonly [what: string, text: string]>
  readonly see: (what: string, value: unknown) => void
  /** Traces, logs at every level and shows the exit of an effect. */
  readonly watch: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<Exit.Exit<A, E>, never, R>
}

export const make = (): Witness => {
  const seen: Array<readonly [string, string]> = []
  const see = (what: string, value: unknown) => {
    for (const text of typeof value === "string" ? [value] : shown(value)) seen.push([what, text])
  }

  const tracer = Tracer.make({
    context: (f) => f(),
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      let status: Tracer.SpanStatus = { _tag: "Started", startTime }
      return {
        _tag: "Span",
        name,
        spanId: "0123456789abcdef",
        traceId: "0123456789abcdef0123456789abcdef",
        parent,
        context,
        links,
        kind,
        sampled: true,
        get status() {
          return status
        },
        attributes,
        attribute: (key, value) => {
          attributes.set(key, value)
          see(`attribute ${key} of span ${name}`, value)
        },
        event: (event, _, values) => see(`event ${event} of span ${name}`, values),
        addLinks: () => {},
        end: (endTime, exit) => {
          status = { _tag: "Ended", startTime, endTime, exit }
          see(`span ${name}`, name)
          see(`attributes of span ${name}`, attributes)
          see(`exit of span ${name}`, exit)
        }
      }
    }
  })

  const loggers = [Logger.stringLogger, Logger.logfmtLogger, Logger.jsonLogger]
  const logger = Logger.make<unknown, void>((options) => {
    for (const each of loggers) see("log", each.log(options))
    see("log", [options.message, options.annotations, options.spans])
    for (const text of shownCause(options.cause)) see("log", text)
  })

  return {
    seen,
    see,
    watch: (effect) =>
      effect.pipe(
        Effect.exit,
        Effect.tap((exit) => Effect.sync(() => see("exit", exit))),
        Effect.provide(
          Logger.replace(Logger.defaultLogger, logger).pipe(
            Layer.merge(Logger.minimumLogLevel(LogLevel.All))
          )
        ),
        Effect.withTracer(tracer)
      )
  }
}
