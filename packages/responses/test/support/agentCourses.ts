/** Courses of an agent: questions, and for each the rounds of calls that the model makes before it answers. */
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Conversation from "../../src/Conversation.ts"
import type * as ResponseItem from "../../src/ResponseItem.ts"
import type { ResponseRequest } from "../../src/ResponseRequest.ts"
import * as ResponsesTest from "../../src/ResponsesTest.ts"
import * as ResponseTool from "../../src/ResponseTool.ts"

/**
 * `pay` reports an unknown outcome, `look` runs again, `break` fails, which the model is told. `buy` needs an approval and
 * gets it, `steal` does not get it.
 */
export type Kind = "pay" | "look" | "break" | "buy" | "steal"

/** Of each question the rounds, of each round the calls. */
export type Course = ReadonlyArray<ReadonlyArray<ReadonlyArray<Kind>>>

const kind = FastCheck.constantFrom<Kind>("pay", "look", "break", "buy", "steal")

const round = FastCheck.array(kind, { minLength: 1, maxLength: 3 })

export const course: FastCheck.Arbitrary<Course> = FastCheck.array(FastCheck.array(round, { maxLength: 2 }), {
  minLength: 1,
  maxLength: 2
})

const isQuestion = (item: ResponseItem.ResponseItem): boolean => "role" in item && item.role === "user"

/** The place in the course that a request asks for, as `question.round`. It follows from what the request says. */
export const placeOf = ({ input }: ResponseRequest): string => {
  const items = typeof input === "object" && Array.isArray(input) ? input : []
  const asked = items.filter(isQuestion).length - 1
  const since = items.slice(items.findLastIndex(isQuestion))
  const rounds = since.filter((item, index) =>
    item.type === "function_call" && since[index - 1]?.type !== "function_call"
  )
  return `${asked}.${rounds.length}`
}

/** The model: its answer depends on nothing but the request. */
export const script = (course: Course): ResponsesTest.Script => (request) => {
  const place = placeOf(request)
  const [question = 0, round = 0] = place.split(".").map(Number)
  const calls = course[question]?.[round]
  return calls === undefined
    ? ResponsesTest.text(`answer ${question}`)
    : ResponsesTest.turn(
      calls.map((name, index) => ResponsesTest.toolCall({ name, arguments: {}, callId: `${place}.${index}` }))
    )
}

/** The name of the tool that a call is for. */
export const kindOf = (course: Course, callId: string): Kind | undefined => {
  const [question = 0, round = 0, index = 0] = callId.split(".").map(Number)
  return course[question]?.[round]?.[index]
}

export interface Ran extends ResponseTool.Attempt {
  readonly callId: string
  readonly name: Kind
}

export type Note = (ran: Ran) => void

/** Tools that note each run before they do anything, as if it were paid for then. */
export const tools = (note: Note) => {
  const tool = (name: Kind, onUnknownOutcome?: ResponseTool.OnUnknownOutcome, needsApproval = false) =>
    ResponseTool.make({
      name,
      parameters: Schema.Struct({}),
      onUnknownOutcome,
      needsApproval: needsApproval && (() => Effect.as(Effect.yieldNow(), true)),
      handler: (_, { attempt, callId, idempotencyKey }) =>
        Effect.suspend(() => {
          note({ name, callId, attempt, idempotencyKey })
          return Effect.yieldNow().pipe(
            Effect.zipRight(Effect.yieldNow()),
            Effect.zipRight(name === "break" ? Effect.fail(`broken ${callId}`) : Effect.succeed(`done ${callId}`))
          )
        })
    })
  return [
    tool("pay"),
    tool("look", "rerun"),
    tool("break", "rerun"),
    tool("buy", "report", true),
    tool("steal", "rerun", true)
  ] as const
}

export const settings = { id: "c", model: "m", store: false } as const

/**
 * Goes on with what is left, and asks what was not asked yet. Whoever drives a conversation knows from its history how far
 * it has come.
 */
export const goOn = Effect.fnUntraced(function*<R, E>(course: Course, conversation: Conversation.Conversation<R, E>) {
  const decideAll = Effect.gen(function*() {
    while (true) {
      const approvals = yield* conversation.approvals
      if (approvals.length === 0) return
      for (const { callId, name } of approvals) {
        yield* name === "buy" ? conversation.approve(callId) : conversation.reject(callId, "never")
      }
      yield* Stream.runDrain(conversation.resume)
    }
  })
  yield* Stream.runDrain(conversation.resume)
  yield* decideAll
  const asked = (yield* conversation.history).filter(isQuestion).length
  for (let question = asked; question < course.length; question++) {
    yield* Stream.runDrain(conversation.run(`question ${question}`))
    yield* decideAll
  }
  return yield* conversation.history
})

/** The course in a fresh conversation, as in a new process. */
export const inNewProcess = (course: Course, note: Note) =>
  Effect.flatMap(
    Conversation.open({ ...settings, tools: tools(note) }),
    (conversation) => goOn(course, conversation)
  )
