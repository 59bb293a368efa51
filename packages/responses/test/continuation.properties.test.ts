import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import * as Continuation from "../src/internal/compare/continuation.ts"
import type { ResponseItem } from "../src/ResponseItem.ts"
import * as ResponseRequest from "../src/ResponseRequest.ts"
import * as Dialogues from "./support/dialogues.ts"

type Json = Dialogues.Json

const bits = FastCheck.array(FastCheck.nat(127), { minLength: 40, maxLength: 40 })
const outputs = FastCheck.array(Dialogues.output, { maxLength: 3 })

const ask = (input: ReadonlyArray<Json>, fields: object = {}): ResponseRequest.ResponseRequest => ({
  model: "m",
  input: Dialogues.asItems(input),
  ...fields
})

const headAfter = (input: ReadonlyArray<Json>, output: ReadonlyArray<Json>) =>
  Continuation.commit(Continuation.plan(undefined, ask(input)), {
    response: { id: "resp_1", status: "completed" },
    output: Dialogues.asItems(output),
    alternatives: Dialogues.asItems(Dialogues.encryptedAgain(output))
  })

/** The output as a client has it that took this or that of its items from this or that event. */
const received = (output: ReadonlyArray<Json>, how: ReadonlyArray<number>): Array<Json> =>
  output.map((item, index) => how[index % how.length]! & 1 ? Dialogues.encryptedAgain([item])[0] ?? item : item)

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
    ([history, anyOutput, appended, how, keepsReasoning]) => {
      const output = Dialogues.unique(anyOutput, 0)
      const echo = rewritten([...history, ...received(output, how)], how.toReversed()).filter((item) =>
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
      FastCheck.pre(!Dialogues.isSaid([before[index]!], [edited]))
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

/** Our rule, by which a wrong one goes that overlooks something. */
const ruleOf = (
  overlook: {
    readonly fields?: (request: ResponseRequest.ResponseRequest) => ResponseRequest.ResponseRequest
    readonly item?: (item: Json) => Json
    readonly alternatives?: false
  } = {}
): () => Rule<Continuation.Head | undefined> =>
() => {
  const { alternatives = true, fields = (request) => request, item = (item) => item } = overlook
  const items = (given: unknown) => Dialogues.asItems((given as ReadonlyArray<Json>).map(item))
  let last: Continuation.Plan
  return {
    plan: (head, request) => {
      last = Continuation.plan(head, fields({ ...request, input: items(request.input) }))
      return last._tag === "Full" ? request : {
        ...request,
        previous_response_id: last.request.previous_response_id,
        input: (request.input as ReadonlyArray<ResponseItem>).slice(last.sharedItems)
      }
    },
    commit: (id, output) =>
      Continuation.commit(last, {
        response: { id },
        output: items(output),
        ...(alternatives ? { alternatives: items(Dialogues.encryptedAgain(output)) } : {})
      })
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

const ours = ruleOf()
const noFields = ruleOf({ fields: ({ input, model }) => ({ input, model }) })
const lengthBased = echoRule(() => true)
const identityBased = echoRule((input, items) => items.every((item, index) => item === input[index]))
const trustsReferences = echoRule((input, items) =>
  items.every((item, index) => {
    const given = input[index] as Json
    return given["type"] === "item_reference" || JSON.stringify(given) === JSON.stringify(item)
  })
)

const withoutNulls = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== "object" || value === null) return value
  const fields = Object.entries(value).filter(([, field]) => field !== null)
  return Object.fromEntries(fields.map(([name, field]) => [name, withoutNulls(field)]))
}

const noNullsInArguments = ruleOf({
  item: (item) => {
    try {
      return { ...item, arguments: JSON.stringify(withoutNulls(JSON.parse(item["arguments"] as string))) }
    } catch {
      return item
    }
  }
})
const noNulls = ruleOf({ item: (item) => withoutNulls(item) as Json })
const noCiphertexts = ruleOf({
  item: (item) => "encrypted_content" in item ? { ...item, encrypted_content: "e" } : item
})
const noPhases = ruleOf({ item: (item) => ({ ...item, phase: undefined }) })
const oneSpelling = ruleOf({ alternatives: false })
const noReferences = ruleOf({
  item: (item) => item["type"] === "item_reference" ? { type: "x", id: item["id"] } : item
})

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
  const stored = new Map<unknown, Json>()
  const resolved = (items: ReadonlyArray<Json>) =>
    items.map((item) => item["type"] === "item_reference" ? stored.get(item["id"]) ?? item : item)
  const store = (items: ReadonlyArray<Json>) => {
    for (const item of resolved(items)) if ("id" in item) stored.set(item["id"], item)
  }
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
    const input = sent.input as ReadonlyArray<unknown> as ReadonlyArray<Json>
    store(input)
    const seen = [...parent?.seen ?? [], ...resolved(input)]
    const said = resolved(history)
    const windows = said.flatMap((item, at) => at === 0 || item["type"] === "compaction" ? [said.slice(at)] : [])
    if (!windows.some((window) => Dialogues.isSaid(seen, window))) return `turn ${index}: the model saw another history`
    if (parent !== undefined && parent.tools !== JSON.stringify(sent.tools)) return `turn ${index}: other tools`
    if (index > 0 && parent === undefined && (turn.kind === "append" || turn.kind === "rewrite")) {
      return `turn ${index}: sent in full`
    }

    const output = Dialogues.unique(structuredClone(turn.output), index)
    store(structuredClone(output))
    // A server that has compacted goes on from there.
    const compaction = output.findLastIndex((item) => item["type"] === "compaction")
    const kept = compaction === -1 ? [...seen, ...output] : output.slice(compaction)
    server.set(`resp_${index}`, { seen: structuredClone(kept), tools: JSON.stringify(sent.tools) })
    head = rule.commit(`resp_${index}`, output)
    history = [...history, ...received(output, turn.bits)]
  }
  return undefined
}

describe("the course of a dialogue", () => {
  /** Whether any course goes wrong in this way. */
  const check = <Head>(rule: () => Rule<Head>, problem: RegExp, options: { readonly endOnFailure?: true } = {}) =>
    FastCheck.check(
      FastCheck.property(course, (turns) => {
        const found = judge(rule(), turns)
        if (found !== undefined && problem.test(found)) throw new Error(found)
      }),
      { numRuns: 1000, ...options }
    )

  it("is what the caller said, and every append is a delta", () => {
    const result = check(ours, /./)
    assert.isFalse(result.failed, FastCheck.defaultReportMessage(result))
  })

  it.each([
    ["items are only counted", lengthBased, /another history/],
    ["items are compared by identity", identityBased, /another history|sent in full/],
    ["no fields are compared", noFields, /other tools/],
    ["references are trusted", trustsReferences, /another history/],
    ["references are not understood", noReferences, /sent in full/],
    ["nulls in arguments are overlooked", noNullsInArguments, /another history/],
    ["nulls in schemas are overlooked", noNulls, /another history/],
    ["ciphertexts are overlooked", noCiphertexts, /another history/],
    ["phases are overlooked", noPhases, /another history/],
    ["one spelling of a ciphertext is known", oneSpelling, /sent in full/]
  ])("goes wrong where %s", (_, rule, problem) => {
    assert.isTrue(check<unknown>(rule as () => Rule<unknown>, problem, { endOnFailure: true }).failed)
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
