/**
 * Generated courses of dialogues, run against the local server, which says of each response what its model saw. What it
 * saw must be what the caller's full history says, whatever travelled and whatever broke on the way.
 */
import * as Context from "effect-responses-server/Context"
import type * as Dialect from "effect-responses-server/Dialect"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import type * as Continuation from "effect-responses/Continuation"
import * as Profile from "effect-responses/Profile"
import * as ResponseItem from "effect-responses/ResponseItem"
import type { ResponseRequest } from "effect-responses/ResponseRequest"
import * as Responses from "effect-responses/Responses"
import * as ResponseScript from "effect-responses/ResponseScript"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as NodeResponses from "../../src/NodeResponses.ts"
import { answers, at, dialect, type Echo, echoed, fromUser, repaired } from "./histories.ts"
import * as Strikes from "./strikes.ts"

export type Step =
  /** Says something; with `tools` the model calls tools first, and every call is answered. */
  | { readonly _tag: "Say"; readonly text: string; readonly tools: number; readonly echo: Echo }
  /** Asks again for the last answer. */
  | { readonly _tag: "Regenerate" }
  /** Changes what was said at some point, and goes on from the end. */
  | { readonly _tag: "Edit"; readonly at: number; readonly text: string; readonly inPlace: boolean }
  /** Goes back to an older point. */
  | { readonly _tag: "Return"; readonly to: number }
  /** Puts the beginning into one message. */
  | { readonly _tag: "Compact"; readonly upTo: number }
  /** Changes places of two neighbours. */
  | { readonly _tag: "Reorder"; readonly at: number }
  | { readonly _tag: "Fork" }
  | { readonly _tag: "WarmUp" }
  /** Names the last response itself and sends only what is new. */
  | { readonly _tag: "Explicit"; readonly text: string }
  | { readonly _tag: "Settings"; readonly instructions: string }

export interface Move {
  readonly dialogue: number
  readonly step: Step
  readonly fault: Strikes.Fault | undefined
}

export interface Course {
  readonly store: boolean
  /** The connection is replaced again and again, all the time. */
  readonly restless: boolean
  /** How the server spells its frames. */
  readonly dialect: Dialect.Dialect
  readonly moves: ReadonlyArray<Move>
}

const { constant, constantFrom, integer, oneof, option, record, string } = FastCheck

const text = oneof(constantFrom("a", "b", "ok"), string({ minLength: 1, maxLength: 8 }))

const say = (weight: number) => ({
  weight,
  arbitrary: record({
    _tag: constant("Say" as const),
    text,
    tools: oneof({ weight: 3, arbitrary: constant(0) }, { weight: 1, arbitrary: integer({ min: 1, max: 3 }) }),
    echo: constantFrom<Echo>("same", "same", "copy", "stripped", "asSent")
  })
})

const step: FastCheck.Arbitrary<Step> = oneof(
  say(8),
  { weight: 1, arbitrary: constant({ _tag: "Regenerate" as const }) },
  {
    weight: 3,
    arbitrary: record({
      _tag: constant("Edit" as const),
      at: integer({ min: 0, max: 8 }),
      text,
      inPlace: FastCheck.boolean()
    })
  },
  { weight: 1, arbitrary: record({ _tag: constant("Return" as const), to: integer({ min: 0, max: 8 }) }) },
  { weight: 1, arbitrary: record({ _tag: constant("Compact" as const), upTo: integer({ min: 1, max: 6 }) }) },
  { weight: 1, arbitrary: record({ _tag: constant("Reorder" as const), at: integer({ min: 0, max: 8 }) }) },
  { weight: 1, arbitrary: constant({ _tag: "Fork" as const }) },
  { weight: 1, arbitrary: constant({ _tag: "WarmUp" as const }) },
  { weight: 1, arbitrary: record({ _tag: constant("Explicit" as const), text }) },
  { weight: 1, arbitrary: record({ _tag: constant("Settings" as const), instructions: constantFrom("x", "y") }) }
)

const move = (faults: boolean): FastCheck.Arbitrary<Move> =>
  record({
    dialogue: constantFrom(0, 0, 0, 1, 2),
    step,
    fault: faults ? option(Strikes.fault, { nil: undefined, freq: 3 }) : constant(undefined)
  })

/** Anything may happen. */
export const wild: FastCheck.Arbitrary<Course> = record({
  store: FastCheck.boolean(),
  restless: FastCheck.boolean(),
  dialect,
  moves: FastCheck.array(move(true), { minLength: 1, maxLength: 9 })
})

/** The same, on a server that speaks as the vendor's does. */
export const vendors: FastCheck.Arbitrary<Course> = wild.map((course) => ({ ...course, dialect: {} }))

/** One dialogue that only ever grows, and nothing breaks. */
export const calm: FastCheck.Arbitrary<Course> = record({
  store: FastCheck.boolean(),
  restless: constant(false),
  dialect,
  moves: FastCheck.array(oneof(say(1)).map((step): Move => ({ dialogue: 0, step, fault: undefined })), {
    minLength: 2,
    maxLength: 6
  })
})

/** What the judge found wrong, in words; `undefined` where the model saw what it should. */
export interface Verdict {
  readonly wrong: string | undefined
  readonly sendings: ReadonlyArray<Responses.OpenResponse["input"]>
}

interface Dialogue {
  history: Array<ResponseItem.ResponseItem>
  instructions: string
  /** The last response, and the history as of its end. */
  last: { readonly id: string; readonly history: ReadonlyArray<ResponseItem.ResponseItem> } | undefined
  /** Where the last request began to be answered. */
  asked: number
}

const tools = ["look", "measure"].map((name) => ({
  type: "function",
  name,
  parameters: { type: "object", properties: { what: { type: "string" } }, required: ["what"] }
}))

const apiKey = Redacted.make("sk-judge")

/** Runs a course and gives what was wrong with it. */
export const run = Effect.fnUntraced(function*(course: Course, rule?: Continuation.Rule) {
  const faulty = new Set<Strikes.FaultOfResponse>()
  const server = yield* ResponsesServer.make({
    apiKey,
    dialect: course.dialect,
    script: (request, context) => {
      const turn = ResponsesServer.model(request, context)
      if (request.generate === false) return turn
      if (faulty.delete("dropMidway")) {
        return ResponseScript.turn([turn, ResponseScript.drop({ after: 3 })])
      }
      if (faulty.delete("errorFirst")) {
        return ResponseScript.error({ status: 500, code: "server_error", message: "Try again" })
      }
      return turn
    }
  })
  const hasOneId = course.dialect.ids === "one"
  const layer = NodeResponses.layer({
    apiKey,
    // Which response an id means is known to the lane that has just had it, and to nobody else.
    profile: hasOneId ? { ...Profile.openAi, uniqueIds: false, lanes: false } : Profile.openAi,
    baseUrl: server.url,
    reconnect: Schedule.stop,
    firstEventTimeout: "20 seconds",
    // HTTP serves for no longer than it must: this is about the socket.
    probe: { first: 0 },
    recycle: course.restless ? Schedule.spaced("3 millis") : Schedule.stop,
    continuation: rule
  })
  const sendings: Array<Responses.OpenResponse["input"]> = []
  /** With which instructions each response was made. */
  const settings = new Map<string, string | null | undefined>()

  const ask = (request: ResponseRequest, expected: ReadonlyArray<ResponseItem.ResponseItem>, where: string) =>
    Effect.scoped(Effect.gen(function*() {
      const opened = yield* Responses.open(request)
      sendings.push(opened.input)
      const sent: Array<ResponseItem.ResponseItem> = []
      yield* opened.forEach((event) => {
        if (event.type === "response.output_item.done") sent.push(event.item)
      })
      const response = opened.result()
      if (response === undefined) return yield* Effect.dieMessage("A response ended without a result")
      return { response, sent }
    })).pipe(
      Effect.map(({ response, sent }) => {
        const { context_hash, context_items } = response.metadata ?? {}
        const parent = response.previous_response_id
        settings.set(response.id, request.instructions)
        if (
          !hasOneId && request.previous_response_id === undefined && Predicate.isNotNullable(parent) &&
          settings.get(parent) !== request.instructions
        ) {
          return { response, sent, wrong: `${where}: continues a response that was made with other settings` }
        }
        return context_hash === Context.hash(expected) ? { response, sent, wrong: undefined } : {
          response,
          sent,
          wrong: `${where}: the model saw ${context_items} items, the history has ${expected.length}`
        }
      })
    )

  const program = Effect.gen(function*() {
    const dialogues: Array<Dialogue> = Array.from({ length: 3 }, () => ({
      history: [],
      instructions: "x",
      last: undefined,
      asked: 0
    }))

    const settle = (dialogue: Dialogue): ResponseRequest => ({
      model: "m",
      store: course.store,
      instructions: dialogue.instructions,
      tools,
      ...course.dialect.encryptsAnew === true ? { include: ["reasoning.encrypted_content"] } : {},
      input: dialogue.history
    })

    /** Asks until an answer comes, as a caller does who tries again, and answers the calls. */
    const turn = (
      dialogue: Dialogue,
      echo: Echo,
      where: string
    ): Effect.Effect<string | undefined, unknown, Responses.Responses> =>
      Effect.gen(function*() {
        dialogue.asked = dialogue.history.length
        const { response, sent, wrong } = yield* ask(settle(dialogue), dialogue.history, where).pipe(
          // No fault of a course silences the server: a response that is not recognised must not pass for one.
          Effect.retry({
            times: 3,
            while: (error) => error._tag !== "ConnectionError" || error.reason !== "FirstEventTimeout"
          })
        )
        if (wrong !== undefined) return wrong
        dialogue.history = [...dialogue.history, ...echoed(response.output, sent, echo)]
        dialogue.last = { id: response.id, history: structuredClone(dialogue.history) }
        const outputs = answers(response.output)
        if (outputs.length === 0) return undefined
        dialogue.history = [...dialogue.history, ...outputs]
        return yield* turn(dialogue, echo, where)
      })

    const perform = (
      dialogue: Dialogue,
      step: Step,
      where: string
    ): Effect.Effect<string | undefined, unknown, Responses.Responses> => {
      const { history } = dialogue
      const user = (text: string) => ResponseItem.user(text)
      const goOn = (items: ReadonlyArray<ResponseItem.ResponseItem>, text = "go on") => {
        dialogue.history = [...repaired(items), user(text)]
        return turn(dialogue, "same", where)
      }
      switch (step._tag) {
        case "Say":
          dialogue.history = [...history, user(step.tools === 0 ? step.text : `${step.text}: ${step.tools} tool calls`)]
          return turn(dialogue, step.echo, where)
        case "Regenerate":
          if (history.length === 0) return Effect.succeed(undefined)
          dialogue.history = history.slice(0, dialogue.asked)
          return turn(dialogue, "same", where)
        case "Edit": {
          const index = at(history, step.at)
          const item = history[index]
          if (item === undefined || (item.type !== undefined && item.type !== "message")) {
            return Effect.succeed(undefined)
          }
          if (step.inPlace) {
            Object.assign(item, { content: step.text })
            return goOn(history)
          }
          return goOn(history.with(index, ResponseItem.message(item.role, step.text)))
        }
        case "Return":
          return goOn(history.slice(0, at(history, step.to)))
        case "Compact":
          return goOn([user("summary"), ...fromUser(history, step.upTo)])
        case "Reorder": {
          const index = at(history, step.at)
          const [a, b] = [history[index], history[index + 1]]
          return a === undefined || b === undefined
            ? Effect.succeed(undefined)
            : goOn(history.with(index, b).with(index + 1, a))
        }
        case "Fork": {
          const other = dialogues[(dialogues.indexOf(dialogue) + 1) % dialogues.length]
          if (other !== undefined) Object.assign(other, { ...dialogue, history: structuredClone(history) })
          return Effect.succeed(undefined)
        }
        case "WarmUp":
          return Responses.warmUp(settle(dialogue)).pipe(
            Effect.map((id) => void settings.set(id, dialogue.instructions)),
            // A failed warm-up costs nothing but itself.
            Effect.catchAll(() => Effect.succeed(undefined))
          )
        case "Explicit": {
          const { last } = dialogue
          if (hasOneId || last === undefined || history.length !== last.history.length) return Effect.succeed(undefined)
          const item = user(step.text)
          return ask(
            { ...settle(dialogue), previous_response_id: last.id, input: [item] },
            [...last.history, item],
            where
          )
            .pipe(
              Effect.map(({ response, wrong }) => {
                dialogue.history = [...history, item, ...response.output]
                dialogue.last = { id: response.id, history: structuredClone(dialogue.history) }
                dialogue.history = [...dialogue.history, ...answers(response.output)]
                return wrong
              }),
              // The caller's own business, as documented.
              Effect.catchAll(() => Effect.succeed(undefined))
            )
        }
        case "Settings":
          dialogue.instructions = step.instructions
          return Effect.succeed(undefined)
      }
    }

    for (const [index, { dialogue, fault, step }] of course.moves.entries()) {
      const current = dialogues[dialogue]
      if (current === undefined) continue
      if (fault !== undefined) yield* Strikes.strike(server, faulty, fault)
      const wrong = yield* perform(current, step, `move ${index} (${step._tag})`)
      if (wrong !== undefined) return wrong
    }
    return undefined
  })

  const wrong = yield* Logger.withMinimumLogLevel(Effect.provide(program, layer), LogLevel.Warning)
  const verdict: Verdict = { wrong, sendings }
  return verdict
}, Effect.scoped)
