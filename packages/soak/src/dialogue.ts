/** A caller who keeps its own history and hands it over whole each time, as over HTTP, and who changes it as it likes. */
import * as Context from "effect-responses-server/Context"
import * as ResponseEvent from "effect-responses/ResponseEvent"
import * as ResponseItem from "effect-responses/ResponseItem"
import type { ResponseRequest } from "effect-responses/ResponseRequest"
import * as Responses from "effect-responses/Responses"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as Conduct from "./conduct.ts"
import { dice } from "./dice.ts"
import type { Spec } from "./layers.ts"
import * as Plan from "./plan.ts"
import type { Attempt, Referee } from "./referee.ts"

export interface Options {
  readonly seed: number
  readonly referee: Referee
  readonly spec: Spec
  readonly service: Responses.Service
  /** `caller.dialogue` */
  readonly name: string
}

/** Asks for the nth time. */
export type Ask = (number: number) => Effect.Effect<void>

type Items = ReadonlyArray<ResponseItem.ResponseItem>

const tools = [{
  type: "function",
  name: "look",
  parameters: { type: "object", properties: { what: { type: "string" } }, required: ["what"] }
}]

/** Histories end here, so that a run needs the same memory however long it is. */
const longest = 40

/** Every call has its output behind it. */
export const answered = (items: Items): Items => {
  const outputs = new Set(items.flatMap((item) => item.type === "function_call_output" ? [item.call_id] : []))
  return [
    ...items,
    ...items.flatMap((item) =>
      item.type === "function_call" && !outputs.has(item.call_id)
        ? [ResponseItem.functionCallOutput(item.call_id, `output of ${item.call_id}`)]
        : []
    )
  ]
}

/** As SDKs rewrite what a model has said. */
const stripped = (items: Items): Items =>
  items.map((item): ResponseItem.ResponseItem =>
    item.type === "message" && item.role === "assistant"
      ? { type: "message", role: "assistant", content: ResponseItem.text(item) }
      : item.type === "function_call"
      ? { ...item, id: undefined, arguments: JSON.stringify(JSON.parse(item.arguments), null, 1) }
      : structuredClone(item)
  )

/** Whole turns only: what a call without its output, or an output without its call, would be no server takes. */
const fromUser = (items: Items, index: number): Items => {
  const start = items.findIndex((item, at) => at >= index && item.type === "message" && item.role === "user")
  return start === -1 ? [] : items.slice(start)
}

const upToUser = (items: Items, index: number): Items => {
  const end = items.findLastIndex((item, at) => at <= index && item.type === "message" && item.role === "user")
  return answered(items.slice(0, Math.max(0, end)))
}

interface Answer {
  readonly id: string
  readonly output: Items
}

/** The response as its last event has it; `undefined` if the caller left before. */
const lastOf = () => {
  let answer: Answer | undefined
  return {
    onEvent: (event: ResponseEvent.ResponseEvent) => {
      if (ResponseEvent.isEnd(event)) answer = { id: event.response.id, output: event.response.output ?? [] }
    },
    answer: Effect.sync(() => answer)
  }
}

const streamed = (request: ResponseRequest, plan: Plan.Plan, attempt: Attempt) =>
  Effect.suspend(() => {
    const { answer, onEvent } = lastOf()
    return Responses.stream(request).pipe(
      Conduct.listening(plan, attempt),
      Stream.runForEach((event) => Effect.sync(() => onEvent(event))),
      Effect.zipRight(answer)
    )
  })

const called = (request: ResponseRequest) =>
  Effect.suspend(() => {
    const { answer, onEvent } = lastOf()
    return Effect.zipRight(Responses.forEach(request, onEvent), answer)
  })

const collected = (request: ResponseRequest) =>
  Responses.create(request).pipe(Effect.map(({ id, output }): Answer | undefined => ({ id, output })))

export const make = ({ name, referee, seed, service, spec }: Options): Ask => {
  let history: Items = []
  let last: { readonly id: string; readonly history: Items } | undefined
  const settings: ResponseRequest = {
    model: "m",
    store: spec.store,
    instructions: `Be brief. ${name}`,
    tools,
    ...(spec.lanes === true ? { stream_id: `lane-${name}` } : {})
  }

  return Effect.fnUntraced(function*(number: number) {
    const key: Plan.Key = `${name}.${number}`
    const plan = Plan.plan(seed, key, spec)
    const at = dice(seed, "dialogue", key)
    if (history.length > longest) {
      history = at.chance(0.5)
        ? []
        : [ResponseItem.user("summary"), ...fromUser(history, 20)]
    }
    const thrown = at.next()
    if (thrown < 0.05) history = upToUser(history, at.below(history.length + 1))
    else if (thrown < 0.1) {
      history = history.map((item, index) =>
        index === 0 && item.type === "message" && item.role === "user" ? ResponseItem.user(`edited in ${key}`) : item
      )
    } else if (thrown < 0.13) {
      yield* Effect.ignore(Effect.provideService(
        Responses.warmUp({ ...settings, input: history }),
        Responses.Responses,
        service
      )).pipe(Effect.when(() => history.length > 0))
    }
    const isExplicit = last !== undefined && last.history === history && at.chance(0.1)
    const asked = [...answered(history), Plan.say(key)]
    const request = isExplicit
      ? { ...settings, previous_response_id: last?.id, input: asked.slice(history.length) }
      : { ...settings, input: asked }

    const reads = at.next()
    const exit = yield* Conduct.perform(referee, key, plan, spec, (attempt) => {
      attempt.hash = Context.hash(asked)
      const { conduct } = plan
      const byStream = conduct._tag === "Leave" || (conduct._tag === "Listen" && conduct.slow) || reads < 0.4
      const answer = byStream ? streamed(request, plan, attempt) : reads < 0.7 ? called(request) : collected(request)
      return Effect.provideService(answer, Responses.Responses, service)
    })
    if (exit === undefined || Exit.isFailure(exit) || exit.value === undefined) return
    const { id, output } = exit.value
    const echo = at.next()
    history = [...asked, ...(echo < 0.6 ? output : echo < 0.8 ? structuredClone(output) : stripped(output))]
    last = { id, history }
  })
}
