import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import * as Continuation from "../src/Continuation.ts"
import * as ResponseRequest from "../src/ResponseRequest.ts"
import * as Dialogues from "./support/dialogues.ts"

type Json = Dialogues.Json

const bits = FastCheck.array(FastCheck.nat(31), { minLength: 40, maxLength: 40 })
const outputs = FastCheck.array(Dialogues.output, { maxLength: 3 })

const ask = (input: ReadonlyArray<Json>, fields: object = {}): ResponseRequest.ResponseRequest => ({
  model: "m",
  input: Dialogues.asItems(input),
  ...fields
})

const headAfter = (input: ReadonlyArray<Json>, output: ReadonlyArray<Json>) =>
  Continuation.commit(Continuation.plan(undefined, ask(input)), {
    response: { id: "resp_1", status: "completed" },
    output: Dialogues.asItems(output)
  })

const rewritten = (items: ReadonlyArray<Json>, how: ReadonlyArray<number>) =>
  items.map((item, index) => Dialogues.rewrite(item, how[index % how.length]!))

describe("plan", () => {
  it.prop(
    "after any history, and however its items are written now, sends exactly what was appended",
    [
      Dialogues.items,
      outputs,
      FastCheck.array(Dialogues.item, { minLength: 1, maxLength: 4 }),
      bits,
      FastCheck.boolean()
    ],
    ([history, output, appended, how, keepsReasoning]) => {
      const echo = rewritten([...history, ...output], how).filter((item) =>
        keepsReasoning || !Dialogues.isReasoning(item)
      )
      // Whoever leaves reasoning out brings none later.
      FastCheck.pre(keepsReasoning || !appended.some(Dialogues.isReasoning))
      const plan = Continuation.plan(headAfter(history, output), ask([...echo, ...appended]))
      if (plan._tag !== "Delta") assert.fail(JSON.stringify(plan.reason))
      assert.strictEqual(plan.sharedItems, echo.length)
      const sent: ReadonlyArray<unknown> = ResponseRequest.items(plan.request)
      assert.lengthOf(sent, appended.length)
      for (const [index, item] of appended.entries()) assert.strictEqual(sent[index], item)
    },
    { fastCheck: { numRuns: 500 } }
  )

  it.prop(
    "after an edit of any one item, sends everything and says where",
    [FastCheck.array(Dialogues.item, { minLength: 1, maxLength: 8 }), outputs, FastCheck.nat(), bits],
    ([history, output, seed, how]) => {
      const before = [...history, ...output]
      const index = seed % before.length
      const now = rewritten(before, how)
      const edited = Dialogues.edit(before[index]!)
      now[index] = edited
      FastCheck.pre(Dialogues.meaning(edited) !== Dialogues.meaning(before[index]!))
      const sent = ask([...now, { role: "user", content: "More" }])
      const plan = Continuation.plan(headAfter(history, output), sent)
      if (plan._tag !== "Full") assert.fail("sent as a delta")
      assert.deepStrictEqual(plan.reason, { _tag: "HistoryChanged", index })
      assert.strictEqual(plan.request, sent)
    },
    { fastCheck: { numRuns: 500 } }
  )

  it.prop(
    "of two histories, continues one from the other exactly if it begins with it",
    [Dialogues.items, Dialogues.items, FastCheck.nat(8)],
    ([left, right, shared]) => {
      const had = left.filter((item) => !Dialogues.isReasoning(item))
      const other = right.filter((item) => !Dialogues.isReasoning(item))
      const input = [...had.slice(0, shared), ...other]
      const plan = Continuation.plan(headAfter(had, []), ask(input))
      const fits = input.findIndex((_, index) => Dialogues.isSaid(had, input.slice(0, index))) >= 0
      assert.strictEqual(plan._tag, fits ? "Delta" : "Full")
      if (plan._tag === "Delta") {
        assert.isTrue(Dialogues.isSaid([...had, ...plan.request.input as ReadonlyArray<unknown> as Array<Json>], input))
      }
    },
    { fastCheck: { numRuns: 500 } }
  )

  it.prop(
    "compares other fields by what they say",
    [
      FastCheck.dictionary(FastCheck.string(), FastCheck.jsonValue()),
      FastCheck.dictionary(FastCheck.string(), FastCheck.jsonValue())
    ],
    ([before, now]) => {
      const free = new Set([
        "input",
        "previous_response_id",
        "generate",
        "stream_id",
        "stream",
        "stream_options",
        "background"
      ])
      const fields = (given: Json) =>
        Dialogues.canonical(
          Object.fromEntries(
            Object.entries({ model: "m", ...given }).filter(([name, field]) => !free.has(name) && field !== null)
          )
        )
      const head = Continuation.commit(Continuation.plan(undefined, { ...before, ...ask([]), generate: false }), {
        response: { id: "resp_1" },
        output: []
      })
      for (const given of [before, now]) {
        const plan = Continuation.plan(head, { ...given, ...ask([]) })
        assert.strictEqual(plan._tag === "Delta", fields(given) === fields(before))
      }
    }
  )

  it.prop("never throws, whatever the items are", [
    FastCheck.array(FastCheck.anything()),
    FastCheck.array(FastCheck.anything()),
    FastCheck.anything()
  ], ([history, output, field]) => {
    const untyped = (items: ReadonlyArray<unknown>) => ask(items as Array<Json>, { text: field })
    const head = Continuation.commit(Continuation.plan(undefined, untyped(history)), {
      response: { id: "resp_1" },
      output: Dialogues.asItems(output as Array<Json>)
    })
    Continuation.plan(head, untyped([...history, ...output, {}]))
  })
})

/** What a transport does with a rule: asks it for each request, and shows it each response. */
interface Rule<Head> {
  readonly plan: (head: Head | undefined, request: ResponseRequest.ResponseRequest) => ResponseRequest.ResponseRequest
  readonly commit: (id: string, output: ReadonlyArray<Json>) => Head
}

const ruleOf = (
  see: (request: ResponseRequest.ResponseRequest) => ResponseRequest.ResponseRequest
): () => Rule<Continuation.Head | undefined> =>
() => {
  let last: Continuation.Plan
  return {
    plan: (head, request) => {
      last = Continuation.plan(head, see(request))
      return last._tag === "Full" ? request : { ...request, ...last.request }
    },
    commit: (id, output) => Continuation.commit(last, { response: { id }, output: Dialogues.asItems(output) })
  }
}

interface Echo {
  readonly id: string
  readonly items: ReadonlyArray<unknown>
  readonly tools: unknown
}

const echoRule = (
  begins: (input: ReadonlyArray<unknown>, items: ReadonlyArray<unknown>) => boolean
): () => Rule<Echo> =>
() => {
  let last: ResponseRequest.ResponseRequest
  return {
    plan: (head, request) => {
      last = request
      const input = request.input as ReadonlyArray<Json>
      return head !== undefined && JSON.stringify(head.tools) === JSON.stringify(request.tools) &&
          input.length > head.items.length && begins(input, head.items)
        ? { ...request, previous_response_id: head.id, input: Dialogues.asItems(input.slice(head.items.length)) }
        : request
    },
    commit: (id, output) => ({
      id,
      items: [...last.input as ReadonlyArray<unknown>, ...output],
      tools: structuredClone(last.tools)
    })
  }
}

const ours = ruleOf((request) => request)
const noFields = ruleOf(({ input, model }) => ({ input, model }))
const lengthBased = echoRule(() => true)
const identityBased = echoRule((input, items) => items.every((item, index) => item === input[index]))

type Turn = {
  readonly kind: "append" | "rewrite" | "edit" | "editInPlace" | "truncate" | "drop" | "tools"
  readonly at: number
  readonly bits: ReadonlyArray<number>
  readonly fresh: ReadonlyArray<Json>
  readonly output: ReadonlyArray<Json>
}

const course: FastCheck.Arbitrary<ReadonlyArray<Turn>> = FastCheck.array(
  FastCheck.record<Turn>({
    kind: FastCheck.constantFrom("append", "append", "rewrite", "edit", "editInPlace", "truncate", "drop", "tools"),
    at: FastCheck.nat(20),
    bits,
    fresh: FastCheck.array(Dialogues.item.filter((item) => !Dialogues.isReasoning(item)), {
      minLength: 1,
      maxLength: 3
    }),
    output: outputs
  }),
  { minLength: 1, maxLength: 6 }
)

/** One dialogue with a server that remembers every response: `undefined`, or what went wrong. */
const judge = <Head>(rule: Rule<Head>, turns: ReadonlyArray<Turn>): string | undefined => {
  const server = new Map<string, { readonly seen: ReadonlyArray<Json>; readonly tools: string }>()
  let history: Array<Json> = []
  let tools: Json = { type: "a" }
  let head: Head | undefined
  for (const [index, turn] of turns.entries()) {
    const at = turn.at % Math.max(1, history.length)
    const target = history[at]
    if (turn.kind === "rewrite") history = rewritten(history, turn.bits)
    if (turn.kind === "edit" && target !== undefined) history = history.with(at, Dialogues.edit(target))
    if (turn.kind === "editInPlace" && target !== undefined) Object.assign(target, Dialogues.edit(target))
    if (turn.kind === "truncate") history = history.slice(0, at)
    if (turn.kind === "drop") history = history.toSpliced(at, 1)
    if (turn.kind === "tools") tools = { type: `a${index}` }
    history = [...history, ...structuredClone(turn.fresh)]

    const sent = structuredClone(rule.plan(head, ask(history, { tools: [tools] })))
    const parent = server.get(sent.previous_response_id ?? "")
    const seen = [...parent?.seen ?? [], ...sent.input as ReadonlyArray<unknown> as ReadonlyArray<Json>]
    if (!Dialogues.isSaid(seen, history)) return `turn ${index}: the model saw another history`
    if (parent !== undefined && parent.tools !== JSON.stringify(sent.tools)) return `turn ${index}: other tools`
    if (index > 0 && parent === undefined && (turn.kind === "append" || turn.kind === "rewrite")) {
      return `turn ${index}: sent in full`
    }

    const output = structuredClone(turn.output) as Array<Json>
    server.set(`resp_${index}`, { seen: structuredClone([...seen, ...output]), tools: JSON.stringify(sent.tools) })
    head = rule.commit(`resp_${index}`, output)
    history = [...history, ...output]
  }
  return undefined
}

describe("the course of a dialogue", () => {
  const check = <Head>(rule: () => Rule<Head>) =>
    FastCheck.check(
      FastCheck.property(course, (turns) => {
        const problem = judge(rule(), turns)
        if (problem !== undefined) throw new Error(problem)
      }),
      { numRuns: 1000 }
    )

  it("is what the caller said, and every append is a delta", () => {
    const result = check(ours)
    assert.isFalse(result.failed, FastCheck.defaultReportMessage(result))
  })

  it.each([
    ["items are only counted", lengthBased, /another history/],
    ["items are compared by identity", identityBased, /another history|sent in full/],
    ["no fields are compared", noFields, /other tools/]
  ])("goes wrong where %s", (_, rule, problem) => {
    const result = check<unknown>(rule as () => Rule<unknown>)
    assert.isTrue(result.failed)
    assert.match(String(result.errorInstance), problem)
  })

  it("goes wrong by identity also where nothing is written anew", () => {
    const mutations = FastCheck.check(
      FastCheck.property(
        course,
        (turns) => judge(identityBased(), turns.filter(({ kind }) => kind !== "rewrite")) === undefined
      ),
      { numRuns: 1000 }
    )
    assert.isTrue(mutations.failed)
  })
})
