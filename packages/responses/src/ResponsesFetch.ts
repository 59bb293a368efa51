/**
 * A standard `fetch` whose streamed `POST …/responses` go over `Responses`: for SDKs that know HTTP only.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Exchange from "./internal/exchange/exchange.ts"
import * as HttpAnswer from "./internal/fetch/httpAnswer.ts"
import * as TextStream from "./internal/fetch/textStream.ts"
import * as DeepJson from "./internal/wire/deepJson.ts"
import type { ResponseRequest } from "./ResponseRequest.ts"
import * as Responses from "./Responses.ts"
import { ConnectionError, type ResponsesError } from "./ResponsesError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Serves everything else. Default: `globalThis.fetch` */
  readonly fetch?: typeof globalThis.fetch | undefined
  /** Which addresses belong to `Responses`. Default: those whose path ends with `/responses` */
  readonly matches?: ((url: URL) => boolean) | undefined
  /**
   * How much of a response is read ahead of its reader, in characters. A body with more unread is ended like one whose
   * network failed. Default: 67,108,864 (64 Mi)
   */
  readonly maxUnreadSize?: number | undefined
  /** Run when the server has begun to answer: which transport serves, what was sent, what was repaired. */
  readonly onOpen?: ((response: Responses.OpenResponse) => Effect.Effect<void>) | undefined
  /**
   * The options of a request, from the headers that the SDK gave it. Default: none, as every SDK adds headers and
   * credentials of its own
   */
  readonly requestOptions?: ((headers: Headers) => Responses.RequestOptions | undefined) | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * The answer that HTTP would have brought for a failure: status, headers (`retry-after`, `x-request-id`) and the JSON body
 * with the code. `undefined` where no server has answered, or gave no status.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toAnswer: (error: ResponsesError) => Answer | undefined = HttpAnswer.fromError

const eventStream = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" }

/** A line break in a type would end the line, and begin another field or another event. */
const eventLine = (type: string): string => type.includes("\n") || type.includes("\r") ? "" : `event: ${type}\n`

const sse = (event: { readonly type: string }): string => `${eventLine(event.type)}data: ${DeepJson.write(event)}\n\n`

type FetchInput = Parameters<typeof globalThis.fetch>[0]
type FetchInit = Parameters<typeof globalThis.fetch>[1]

const urlOf = (input: FetchInput): URL | undefined => {
  const text = Predicate.isString(input) || input instanceof URL ? String(input) : input.url
  return URL.canParse(text, "http://localhost") ? new URL(text, "http://localhost") : undefined
}

/** Bodies of other kinds (forms, streams) are nobody's request for a response. */
const textOf = (input: FetchInput, init: FetchInit): Promise<string> | string | undefined => {
  const body = init?.body
  if (Predicate.isString(body)) return body
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return new TextDecoder().decode(body)
  if (body instanceof Blob) return body.text()
  return Predicate.isNullable(body) && input instanceof Request ? input.clone().text() : undefined
}

const parse = (text: string): ResponseRequest | undefined => {
  const body = Either.getOrUndefined(Either.try((): unknown => JSON.parse(text)))
  // Only HTTP has responses in the background.
  return Predicate.isRecord(body) && body["stream"] === true && body["background"] !== true
    ? body
    : undefined
}

/** What `fetch` says when there is no answer, so that SDKs take it for the passing problem of a network that it is. */
const networkError = (isAnswered: boolean, cause: unknown) =>
  new TypeError(isAnswered ? "terminated" : "fetch failed", { cause })

/** The answer to a request that failed before its first event; `undefined` where there is no answer to be had. */
const refusal = (error: ResponsesError): globalThis.Response | undefined => {
  const frame = HttpAnswer.frameOf(error)
  if (frame !== undefined) return new globalThis.Response(sse(frame), { headers: eventStream })
  const answer = toAnswer(error) ?? (error._tag === "ConnectionError" ? undefined : HttpAnswer.withoutStatus(error))
  return answer && new globalThis.Response(answer.body, answer)
}

const unread = (limit: number) =>
  new ConnectionError({
    reason: "Overrun",
    delivery: "partial",
    description: `The body of the response has more than ${limit} characters that were not read (maxUnreadSize)`
  })

type Run = (
  effect: Effect.Effect<void, ResponsesError, Responses.Responses>
) => Fiber.RuntimeFiber<void, ResponsesError>

const interrupt = (fiber: Fiber.RuntimeFiber<void, ResponsesError>): Promise<void> =>
  new Promise((resolve) => {
    fiber.addObserver(() => resolve())
    fiber.unsafeInterruptAsFork(FiberId.none)
  })

/** One fiber serves a request from the first byte to the last; whoever leaves interrupts it. */
const serve = (
  run: Run,
  request: ResponseRequest,
  requestOptions: Responses.RequestOptions | undefined,
  signal: AbortSignal | null | undefined,
  { maxUnreadSize = Exchange.defaultMaxOutputSize, onOpen }: Options
): Promise<globalThis.Response> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason)
    let isAnswered = false
    let sequenceNumber = -1

    const forget = () => signal?.removeEventListener("abort", abort)
    const body = TextStream.make({ maxUnread: maxUnreadSize, onCancel: () => interrupt(fiber), onSettled: forget })
    const fail = (reason: unknown) => {
      reject(reason)
      body.fail(reason)
    }
    const abort = () => {
      fail(signal?.reason)
      void interrupt(fiber)
    }
    signal?.addEventListener("abort", abort, { once: true })

    const pass = ({ events }: Responses.OpenResponse) => {
      isAnswered = true
      resolve(new globalThis.Response(body.readable, { headers: eventStream }))
      return Stream.runForEachChunk(events, (chunk) =>
        Effect.suspend(() => {
          let text = ""
          for (const event of chunk) {
            const { sequence_number: given } = event
            sequenceNumber = Number.isSafeInteger(given) ? Number(given) : sequenceNumber + 1
            text += sse(event)
          }
          return body.write(text) ? Effect.void : Effect.fail(unread(maxUnreadSize))
        }))
    }

    const onFailure = (error: ResponsesError) => {
      if (isAnswered && error._tag !== "ConnectionError") {
        const last = sse(HttpAnswer.toEvent(error, sequenceNumber + 1))
        // Without it the body would end as if it were whole.
        return body.write(last) ? body.end() : fail(networkError(isAnswered, unread(maxUnreadSize)))
      }
      const answer = isAnswered ? undefined : refusal(error)
      if (answer === undefined) return fail(networkError(isAnswered, error))
      forget()
      resolve(answer)
    }

    const fiber = run(
      Responses.open(request, requestOptions).pipe(
        Effect.tap((response) => onOpen?.(response) ?? Effect.void),
        Effect.flatMap(pass),
        Effect.scoped
      )
    )
    fiber.addObserver(Exit.match({
      onSuccess: body.end,
      onFailure: (cause) =>
        Option.match(Cause.failureOption(cause), {
          onNone: () => fail(networkError(isAnswered, Cause.squash(cause))),
          onSome: (error) => onFailure(Cause.originalError(error))
        })
    }))
  })

/**
 * Credentials and address are those of the Layer of `Responses`: the ones that an SDK was given matter only for what goes
 * to the real `fetch`. Requests that are under way when the scope is closed fail.
 *
 * A response is read ahead, whatever its reader does: while one is unread the next one does not wait for ever.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { ResponsesFetch, ResponsesTest } from "effect-responses"
 *
 * const program = Effect.gen(function*() {
 *   const fetch = yield* ResponsesFetch.make()
 *   // new OpenAI({ fetch }), createOpenAI({ fetch }), new ChatOpenAI({ configuration: { fetch } })
 *   const body = JSON.stringify({ model: "gpt-5.5", input: "Say hello.", stream: true })
 *   return yield* Effect.promise(async () => {
 *     const response = await fetch("https://api.openai.com/v1/responses", { method: "POST", body })
 *     return response.text()
 *   })
 * })
 *
 * Effect.runPromise(
 *   Effect.scoped(program).pipe(Effect.provide(ResponsesTest.layer([ResponsesTest.text("Hello")])))
 * ).then((text) => {
 *   if (!text.includes("event: response.completed")) throw new Error(text)
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options = {}
): Effect.Effect<typeof globalThis.fetch, never, Responses.Responses | Scope.Scope> =>
  Effect.map(FiberSet.makeRuntime<Responses.Responses, void, ResponsesError>(), (run) => {
    const { matches = (url: URL) => url.pathname.endsWith("/responses") } = options
    const pass: typeof globalThis.fetch = (input, init) => (options.fetch ?? globalThis.fetch)(input, init)
    return async (input, init) => {
      const from = input instanceof Request ? input : undefined
      const url = urlOf(input)
      if ((init?.method ?? from?.method)?.toUpperCase() !== "POST" || url === undefined || !matches(url)) {
        return pass(input, init)
      }
      const request = parse(await textOf(input, init) ?? "")
      return request === undefined
        ? pass(input, init)
        : serve(
          run,
          request,
          options.requestOptions?.(new Headers(init?.headers ?? from?.headers)),
          init?.signal ?? from?.signal,
          options
        )
    }
  })
