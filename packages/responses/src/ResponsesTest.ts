/**
 * The mock Layer: a script of turns in, recorded requests out. It keeps the contract of the real transports, their
 * validation, their end of a response and their errors, and needs no server.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Finalizer from "./internal/effect/finalizer.ts"
import * as Time from "./internal/effect/time.ts"
import * as Timers from "./internal/effect/timers.ts"
import * as Deadlines from "./internal/exchange/deadlines.ts"
import * as Exchange from "./internal/exchange/exchange.ts"
import * as RequestOptions from "./internal/options/requestOptions.ts"
import * as Timeouts from "./internal/options/timeouts.ts"
import * as ResponseSteps from "./internal/script/responseSteps.ts"
import type { Step } from "./internal/script/scriptSteps.ts"
import * as DeepJson from "./internal/wire/deepJson.ts"
import * as wireError from "./internal/wire/wireError.ts"
import * as ResponseEvent from "./ResponseEvent.ts"
import type { ResponseItem } from "./ResponseItem.ts"
import * as ResponseRequest from "./ResponseRequest.ts"
import * as Responses from "./Responses.ts"
import type * as ResponseScript from "./ResponseScript.ts"
import { MalformedEvent } from "./ResponsesError.ts"
import type * as ResponsesOptions from "./ResponsesOptions.ts"

/**
 * @since 0.1.0
 * @category re-exports
 */
export * from "./ResponseScript.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Service extends Responses.Service {
  /** The requests that were sent, as the program made them, in their order. */
  readonly requests: Effect.Effect<ReadonlyArray<ResponseRequest.ResponseRequest>>
  /** The options of each of `requests`; empty for one that was given none. */
  readonly requestOptions: Effect.Effect<ReadonlyArray<Responses.RequestOptions>>
  /** How many responses the program gave up before their end had come. */
  readonly abandoned: Effect.Effect<number>
}

/**
 * @since 0.1.0
 * @category tags
 */
export class ResponsesTest extends Context.Tag("effect-responses/ResponsesTest")<ResponsesTest, Service>() {}

/**
 * The clocks of each response, as a real Layer has them, with its defaults. They go by the `Clock` of the program: a test moves
 * them with `TestClock`. Requests never wait for a place here, so there is no `queueTimeout`. There are no pings: only an event
 * is a sign of life.
 *
 * @since 0.1.0
 * @category models
 */
export type Options = Omit<ResponsesOptions.Timeouts, "queueTimeout">

const runOut = (index: number) =>
  `ResponsesTest: the script has ${index} ${index === 1 ? "turn" : "turns"}, and this is request ${index + 1}. ` +
  "Add a turn, or give a function as the script"

const byteLength = (text: string): number => new TextEncoder().encode(text).length

const expired = {
  type: "invalid_request_error",
  code: "websocket_connection_limit_reached",
  message: "ResponsesTest: the connection has reached its age limit.",
  param: null
}

/** A fiber that ended without a word would leave the program waiting for ever. */
const failed = (exchange: Exchange.Exchange) => (cause: Cause.Cause<never>): Effect.Effect<void> =>
  Effect.sync(() => {
    if (Cause.isInterruptedOnly(cause)) return
    const description = `a frame that cannot be handled (${String(Cause.squash(cause))})`
    exchange.fail((delivery) => new MalformedEvent({ description, frame: "", delivery }))
  })

/** Does what a connection does with the steps of a server. */
const play = (exchange: Exchange.Exchange, onEvent: () => void) => (step: Step): Effect.Effect<void> =>
  Effect.suspend(() => {
    switch (step._tag) {
      case "Send": {
        const frame = typeof step.frame === "string" ? step.frame : DeepJson.write(step.frame)
        Either.match(ResponseEvent.decode(frame, "unacknowledged"), {
          onLeft: ({ description, frame }) =>
            exchange.fail((delivery) => new MalformedEvent({ description, frame, delivery })),
          onRight: (event) => {
            onEvent()
            exchange.offer(event, frame.length)
          }
        })
        // As from a network, each frame comes by itself: the program may leave between two of them.
        return Effect.yieldNow()
      }
      case "Wait":
        return Effect.sleep(step.millis)
      case "Silence":
        return Effect.never
      case "Close":
        exchange.fail((delivery, hasBegun) => wireError.fromClose(step, { delivery, hasBegun }))
        return Effect.void
      // Nothing here outlives a turn but the contexts, and nobody pings.
      case "Forget":
      case "Pings":
        return Effect.void
      case "Expire":
        exchange.offer({ type: "error", status: 400, error: expired }, 0)
        return Effect.void
      default:
        exchange.fail((delivery) => wireError.fromClose({ code: 1006, reason: "" }, { delivery }))
        return Effect.void
    }
  })

/**
 * Serves at once whoever comes, in the order of arrival: turns of a list go to requests in that order. A list that has run out
 * is a defect, and so is an option that is no duration. Options of a request are kept to as on a socket with HTTP behind it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  script: ResponseScript.Script,
  options: Options = {}
): Effect.Effect<Service> =>
  Effect.map(Effect.orDie(Timeouts.make(options)), (timeouts) => {
    const requests: Array<ResponseRequest.ResponseRequest> = []
    const requestOptions: Array<Responses.RequestOptions> = []
    const contexts = new Map<string, ReadonlyArray<ResponseItem>>()
    let index = 0
    let abandoned = 0

    const take = (
      request: ResponseRequest.ResponseRequest,
      options: Responses.RequestOptions | undefined,
      now: number
    ) =>
      Effect.suspend(() => {
        requests.push(request)
        requestOptions.push(options ?? {})
        const context: ResponseScript.Context = {
          request,
          responseId: `resp_${requests.length}`,
          createdAt: Math.floor(now / 1000),
          index,
          input: [
            ...contexts.get(request.previous_response_id ?? "") ?? [],
            ...ResponseRequest.items(request)
          ]
        }
        const turn = ResponseSteps.pick(script, context)
        if (turn === undefined) return Effect.dieMessage(runOut(index))
        if (request.generate !== false) index++
        return Effect.succeed({ input: context.input, steps: ResponseSteps.steps(turn, context) })
      })

    const respond = Effect.fnUntraced(function*(
      request: ResponseRequest.ResponseRequest,
      options: Responses.RequestOptions | undefined,
      timeout: Duration.Duration | undefined
    ) {
      const { input, steps } = yield* take(request, options, yield* Clock.currentTimeMillis)
      const timers = yield* Timers.make
      const begun = timers.time.now()
      let heardAt = begun
      let left = true
      let deadline: Deadlines.Deadline | undefined
      const exchange = Exchange.make({
        previousResponseId: request.previous_response_id ?? undefined,
        maxOutputSize: Exchange.defaultMaxOutputSize,
        onBehind: () => {},
        onCaughtUp: () => {},
        redact: (text) => text,
        onEnd: (hasBegun) => {
          deadline?.stop()
          if (!hasBegun) return
          left = false
          const result = exchange.result()
          if (result !== undefined) contexts.set(result.id, [...input, ...result.output])
        }
      })
      yield* Finalizer.add(Effect.sync(() => {
        if (left) abandoned++
      }))
      exchange.accepted(begun)
      deadline = Deadlines.watch({
        exchange,
        granted: begun,
        timeout,
        host: { timers, timeouts, heardAt: () => heardAt, onOverdue: (late, error) => late.fail(error) }
      })
      const onEvent = () => {
        heardAt = timers.time.now()
      }
      yield* Effect.forEach(steps, play(exchange, onEvent), { discard: true }).pipe(
        Effect.catchAllCause(failed(exchange)),
        Effect.interruptible,
        Effect.forkScoped
      )
      const id = yield* Effect.tapError(exchange.started, () =>
        Effect.sync(() => {
          left = false
        }))
      return { id, ...Exchange.reading(exchange) }
    })

    const open = Effect.fnUntraced(function*(
      request: ResponseRequest.ResponseRequest,
      options?: Responses.RequestOptions
    ) {
      const transport = request.generate === false ? "websocket" : RequestOptions.transportOf(options) ?? "websocket"
      const { timeout } = yield* RequestOptions.check(options, transport)
      yield* ResponseRequest.validate(request)
      const frame = yield* ResponseRequest.toFrame(request)
      const clock = yield* Effect.clock
      const answering = Time.stopwatch(clock)
      const response = yield* respond(request, options, timeout)
      return {
        ...response,
        transport,
        ...Predicate.isNotNullable(request.previous_response_id)
          ? { input: "delta" as const, reason: { _tag: "Explicit" } as const }
          : { input: "full" as const, reason: { _tag: "Off" } as const },
        bytesSent: byteLength(frame),
        bytesSaved: 0,
        queued: Duration.zero,
        firstEvent: answering(),
        recoveries: []
      }
    })

    return {
      open,
      requests: Effect.sync(() => [...requests]),
      requestOptions: Effect.sync(() => [...requestOptions]),
      abandoned: Effect.sync(() => abandoned)
    }
  })

/**
 * Provides `Responses`, and `ResponsesTest` to look at what was asked.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Responses, ResponsesTest } from "effect-responses"
 *
 * const program = Responses.create({ model: "gpt-5.5", input: "Say hello." })
 *
 * export const test = Effect.gen(function*() {
 *   const response = yield* program
 *   const { requests } = yield* ResponsesTest.ResponsesTest
 *   return { output: response.output, asked: yield* requests }
 * }).pipe(Effect.provide(ResponsesTest.layer([ResponsesTest.text("Hello")])))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  script: ResponseScript.Script,
  options: Options = {}
): Layer.Layer<ResponsesTest | Responses.Responses> =>
  Layer.effectContext(
    Effect.map(
      make(script, options),
      (service) => Context.make(ResponsesTest, service).pipe(Context.add(Responses.Responses, service))
    )
  )
