import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import * as CanonicalItem from "../src/internal/compare/canonicalItem.ts"
import * as CanonicalJson from "../src/internal/compare/canonicalJson.ts"
import * as Continuation from "../src/internal/compare/continuation.ts"
import * as Fingerprint from "../src/internal/compare/fingerprint.ts"
import * as ItemMatch from "../src/internal/compare/itemMatch.ts"
import type { ResponseItem } from "../src/ResponseItem.ts"
import * as Dialogues from "./support/dialogues.ts"

type Json = Dialogues.Json

const keyOf = (items: ReadonlyArray<unknown>): number =>
  Fingerprint.key(Fingerprint.extend(Fingerprint.empty, items as ReadonlyArray<ResponseItem>))

const isCompaction = (item: unknown): boolean => keyOf([item]) === keyOf([{ type: "compaction" }])

const rootOf = (items: ReadonlyArray<unknown>): number | undefined =>
  Fingerprint.root(items as ReadonlyArray<ResponseItem>)

const beginningsOf = (items: ReadonlyArray<unknown>): ReadonlyArray<number> => {
  const keys: Array<number> = []
  Fingerprint.forEachBeginning(
    items as ReadonlyArray<ResponseItem>,
    (hash, count) => keys.push(Fingerprint.key({ hash, count }))
  )
  const [none, ...others] = keys
  assert.strictEqual(none, keyOf([]))
  return others
}

const isSame = (known: unknown, item: unknown): boolean => {
  const draft = new CanonicalJson.Draft()
  const meaning = CanonicalItem.make(draft, known as ResponseItem)
  return ItemMatch.match(meaning, item as ResponseItem, draft) !== undefined
}

const isReference = (item: Json): boolean => {
  const [kind] = CanonicalItem.make(new CanonicalJson.Draft(), item as unknown as ResponseItem)
  return kind === "item_reference"
}

const { array, boolean, constantFrom, dictionary, jsonValue, nat, oneof, option, record, string, tuple } = FastCheck

/** All but those that make a reference of an item. */
const bits = nat(127).map((bits) => bits & ~32)

const short = oneof(constantFrom("", "a", "b", "message", "user", "text"), string({ maxLength: 2 }))

const loose = oneof(short, constantFrom(null, 0, 1, true), jsonValue({ maxDepth: 1 }))

const types = constantFrom(
  "message",
  "function_call",
  "custom_tool_call",
  "function_call_output",
  "custom_tool_call_output",
  "reasoning",
  "compaction_trigger",
  "compaction",
  "item_reference",
  "text",
  null
)

const part = record({
  type: oneof(constantFrom("input_text", "output_text", "text", "refusal", "input_image"), loose),
  text: loose,
  refusal: loose
}, { requiredKeys: [] })

/** Of which the rules of most kinds do not know what to make. */
const looseItem: FastCheck.Arbitrary<Json> = tuple(
  record({
    type: oneof({ weight: 8, arbitrary: types }, { weight: 1, arbitrary: loose }),
    id: oneof(short, constantFrom(null)),
    role: oneof(constantFrom("user", "assistant"), loose),
    content: oneof(short, array(part, { maxLength: 2 }), loose),
    call_id: loose,
    name: loose,
    output: oneof(short, array(part, { maxLength: 2 }), loose),
    arguments: short,
    input: short,
    status: short
  }, { requiredKeys: [] }),
  option(dictionary(short, loose, { maxKeys: 2 }), { nil: {} })
).map(([item, more]) => ({ ...more, ...item }))

const anyItem = oneof(Dialogues.item, looseItem)

/** Loose content cannot be written as the content of a message in another way. */
const rewritable = oneof(tuple(Dialogues.item, bits), tuple(looseItem, bits.map((bits) => bits & ~8)))

/** As an instance of a class of an SDK has it. */
const asInstance = (value: Json): object => ({ hidden: 1, toJSON: () => value })

const parts = (item: Json, change: (part: Json) => object): Json => {
  const changed = (content: unknown) =>
    Array.isArray(content)
      ? content.map((part: unknown) => typeof part === "object" && part !== null ? change(part as Json) : part)
      : content
  return Object.fromEntries(
    Object.entries(item).map((
      [name, value]
    ) => [name, name === "content" || name === "output" ? changed(value) : value])
  )
}

/** Fields, and elements of lists in them, as instances of classes, or beside what JSON leaves out. */
const instances = (item: Json, how: ReadonlyArray<boolean>): Json => {
  const written = Object.entries(item).map(([name, value], index) => {
    const elements = Array.isArray(value) && how[index + 1] === true
      ? value.map((value: Json) => asInstance(value))
      : value
    return [name, how[index] === true ? asInstance(elements as Json) : elements] as const
  })
  const absent = ["type", "role", "content", "call_id", "name"].filter((name) => !(name in item))
  return Object.fromEntries([
    ...written,
    ...absent.map((name, index) => [name, how[index] === true ? () => 1 : undefined] as const)
  ])
}

describe("the number of an item", () => {
  it.prop(
    "is the same however the item is written",
    [rewritable, boolean(), boolean()],
    ([[item, bits], isInstance, hasInstances]) => {
      FastCheck.pre(!isReference(item))
      const rewritten = Dialogues.rewrite(item, bits)
      const other = hasInstances ? parts(rewritten, asInstance) : rewritten
      const written = isInstance ? asInstance(other) : other
      FastCheck.pre(isSame(item, written))
      assert.strictEqual(keyOf([item]), keyOf([written]))
    },
    { fastCheck: { numRuns: 2000, maxSkipsPerRun: 1000 } }
  )

  it.prop(
    "is the same for whatever is taken for the same",
    [array(looseItem, { minLength: 2, maxLength: 12 })],
    ([items]) => {
      const counted = items.filter((item) => !isReference(item))
      for (const [index, item] of counted.entries()) {
        for (const other of counted.slice(index)) {
          if (isSame(item, other)) assert.strictEqual(keyOf([item]), keyOf([other]))
        }
      }
    },
    { fastCheck: { numRuns: 1000 } }
  )

  it.prop(
    "is the same for whatever is taken for the same, and holds instances of classes",
    [looseItem, array(boolean(), { minLength: 12, maxLength: 12 })],
    ([item, how]) => {
      FastCheck.pre(!isReference(item))
      const written = instances(item, how)
      FastCheck.pre(isSame(item, written))
      assert.strictEqual(keyOf([item]), keyOf([written]))
    },
    { fastCheck: { numRuns: 2000, maxSkipsPerRun: 1000 } }
  )

  it.prop(
    "is none of an item that a caller may leave out",
    [Dialogues.items, nat(8), Dialogues.item],
    ([items, at, item]) => {
      const skipped = [{ ...item, type: "reasoning" }, { type: "compaction_trigger" }]
      assert.strictEqual(keyOf(items.toSpliced(at, 0, ...skipped)), keyOf(items))
    }
  )

  it.prop("is there whatever the item is", [array(FastCheck.anything())], ([items]) => {
    assert.isTrue(Number.isSafeInteger(keyOf(items)))
    assert.isTrue(Number.isSafeInteger(rootOf(items) ?? 0))
    assert.isAtMost(beginningsOf(items).length, items.length)
  })

  it("is there for an item that cannot be read", () => {
    const cyclic: Json = {}
    cyclic["content"] = cyclic
    const broken = {
      get type() {
        throw new Error("no")
      }
    }
    for (const item of [null, undefined, 1, asInstance(cyclic), broken]) {
      assert.isTrue(Number.isSafeInteger(keyOf([item])))
      assert.isTrue(Number.isSafeInteger(rootOf([item])))
    }
  })

  const user = (content: unknown): Json => ({ role: "user", content })
  const call = (fields: Json): Json => ({ type: "function_call", call_id: "c", name: "f", arguments: "{}", ...fields })
  const output = (fields: Json): Json => ({ type: "function_call_output", call_id: "c", output: "1", ...fields })
  const text = (text: string): Json => ({ type: "input_text", text })
  const long = (middle: string): string => `${"a".repeat(16)}${middle}${"z".repeat(16)}`

  const table: ReadonlyArray<readonly [what: string, one: Json, other: Json, same: boolean]> = [
    ["a text", user("a"), user("b"), false],
    ["the beginning of a long text", user(long("m")), user(`b${long("m").slice(1)}`), false],
    ["the end of a long text", user(long("m")), user(`${long("m").slice(0, -1)}b`), false],
    ["the length of a long text", user(long("m")), user(long("mm")), false],
    ["the middle of a long text, which is not read", user(long("m")), user(long("n")), true],
    ["a text that is read as a whole", user(long("")), user(`${"a".repeat(15)}bz${"z".repeat(15)}`), false],
    ["the order of texts", user([text("a"), text("b")]), user([text("b"), text("a")]), false],
    ["where a text ends", user([text("ab"), text("c")]), user([text("a"), text("bc")]), false],
    ["a role", user("a"), { role: "assistant", content: "a" }, false],
    ["a phase", { role: "assistant", content: "a", phase: "commentary" }, { role: "assistant", content: "a" }, true],
    ["a kind", call({}), call({ type: "custom_tool_call", input: "" }), false],
    ["a call", call({}), call({ call_id: "d" }), false],
    ["a function", call({}), call({ name: "g" }), false],
    ["arguments, which SDKs write anew", call({}), call({ arguments: "{\"a\":1}" }), true],
    ["the call of an output", output({}), output({ call_id: "d" }), false],
    ["an output", output({}), output({ output: "2" }), true],
    [
      "an image",
      user([{ type: "input_image", image_url: "a" }]),
      user([{ type: "input_image", image_url: "b" }]),
      true
    ],
    ["a kind that has no rule", { type: "a" }, { type: "b" }, false],
    ["what is in an item that has no rule", { type: "a", b: 1 }, { type: "a", b: 2 }, true]
  ]

  for (const [what, one, other, same] of table) {
    it(`${same ? "does not tell" : "tells"} apart: ${what}`, () => {
      assert.strictEqual(keyOf([one]) === keyOf([other]), same)
    })
  }

  it("depends on the order of the items", () => {
    assert.notStrictEqual(keyOf([user("a"), user("b")]), keyOf([user("b"), user("a")]))
  })
})

describe("the number of a history", () => {
  it.prop("is that of one pass, wherever the history is cut", [array(anyItem, { maxLength: 8 }), nat(8), nat(8)], (
    [items, one, other]
  ) => {
    const [first, second] = [Math.min(one, other), Math.max(one, other)]
    const cut = [items.slice(0, first), items.slice(first, second), items.slice(second)].map(Dialogues.asItems)
    const found = cut.reduce(Fingerprint.extend, Fingerprint.empty)
    assert.deepStrictEqual(found, Fingerprint.extend(Fingerprint.empty, Dialogues.asItems(items)))
    const window = items.slice(Math.max(0, items.findLastIndex(isCompaction)))
    assert.strictEqual(found.count, window.filter((item) => keyOf([item]) !== keyOf([])).length)
  })

  it("begins anew with a compaction, as a caller may leave out what is before it", () => {
    const compaction = { type: "compaction", encrypted_content: "e" }
    const [before, after] = [[{ role: "user", content: "a" }], [{ role: "user", content: "b" }]]
    assert.strictEqual(keyOf([...before, compaction, ...after]), keyOf([compaction, ...after]))
    assert.notStrictEqual(keyOf([...before, compaction]), keyOf([...before, compaction, ...after]))
    assert.include(beginningsOf([...before, compaction, ...after]), keyOf([compaction]))
  })

  it.prop(
    "is that of a beginning of each history that goes on from it",
    [array(anyItem, { maxLength: 8 })],
    ([items]) => {
      const beginnings = items.map((_, index) => keyOf(items.slice(0, index + 1))).filter((key) => key !== keyOf([]))
      assert.deepStrictEqual([...new Set(beginningsOf(items))], [...new Set(beginnings)])
    }
  )

  it.prop(
    "is found in whatever a delta fits",
    [
      array(Dialogues.item, { minLength: 1, maxLength: 8 }),
      array(Dialogues.output, { maxLength: 3 }),
      array(Dialogues.item, { minLength: 1, maxLength: 3 }),
      array(bits, { minLength: 20, maxLength: 20 }),
      boolean()
    ],
    ([history, output, appended, how, keepsReasoning]) => {
      const head = Continuation.commit(
        Continuation.plan(undefined, { model: "m", input: Dialogues.asItems(history) }),
        {
          response: { id: "resp_1" },
          output: Dialogues.asItems(output)
        }
      )
      const before = [...history, ...output]
      const kept = keepsReasoning ? before : before.filter((item) => !Dialogues.isReasoning(item))
      const echo = kept.map((item, index) => Dialogues.rewrite(item, how[index % how.length] ?? 0))
      const input = [...echo, ...appended]
      FastCheck.pre(Continuation.plan(head, { model: "m", input: Dialogues.asItems(input) })._tag === "Delta")
      const key = keyOf(before)
      if (key !== keyOf([])) assert.include(beginningsOf(input), key)
      assert.strictEqual(rootOf(input), rootOf(before) ?? rootOf(appended))
    },
    { fastCheck: { numRuns: 500 } }
  )

  it("is never that of a history of another length", () => {
    const items = Array.from({ length: 100 }, () => ({ role: "user", content: "a" }))
    assert.strictEqual(new Set(beginningsOf(items)).size, 100)
    assert.deepStrictEqual(
      beginningsOf(items).map((key) => Math.floor(key / 2 ** 32)),
      items.map((_, index) => index + 1)
    )
  })
})

describe("the root of a history", () => {
  const say = (role: string, content: string): Json => ({ role, content })

  it("is its first item that is no instruction", () => {
    const said = say("user", "a")
    const instructions = [
      say("system", "s"),
      { type: "message", ...say("developer", "d") },
      asInstance(say("system", "i"))
    ]
    assert.strictEqual(rootOf([...instructions, said, say("user", "b")]), rootOf([said]))
    assert.notStrictEqual(rootOf([say("user", "b"), said]), rootOf([said]))
  })

  it("is none of instructions alone, with which many conversations begin", () => {
    for (const items of [[], [say("system", "s")], [say("developer", "d"), say("system", "s")]]) {
      assert.isUndefined(rootOf(items))
    }
  })

  it("is not of an item that a caller may leave out", () => {
    const reasoning = { type: "reasoning", encrypted_content: "a", summary: [] }
    assert.strictEqual(rootOf([say("system", "s"), reasoning, say("user", "a")]), rootOf([say("user", "a")]))
    assert.isUndefined(rootOf([say("system", "s"), reasoning]))
  })
})
