import { assert, describe, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Predicate from "effect/Predicate"
import * as Output from "../src/internal/exchange/output.ts"
import type * as ResponseEvent from "../src/ResponseEvent.ts"

type Json = Readonly<Record<string, unknown>>

const message = (id: string, text: string, more: Json = {}): Json => ({
  type: "message",
  id,
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text, annotations: [] }],
  ...more
})

const call = (id: string, callId: string, more: Json = {}): Json => ({
  type: "function_call",
  id,
  call_id: callId,
  name: "look",
  arguments: "{\"city\":\"Oslo\"}",
  status: "completed",
  ...more
})

const reasoning = (id: string, encrypted: string | null, more: Json = {}): Json => ({
  type: "reasoning",
  id,
  summary: [],
  encrypted_content: encrypted,
  ...more
})

const done = (item: unknown, index?: unknown): Json => ({
  type: "response.output_item.done",
  item,
  ...(index === undefined ? {} : { output_index: index })
})

const added = (item: unknown, index?: unknown): Json => ({ ...done(item, index), type: "response.output_item.added" })

const delta = (type: string, text: string, at: Json = {}): Json => ({
  type: `response.${type}.delta`,
  delta: text,
  ...at
})

const text = (id: string, words: string, index = 0): ReadonlyArray<Json> =>
  words.split("").map((letter) => delta("output_text", letter, { item_id: id, output_index: index, content_index: 0 }))

const end = (output: unknown, status?: string) => ({ id: "r", status, output }) as unknown as ResponseEvent.Response

const add = (output: Output.Output, events: ReadonlyArray<Json>) => {
  for (const event of events) output.add(event, 10)
}

const whole = (events: ReadonlyArray<Json>, list: unknown, status?: string) => {
  const output = Output.make()
  add(output, events)
  return output.of(end(list, status))
}

/** What is compared: texts and calls, by their ids. */
const brief = (items: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  items.map((given) => {
    const { arguments: args, call_id: callId, content, id, input, type } = given as Json
    const said = Array.isArray(content)
      ? content.map((part) => part.text ?? part.refusal).join("|")
      : args ?? input ?? ""
    return [type, id, callId, said].filter(Predicate.isString).join(" ")
  })

const a = message("a", "One")
const b = message("b", "Two")
const c1 = call("fc_1", "call_1")

describe("what all witnesses say together", () => {
  const same = ["message a One", "function_call fc_1 call_1 {\"city\":\"Oslo\"}"]
  const table: ReadonlyArray<readonly [string, ReadonlyArray<Json>, unknown, ReadonlyArray<string>]> = [
    ["the list alone", [], [a, c1], same],
    ["the list and the events of its items", [done(a, 0), done(c1, 1)], [a, c1], same],
    ["no list", [done(a, 0), done(c1, 1)], undefined, same],
    ["a list that is null", [done(a, 0), done(c1, 1)], null, same],
    ["an empty list", [done(c1, 1), done(a, 0)], [], same],
    ["a list that lacks the last item", [done(a, 0), done(c1, 1)], [a], same],
    ["a list that lacks the first item", [done(a, 0), done(c1, 1)], [c1], same],
    ["a list that lacks an item in the middle", [done(b, 1)], [a, message("c", "Three")], [
      "message a One",
      "message b Two",
      "message c Three"
    ]],
    ["a list with more than the events", [done(a, 0)], [a, c1], same],
    ["a list and events that know different items", [done(c1, 1)], [a], same],
    ["an item that came twice", [done(a, 0), done(a, 0), done(c1, 1)], [], same],
    ["an item without a place that came twice", [done(a), done(a)], [], ["message a One"]],
    ["items that all have the first place", [done(a, 0), done(b, 0)], [], ["message a One", "message b Two"]],
    ["items of one id at different places", [done(message("x", "One"), 0), done(message("x", "Two"), 1)], [], [
      "message x One",
      "message x Two"
    ]],
    ["items of one id, listed too", [done(message("x", "One"), 0), done(message("x", "Two"), 1)], [
      message("x", "One"),
      message("x", "Two")
    ], ["message x One", "message x Two"]],
    ["ids that are made anew at the end", [done(message("x", "One"), 0)], [a], ["message a One"]],
    ["ids that are missing at the end", [done(a, 0)], [message("", "One")], ["message a One"]],
    ["a thin list without ids", [done(a, 0), done(b, 1)], [message("", "Two")], ["message a One", "message b Two"]],
    ["an item that tells neither id nor place", [done(message("", "Hm"))], [message("", "One")], ["message  One"]],
    ["ids that are missing before the end", [done(message("", "one"), 0)], [a], ["message a One"]],
    ["items without ids that say the same", [done(message("", "One"), 0), done(message("", "One"), 1)], [], [
      "message  One",
      "message  One"
    ]],
    ["one call under two ids", [done(c1, 0), done(call("fc_2", "call_1"), 1)], [], [same[1] ?? ""]],
    ["one call under two ids, listed twice", [], [c1, call("fc_2", "call_1")], [same[1] ?? ""]],
    [
      "one call under two ids, of which the first is broken off",
      [
        done(call("fc_1", "call_1", { arguments: "{\"ci", status: "incomplete" }), 0),
        done(call("fc_2", "call_1"), 1)
      ],
      [],
      ["function_call fc_2 call_1 {\"city\":\"Oslo\"}"]
    ],
    ["two calls under one id", [done(c1, 0), done(call("fc_1", "call_2"), 1)], [], [
      same[1] ?? "",
      "function_call fc_1 call_2 {\"city\":\"Oslo\"}"
    ]],
    [
      "calls that the server answers itself have no call_id",
      [
        done({ type: "web_search_call", id: "ws_1", call_id: "" }, 0),
        done({ type: "web_search_call", id: "ws_2", call_id: "" }, 1)
      ],
      [],
      ["web_search_call ws_1  ", "web_search_call ws_2  "]
    ],
    ["a call and its output share a call_id", [done({ ...c1, type: "shell_call" }, 0)], [
      { ...c1, type: "shell_call" },
      { type: "shell_call_output", id: "o", call_id: "call_1" }
    ], ["shell_call fc_1 call_1 {\"city\":\"Oslo\"}", "shell_call_output o call_1 "]],
    ["a list with stubs of items", [done(a, 0), done(c1, 1)], [
      message("a", "One", { content: [] }),
      call("fc_1", "call_1", { arguments: "", name: null })
    ], same],
    ["a list with items as they were in between", [done(a, 0), done(c1, 1)], [
      message("a", "", { status: "in_progress" }),
      call("fc_1", "call_1", { arguments: "{\"ci", status: "in_progress" })
    ], same],
    ["a list with an empty text", text("a", "One"), [message("a", "")], ["message a One"]],
    ["text in deltas only", text("a", "One"), null, ["message a One"]],
    ["text in deltas only, without ids and places", [delta("output_text", "O"), delta("output_text", "ne")], [], [
      "message One"
    ]],
    ["two texts in turns", [...text("a", "On"), ...text("b", "Two", 1), ...text("a", "e")], [], [
      "message a One",
      "message b Two"
    ]],
    [
      "text at the end of the deltas only",
      [
        { type: "response.output_text.done", text: "One", item_id: "a", output_index: 0 }
      ],
      [],
      ["message a One"]
    ],
    ["deltas that come late", [...text("a", "One"), done(a, 0), ...text("a", "ne")], [], ["message a One"]],
    ["deltas under another id than their item", [...text("x", "One"), done(a, 0)], [a], ["message a One"]],
    ["deltas beside a list that has the text", [delta("output_text", "One", { output_index: 0 })], [a], [
      "message a One"
    ]],
    ["deltas that tell nothing of their items", [delta("output_text", "One"), delta("output_text", "Two")], [a, b], [
      "message a One",
      "message b Two"
    ]],
    ["deltas that tell nothing of their item, beside a call", [delta("output_text", "One"), done(c1, 1)], [], [
      same[1] ?? "",
      "message One"
    ]],
    ["a message that was announced and never came", [added(message("a", "", { content: [] }), 0)], [], []],
    ["a refusal", [delta("refusal", "N", { output_index: 0 }), delta("refusal", "o", { output_index: 0 })], [], [
      "message No"
    ]],
    [
      "an announced call with deltas",
      [
        added(call("fc_1", "call_1", { arguments: "", status: "in_progress" }), 0),
        delta("function_call_arguments", "{\"city\":", { item_id: "fc_1", output_index: 0 }),
        delta("function_call_arguments", "\"Oslo\"}", { item_id: "fc_1", output_index: 0 })
      ],
      [],
      [same[1] ?? ""]
    ],
    [
      "an announced call with deltas that have no id",
      [
        added(call("fc_1", "call_1", { arguments: "" }), 0),
        delta("function_call_arguments", "{\"city\":\"Oslo\"}", { output_index: 0 })
      ],
      [],
      [same[1] ?? ""]
    ],
    [
      "an announced call with deltas under another id",
      [
        added(call("fc_1", "call_1", { arguments: "" }), 0),
        delta("function_call_arguments", "{\"city\":\"Oslo\"}", { item_id: "x", output_index: 0 })
      ],
      [],
      [same[1] ?? ""]
    ],
    [
      "an announced tool call with input",
      [
        added({ type: "custom_tool_call", id: "ct", call_id: "c", name: "sh", input: "" }, 0),
        delta("custom_tool_call_input", "ls", { item_id: "ct", output_index: 0 })
      ],
      [],
      ["custom_tool_call ct c ls"]
    ],
    [
      "arguments of a call that nobody announced",
      [
        delta("function_call_arguments", "{}", { item_id: "fc_1", output_index: 0 })
      ],
      [],
      []
    ],
    ["things that are no items", [done(null, 0), done(3, 1), done(a, 2)], [null, 3, "x", [a]], ["message a One"]],
    ["places that are none", [done(a, -1), done(b, Number.NaN), done(c1, "1")], [], [
      "message a One",
      "message b Two",
      same[1] ?? ""
    ]],
    ["a place beyond all", [done(b, 1e9), done(a, 0)], [], ["message a One", "message b Two"]]
  ]
  for (const [what, events, list, expected] of table) {
    it(`from ${what}`, () => assert.deepStrictEqual(brief(whole(events, list).output), expected))
  }
})

describe("spellings", () => {
  it("what is encrypted anew at the end is the output, and what came before is another spelling of it", () => {
    const before = reasoning("rs_1", "before")
    const { alternatives, output } = whole([done(before, 0), done(a, 1)], [reasoning("rs_1", "anew"), a])
    assert.deepStrictEqual<unknown>(output, [reasoning("rs_1", "anew"), a])
    assert.deepStrictEqual<unknown>(alternatives, [before])
  })

  it("the same holds for compaction, and equal spellings are none", () => {
    const compaction = (encrypted: string) => ({ type: "compaction", id: "cmp", encrypted_content: encrypted })
    assert.deepStrictEqual<unknown>(whole([done(compaction("x"), 0)], [compaction("y")]).alternatives, [
      compaction("x")
    ])
    assert.deepStrictEqual<unknown>(whole([done(compaction("x"), 0)], [compaction("x")]).alternatives, [])
  })

  it("what the end left out of an item is taken from before, and nothing else", () => {
    const { alternatives, output } = whole([done(reasoning("rs_1", "before"), 0)], [
      reasoning("rs_1", null, { status: "completed" })
    ])
    assert.deepStrictEqual<unknown>(output, [reasoning("rs_1", "before", { status: "completed" })])
    assert.deepStrictEqual<unknown>(alternatives, [])
  })

  it("an item that lacks nothing is the very object that came", () => {
    const list = [message("a", "One"), call("fc_1", "call_1")]
    const { output } = whole([done(message("a", "One"), 0)], list)
    assert.isTrue(output.every((item, index) => item === list[index] as unknown))
  })
})

describe("items made of deltas", () => {
  for (const [status, expected] of [["completed", "completed"], ["incomplete", "incomplete"]] as const) {
    it(`text of a response that ended ${status} is ${expected}`, () => {
      assert.deepStrictEqual<unknown>(whole(text("a", "Hel"), [], status).output, [
        message("a", "Hel", { status: expected })
      ])
    })
  }

  it("an end that is incomplete by its type only is one as well", () => {
    const { output } = whole([...text("a", "Hel"), { type: "response.incomplete" }], [])
    assert.deepStrictEqual(output.map((item) => "status" in item && item.status), ["incomplete"])
  })

  it("parts, summaries and thoughts each have their place", () => {
    const { output } = whole([
      delta("reasoning_summary_text", "B", { item_id: "rs", output_index: 0, summary_index: 1 }),
      delta("reasoning_summary_text", "A", { item_id: "rs", output_index: 0, summary_index: 0 }),
      delta("reasoning_text", "C", { item_id: "rs", output_index: 0, content_index: 0 }),
      delta("output_text", "One", { item_id: "a", output_index: 1, content_index: 0 }),
      delta("refusal", "No", { item_id: "a", output_index: 1, content_index: 1 })
    ], [])
    assert.deepStrictEqual<unknown>(output, [
      {
        type: "reasoning",
        id: "rs",
        status: "completed",
        summary: [{ type: "summary_text", text: "A" }, { type: "summary_text", text: "B" }],
        content: [{ type: "reasoning_text", text: "C" }]
      },
      message("a", "One", {
        content: [{ type: "output_text", text: "One", annotations: [] }, { type: "refusal", refusal: "No" }]
      })
    ])
  })
})

describe("places", () => {
  for (const place of [1e300, Number.MAX_SAFE_INTEGER, 2 ** 53]) {
    it(`as far as ${place} take no time`, () => {
      const [b, c] = [message("b", "Two"), message("c", "Three")]
      const { output } = whole([done(a, place), done(c, 0)], [a, b])
      assert.sameMembers([...brief(output)], [...brief([a, b, c])])
    })
  }
})

describe("what is kept", () => {
  it("deltas are let go when their item has come", () => {
    const output = Output.make()
    add(output, [added(message("a", ""), 0), ...text("a", "One")])
    assert.strictEqual(output.size(), 40)
    add(output, [done(a, 0)])
    assert.strictEqual(output.size(), 10)
    add(output, [...text("b", "Two", 1), { type: "response.other", delta: "x" }])
    assert.strictEqual(output.size(), 40)
  })

  for (const [what, at] of [["ids", { output_index: 0 }], ["places", { item_id: "a" }], ["both", {}]] as const) {
    it(`also deltas without ${what}`, () => {
      const output = Output.make()
      add(output, [delta("output_text", "O", at), delta("output_text", "ne", at), done(a, 0)])
      assert.strictEqual(output.size(), 10)
    })
  }
})

interface Witnessed {
  readonly isCall: boolean
  /** Who has the item whole. At least one has. */
  readonly sources: ReadonlyArray<"end" | "done" | "deltas">
  readonly isAnnounced: boolean
  readonly isTwice: boolean
}

const witnessed: fc.Arbitrary<Witnessed> = fc.record({
  isCall: fc.boolean(),
  sources: fc.subarray<"end" | "done" | "deltas">(["end", "done", "deltas"], { minLength: 1 }),
  isAnnounced: fc.boolean(),
  isTwice: fc.boolean()
})

const events = (
  { isAnnounced, isCall, isTwice, sources }: Witnessed,
  index: number
): ReadonlyArray<ReadonlyArray<Json>> => {
  const item = isCall ? call(`fc_${index}`, `call_${index}`) : message(`msg_${index}`, `Text ${index}`)
  const stub = { ...item, status: "in_progress", ...(isCall ? { arguments: "" } : { content: [] }) }
  const at = { item_id: item["id"], output_index: index, ...(isCall ? {} : { content_index: 0 }) }
  const words = (isCall ? String(item["arguments"]) : `Text ${index}`).split("")
  const hasDeltas = sources.includes("deltas")
  return [
    ...(isAnnounced || (hasDeltas && isCall) ? [[added(stub, index)]] : []),
    ...(hasDeltas ? [words.map((word) => delta(isCall ? "function_call_arguments" : "output_text", word, at))] : []),
    ...(sources.includes("done") ? [[done(item, index)], ...(isTwice ? [[done(item, index)]] : [])] : [])
  ]
}

describe("properties", () => {
  it("whatever order they come in, whatever is missing or comes twice: the output is the same, and whole", () => {
    fc.assert(
      fc.property(
        fc.array(witnessed, { maxLength: 6 }).chain((items) =>
          fc.record({
            items: fc.constant(items),
            groups: fc.shuffledSubarray(items.flatMap(events), { minLength: items.flatMap(events).length })
          })
        ),
        ({ groups, items }) => {
          const all = items.map(({ isCall }, index) =>
            isCall ? call(`fc_${index}`, `call_${index}`) : message(`msg_${index}`, `Text ${index}`)
          )
          const list = all.filter((_, index) => items[index]?.sources.includes("end"))
          assert.deepStrictEqual(brief(whole(groups.flat(), list).output), brief(all))
        }
      ),
      { numRuns: 300 }
    )
  })

  it("nothing that a server can send makes it throw", () => {
    const junk = fc.oneof(
      fc.constantFrom<unknown>(null, undefined, "", "a", 0, -1, 1e9, Number.NaN, [], [null], {}, [[]], true),
      fc.jsonValue({ maxDepth: 2 })
    )
    const item = fc.oneof(
      junk,
      fc.record({
        type: fc.oneof(
          fc.constantFrom("message", "reasoning", "function_call", "custom_tool_call", "web_search_call"),
          junk
        ),
        id: junk,
        call_id: junk,
        content: junk,
        summary: junk,
        arguments: junk,
        status: junk,
        encrypted_content: junk
      }, { requiredKeys: [] })
    )
    const event = fc.record({
      type: fc.constantFrom(
        "response.output_item.added",
        "response.output_item.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.refusal.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.custom_tool_call_input.delta",
        "response.reasoning_summary_text.delta",
        "response.reasoning_text.done"
      ),
      item,
      delta: junk,
      text: junk,
      arguments: junk,
      item_id: junk,
      output_index: junk,
      content_index: junk,
      summary_index: junk
    }, { requiredKeys: ["type"] })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), fc.oneof(junk, fc.array(item)), junk, (all, list, status) => {
        const output = Output.make()
        add(output, all)
        const { alternatives, output: items } = output.of(
          { id: "r", status, output: list } as unknown as ResponseEvent.Response
        )
        assert.isTrue([...items, ...alternatives].every((given) => typeof given === "object" && given !== null))
        assert.isAtLeast(output.size(), 0)
      }),
      { numRuns: 300 }
    )
  })

  it("what is nested 20,000 deep is passed on, and many equal things take no time", () => {
    const deep = JSON.parse(`${"[".repeat(20_000)}${"]".repeat(20_000)}`)
    const odd = { type: "message", id: "deep", content: deep, summary: deep, call_id: deep }
    assert.lengthOf(whole([done({ ...odd, type: deep }, 0)], [{ ...odd, type: deep }]).output, 1)
    assert.lengthOf(whole([done(odd, 0), added(odd, deep)], [odd]).output, 1)
    const many = Array.from({ length: 20_000 }, (_, index) => message("x", "Same", { extra: index }))
    assert.lengthOf(whole(many.map((item) => done(item, 0)), many).output, 1)
  })
})
