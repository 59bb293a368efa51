/** What the conversations of a course do, each in a fiber of its own, and what they say of the answers. */
import * as Context from "effect-responses-server/Context"
import type { FullReason } from "effect-responses/Continuation"
import * as ResponseItem from "effect-responses/ResponseItem"
import type { ResponseRequest } from "effect-responses/ResponseRequest"
import * as Responses from "effect-responses/Responses"
import type { ResponsesError } from "effect-responses/ResponsesError"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { answers, at, type Echo, echoed, repaired } from "./histories.ts"
import type { Conversation, Course, Step } from "./manyCourses.ts"
import * as Questions from "./questions.ts"

type Items = ReadonlyArray<ResponseItem.ResponseItem>

/** How a response was asked for: `delta`, or why not. */
export type Sending = "delta" | FullReason["_tag"]

/** The course is over. */
export class Wrong extends Data.TaggedError("Wrong")<{ readonly wrong: string }> {}

interface Dialogue {
  readonly name: string | undefined
  history: Items
  instructions: string
  /** Histories as of the ends of its answers, the latest first. */
  answered: ReadonlyArray<{ readonly id: string; readonly history: Items }>
  readonly sendings: Array<Sending>
}

const tools = [{
  type: "function",
  name: "look",
  parameters: { type: "object", properties: { what: { type: "string" } }, required: ["what"] }
}]

const eventLoopTurn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

/** What no fault of a course brings about: nobody was silent, too slow or too many. */
const isOfFault = (error: ResponsesError): boolean =>
  error._tag === "ConnectionError"
    ? ["Unreachable", "Refused", "Lost", "Expired"].includes(error.reason)
    : error._tag === "ResponseFailed" && error.code === "server_error"

/** Until the server has answered, as a caller does who tries again. There are not more faults than tries. */
const tryAgain = <A, R>(effect: Effect.Effect<A, ResponsesError | Wrong, R>) =>
  Effect.retry(effect, {
    while: (error) => error._tag !== "Wrong" && isOfFault(error),
    schedule: Schedule.recurs(50).pipe(Schedule.addDelay(() => "1 millis"))
  })

/** `sendings` gets a list for each conversation and each branch. */
export const perform = (
  course: Course,
  sendings: Array<Array<Sending>>
): Effect.Effect<void, Wrong, Responses.Responses> => {
  /** With which instructions each response was made. */
  const settings = new Map<string, string | null | undefined>()
  const hasOneId = course.dialect.ids === "one"
  /** What goes out as the caller gave it comes back as the server has it. */
  const isGivenBack = course.maxConnections > 1 || course.maxLanes > 1 ||
    (course.server.streamIds === "lanes" && !hasOneId)
  let questions = 0

  const begin = (name: string | undefined): Dialogue => {
    const dialogue: Dialogue = { name, history: [], instructions: "x", answered: [], sendings: [] }
    sendings.push(dialogue.sendings)
    return dialogue
  }

  const question = (dialogue: Dialogue, isPlain = false, tools = 0): ResponseItem.Message => {
    const text = isPlain && dialogue.history.length === 0 ? "Hello" : `question ${++questions}`
    return ResponseItem.user(tools === 0 ? text : `${text}: ${tools} tool calls`)
  }

  const requestOf = (dialogue: Dialogue): ResponseRequest => ({
    model: "m",
    store: course.store,
    instructions: dialogue.instructions,
    tools,
    ...dialogue.name === undefined ? {} : { stream_id: dialogue.name },
    ...course.dialect.encryptsAnew === true ? { include: ["reasoning.encrypted_content"] } : {},
    input: dialogue.history
  })

  const ask = (request: ResponseRequest, history: Items, dialogue: Dialogue) =>
    Effect.scoped(Effect.gen(function*() {
      const opened = yield* Responses.open(request)
      dialogue.sendings.push(opened.reason?._tag ?? "delta")
      const listener = Questions.listener(history, opened.transport === "http" ? undefined : dialogue.name)
      yield* opened.forEach(listener.hear)
      const response = opened.result()
      if (response === undefined) return yield* Effect.fail(new Wrong({ wrong: "a response ended without a result" }))
      const { context_hash, context_items } = response.metadata ?? {}
      const parent = response.previous_response_id
      settings.set(response.id, request.instructions)
      const isWithOthers = !hasOneId && request.previous_response_id === undefined && Predicate.isNotNullable(parent) &&
        settings.get(parent) !== request.instructions
      const wrong = isWithOthers
        ? "continues a response that was made with other settings"
        : context_hash === Context.hash(history)
        ? listener.wrong()
        : `the model saw ${context_items} items, the history has ${history.length}`
      return wrong === undefined ? { response, sent: listener.sent } : yield* Effect.fail(new Wrong({ wrong }))
    }))

  const turn = (dialogue: Dialogue, echo: Echo): Effect.Effect<void, ResponsesError | Wrong, Responses.Responses> =>
    Effect.gen(function*() {
      const { history } = dialogue
      const { response, sent } = yield* tryAgain(ask(requestOf(dialogue), history, dialogue))
      dialogue.history = [...history, ...echoed(response.output, sent, echo)]
      const outputs = answers(response.output)
      if (outputs.length === 0) {
        dialogue.answered = [{ id: response.id, history: dialogue.history }, ...dialogue.answered]
        return
      }
      dialogue.history = [...dialogue.history, ...outputs]
      yield* turn(dialogue, echo)
    })

  const goOn = (dialogue: Dialogue, history: Items, isPlain = false, echo: Echo = "same", tools = 0) => {
    dialogue.history = [...history, question(dialogue, isPlain, tools)]
    return turn(dialogue, echo)
  }

  const step = (
    dialogue: Dialogue,
    step: Step,
    isPlain: boolean
  ): Effect.Effect<Dialogue, ResponsesError | Wrong, Responses.Responses> => {
    const { answered, history } = dialogue
    const asBefore = <E, R>(effect: Effect.Effect<unknown, E, R>) => Effect.as(effect, dialogue)
    switch (step._tag) {
      case "Say":
        return asBefore(goOn(dialogue, history, isPlain, step.echo, step.tools))
      case "Branch": {
        const from = answered[Math.min(step.back, answered.length - 1)]
        if (from === undefined) return asBefore(goOn(dialogue, history, isPlain))
        const branch: Dialogue = { ...begin(dialogue.name), instructions: dialogue.instructions, answered }
        const both = [goOn(dialogue, history), goOn(branch, from.history)]
        return Effect.as(
          Effect.all(step.isFirst ? both.toReversed() : both, { concurrency: "unbounded", discard: true }),
          step.staysOn ? branch : dialogue
        )
      }
      case "Return":
        return asBefore(goOn(dialogue, answered[Math.min(step.back, answered.length - 1)]?.history ?? []))
      case "Edit": {
        const index = at(history, step.at)
        const item = history[index]
        if (item === undefined || (item.type !== undefined && item.type !== "message")) return Effect.succeed(dialogue)
        const content = `edited ${++questions}`
        if (!step.inPlace) return asBefore(goOn(dialogue, repaired(history.with(index, { ...item, content }))))
        Object.assign(item, { content })
        return asBefore(goOn(dialogue, repaired(history)))
      }
      case "Leave": {
        const request = { ...requestOf(dialogue), input: [...history, question(dialogue)] }
        return asBefore(Effect.ignore(Stream.runDrain(Stream.take(Responses.stream(request), step.events))))
      }
      case "Interrupt": {
        const request = { ...requestOf(dialogue), input: [...history, question(dialogue)] }
        return asBefore(Effect.flatMap(
          Effect.fork(Stream.runDrain(Responses.stream(request))),
          (fiber) => Effect.zipRight(Effect.repeatN(eventLoopTurn, step.after), Fiber.interrupt(fiber))
        ))
      }
      case "Explicit": {
        const [last] = answered
        if (hasOneId || last === undefined || last.history !== history) return Effect.succeed(dialogue)
        const asked = question(dialogue)
        const request = { ...requestOf(dialogue), previous_response_id: last.id, input: [asked] }
        // That the server does not know the response any more is the caller's business, as documented.
        return ask(request, [...history, asked], dialogue).pipe(
          Effect.map(({ response }) => {
            dialogue.history = [...history, asked, ...response.output]
            dialogue.answered = [{ id: response.id, history: dialogue.history }, ...answered]
          }),
          Effect.catchIf((error) => error._tag !== "Wrong", () => Effect.void),
          asBefore
        )
      }
      case "WarmUp":
        return Responses.warmUp(requestOf(dialogue)).pipe(
          Effect.map((id) => void settings.set(id, dialogue.instructions)),
          // A failed warm-up costs nothing but itself.
          Effect.ignore,
          asBefore
        )
      case "Settings":
        dialogue.instructions = step.instructions
        return Effect.succeed(dialogue)
    }
  }

  const stepOf = (number: number, conversation: Conversation, dialogue: Dialogue) => {
    const next = conversation.steps[number]
    return next === undefined ? Effect.succeed(dialogue) : Effect.repeatN(eventLoopTurn, next.pause).pipe(
      Effect.zipRight(Effect.suspend(() => step(dialogue, next.step, conversation.isPlain))),
      Effect.mapError((error) =>
        new Wrong({
          wrong: `step ${number} (${next.step._tag}): ${error._tag === "Wrong" ? error.wrong : String(error)}`
        })
      )
    )
  }

  const atOnce = { concurrency: "unbounded" } as const
  const numbered = course.conversations.map((conversation) => ({
    conversation,
    dialogue: begin(isGivenBack ? conversation.name : undefined)
  }))
  const longest = Math.max(...course.conversations.map(({ steps }) => steps.length))
  const numbers = Array.from({ length: longest }, (_, number) => number)

  const inRounds = Effect.reduce(
    numbers,
    numbered,
    (all, number) =>
      Effect.forEach(
        all,
        ({ conversation, dialogue }) =>
          Effect.map(stepOf(number, conversation, dialogue), (dialogue) => ({ conversation, dialogue })),
        atOnce
      )
  )

  const eachByItself = Effect.forEach(
    numbered,
    ({ conversation, dialogue }) =>
      Effect.reduce(numbers, dialogue, (dialogue, number) => stepOf(number, conversation, dialogue)),
    atOnce
  )

  return Effect.asVoid<unknown, Wrong, Responses.Responses>(course.inRounds ? inRounds : eachByItself)
}
