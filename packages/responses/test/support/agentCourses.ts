/** Courses of an agent: questions, and for each the rounds of calls that the model makes before it answers. */
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Conversation from "../../src/Conversation.ts"
import type { Approval } from "../../src/ConversationApproval.ts"
import type { ConversationEvent } from "../../src/ConversationEvent.ts"
import type { ResponseEvent } from "../../src/ResponseEvent.ts"
import type * as ResponseItem from "../../src/ResponseItem.ts"
import type { ResponseRequest } from "../../src/ResponseRequest.ts"
import * as ResponsesTest from "../../src/ResponsesTest.ts"
import * as ResponseTool from "../../src/ResponseTool.ts"

/**
 * `pay` reports an unknown outcome, `look` runs again, `break` fails, which the model is told. `flaky` fails at first, and
 * is tried again. `alone` is exclusive. `buy` needs an approval and gets it, `steal` does not get it. `server` is no tool
 * but the request of an MCP server's, and is approved.
 */
export type Kind = "pay" | "look" | "break" | "flaky" | "alone" | "buy" | "steal" | "server"

/** Of each question the rounds, of each round the calls. Every second question is sent, and `resume` runs its calls. */
export type Course = ReadonlyArray<ReadonlyArray<ReadonlyArray<Kind>>>

const kind = FastCheck.constantFrom<Kind>("pay", "look", "break", "flaky", "alone", "buy", "steal", "server")

const round = FastCheck.array(kind, { minLength: 1, maxLength: 3 })

export const course: FastCheck.Arbitrary<Course> = FastCheck.array(FastCheck.array(round, { maxLength: 2 }), {
  minLength: 1,
  maxLength: 2
})

const isQuestion = (item: ResponseItem.ResponseItem): boolean => "role" in item && item.role === "user"

const isAsking = (item: ResponseItem.ResponseItem | undefined): boolean =>
  item?.type === "function_call" || item?.type === "mcp_approval_request"

const itemsOf = ({ input }: Pick<ResponseRequest, "input">): ReadonlyArray<ResponseItem.ResponseItem> =>
  typeof input === "object" && Array.isArray(input) ? input : []

/** The place in the course that a request asks for, as `question.round`. It follows from what the request says. */
export const placeOf = (request: Pick<ResponseRequest, "input">): string => {
  const items = itemsOf(request)
  const asked = items.filter(isQuestion).length - 1
  const since = items.slice(items.findLastIndex(isQuestion))
  const rounds = since.filter((item, index) => isAsking(item) && !isAsking(since[index - 1]))
  return `${asked}.${rounds.length}`
}

/** Whether each call has one output, which follows it before anything else is said. */
const isWhole = (items: ReadonlyArray<ResponseItem.ResponseItem>): boolean => {
  const open = new Set<string>()
  return items.every((item) => {
    if (item.type === "function_call") return open.size < open.add(item.call_id).size
    if (item.type === "mcp_approval_request") return open.size < open.add(item.id).size
    if (item.type === "function_call_output") return open.delete(item.call_id)
    if (item.type === "mcp_approval_response") return open.delete(item.approval_request_id)
    return open.size === 0
  }) && open.size === 0
}

const requestOf = (name: Kind, callId: string) =>
  ResponsesTest.item({ type: "mcp_approval_request", id: callId, server_label: "s", name, arguments: "{}" })

/**
 * The model: its answer depends on nothing but the request. At every second place it is too busy when it is asked first. A
 * history that is not whole it refuses. `note` is given the place that it answers.
 */
export const script = (course: Course, note: (place: string) => void) => {
  const busy = new Set<string>()
  return (request: ResponseRequest): ResponsesTest.Turn => {
    const place = placeOf(request)
    const [question = 0, round = 0] = place.split(".").map(Number)
    if (!isWhole(itemsOf(request))) {
      return ResponsesTest.error({ status: 400, code: "invalid_request_error", message: `No answer at ${place}` })
    }
    if ((question + round) % 2 === 0 && busy.size < busy.add(place).size) {
      return ResponsesTest.error({ status: 429, code: "rate_limit_exceeded", message: "Slow down" })
    }
    note(place)
    const calls = course[question]?.[round]
    return calls === undefined
      ? ResponsesTest.text(`answer ${question}`)
      : ResponsesTest.turn(
        calls.map((name, index) =>
          name === "server"
            ? requestOf(name, `${place}.${index}`)
            : ResponsesTest.toolCall({ name, arguments: {}, callId: `${place}.${index}` })
        )
      )
  }
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

interface ToolOptions extends ResponseTool.CallOptions<unknown> {
  readonly needsApproval?: () => Effect.Effect<boolean>
}

/** Tools that note each run before they do anything, as if it were paid for then. `onFinished` is told of the end of each. */
export const tools = (note: Note, onFinished: (callId: string) => void = () => {}) => {
  const tried = new Set<string>()
  const running = new Set<string>()
  const isCrowded = (name: Kind) =>
    name === "alone" ? running.size > 1 : [...running].some((callId) => callId.startsWith("alone"))
  const result = (name: Kind, callId: string) => {
    if (name === "break" || (name === "flaky" && tried.size < tried.add(callId).size)) return `broken ${callId}`
    return undefined
  }
  const tool = (name: Kind, options: ToolOptions = {}) =>
    ResponseTool.make({
      name,
      parameters: Schema.Struct({}),
      ...options,
      handler: (_, { attempt, callId, idempotencyKey }) =>
        Effect.suspend(() => {
          note({ name, callId, attempt, idempotencyKey })
          running.add(`${name} ${callId}`)
          const failure = isCrowded(name) ? crowded : result(name, callId)
          return Effect.yieldNow().pipe(
            Effect.zipRight(Effect.yieldNow()),
            Effect.zipRight(failure === undefined ? Effect.succeed(`done ${callId}`) : Effect.fail(failure)),
            Effect.ensuring(Effect.sync(() => running.delete(`${name} ${callId}`))),
            Effect.tap(() => onFinished(callId))
          )
        })
    })
  const needsApproval = () => Effect.as(Effect.yieldNow(), true)
  const onUnknownOutcome = "rerun"
  return [
    tool("pay"),
    tool("look", { onUnknownOutcome }),
    tool("break", { onUnknownOutcome }),
    tool("flaky", { onUnknownOutcome, retry: Schedule.recurs(1) }),
    tool("alone", { exclusive: true }),
    tool("buy", { needsApproval }),
    tool("steal", { onUnknownOutcome, needsApproval })
  ] as const
}

/** How a tool fails that ran beside an exclusive one. */
export const crowded = "not alone"

export const settings = { id: "c", model: "m", store: false, retry: { schedule: Schedule.recurs(1) } } as const

export type Event = ResponseEvent | ConversationEvent

/** What becomes of the stream of a `run`, a `send` or a `resume`. */
export type Read = <E>(stream: Stream.Stream<Event, E>) => Effect.Effect<unknown, E | "left">

/**
 * Goes on with what is left, and asks what was not asked yet. Whoever drives a conversation knows from its history how far
 * it has come. Every second approval is decided while the other calls run, the others when nothing else is left to do.
 */
export const goOn = Effect.fnUntraced(function*<E>(
  course: Course,
  conversation: Conversation.Conversation<never, E>,
  read: Read = Stream.runDrain
) {
  const decide = ({ callId, name }: Approval) =>
    name === "steal" ? conversation.reject(callId, "never") : conversation.approve(callId)
  const isAtOnce = ({ callId }: Approval) => Number(callId.at(-1)) % 2 === 1
  const follow = <E2>(stream: Stream.Stream<Event, E2>) =>
    read(
      Stream.tap(stream, (event) =>
        event.type === "conversation.tool.held" && isAtOnce(event.approval)
          // The decision stands, and is written with what comes next. To fail here would be to leave the stream.
          ? Effect.ignore(decide(event.approval))
          : Effect.void)
    )
  const resume = Effect.gen(function*() {
    yield* follow(conversation.resume)
    while (true) {
      const approvals = yield* conversation.approvals
      if (approvals.length === 0) return
      yield* Effect.forEach(approvals, decide)
      yield* follow(conversation.resume)
    }
  })
  yield* resume
  const asked = (yield* conversation.history).filter(isQuestion).length
  for (let question = asked; question < course.length; question++) {
    const said = `question ${question}`
    yield* follow(question % 2 === 0 ? conversation.run(said) : conversation.send(said))
    yield* resume
  }
  return yield* conversation.history
})

/** The course in a fresh conversation, as in a new process. */
export const inNewProcess = (course: Course, note: Note, read?: Read) =>
  Effect.flatMap(
    Conversation.open({ ...settings, tools: tools(note) }),
    (conversation) => goOn(course, conversation, read)
  )
