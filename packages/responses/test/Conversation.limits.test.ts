/** How far a run of a Conversation may go. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Conversation from "../src/Conversation.ts"
import type * as ConversationEvent from "../src/ConversationEvent.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import type * as Responses from "../src/Responses.ts"
import * as ResponsesTest from "../src/ResponsesTest.ts"
import * as ResponseTool from "../src/ResponseTool.ts"

const tokens = (total: number) => ({ input_tokens: total - 1, output_tokens: 1, total_tokens: total })

const call = (callId: string, usage = tokens(10)) =>
  ResponsesTest.turn([ResponsesTest.toolCall({ name: "look", arguments: {}, callId })], { usage })

const text = (words: string) => ResponsesTest.text(words, { usage: tokens(10) })

const run = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runDrain(stream)

const requests = Effect.flatMap(ResponsesTest.ResponsesTest, (test) => test.requests)

const count = Effect.map(requests, (all) => all.length)

const mocked = (
  name: string,
  script: ResponsesTest.Script,
  test: Effect.Effect<void, unknown, ResponsesTest.ResponsesTest | Responses.Responses>
) => it.effect(name, () => Effect.provide(test, ResponsesTest.layer(script)))

const looking = (more: Partial<Conversation.Options>) =>
  Effect.gen(function*() {
    const ran: Array<string> = []
    const look = ResponseTool.make({
      name: "look",
      parameters: Schema.Struct({}),
      handler: (_, { callId }) =>
        Effect.sync(() => {
          ran.push(callId)
          return `seen ${callId}`
        })
    })
    return { ran, conversation: yield* Conversation.make({ model: "m", ...more, tools: [look] }) }
  })

/** What was said, and what the tools have given. */
const said = (items: ReadonlyArray<ResponseItem.ResponseItem>) =>
  items.flatMap((item) =>
    item.type === "function_call_output" ? [item.output] : item.type === "message" ? [ResponseItem.text(item)] : []
  )

describe("a budget of tokens", () => {
  mocked(
    "stops a run when it is spent, after the tools of the round, and resume goes on with another one",
    [call("1"), call("2"), call("3"), text("ok")],
    Effect.gen(function*() {
      const { conversation, ran } = yield* looking({ tokenBudget: 15 })
      const error = yield* Effect.flip(conversation.ask("a"))
      assert.deepInclude(error, { _tag: "BudgetSpent", budget: 15, spent: 20, rounds: 2 })
      assert.include(error.message, "tokenBudget")
      assert.strictEqual(yield* count, 2)
      assert.deepStrictEqual(said(yield* conversation.history), ["a", "seen 1", "seen 2"])
      assert.strictEqual((yield* Effect.flip(run(conversation.run("b"))))._tag, "PendingRound")
      yield* run(conversation.resume)
      assert.strictEqual(yield* count, 4)
      assert.deepStrictEqual(ran, ["1", "2", "3"])
      assert.deepStrictEqual(said(yield* conversation.history), ["a", "seen 1", "seen 2", "seen 3", "ok"])
    })
  )

  mocked(
    "that the last response spends fails nothing",
    [call("1"), text("ok"), text("more")],
    Effect.gen(function*() {
      const { conversation } = yield* looking({ tokenBudget: 11 })
      assert.strictEqual((yield* conversation.ask("a")).usage?.total_tokens, 20)
      assert.strictEqual((yield* conversation.ask("b")).text, "more")
    })
  )

  mocked(
    "is one for a run and for what it resumes first",
    [call("1"), ResponsesTest.drop(), text("One"), text("Two")],
    Effect.gen(function*() {
      const { conversation } = yield* looking({ tokenBudget: 10 })
      assert.strictEqual((yield* Effect.flip(run(conversation.run("a"))))._tag, "BudgetSpent")
      yield* Effect.flip(run(conversation.resume))
      const error = yield* Effect.flip(run(conversation.run("b", { pending: "resume" })))
      assert.deepInclude(error, { _tag: "BudgetSpent", spent: 10, rounds: 1 })
      yield* run(conversation.resume)
      assert.deepStrictEqual(said(yield* conversation.history), ["a", "seen 1", "One", "b", "Two"])
    })
  )

  mocked(
    "is not spent by a response without usage",
    (_, { index }) =>
      ResponsesTest.turn([
        ResponsesTest.raw([
          { type: "response.created", response: { id: `resp_${index}` } },
          {
            type: "response.completed",
            response: {
              id: `resp_${index}`,
              status: "completed",
              usage: null,
              output: index > 2 ? [] : [{ type: "function_call", call_id: `${index}`, name: "look", arguments: "{}" }]
            }
          }
        ]),
        { parts: [{ _tag: "Silence" }] }
      ]),
    Effect.gen(function*() {
      const { conversation } = yield* looking({ tokenBudget: 1 })
      const { rounds, usage } = yield* conversation.ask("a")
      assert.deepStrictEqual({ rounds, usage }, { rounds: 4, usage: undefined })
    })
  )
})

describe("a limit of rounds", () => {
  mocked(
    "is one for a run and for what it resumes first",
    [call("1"), ResponsesTest.drop(), text("One"), text("Two")],
    Effect.gen(function*() {
      const { conversation } = yield* looking({ maxRounds: 1 })
      assert.strictEqual((yield* Effect.flip(run(conversation.run("a"))))._tag, "TooManyRounds")
      yield* Effect.flip(run(conversation.resume))
      assert.strictEqual((yield* Effect.flip(run(conversation.run("b", { pending: "resume" }))))._tag, "TooManyRounds")
      yield* run(conversation.resume)
      assert.deepStrictEqual(said(yield* conversation.history), ["a", "seen 1", "One", "b", "Two"])
      assert.strictEqual(yield* count, 4)
    })
  )
})

describe("a limit that makes no sense", () => {
  const whole = "is not a whole number from 1 on"
  const above = "is not a number above 0"
  const table: ReadonlyArray<readonly [keyof Conversation.Options, string, ReadonlyArray<unknown>]> = [
    ["maxRounds", whole, [0, -1, 1.5, Number.NaN, "3"]],
    ["tokenBudget", above, [0, -1, Number.NaN, "1000"]],
    ["concurrency", whole, [0, -1, 1.5, Number.NaN, "all"]]
  ]
  for (const [field, description, values] of table) {
    for (const value of values) {
      mocked(
        `${field}: ${JSON.stringify(value)} (${String(value)}) is told, and nothing is asked or run`,
        [text("never")],
        Effect.gen(function*() {
          const open = [ResponseItem.user("a"), {
            type: "function_call",
            call_id: "1",
            name: "look",
            arguments: "{}"
          }] as const
          const { conversation, ran } = yield* looking({ [field]: value, history: open })
          const { conversation: fresh } = yield* looking({ [field]: value })
          const asks: ReadonlyArray<Effect.Effect<unknown, object>> = [
            conversation.ask("b", { pending: "resume" }),
            run(conversation.run("b")),
            run(conversation.resume),
            fresh.ask("b"),
            run(fresh.resume)
          ]
          for (const ask of asks) {
            assert.deepInclude(yield* Effect.flip(ask), { _tag: "InvalidRequest", field, description })
          }
          assert.strictEqual(yield* count, 0)
          assert.deepStrictEqual(ran, [])
          assert.deepStrictEqual(yield* conversation.history, open)
          assert.deepStrictEqual(yield* fresh.history, [])
        })
      )
    }
    mocked(
      `${field}: Infinity is none`,
      [call("1"), text("ok")],
      Effect.gen(function*() {
        const { conversation } = yield* looking({ [field]: Number.POSITIVE_INFINITY })
        assert.strictEqual((yield* conversation.ask("a")).text, "ok")
      })
    )
  }
})

describe("stopWhen", () => {
  for (
    const [what, answer] of [
      ["boolean", (isOver: boolean) => isOver],
      ["Effect", (isOver: boolean) => Effect.as(Effect.yieldNow(), isOver)]
    ] as const
  ) {
    mocked(
      `with a ${what} ends a run after the tools of a round, and resume goes on`,
      [call("1"), call("2"), text("ok")],
      Effect.gen(function*() {
        const rounds: Array<ConversationEvent.EndedRound> = []
        const { conversation, ran } = yield* looking({
          stopWhen: (round) => {
            rounds.push(round)
            return answer(rounds.length === 2)
          }
        })
        yield* run(conversation.run("a"))
        assert.strictEqual(yield* count, 2)
        assert.deepStrictEqual(ran, ["1", "2"])
        assert.deepStrictEqual(said(yield* conversation.history), ["a", "seen 1", "seen 2"])
        assert.deepStrictEqual(rounds.map(({ round }) => round), [1, 2])
        assert.deepStrictEqual(rounds[1]?.usage, tokens(10))
        assert.deepStrictEqual(rounds[1]?.calls, [
          { callId: "2", name: "look", output: ResponseItem.functionCallOutput("2", "seen 2") }
        ])
        assert.deepStrictEqual(rounds[1]?.output.map(({ type }) => type), ["function_call"])
        yield* run(conversation.resume)
        assert.strictEqual(yield* count, 3)
        assert.strictEqual((yield* conversation.history).length, 6)
        assert.strictEqual(yield* Stream.runCount(conversation.resume), 0)
      })
    )
  }

  const stopped = looking({ stopWhen: ({ calls }) => calls.length > 0 })

  mocked(
    "leaves ask with what the last response has said, and a run after it must say what becomes of the outputs",
    [ResponsesTest.turn([ResponsesTest.text("Let me see"), call("1")]), text("ok")],
    Effect.gen(function*() {
      const { conversation } = yield* stopped
      const answer = yield* conversation.ask("a")
      assert.deepInclude(answer, { text: "Let me see", rounds: 1 })
      assert.deepStrictEqual(answer.output.map(({ type }) => type), ["message", "function_call"])
      const error = yield* Effect.flip(run(conversation.run("b")))
      assert.deepInclude(error, { _tag: "PendingRound", calls: [] })
      assert.strictEqual(yield* count, 1)
    })
  )

  mocked(
    "lets the new input follow the outputs, with pending: discard",
    [call("1"), text("ok")],
    Effect.gen(function*() {
      const { conversation } = yield* stopped
      yield* run(conversation.run("a"))
      assert.strictEqual((yield* conversation.ask("b", { pending: "discard" })).text, "ok")
      assert.deepStrictEqual(said(yield* conversation.history), ["a", "seen 1", "b", "ok"])
      assert.strictEqual(yield* count, 2)
    })
  )

  mocked(
    "lets the new input follow what is resumed first, also where that is stopped again",
    [call("1"), call("2"), text("ok")],
    Effect.gen(function*() {
      const { conversation } = yield* stopped
      yield* run(conversation.run("a"))
      assert.strictEqual((yield* conversation.ask("b", { pending: "resume" })).text, "ok")
      assert.deepStrictEqual(said(yield* conversation.history), ["a", "seen 1", "seen 2", "b", "ok"])
    })
  )
})

describe("ask", () => {
  mocked(
    "has the usage of all rounds, with its details",
    [
      call("1", { ...tokens(10), input_tokens_details: { cached_tokens: 4 } } as ReturnType<typeof tokens>),
      call("2", tokens(20)),
      ResponsesTest.text("ok", {
        usage: {
          ...tokens(30),
          input_tokens_details: { cached_tokens: 5 },
          output_tokens_details: { reasoning_tokens: 1 }
        }
      })
    ],
    Effect.gen(function*() {
      const { conversation } = yield* looking({})
      const { responses, rounds, usage } = yield* conversation.ask("a")
      assert.strictEqual(rounds, 3)
      assert.strictEqual(responses.length, 3)
      assert.deepStrictEqual(usage, {
        input_tokens: 57,
        output_tokens: 3,
        total_tokens: 60,
        input_tokens_details: { cached_tokens: 9 },
        output_tokens_details: { reasoning_tokens: 1 }
      })
    })
  )
})
