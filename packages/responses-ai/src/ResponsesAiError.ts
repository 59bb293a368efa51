/**
 * Failures of `effect-responses` as the errors of `@effect/ai`, and back.
 *
 * @since 0.1.0
 */
import * as AiError from "@effect/ai/AiError"
import {
  ConnectionError,
  InvalidRequest,
  MalformedEvent,
  PreviousResponseNotFound,
  ResponseFailed,
  type ResponsesError
} from "effect-responses/ResponsesError"
import * as ResponsesFetch from "effect-responses/ResponsesFetch"
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"

const module = "ResponsesOpenAiClient"

const request: typeof AiError.HttpRequestDetails.Type = {
  method: "POST",
  url: "/responses",
  urlParams: [],
  hash: Option.none(),
  headers: {}
}

/** This error of `@effect/ai` has no field for what caused it: it gets the one that every `Error` may have. */
const answered = (
  method: string,
  error: ResponsesError,
  { body, headers, status }: ResponsesFetch.Answer
): AiError.HttpResponseError =>
  Object.defineProperty(
    new AiError.HttpResponseError({
      module,
      method,
      reason: "StatusCode",
      request,
      response: { status, headers },
      description: error.message,
      body
    }),
    "cause",
    { value: error, configurable: true, writable: true }
  )

/**
 * - `HttpResponseError` where the server gave, or its code stands for, a status: with the headers `retry-after` and
 *   `x-request-id` and the body that HTTP would have brought.
 * - `HttpRequestError` where there is no connection (any more).
 * - `MalformedInput` and `MalformedOutput` for what can be sent or read by nobody.
 * - `UnknownError` for failures that the server gave no status for.
 *
 * The error itself goes with each: see `toResponsesError`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromResponsesError = (failure: ResponsesError, method: string): AiError.AiError => {
  const error = Cause.originalError(failure)
  const details = { module, method, description: error.message, cause: error }
  if (error._tag === "InvalidRequest") return new AiError.MalformedInput(details)
  if (error._tag === "MalformedEvent") return new AiError.MalformedOutput(details)
  const answer = ResponsesFetch.toAnswer(error)
  if (answer !== undefined) return answered(method, error, answer)
  return error._tag === "ConnectionError"
    ? new AiError.HttpRequestError({ ...details, reason: "Transport", request })
    : new AiError.UnknownError(details)
}

const isResponsesError = (value: unknown): value is ResponsesError =>
  value instanceof InvalidRequest || value instanceof ConnectionError || value instanceof PreviousResponseNotFound ||
  value instanceof ResponseFailed || value instanceof MalformedEvent

/**
 * What an error of `@effect/ai` was made of: with the code, how far the request came (`delivery`), whether it can succeed
 * later (`retryable`), and all else that the server said. `None` for errors of other origin.
 *
 * @example
 * ```ts
 * import { LanguageModel } from "@effect/ai"
 * import { ResponsesAiError } from "effect-responses-ai"
 * import { Effect, Option, Schedule } from "effect"
 *
 * export const program = LanguageModel.generateText({ prompt: "Hello" }).pipe(
 *   Effect.retry({
 *     while: (error) =>
 *       Option.exists(
 *         ResponsesAiError.toResponsesError(error),
 *         (error) => error._tag === "ResponseFailed" && error.retryable && error.delivery === "unsent"
 *       ),
 *     schedule: Schedule.exponential("1 second"),
 *     times: 3
 *   })
 * )
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const toResponsesError = (error: AiError.AiError): Option.Option<ResponsesError> =>
  Option.liftPredicate(isResponsesError)(error.cause)
