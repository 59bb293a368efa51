/**
 * Options of single calls, beside the model's own: which transport, from which response to continue, warm-up.
 *
 * @since 0.1.0
 */
import type * as ResponseEvent from "effect-responses/ResponseEvent"
import type { OpenResponse } from "effect-responses/Responses"
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
 * @since 0.1.0
 * @category models
 */
export interface Service {
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
  /** Run for each event that `@effect/ai-openai` has no type for, before it is passed on. Default: a debug log */
  readonly onUnknownEvent?: ((event: ResponseEvent.ResponseEvent) => Effect.Effect<void>) | undefined
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

/**
 * Has the server prepare what a call would ask, without an answer, and gives the id of the prepared response. A call with
 * the same prompt, or a longer one, then sends only what is new. Do not warm up through a `Chat`: it would put the prompt
 * into its history.
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
export const warmUp = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<string, E, R> =>
  Effect.flatMap(ResponsesAiConfig.getOrUndefined, (config) => {
    let id: string | undefined
    const onOpen = (response: OpenResponse) => {
      id = response.id
      return config?.onOpen?.(response) ?? Effect.void
    }
    return withOverrides(self, { warmUp: true, onOpen }).pipe(
      Effect.flatMap(() =>
        id === undefined ? Effect.dieMessage("ResponsesAiConfig.warmUp: no response was asked for") : Effect.succeed(id)
      )
    )
  })
