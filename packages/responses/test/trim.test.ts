/** What is made of what a caller's function makes of a history. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Conversation from "../src/Conversation.ts"
import * as Trim from "../src/internal/conversation/trim.ts"
import * as Window from "../src/internal/conversation/window.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import * as Responses from "../src/Responses.ts"
import { InvalidRequest } from "../src/ResponsesError.ts"

type Items = ReadonlyArray<ResponseItem.ResponseItem>

const ask = ResponseItem.user("a")
const answer = ResponseItem.message("assistant", "b")
const thought: ResponseItem.Reasoning = { type: "reasoning", summary: [] }
const call = (call_id: string): ResponseItem.FunctionCall => ({
  type: "function_call",
  call_id,
  name: "pay",
  arguments: "{}"
})
const output = (callId: string) => ResponseItem.functionCallOutput(callId, "done")
const other = (type: string, fields: object) => ResponseItem.unknown({ type, ...fields })

const service: Responses.Service = { open: () => Effect.dieMessage("nothing is asked") }

const run = (history: Items, trim: (history: Items) => Items) =>
  Effect.provideService(Trim.run(trim, history), Responses.Responses, service)

/** What is left of the history if the function gives these items. */
const left = (history: Items, given: Items | ((history: Items) => Items)) =>
  Effect.runSync(run(history, typeof given === "function" ? given : () => given))

const [c1, c2, c3] = [call("1"), call("2"), call("3")]
const [o1, o2, o3] = [output("1"), output("2"), output("3")]

describe("a trimmed history", () => {
  const history = [ask, thought, c1, c2, o1, o2, answer]

  const table: ReadonlyArray<readonly [what: string, given: Items, left: Items]> = [
    ["is what the function gives", [ask, answer], [ask, answer]],
    ["may be empty", [], []],
    ["may have other items", [ResponseItem.user("so far"), answer], [ResponseItem.user("so far"), answer]],
    ["has no output without its call", [c2, o1, o2, answer], [c2, o2, answer]],
    ["has no call without its output", [ask, thought, c1, c2, o1, answer], [ask, thought, c1, o1, answer]],
    ["has no reasoning that leads to nothing", [ask, thought, c1, answer], [ask, answer]],
    ["has no reasoning at its end", [ask, thought], [ask]],
    ["has no output before its call", [o1, c1, answer], [answer]],
    ["may have a pair that is new", [c3, o3, answer], [c3, o3, answer]]
  ]
  it.each(table)("%s", (_, given, expected) => {
    assert.deepStrictEqual(left(history, given), expected)
  })

  it("is not another one if the items are the same", () => {
    assert.isUndefined(left(history, (items) => items))
    assert.isUndefined(left(history, (items) => [...items]))
    assert.isUndefined(left([], () => [ask]))
  })

  it("keeps the outputs that the model has not seen, which the function is not shown", () => {
    const unseen = [thought, c1, c2, o2, o1]
    let shown: Items | undefined
    const trimmed = left([ask, answer, ask, ...unseen], (items) => {
      shown = items
      return items.slice(-1)
    })
    assert.deepStrictEqual(shown, [ask, answer, ask])
    assert.deepStrictEqual(trimmed, [ask, ...unseen])
  })

  it("keeps the calls that have no output yet, with what led to them", () => {
    const open = [ask, thought, c1, answer, ask]
    assert.deepStrictEqual(left(open, (items) => items.slice(-1)), [thought, c1, ask])
    assert.deepStrictEqual(left(open, (items) => items.slice(1, -1).map((item) => ({ ...item }))), [
      thought,
      c1,
      answer
    ])
  })

  it("understands numbers of calls that begin anew with each response", () => {
    const anew = [ask, c1, o1, answer, ask, call("1"), output("1"), answer]
    assert.deepStrictEqual(left(anew, (items) => items.slice(2)), anew.slice(3))
    assert.deepStrictEqual(left(anew, (items) => items.toSpliced(2, 1)), anew.toSpliced(1, 2))
  })

  it("pairs every kind of call with its output", () => {
    const shell = other("local_shell_call", { call_id: "s" })
    const done = other("local_shell_call_output", { call_id: "s" })
    const request = other("mcp_approval_request", { id: "m" })
    const approval = other("mcp_approval_response", { approval_request_id: "m" })
    const search = other("web_search_call", { id: "w" })
    const history = [ask, shell, done, request, approval, search, answer]
    assert.deepStrictEqual(left(history, [done, approval, search, answer]), [search, answer])
    assert.deepStrictEqual(left(history, [shell, request, search, answer]), [search, answer])
  })

  const refused: ReadonlyArray<readonly [what: string, given: unknown, why: RegExp]> = [
    ["a call that was never made", [ask, c3], /the call 3, which has no output/],
    ["an output of a call that was never made", [ask, o3], /the call 3, which was never made/],
    ["what is no list", "no", /no list/],
    ["what is no item", [ask, 1], /no item/],
    ["what cannot be written", [other("x", { big: 1n })], /BigInt/]
  ]
  it.effect.each(refused)("is refused with %s", ([, given, why]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(run(history, () => given as Items))
      assert.instanceOf(error, InvalidRequest)
      assert.deepInclude(error, { field: "trim" })
      assert.match(error.message, why)
    }))

  const { array, constantFrom, nat, record } = FastCheck
  const said = array(constantFrom("ask", "answer", "pair", "pairs", "open"), { maxLength: 8 }).map((kinds) =>
    kinds.flatMap((kind, at): Items => {
      const [one, two] = [`${at}a`, `${at}b`]
      switch (kind) {
        case "ask":
          return [ask]
        case "answer":
          return [thought, answer]
        case "pair":
          return [thought, call(one), output(one)]
        case "pairs":
          return [call(one), call(two), output(two), output(one)]
        default:
          return [thought, call(one)]
      }
    })
  )

  it.prop(
    "is whole and has all that is open, whatever is cut out of it",
    [said, array(record({ from: nat(20), count: nat(6) }), { minLength: 1, maxLength: 3 })],
    ([history, cuts]) => {
      const cut = (items: Items) => cuts.reduce((rest, { count, from }) => rest.toSpliced(from, count), items)
      const trimmed = left(history, cut) ?? history
      const ids = (items: Iterable<ResponseItem.ResponseItem>) => new Set([...items].map(Window.callIdOf))
      assert.deepStrictEqual(ids(Window.openCalls(trimmed)), ids(Window.openCalls(history)))
      const answered = trimmed.map(Window.answerIdOf).filter((id) => id !== undefined)
      const made = trimmed.map(Window.callIdOf)
      for (const id of answered) {
        assert.isBelow(made.indexOf(id), trimmed.findIndex((item) => Window.answerIdOf(item) === id))
        assert.include(made, id)
      }
      for (const [index, item] of trimmed.entries()) {
        const next = trimmed[index + 1]
        if (item.type === "reasoning") assert.isTrue(next !== undefined && Window.answerIdOf(next) === undefined)
      }
    },
    { fastCheck: { numRuns: 1000 } }
  )
})

describe("lastTurns", () => {
  const system = ResponseItem.message("system", "Be brief.")
  const update = ResponseItem.configurationUpdate({ reasoning: { effort: "high" } })
  const last: ResponseItem.Message = { role: "user", content: "c" }
  const exactly = (count: number) => Conversation.lastTurns(count, { whenOver: count })
  const history = [system, ask, thought, c1, o1, update, answer, ask, answer, last]

  it("begins with a message of the user's, behind what holds for all", () => {
    assert.deepStrictEqual(exactly(1)(history), [system, update, last])
    assert.deepStrictEqual(exactly(2)(history), [system, update, ask, answer, last])
    assert.deepStrictEqual(exactly(0)(history), exactly(1)(history))
  })

  it("changes nothing while there are no more turns", () => {
    assert.deepStrictEqual(exactly(3)(history), history)
    assert.deepStrictEqual(exactly(9)(history), history)
    assert.deepStrictEqual(exactly(1)([answer]), [answer])
  })

  it("keeps of the updates of the configuration the latest of each field", () => {
    const [low, high] = ["low", "high"].map((effort) => ResponseItem.configurationUpdate({ reasoning: { effort } }))
    const format = ResponseItem.configurationUpdate({ text: { format: { type: "text" } } })
    const both = ResponseItem.configurationUpdate({ reasoning: { effort: "none" }, text: { format: {} } })
    const [a, b, c, d] = [low!, high!, format, both]
    assert.deepStrictEqual(exactly(1)([a, ask, c, ask, b, ask, last]), [c, b, last])
    assert.deepStrictEqual(exactly(1)([d, ask, b, ask, last]), [d, b, last])
    assert.deepStrictEqual(exactly(1)([a, ask, c, ask, d, last]), [d, last])
    assert.deepStrictEqual(exactly(1)([a, ask, b, ask, a, ask, last]), [a, last])
    // What holds since a turn that is kept makes those before it void.
    assert.deepStrictEqual(exactly(2)([a, ask, ask, b, last]), [ask, b, last])
    assert.deepStrictEqual(exactly(1)([a, ask, ask, a, b]), [ask, a, b])
  })

  it("keeps what a compaction stands for, and counts the turns behind it", () => {
    const compaction: ResponseItem.Compaction = { type: "compaction", encrypted_content: "e" }
    const compacted = [update, compaction, ask, answer, ask, answer, last]
    assert.deepStrictEqual(exactly(1)(compacted), [update, compaction, last])
    assert.deepStrictEqual(exactly(2)(compacted), [update, compaction, ask, answer, last])
    const early = [ask, answer, ask, answer, compaction, ask, answer, last]
    assert.deepStrictEqual(exactly(2)(early), early)
    const later = { ...compaction, encrypted_content: "f" }
    const twice = [compaction, ask, answer, later, ask, answer, last]
    assert.deepStrictEqual(exactly(1)(twice), [later, last])
  })

  it("begins when there are more than whenOver, by default twice as many, which is never less than count", () => {
    const turns = (count: number) => Array.from({ length: count }, () => [ask, answer]).flat()
    const table = [
      [Conversation.lastTurns(2), 4],
      [Conversation.lastTurns(2, {}), 4],
      [Conversation.lastTurns(2, { whenOver: undefined }), 4],
      [Conversation.lastTurns(2, { whenOver: 3 }), 3],
      [Conversation.lastTurns(2, { whenOver: 7 }), 7],
      [Conversation.lastTurns(2, { whenOver: 0 }), 2],
      [Conversation.lastTurns(0), 2]
    ] as const
    for (const [index, [trim, most]] of table.entries()) {
      assert.strictEqual(trim(turns(most)).length, 2 * most, `row ${index}`)
      assert.strictEqual(trim(turns(most + 1)).length, index === 6 ? 2 : 4, `row ${index}`)
    }
  })
})
