/** What a model is told of a call that has failed. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { ToolFailed } from "../../ResponseToolError.ts"
import type { OnFailure } from "../../ResponseToolOptions.ts"
import * as ToolOutput from "./toolOutput.ts"

const log = ({ callId, name, reason }: ToolFailed, message: string, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  // The program hears of a defect nowhere else.
  (reason === "HandlerDied" ? Effect.logWarning(message, cause) : Effect.logDebug(message, cause)).pipe(
    Effect.annotateLogs({ package: "effect-responses", module: "ResponseTool", tool: name, callId })
  )

const byDefault = ({ description }: ToolFailed): string => ToolOutput.fit(`Error: ${description}`)

export const make = (failure: ToolFailed, onFailure: OnFailure): Effect.Effect<string, ToolFailed> => {
  if (onFailure === "fail") return Effect.fail(failure)
  const logged = log(failure, "A tool has failed, and the model is told", Cause.fail(failure))
  if (onFailure === "output") return Effect.as(logged, byDefault(failure))
  const written = Effect.suspend(() => {
    const text = onFailure(failure)
    return Predicate.isString(text) ? Effect.succeed(text) : text
  })
  return Effect.zipRight(logged, Effect.map(written, ToolOutput.fit)).pipe(
    Effect.catchAllCause((cause) =>
      Effect.logWarning("The onFailure of a tool has thrown", cause).pipe(
        Effect.annotateLogs({ package: "effect-responses", module: "ResponseTool", tool: failure.name }),
        Effect.as(byDefault(failure))
      )
    )
  )
}
