/**
 * Options of single calls, beside the model's own: which transport, which headers, how long, from which response to
 * continue, warm-up.
 *
 * @since 0.1.0
 */
import * as AiError from "@effect/ai/AiError"
import type * as ResponseEvent from "effect-responses/ResponseEvent"
import type { OpenResponse, RequestOptions } from "effect-responses/Responses"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Stream from "effect/Stream"

/**
 * - `auto`: what the Layer of `Responses` does, for instance a socket with HTTP behind it.
 * - `socket`: a socket or a failure. Needs `ResponsesSocket` beside `Responses`, as the Layers of a platform give it.
 * - `http`: the HTTP client of `@effect/ai-openai`, as if this package were not there.
 *
 * @since 0.1.0
 * @category models
 */
export type Transport = "auto" | "socket" | "http"

/**
 * `headers` and `timeout` are those of `effect-responses`: headers go over HTTP, which the Layer of `Responses` must have
 * behind its socket.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service extends Pick<RequestOptions, "headers" | "timeout"> {
  /** Default: `auto` */
  readonly transport?: Transport | undefined
  /**
   * The response to continue from. The prompt is sent as it is, so it must hold only what is new. Without it that is
   * found out by itself, from whole prompts.
   */
  readonly previousResponseId?: string | undefined
  /** Have the server prepare prompt and tools without an answer. Never over HTTP. See `warmUp`. */
  readonly warmUp?: boolean | undefined
  /** Run when the server has begun to answer: which transport serves, what was sent, what was repaired. */
  readonly onOpen?: ((response: OpenResponse) => Effect.Effect<void>) | undefined
  /**
   * Run for each event that `@effect/ai-openai` has no type for or cannot read, before it is passed on. Default: a debug
   * log
   */
  readonly onUnknownEvent?: ((event: ResponseEvent.ResponseEvent) => Effect.Effect<void>) | undefined
  /**
   * How much of a streamed response is read ahead of its consumer, in characters of the events' JSON, about. A stream with
   * more that was not taken fails, and the response is given up. Default: 67,108,864 (64 Mi)
   */
  readonly maxUnreadSize?: number | undefined
}

/**
 * @since 0.1.0
 * @category tags
 */
export class ResponsesAiConfig extends Context.Tag("effect-responses-ai/ResponsesAiConfig")<
  ResponsesAiConfig,
  Service
>() {
  /**
   * @since 0.1.0
   */
  static readonly getOrUndefined: Effect.Effect<Service | undefined> = Effect.map(
    Effect.context<never>(),
    (context) => context.unsafeMap.get(ResponsesAiConfig.key) as Service | undefined
  )
}

/**
 * Adds to the options that hold already; the ones given here win.
 *
 * @example
 * ```ts
 * import { LanguageModel } from "@effect/ai"
 * import { ResponsesAiConfig } from "effect-responses-ai"
 *
 * export const urgent = LanguageModel.generateText({ prompt: "Is the shop open?" }).pipe(
 *   ResponsesAiConfig.withOverrides({ transport: "socket" })
 * )
 * ```
 *
 * @since 0.1.0
 * @category configuration
 */
export const withOverrides: {
  (overrides: Service): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, overrides: Service): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, overrides: Service): Effect.Effect<A, E, R> =>
    Effect.flatMap(
      ResponsesAiConfig.getOrUndefined,
      (config) => Effect.provideService(self, ResponsesAiConfig, { ...config, ...overrides })
    )
)

/**
 * `withOverrides` for streams.
 *
 * @since 0.1.0
 * @category configuration
 */
export const withStreamOverrides: {
  (overrides: Service): <A, E, R>(self: Stream.Stream<A, E, R>) => Stream.Stream<A, E, R>
  <A, E, R>(self: Stream.Stream<A, E, R>, overrides: Service): Stream.Stream<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Stream.Stream<A, E, R>, overrides: Service): Stream.Stream<A, E, R> =>
    Stream.unwrap(
      Effect.map(
        ResponsesAiConfig.getOrUndefined,
        (config) => Stream.provideService(self, ResponsesAiConfig, { ...config, ...overrides })
      )
    )
)

const notWarmedUp = (description: string) =>
  new AiError.MalformedInput({ module: "ResponsesAiConfig", method: "warmUp", description })

const unnamed = new AiError.MalformedOutput({
  module: "ResponsesAiConfig",
  method: "warmUp",
  description: "The server has prepared a response and has not named it: nothing can be continued from it"
})

/**
 * Has the server prepare what a call would ask, without an answer, and gives the id of the prepared response. A call with
 * the same prompt, or a longer one, then sends only what is new. Do not warm up through a `Chat`: it would put the prompt
 * into its history. Fails with `MalformedInput` if the effect asks for no response over `Responses`, and with
 * `MalformedOutput` if the server has not named the response.
 *
 * @example
 * ```ts
 * import { Chat, LanguageModel } from "@effect/ai"
 * import { ResponsesAiConfig } from "effect-responses-ai"
 * import { Effect } from "effect"
 *
 * const system = [{ role: "system" as const, content: "A very long text." }]
 *
 * export const program = Effect.gen(function*() {
 *   yield* Effect.forkScoped(ResponsesAiConfig.warmUp(LanguageModel.generateText({ prompt: system })))
 *   const chat = yield* Chat.fromPrompt(system)
 *   return yield* chat.generateText({ prompt: "Hello" })
 * })
 * ```
 *
 * @since 0.1.0
 * @category configuration
 */
export const warmUp = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<string, E | AiError.AiError, R> =>
  Effect.flatMap(ResponsesAiConfig.getOrUndefined, (config) => {
    let opened: OpenResponse | undefined
    const onOpen = (response: OpenResponse) => {
      opened = response
      return config?.onOpen?.(response) ?? Effect.void
    }
    return Effect.flatMap(withOverrides(self, { warmUp: true, onOpen }), (): Effect.Effect<string, AiError.AiError> => {
      if (opened === undefined) return Effect.fail(notWarmedUp("No response was asked for: give a call of the model"))
      // Some servers name the response at its end only, or anew in each event: the last name is what is continued from.
      const id = opened.result()?.id ?? opened.id
      return id === undefined ? Effect.fail(unnamed) : Effect.succeed(id)
    })
  })
