/** One request to one response: what the model sees, what it does, and what is remembered of it. Knows no transport. */
import { ResponseEvent, type ResponseItem, ResponseRequest, ResponseScript, ResponseSteps } from "effect-responses"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Context from "../Context.ts"
import type { Outcome } from "../Observation.ts"
import type { Memory } from "./memory.ts"
import { previousNotFound, type Problem, type Transport, unpaired, validate } from "./validate.ts"

export interface Run {
  readonly responseId: string
  readonly steps: ReadonlyArray<ResponseSteps.Step>
  /** To be told of each frame before it is sent: whoever reads the last one may continue from it at once. */
  readonly observe: (frame: object | string) => void
  readonly outcome: () => Outcome | undefined
}

export interface Engine {
  readonly respond: (
    body: Readonly<Record<string, unknown>>,
    transport: Transport,
    memory: Memory
  ) => Effect.Effect<Run>
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

/** What the model sees, or why it never does. */
const contextOf = (
  request: ResponseRequest.ResponseRequest,
  memory: Memory
): Either.Either<ReadonlyArray<ResponseItem.ResponseItem>, Problem> => {
  const { previous_response_id: previousId } = request
  const previous = Predicate.isNullable(previousId) ? undefined : memory.find(previousId)
  if (Predicate.isNotNullable(previousId) && previous === undefined) return Either.left(previousNotFound(previousId))
  const items = [...previous?.items ?? [], ...ResponseRequest.items(request)]
  const elsewhere = Predicate.isNotNullable(request.conversation) ||
    items.some((item) => String(item.type) === "item_reference")
  const found = elsewhere ? undefined : unpaired(items, request.generate !== false)
  return found === undefined ? Either.right(items) : Either.left(found)
}

export const make = (options: { readonly script: ResponseScript.Script; readonly idPrefix: string }): Engine => {
  let responses = 0
  let turns = 0
  let latest: string | undefined

  const take = (context: ResponseScript.Context): ResponseScript.Turn =>
    Either.match(Either.try(() => ResponseScript.pick(options.script, context)), {
      onLeft: broken,
      onRight: (turn) => turn ?? exhausted(context.index)
    })

  const respond: Engine["respond"] = (body, transport, memory) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const responseId = `resp_${options.idPrefix}${++responses}`
      const lane = Predicate.isString(body["stream_id"]) ? { stream_id: body["stream_id"] } : {}
      const at = { responseId, createdAt: Math.floor(now / 1000), index: turns }
      const checked = Either.flatMap(validate(body, transport), (request) =>
        Either.map(contextOf(request, memory), (input) => ({ request, input })))

      if (Either.isLeft(checked)) {
        const context = { ...at, request: { model: "", ...lane }, input: [] }
        const steps = ResponseSteps.steps(ResponseScript.error(checked.left), context)
        return { responseId, steps, ...observer(body["previous_response_id"], [], false, memory) }
      }

      const { input, request } = checked.right
      const context: ResponseScript.Context = {
        ...at,
        request,
        input,
        metadata: { context_items: String(input.length), context_hash: Context.hash(input) }
      }
      const turn = take(context)
      if (request.generate !== false) {
        turns++
      }
      return {
        responseId,
        steps: ResponseSteps.steps(turn, context),
        ...observer(request.previous_response_id, input, request.store ?? true, memory)
      }
    })

  const observer = (
    previousId: unknown,
    input: ReadonlyArray<ResponseItem.ResponseItem>,
    stored: boolean,
    memory: Memory
  ): Pick<Run, "observe" | "outcome"> => {
    let outcome: Outcome | undefined
    return {
      outcome: () => outcome,
      observe: (frame) => {
        if (typeof frame === "string" || outcome !== undefined) return
        const event = frame as ResponseEvent.ServerEvent
        if (!ResponseEvent.isTerminal(event) || (event.type === undefined && !("error" in event))) return
        if (ResponseEvent.isEnd(event)) {
          outcome = event.type === "response.completed" ? "completed" : "incomplete"
          latest = event.response.id
          memory.keep({ id: latest, items: [...input, ...event.response.output ?? []] }, stored)
        } else {
          outcome = event.type === "response.failed" ? "failed" : "error"
          if (Predicate.isString(previousId)) memory.evict(previousId)
        }
      }
    }
  }

  return { respond, latest: () => latest }
}
