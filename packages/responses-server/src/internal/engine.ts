/** One request to one response: what the model sees, what it does, and what is remembered of it. Knows no transport. */
import { type ResponseItem, type ResponseRequest, ResponseScript } from "effect-responses"
import * as ResponseSteps from "effect-responses/unstable/ResponseSteps"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Context from "../Context.ts"
import type { Dialect } from "../Dialect.ts"
import type { SeenContext } from "../Observation.ts"
import { compacted, triggered } from "./compaction.ts"
import type { Conversations } from "./conversations.ts"
import * as Dialects from "./dialect.ts"
import type { Memory } from "./memory.ts"
import type { Problem } from "./problems.ts"
import { resolve, type Resolved } from "./resolve.ts"
import * as Run from "./run.ts"
import { type Transport, validate } from "./validate.ts"

export interface Engine {
  readonly respond: (
    body: Readonly<Record<string, unknown>>,
    transport: Transport,
    memory: Memory
  ) => Effect.Effect<Run.Run>
  /** The response that ended last. */
  readonly latest: () => string | undefined
}

const exhausted = (index: number): ResponseScript.Turn =>
  ResponseScript.error({
    status: 500,
    code: "script_exhausted",
    message: `The script has ${index} turns, and this is request ${index + 1}.`
  })

const broken = (cause: unknown): ResponseScript.Turn =>
  ResponseScript.error({ status: 500, code: "script_failed", message: `The script failed: ${String(cause)}` })

/** The usage that steps would count, for a response that ends before them. */
export const usage =
  (context: ResponseScript.Context) => (output: ReadonlyArray<ResponseItem.ResponseItem>): object => {
    const last = ResponseSteps.steps(
      { parts: output.map((item) => ({ _tag: "Item", item })) },
      { ...context, request: { ...context.request, max_output_tokens: null, generate: true } }
    ).at(-1)
    const response: unknown = last?._tag === "Send" && typeof last.frame === "object"
      ? Reflect.get(last.frame, "response")
      : undefined
    return Predicate.isRecord(response) && Predicate.isRecord(response["usage"]) ? response["usage"] : {}
  }

const refused = (
  problem: Problem,
  at: Omit<ResponseScript.Context, "request" | "input">,
  body: Readonly<Record<string, unknown>>,
  memory: Memory
): Run.Run => {
  const { previous_response_id: previousId, stream_id } = body
  const lane = Predicate.isString(stream_id) ? { stream_id } : {}
  return Run.make({
    responseId: at.responseId,
    request: undefined,
    steps: ResponseSteps.steps(ResponseScript.error(problem), { ...at, request: { model: "", ...lane }, input: [] }),
    usage: () => ({}),
    onEnd: () => {
      if (Predicate.isString(previousId)) memory.evict(previousId)
    }
  })
}

export interface Options {
  readonly script: ResponseScript.Script
  readonly idPrefix: string
  /** Makes times and the sizes of deltas repeat. */
  readonly seed: number | undefined
  /** In milliseconds, where a turn says nothing of it. */
  readonly deltaDelay: number
  readonly dialect: Dialect
  readonly conversations: Conversations
  readonly onContext: (seen: SeenContext) => void
}

/** With a seed time stands still here, and goes on by a second with every response. */
const seededTime = 1_700_000_000

export const make = (options: Options): Engine => {
  const { conversations, seed } = options
  let responses = 0
  let turns = 0
  let latest: string | undefined

  const take = (context: ResponseScript.Context): ResponseScript.Turn =>
    Either.match(Either.try(() => ResponseSteps.pick(options.script, context)), {
      onLeft: broken,
      onRight: (turn) => turn ?? exhausted(context.index)
    })

  const accepted = (
    request: ResponseRequest.ResponseRequest,
    resolved: Resolved,
    at: Omit<ResponseScript.Context, "request" | "input">,
    memory: Memory,
    bytes: number
  ): Run.Run => {
    const { responseId } = at
    const { conversation, items: input } = resolved
    const contextHash = Context.hash(input)
    const context: ResponseScript.Context = {
      ...at,
      request,
      input,
      cached: resolved.cached,
      metadata: { context_items: String(input.length), context_hash: contextHash }
    }
    const alone = triggered(request, input, responseId)
    const compaction = alone === undefined ? compacted(request, input, responseId) : undefined
    const picked = alone ?? take(context)
    const turn = compaction === undefined ? picked : ResponseScript.turn([ResponseScript.item(compaction), picked])
    // A compaction is no turn of the script.
    if (request.generate !== false && alone === undefined) turns++
    options.onContext({
      responseId,
      previousResponseId: request.previous_response_id ?? undefined,
      items: input.length,
      hash: contextHash
    })
    const previousId = request.previous_response_id
    const steps = ResponseSteps.steps({ deltaDelay: options.deltaDelay, ...turn }, context)
    const whole = Dialects.wholeOutput(options.dialect, steps)
    return Run.make({
      responseId,
      request,
      steps: Dialects.speak(options.dialect, steps),
      usage: usage(context),
      onEnd: ({ outcome, output: spoken, response }) => {
        // What is remembered does not depend on the dialect.
        const output = whole ?? spoken
        if (response === undefined || outcome === "failed") {
          if (Predicate.isNotNullable(previousId)) memory.evict(previousId)
          return
        }
        latest = responseId
        const items = (compaction ?? alone) === undefined ? [...input, ...output] : output
        const kept = {
          id: responseId,
          input,
          items,
          response,
          bytes: resolved.cachedBytes + bytes + JSON.stringify(output).length
        }
        memory.keep(kept, request.store ?? true)
        if (conversation !== undefined) conversation.items = items
      }
    })
  }

  const respond: Engine["respond"] = (body, transport, memory) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const number = ++responses
      const responseId = `resp_${options.idPrefix}${options.dialect.ids === "one" ? "" : number}`
      const at = {
        responseId,
        createdAt: seed === undefined ? Math.floor(now / 1000) : seededTime + number,
        index: turns,
        ...(seed === undefined ? {} : { seed: seed + number })
      }
      const checked = Either.flatMap(validate(body, transport), (request) =>
        Either.map(
          resolve(request, memory, conversations, `${options.idPrefix}${number}`),
          (resolved) => ({ request, resolved })
        ))
      return Either.match(checked, {
        onLeft: (problem) => refused(problem, at, body, memory),
        onRight: ({ request, resolved }) =>
          accepted(request, resolved, at, memory, JSON.stringify(request.input ?? "").length)
      })
    })

  return { respond, latest: () => latest }
}
