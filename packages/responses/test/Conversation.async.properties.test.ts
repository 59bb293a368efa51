/** A conversation with async tools that is killed at any write, and goes on in another process. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Conversation from "../src/Conversation.ts"
import { JournalFailed } from "../src/ConversationError.ts"
import * as ConversationJournal from "../src/ConversationJournal.ts"
import type * as ResponseItem from "../src/ResponseItem.ts"
import * as ResponseRequest from "../src/ResponseRequest.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as ResponseTool from "../src/ResponseTool.ts"
import * as Thorough from "./support/thorough.ts"

/** `job` and `scan` are async: the one reports an unknown outcome, the other runs again. `look` is waited for. */
type Kind = "job" | "scan" | "look"

/** Of each question the rounds, of each round the calls. */
type Course = ReadonlyArray<ReadonlyArray<ReadonlyArray<Kind>>>

const round = FastCheck.array(FastCheck.constantFrom<Kind>("job", "scan", "look"), { minLength: 1, maxLength: 3 })

const course: FastCheck.Arbitrary<Course> = FastCheck.array(FastCheck.array(round, { maxLength: 2 }), {
  minLength: 1,
  maxLength: 3
})

type Items = ReadonlyArray<ResponseItem.ResponseItem>

const isQuestion = (item: ResponseItem.ResponseItem): boolean => "role" in item && item.role === "user"

const callIdsOf = (items: Items) => items.flatMap((item) => item.type === "function_call" ? [item.call_id] : [])

const answeredOf = (items: Items) => items.flatMap((item) => item.type === "function_call_output" ? [item.call_id] : [])

/** The next round of the latest question, or text: it depends on nothing but the request. */
const script = (course: Course): ResponsesTest.Script => (request) => {
  const items = ResponseRequest.items(request)
  const question = items.filter(isQuestion).length - 1
  const done = new Set(
    callIdsOf(items).filter((callId) => callId.startsWith(`${question}.`)).map((callId) => callId.split(".")[1])
  )
  const calls = course[question]?.[done.size]
  return calls === undefined
    ? ResponsesTest.text(`answer ${question}`)
    : ResponsesTest.turn(
      calls.map((name, index) =>
        ResponsesTest.toolCall({ name, arguments: {}, callId: `${question}.${done.size}.${index}` })
      )
    )
}

interface Ran extends ResponseTool.Attempt {
  readonly callId: string
  readonly name: Kind
}

const toolsOf = (note: (ran: Ran) => void) => {
  const handler = (name: Kind) => (_: object, { attempt, callId, idempotencyKey }: ResponseTool.Invocation) =>
    Effect.suspend(() => {
      note({ name, callId, attempt, idempotencyKey })
      // Some end within their round, some rounds later.
      return Effect.as(Effect.repeatN(Effect.yieldNow(), callId.length + attempt * 40), `done ${callId}`)
    })
  const parameters = Schema.Struct({})
  return [
    ResponseTool.make({ name: "job", parameters, async: true, handler: handler("job") }),
    ResponseTool.make({
      name: "scan",
      parameters,
      async: true,
      onUnknownOutcome: "rerun",
      handler: handler("scan")
    }),
    ResponseTool.make({ name: "look", parameters, onUnknownOutcome: "rerun", handler: handler("look") })
  ] as const
}

/** Goes on with what is left, asks what was not asked yet, and tells the model all that has come. */
const goOn = Effect.fnUntraced(function*(course: Course, note: (ran: Ran) => void) {
  const conversation = yield* Conversation.open({ id: "c", model: "m", store: false, tools: toolsOf(note) })
  yield* Stream.runDrain(conversation.resume)
  const asked = (yield* conversation.history).filter(isQuestion).length
  for (let question = asked; question < course.length; question++) {
    yield* Stream.runDrain(conversation.run(`question ${question}`))
  }
  while ((yield* conversation.background).length > 0) {
    yield* conversation.settled
    yield* Stream.runDrain(conversation.resume)
  }
  return yield* conversation.history
})

/** Nothing is written behind the write number `at`. */
const killing = (journal: ConversationJournal.Service, at: number): ConversationJournal.Service => {
  let count = 0
  return {
    load: (id) =>
      Effect.map(journal.load(id), (owned) => ({
        ...owned,
        append: (seq, entry) =>
          Effect.suspend(() =>
            count++ <= at
              ? owned.append(seq, entry)
              : Effect.fail(new JournalFailed({ id, reason: "Unreachable", description: "killed" }))
          )
      }))
  }
}

const inProcess = (journal: ConversationJournal.Service, course: Course, note: (ran: Ran) => void) =>
  Effect.acquireUseRelease(
    Scope.make(),
    (scope) => Effect.exit(Scope.extend(goOn(course, note), scope)),
    (scope) => Scope.close(scope, Exit.void)
  ).pipe(Effect.provideService(ConversationJournal.ConversationJournal, journal))

const requests = Effect.flatMap(ResponsesTest.ResponsesTest, (test) => test.requests)

const countOf = (entries: ReadonlyArray<ConversationJournal.Entry>, tag: ConversationJournal.Entry["_tag"]) =>
  entries.filter(({ _tag }) => _tag === tag).length

/** Gives whether there was anything left to write. */
const killed = (course: Course, at: number) =>
  Effect.gen(function*() {
    const journal = yield* ConversationJournal.makeMemory
    const ran: Array<Ran> = []
    const note = (one: Ran) => ran.push(one)
    const first = yield* inProcess(killing(journal, at), course, note)
    const before = { entries: (yield* journal.load("c")).entries, ran: ran.length, asked: (yield* requests).length }
    const second = yield* inProcess(journal, course, note)
    const what = `killed at ${at}`
    if (Exit.isFailure(second)) return assert.fail(`${what}: ${String(second.cause)}`)
    const history = second.value
    const after = (yield* journal.load("c")).entries

    const ended = new Set(before.entries.flatMap((entry) => entry._tag === "Ended" ? [entry.output.call_id] : []))
    const again = ran.slice(before.ran).filter(({ callId }) => ended.has(callId))
    assert.deepStrictEqual(again, [], `${what}: tools whose output was written ran again`)
    const jobs = ran.filter(({ name }) => name === "job").map(({ callId }) => callId)
    assert.strictEqual(new Set(jobs).size, jobs.length, `${what}: what may not run twice did`)
    const keys = new Map(ran.map(({ callId, idempotencyKey }) => [callId, idempotencyKey]))
    for (const { callId, idempotencyKey } of ran) assert.strictEqual(keys.get(callId), idempotencyKey, what)
    assert.strictEqual(new Set(keys.values()).size, keys.size, `${what}: one key for two calls`)

    const asked = (yield* requests).length - before.asked
    assert.strictEqual(countOf(after, "Answered") - countOf(before.entries, "Answered"), asked, `${what}: asked again`)
    const called = callIdsOf(history).toSorted()
    assert.deepStrictEqual(answeredOf(history).toSorted(), called, `${what}: each output is told once`)
    assert.deepStrictEqual(called, [...new Set(called)], `${what}: each call is there once`)
    for (const request of yield* requests) {
      const told = answeredOf(ResponseRequest.items(request))
      assert.strictEqual(new Set(told).size, told.length, `${what}: told twice`)
    }
    return Exit.isFailure(first)
  }).pipe(Effect.provide(ResponsesTest.layer(script(course))))

describe("a conversation with async tools that is killed at any write", () => {
  it.effect.prop(
    "runs no tool twice whose output was written, and tells each output once",
    [course],
    ([course]) =>
      Effect.gen(function*() {
        let at = 0
        while (yield* killed(course, at)) at++
      }),
    { timeout: 120_000, fastCheck: { numRuns: Thorough.amount(30, 3) } }
  )
})
