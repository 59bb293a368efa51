import { assert, describe, it, vi } from "@effect/vitest"
import * as Continuation from "../src/internal/compare/continuation.ts"
import * as ResponseItem from "../src/ResponseItem.ts"
import * as ResponseRequest from "../src/ResponseRequest.ts"

type Items = ReadonlyArray<ResponseItem.ResponseItem>

/** JavaScript callers, and items as an SDK or a database gives them back. */
const untyped = (item: unknown) => item as ResponseItem.ResponseItem
const request = (fields: unknown) => fields as ResponseRequest.ResponseRequest

const settings = {
  model: "m",
  store: false,
  instructions: "Be brief.",
  tools: [{ type: "function", name: "f", parameters: { type: "object", properties: { a: { type: "string" } } } }]
}
const ask = (input: Items | string, fields: object = {}) => request({ ...settings, input, ...fields })

const answer = (text: string) => ResponseItem.message("assistant", [{ type: "output_text", text, annotations: [] }])
const call = (call_id: string, args: string): ResponseItem.FunctionCall => ({
  type: "function_call",
  call_id,
  name: "f",
  arguments: args
})

const headAfter = (
  sent: ResponseRequest.ResponseRequest,
  output: Items,
  options: { readonly parent?: Continuation.Head; readonly id?: string; readonly status?: "completed" | "incomplete" } =
    {}
): Continuation.Head => {
  const head = Continuation.commit(Continuation.plan(options.parent, sent), {
    response: { id: options.id ?? "resp_1", status: options.status ?? "completed" },
    output
  })
  if (head === undefined) throw new Error("no head")
  return head
}

const after = (had: Items, output: Items, input: Items | string, fields: object = {}) =>
  Continuation.plan(headAfter(ask(had), output), ask(input, fields))

/** What travels of the input, or why all of it does. */
const outcome = (plan: Continuation.Plan) => plan._tag === "Delta" ? plan.request.input : plan.reason

const hello = ResponseItem.user("Hello")
const more = ResponseItem.user("More")

describe("plan", () => {
  it("sends everything first, as it was given", () => {
    const sent = ask([hello])
    const plan = Continuation.plan(undefined, sent)
    assert.deepStrictEqual(outcome(plan), { _tag: "First" })
    assert.strictEqual(plan.request, sent)
  })

  it("then sends the caller's own new items, with every other field", () => {
    const output = answer("Hi")
    const sent = ask([hello, output, more, hello], { stream_id: "lane", generate: false, metadata: null })
    const plan = Continuation.plan(headAfter(ask([hello]), [output]), sent)
    assert.deepStrictEqual(plan.request, { ...sent, previous_response_id: "resp_1", input: [more, hello] })
    assert.strictEqual(plan._tag === "Delta" && plan.sharedItems, 2)
  })

  it("goes on from turn to turn", () => {
    const second = answer("2")
    const first = [hello, answer("1"), more]
    const parent = headAfter(ask([hello]), [answer("1")])
    const head = headAfter(ask(first), [second], { parent, id: "resp_2" })
    const plan = Continuation.plan(head, ask([...first, second, more]))
    assert.deepStrictEqual(outcome(plan), [more])
    assert.strictEqual(plan.request.previous_response_id, "resp_2")
  })

  describe("takes an echoed output for what it is", () => {
    const output = {
      type: "message",
      id: "msg_1",
      status: "completed",
      role: "assistant",
      phase: "final_answer",
      content: [{ type: "output_text", text: "Hi", annotations: [], logprobs: [] }]
    }
    const cases: ReadonlyArray<readonly [name: string, echo: unknown]> = [
      ["as it came", output],
      ["as a deep copy", structuredClone(output)],
      ["without id and status", { type: "message", role: "assistant", content: output.content }],
      ["without a type", { role: "assistant", content: output.content }],
      ["as a string", { role: "assistant", content: "Hi" }],
      ["as input text", ResponseItem.message("assistant", [{ type: "input_text", text: "Hi" }])],
      ["as `text`", { role: "assistant", content: [{ type: "text", text: "Hi" }] }],
      ["without annotations and log probabilities", answer("Hi")],
      ["with null for what is not there", {
        ...output,
        phase: null,
        content: [{ type: "output_text", text: "Hi", annotations: null, logprobs: null }]
      }],
      ["with annotations", {
        role: "assistant",
        content: [{ type: "output_text", text: "Hi", annotations: [{ type: "url_citation" }] }]
      }],
      ["with another id", { ...output, id: "msg_2" }],
      ["with fields of an SDK", { ...output, parsed: { a: 1 }, providerMetadata: {} }],
      ["with its keys in another order", Object.fromEntries(Object.entries(output).toReversed())]
    ]
    it.each(cases)("%s", (_, echo) => {
      assert.deepStrictEqual(outcome(after([hello], [untyped(output)], [hello, untyped(echo), more])), [more])
    })
  })

  describe("takes an item of the caller's for the same", () => {
    const image = { type: "input_image", image_url: "data:x", detail: "low" }
    const user = (...content: ReadonlyArray<unknown>) => ({ role: "user", content })
    const cases: ReadonlyArray<readonly [name: string, had: unknown, given: unknown]> = [
      ["text as a part", hello, ResponseItem.user([{ type: "input_text", text: "Hello" }])],
      ["an image with its keys in another order", { role: "user", content: [image] }, {
        role: "user",
        content: [{ detail: "low", image_url: "data:x", type: "input_image" }]
      }],
      ["a refusal", { role: "assistant", content: [{ type: "refusal", refusal: "No" }] }, {
        role: "assistant",
        content: [{ type: "refusal", refusal: "No", id: "x" }]
      }],
      ["a call with id and status", call("c", "{\"a\":1}"), {
        ...call("c", "{\"a\":1}"),
        id: "fc_1",
        status: "completed"
      }],
      ["arguments with other spaces", call("c", "{\"a\":1,\"b\":[1,2]}"), call("c", "{ \"a\": 1,\n\"b\": [1, 2] }")],
      [
        "arguments with another key order",
        call("c", "{\"a\":1,\"b\":{\"x\":1,\"y\":2}}"),
        call("c", "{\"b\":{\"y\":2,\"x\":1},\"a\":1}")
      ],
      ["arguments with other escapes", call("c", "{\"a\":\"\\u00fc\\/\"}"), call("c", "{\"a\":\"ü/\"}")],
      ["arguments with 1.0 for 1", call("c", "{\"a\":1.0,\"b\":-0}"), call("c", "{\"a\":1,\"b\":0}")],
      ["arguments that are no JSON", call("c", "{\"a\":"), call("c", "{\"a\":")],
      ["arguments that are empty", call("c", ""), call("c", "{}")],
      ["a null inside an image", user({ ...image, file_id: null }), user(image)],
      ["an image of the default detail", user({ ...image, detail: "auto" }), user({ ...image, detail: null })],
      [
        "a file of the default detail",
        user({ type: "input_file", file_id: "f", detail: "auto" }),
        user({
          type: "input_file",
          file_id: "f"
        })
      ],
      [
        "an image with a cache breakpoint",
        user({ ...image, prompt_cache_breakpoint: { mode: "explicit" } }),
        user(image)
      ],
      [
        "a text with a cache breakpoint",
        user({ type: "input_text", text: "x", prompt_cache_breakpoint: {} }),
        user({
          type: "input_text",
          text: "x"
        })
      ],
      [
        "a refusal with null fields",
        user({ type: "refusal", refusal: "No", annotations: null }),
        user({
          type: "refusal",
          refusal: "No"
        })
      ],
      ["a null type", { type: null, role: "user", content: "x" }, { role: "user", content: "x" }],
      ["nulls inside an action", {
        type: "local_shell_call",
        call_id: "c",
        action: { type: "exec", command: ["ls"], env: {}, user: null, timeout_ms: null }
      }, { type: "local_shell_call", call_id: "c", action: { type: "exec", command: ["ls"], env: {} } }],
      ["nulls at the top and deep inside", { type: "x", a: null, b: [{ c: { d: null, e: 1 } }] }, {
        type: "x",
        b: [{ c: { e: 1 } }]
      }],
      ["who created it", { type: "shell_call", call_id: "c", created_by: "user_1" }, {
        type: "shell_call",
        call_id: "c"
      }],
      ["a phase of the user's, which has none", { role: "user", content: "x", phase: "final_answer" }, {
        role: "user",
        content: "x"
      }],
      ["a reference without its type", { type: "item_reference", id: "a" }, { id: "a", type: null }],
      [
        "an output as a part",
        ResponseItem.functionCallOutput("c", "x"),
        ResponseItem.functionCallOutput("c", [
          { type: "input_text", text: "x" }
        ])
      ],
      ["an output with a status", ResponseItem.functionCallOutput("c", "x"), {
        ...ResponseItem.functionCallOutput("c", "x"),
        id: "o",
        status: "completed"
      }],
      ["an item of an unknown kind without id and status", {
        type: "web_search_call",
        id: "ws",
        status: "completed",
        action: { q: 1 }
      }, {
        action: { q: 1 },
        type: "web_search_call"
      }],
      ["a custom call", { type: "custom_tool_call", call_id: "c", name: "n", input: "x", id: "1" }, {
        type: "custom_tool_call",
        call_id: "c",
        name: "n",
        input: "x"
      }],
      [
        "an instance of a class",
        { role: "user", content: "x" },
        new (class {
          role = "user"
          content = "x"
        })()
      ],
      [
        "an instance that must not be looked into",
        { role: "user", content: "x" },
        new (class {
          get type() {
            return assert.fail()
          }
          toJSON() {
            return { role: "user", content: "x" }
          }
        })()
      ],
      ["what says itself how it is written", { role: "user", content: "x" }, {
        toJSON: () => ({ role: "user", content: "x" })
      }]
    ]
    it.each(cases)("%s", (_, had, given) => {
      assert.deepStrictEqual(outcome(after([untyped(had)], [answer("Hi")], [untyped(given), answer("Hi"), more])), [
        more
      ])
      assert.deepStrictEqual(outcome(after([untyped(given)], [answer("Hi")], [untyped(had), answer("Hi"), more])), [
        more
      ])
    })
  })

  describe("tells apart", () => {
    const user = (...content: ReadonlyArray<unknown>) => ({ role: "user", content })
    const text = (value: string) => ({ type: "input_text", text: value })
    const cases: ReadonlyArray<readonly [name: string, had: unknown, given: unknown]> = [
      ["texts", ResponseItem.user("a"), ResponseItem.user("b")],
      ["roles", ResponseItem.user("a"), ResponseItem.message("developer", "a")],
      ["one text and the same text in two parts", user(text("ab")), user(text("a"), text("b"))],
      ["no part and an empty one", user(), user(text(""))],
      ["parts in another order", user(text("a"), text("b")), user(text("b"), text("a"))],
      ["a text and a refusal", user(text("a")), user({ type: "refusal", refusal: "a" })],
      ["images", user({ type: "input_image", image_url: "a" }), user({ type: "input_image", image_url: "b" })],
      ["details", user({ type: "input_image", detail: "low" }), user({ type: "input_image", detail: "auto" })],
      ["a null and nothing inside arguments", call("c", "{\"a\":null}"), call("c", "{}")],
      ["empty inputs", { type: "custom_tool_call", call_id: "c", name: "n", input: "" }, {
        type: "custom_tool_call",
        call_id: "c",
        name: "n",
        input: "{}"
      }],
      ["a null and nothing inside an output that is JSON", {
        ...ResponseItem.functionCallOutput("c", ""),
        output: { a: null }
      }, { ...ResponseItem.functionCallOutput("c", ""), output: {} }],
      ["an output that is JSON and the same as a part", {
        ...ResponseItem.functionCallOutput("c", ""),
        output: { type: "x" }
      }, { ...ResponseItem.functionCallOutput("c", ""), output: [{ type: "x" }] }],
      [
        "phases",
        { role: "assistant", content: "x", phase: "commentary" },
        { role: "assistant", content: "x", phase: "final_answer" }
      ],
      ["files", user({ type: "input_file", file_id: "a" }), user({ type: "input_file", filename: "a" })],
      ["calls by id", call("c", "{}"), call("d", "{}")],
      ["calls by name", call("c", "{}"), { ...call("c", "{}"), name: "g" }],
      ["calls by namespace", { ...call("c", "{}"), namespace: "x" }, { ...call("c", "{}"), namespace: "y" }],
      ["arguments", call("c", "{\"a\":1}"), call("c", "{\"a\":2}")],
      ["arguments by type", call("c", "{\"a\":1}"), call("c", "{\"a\":\"1\"}")],
      [
        "long numbers that JavaScript rounds to the same",
        call("c", "{\"a\":9007199254740993}"),
        call("c", "{\"a\":9007199254740992}")
      ],
      ["numbers beyond all limits", call("c", "{\"a\":1e400}"), call("c", "{\"a\":1e401}")],
      ["a number and a text that looks like our mark", call("c", "{\"a\":1}"), call("c", "{\"a\":\"n1\"}")],
      ["arguments of which one is no JSON", call("c", "{\"a\":01}"), call("c", "{\"a\":1}")],
      ["arguments that are no JSON", call("c", "{a"), call("c", "{ a")],
      ["lists and objects", call("c", "{\"a\":[]}"), call("c", "{\"a\":{}}")],
      ["nested lists", call("c", "[[1],[2]]"), call("c", "[[1,2]]")],
      ["outputs", ResponseItem.functionCallOutput("c", "a"), ResponseItem.functionCallOutput("c", "b")],
      ["outputs by call", ResponseItem.functionCallOutput("c", "a"), ResponseItem.functionCallOutput("d", "a")],
      ["outputs of functions and of custom tools", ResponseItem.functionCallOutput("c", "a"), {
        type: "custom_tool_call_output",
        call_id: "c",
        output: "a"
      }],
      ["custom inputs that are the same JSON", { type: "custom_tool_call", call_id: "c", name: "n", input: "{ }" }, {
        type: "custom_tool_call",
        call_id: "c",
        name: "n",
        input: "{}"
      }],
      ["references", { type: "item_reference", id: "a" }, { type: "item_reference", id: "b" }],
      ["outcomes of an unknown kind", { type: "apply_patch_call_output", call_id: "c", status: "failed" }, {
        type: "apply_patch_call_output",
        call_id: "c",
        status: "completed"
      }],
      ["ids that are no text", { type: "x", id: 1 }, { type: "x", id: 2 }],
      ["kinds", { type: "x", a: 1 }, { type: "y", a: 1 }],
      ["a list with a null and one without", { type: "x", a: [null] }, { type: "x", a: [] }],
      ...["arguments", "parameters", "input_schema", "output_schema", "schema"].map((name) =>
        [`a null and nothing inside ${name}`, { type: "x", a: [{ [name]: { b: { c: null } } }] }, {
          type: "x",
          a: [{ [name]: { b: {} } }]
        }] as const
      ),
      ["ciphertexts", { type: "compaction", id: "cmp", encrypted_content: "a" }, {
        type: "compaction",
        id: "cmp",
        encrypted_content: "b"
      }],
      ["new settings", { type: "configuration_update", reasoning: { effort: "low" } }, {
        type: "configuration_update",
        reasoning: { effort: "high" }
      }],
      ["what has an id and no type", { id: "a", text: "x" }, { id: "a", text: "y" }],
      ["references without an id", { type: "item_reference", a: 1 }, { type: "item_reference", a: 2 }],
      ["keys and values", { type: "x", a: "b", c: "d" }, { type: "x", a: "c", b: "d" }],
      ["depth", { type: "x", a: { b: 1 }, c: 2 }, { type: "x", a: { b: 1, c: 2 } }],
      [
        "an own `__proto__`",
        JSON.parse("{\"type\":\"x\",\"__proto__\":{\"a\":1}}"),
        JSON.parse("{\"type\":\"x\",\"__proto__\":{\"a\":2}}")
      ],
      ["dates", { type: "x", at: new Date(0) }, { type: "x", at: new Date(1) }],
      ["boxed numbers", { type: "x", at: Object(1) }, { type: "x", at: Object(2) }],
      ["content that is none", { role: "user", content: 1 }, { role: "user", content: 2 }]
    ]
    it.each(cases)("%s", (_, had, given) => {
      for (const [before, now] of [[had, given], [given, had]]) {
        const sent = ask([hello, untyped(now), answer("Hi"), more])
        const plan = Continuation.plan(headAfter(ask([hello, untyped(before)]), [answer("Hi")]), sent)
        assert.deepStrictEqual(outcome(plan), { _tag: "HistoryChanged", index: 1 })
      }
    })
  })

  describe("reasoning", () => {
    const thought = (fields: object) => untyped({ type: "reasoning", id: "rs_1", summary: [], ...fields })
    const said = { summary: [{ type: "summary_text", text: "Hm" }] }
    const chains: ReadonlyArray<readonly [name: string, output: Items, echo: Items]> = [
      ["echoed", [thought({ encrypted_content: "e" })], [thought({ encrypted_content: "e" })]],
      ["with other summaries, but the same secret", [thought({ encrypted_content: "e", ...said })], [
        thought({ encrypted_content: "e" })
      ]],
      ["without the secret, by its text", [thought({ encrypted_content: "e", ...said })], [thought(said)]],
      ["without id", [thought(said)], [untyped({ type: "reasoning", ...said })]],
      ["without anything, by its id", [thought({ encrypted_content: "e" })], [thought({ encrypted_content: null })]],
      ["whose summary is absent, null or empty", [thought({ summary: null, content: null })], [
        untyped({ type: "reasoning", content: [] })
      ]],
      ["left out", [thought({ encrypted_content: "e" })], []],
      ["of which the first is left out", [thought({ encrypted_content: "e" }), thought({ encrypted_content: "f" })], [
        thought({ encrypted_content: "f" })
      ]],
      ["of which the last is left out", [thought({ encrypted_content: "e" }), thought({ encrypted_content: "f" })], [
        thought({ encrypted_content: "e" })
      ]]
    ]
    it.each(chains)("chains %s", (_, output, echo) => {
      assert.deepStrictEqual(outcome(after([hello], [...output, answer("Hi")], [hello, ...echo, answer("Hi"), more])), [
        more
      ])
    })

    const breaks: ReadonlyArray<readonly [name: string, output: Items, echo: Items]> = [
      ["the server never had", [], [thought({ encrypted_content: "e" })]],
      ["of another secret", [thought({ encrypted_content: "e" })], [thought({ encrypted_content: "f" })]],
      ["of another text", [thought(said)], [thought({ summary: [{ type: "summary_text", text: "Ha" }] })]],
      ["with its summary as content", [thought(said)], [
        thought({ content: [{ type: "reasoning_text", text: "Hm" }] })
      ]],
      ["of another id and nothing else", [thought({})], [thought({ id: "rs_2" })]],
      ["in another order", [thought({ encrypted_content: "e" }), thought({ encrypted_content: "f" })], [
        thought({ encrypted_content: "f" }),
        thought({ encrypted_content: "e" })
      ]]
    ]
    it.each(breaks)("breaks at reasoning %s", (_, output, echo) => {
      const sent = ask([hello, ...echo, answer("Hi"), more])
      const plan = Continuation.plan(headAfter(ask([hello]), [...output, answer("Hi")]), sent)
      assert.deepStrictEqual(outcome(plan), { _tag: "HistoryChanged", index: echo.length })
    })

    it("left out at the end of an incomplete response is still the server's", () => {
      const head = headAfter(ask([hello]), [thought({ encrypted_content: "e" })], { status: "incomplete" })
      assert.deepStrictEqual(outcome(Continuation.plan(head, ask([hello, more]))), [more])
    })

    // Found by a generated course: the model would have seen the reasoning twice.
    it("that changed places with the call behind it is not sent again on top", () => {
      const thought: ResponseItem.ResponseItem = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "e" }
      const asked = call("c", "{}")
      const found = ResponseItem.functionCallOutput("c", "ok")
      assert.deepStrictEqual(outcome(after([hello], [thought, asked], [hello, asked, thought, found])), {
        _tag: "HistoryChanged",
        index: 2
      })
    })

    it("replaced at the end of an incomplete response is no addition", () => {
      const head = headAfter(ask([hello]), [thought({ encrypted_content: "e" })], { status: "incomplete" })
      const sent = ask([hello, thought({ encrypted_content: "f" }), more])
      assert.deepStrictEqual(outcome(Continuation.plan(head, sent)), { _tag: "HistoryChanged", index: 1 })
    })
  })

  it("reads arguments that an SDK prints in its own way once, and not again each turn", () => {
    const [made, printed] = ["{\"a\":1}", "{ \"a\": 1 }"].map((args) => ({ ...call("c", args), async: true }))
    const parent = headAfter(ask([hello]), [made!])
    const head = headAfter(ask([hello, printed!, more]), [answer("Hi")], { parent, id: "resp_2" })
    const parse = vi.spyOn(JSON, "parse")
    assert.deepStrictEqual(outcome(Continuation.plan(head, ask([hello, printed!, more, answer("Hi"), more]))), [more])
    assert.strictEqual(parse.mock.calls.length, 0)
    parse.mockRestore()
  })

  describe("an assistant's phase", () => {
    const said = (phase?: string | null) => untyped({ type: "message", role: "assistant", content: "Hi", phase })
    it("may be missing where the server has it", () => {
      for (const dropped of [undefined, null]) {
        const input = [hello, said(dropped), more]
        assert.deepStrictEqual(outcome(after([hello], [said("commentary")], input)), [more])
      }
    })
    it("is news where the server has none, in every way to write the content", () => {
      for (const content of ["Hi", [{ type: "output_text", text: "Hi" }], [{ text: "Hi", type: "text", toJSON: 1 }]]) {
        const input = [hello, untyped({ ...said("commentary"), content }), more]
        assert.deepStrictEqual(outcome(after([hello], [said()], input)), { _tag: "HistoryChanged", index: 1 })
      }
    })
  })

  describe("a reference", () => {
    const reference = (id: string) => untyped({ type: "item_reference", id })
    const items: ReadonlyArray<readonly [kind: string, item: object]> = [
      ["a message", answer("Hi")],
      ["reasoning", { type: "reasoning", summary: [], encrypted_content: "e" }],
      ["a call", { ...call("c", "{}"), async: true }],
      ["a custom call", { type: "custom_tool_call", call_id: "c", name: "n", input: "", async: true }],
      ["an output", ResponseItem.functionCallOutput("c", "x")],
      ["an item of an unknown kind", { type: "web_search_call", status: "completed", action: {} }],
      ["a compaction", { type: "compaction", encrypted_content: "e" }]
    ]
    it.each(items)("is the item that it names: %s", (_, item) => {
      const named = untyped({ ...item, id: "a" })
      assert.deepStrictEqual(outcome(after([hello], [named], [hello, reference("a"), more])), [more])
      assert.deepStrictEqual(outcome(after([named], [answer("Hi")], [reference("a"), answer("Hi"), more])), [more])
      assert.deepStrictEqual(outcome(after([hello], [named], [hello, untyped({ id: "a" }), more])), [more])
    })
    it.each(items.filter(([kind]) => kind !== "reasoning"))("to another item is a difference: %s", (_, item) => {
      for (const id of ["a", "", null, undefined]) {
        const input = [hello, reference("b"), more]
        assert.deepStrictEqual(outcome(after([hello], [untyped({ ...item, id })], input)), {
          _tag: "HistoryChanged",
          index: 1
        })
      }
    })
    it("without an id is nothing's", () => {
      for (const id of ["", null, undefined]) {
        const nameless = untyped({ type: "x", id })
        assert.deepStrictEqual(
          outcome(after([hello], [nameless], [hello, untyped({ type: "item_reference", id }), more])),
          {
            _tag: "HistoryChanged",
            index: 1
          }
        )
      }
    })
    it("must stand at the item's place", () => {
      const output = ["a", "b"].map((id) => untyped({ ...answer(id), id }))
      const input = [hello, reference("b"), reference("a"), more]
      assert.deepStrictEqual(outcome(after([hello], output, input)), { _tag: "HistoryChanged", index: 1 })
    })
    it("that the server was sent is no other item of that id, as nobody knows what it was", () => {
      const input = [untyped({ ...answer("x"), id: "a" }), answer("Hi"), more]
      assert.deepStrictEqual(outcome(after([reference("a")], [answer("Hi")], input)), {
        _tag: "HistoryChanged",
        index: 0
      })
    })
    it("to reasoning that was left out before is not sent on top of it", () => {
      const thought = untyped({ type: "reasoning", id: "rs_1", summary: [], encrypted_content: "e" })
      const asked = call("c", "{}")
      const input = [hello, asked, reference("rs_1"), ResponseItem.functionCallOutput("c", "ok")]
      assert.deepStrictEqual(outcome(after([hello], [thought, asked], input)), { _tag: "HistoryChanged", index: 2 })
    })
    it("goes on from turn to turn", () => {
      const parent = headAfter(ask([hello]), [untyped({ ...answer("1"), id: "a" })])
      const first = [hello, reference("a"), more]
      const head = headAfter(ask(first), [untyped({ ...answer("2"), id: "b" })], { parent, id: "resp_2" })
      for (const echo of [reference("a"), answer("1")]) {
        assert.deepStrictEqual(outcome(Continuation.plan(head, ask([hello, echo, more, reference("b"), hello]))), [
          hello
        ])
      }
    })
  })

  describe("an item that the server encrypted twice", () => {
    const planWith = (output: Items, alternatives: Items, echo: Items) => {
      const head = Continuation.commit(Continuation.plan(undefined, ask([hello])), {
        response: { id: "resp_1" },
        output,
        alternatives
      })
      return outcome(Continuation.plan(head, ask([hello, ...echo, more])))
    }
    const thought = (encrypted_content: string | null, fields: object = {}) =>
      untyped({ type: "reasoning", id: "rs_1", summary: [], encrypted_content, ...fields })
    const compaction = (encrypted_content: string, fields: object = {}) =>
      untyped({ type: "compaction", id: "cmp_1", encrypted_content, ...fields })
    const program = (fingerprint: string, code = "1") => untyped({ type: "program", id: "p_1", code, fingerprint })
    const nested = (encrypted_content: string, to = "a") =>
      untyped({ type: "agent_message", id: "am_1", to, content: [{ type: "encrypted_content", encrypted_content }] })
    const summary = [{ type: "summary_text", text: "Hm" }]

    const same: ReadonlyArray<readonly [name: string, output: Items, alternatives: Items, echo: Items]> = [
      ["reasoning, as it came at the end", [thought("e")], [thought("f")], [thought("e")]],
      ["reasoning, as it came before", [thought("e")], [thought("f")], [thought("f")]],
      ["reasoning, without its id", [thought("e")], [thought("f")], [thought("f", { id: undefined })]],
      ["reasoning, with its summary", [thought("e")], [thought("f", { summary })], [thought("f", { summary })]],
      ["reasoning, of three spellings", [thought("e")], [thought("f"), thought("g")], [thought("g")]],
      ["reasoning that had no ciphertext at the end", [thought(null)], [thought("f")], [thought("f")]],
      ["reasoning that had one at the end only", [thought("e")], [thought(null)], [thought(null)]],
      ["compaction", [compaction("e")], [compaction("f")], [compaction("f")]],
      ["compaction, with a status of then", [compaction("e", { status: "completed" })], [
        compaction("f", { status: "in_progress" })
      ], [compaction("f")]],
      ["a program", [program("e")], [program("f")], [program("f")]],
      ["a ciphertext deep inside", [nested("e")], [nested("f")], [nested("f")]],
      ["two items", [thought("e"), compaction("e")], [compaction("f"), thought("f")], [thought("f"), compaction("f")]]
    ]
    it.each(same)("is the same: %s", (_, output, alternatives, echo) => {
      assert.deepStrictEqual(planWith(output, alternatives, echo), [more])
    })

    const others: ReadonlyArray<readonly [name: string, output: Items, alternatives: Items, echo: Items]> = [
      ["a spelling that was never shown", [thought("e")], [thought("f")], [thought("g")]],
      ["a spelling of another item", [thought("e")], [thought("f", { id: "rs_2" })], [thought("f")]],
      ["a spelling of an item without an id", [thought("e", { id: "" })], [thought("f", { id: "" })], [thought("f")]],
      ["a spelling that fits two items", [thought("e"), thought("f")], [thought("g")], [thought("g"), thought("f")]],
      ["a spelling of another kind", [thought("e")], [compaction("f", { id: "rs_1" })], [thought("f")]],
      ["other code", [program("e")], [program("f", "2")], [program("f", "2")]],
      ["other code, in the old spelling", [program("e")], [program("f")], [program("e", "2")]],
      ["another field deep inside", [nested("e")], [nested("f", "b")], [nested("f")]],
      ["a text that was another before", [untyped({ ...answer("Hi"), id: "m" })], [
        untyped({ ...answer("Ho"), id: "m" })
      ], [answer("Ho")]],
      ["a call whose arguments look like a field", [untyped({ ...call("c", "encrypted_content"), id: "fc" })], [
        untyped({ ...call("d", "encrypted_content"), id: "fc" })
      ], [call("d", "encrypted_content")]]
    ]
    it.each(others)("is a difference: %s", (_, output, alternatives, echo) => {
      assert.deepStrictEqual(planWith(output, alternatives, echo), { _tag: "HistoryChanged", index: 1 })
    })

    it("is known in all spellings in later turns too", () => {
      const parent = Continuation.commit(Continuation.plan(undefined, ask([hello])), {
        response: { id: "resp_1" },
        output: [thought("e")],
        alternatives: [thought("f")]
      })
      const head = Continuation.commit(Continuation.plan(parent, ask([hello, thought("f"), more])), {
        response: { id: "resp_2" },
        output: [answer("Hi")]
      })
      for (const echo of [thought("e"), thought("f")]) {
        assert.deepStrictEqual(outcome(Continuation.plan(head, ask([hello, echo, more, answer("Hi"), hello]))), [hello])
      }
    })
  })

  describe("items that steer a conversation", () => {
    const update = untyped({ type: "configuration_update", reasoning: { effort: "high" } })
    const trigger = untyped({ type: "compaction_trigger" })
    const compaction = untyped({ type: "compaction", id: "cmp_1", encrypted_content: "e" })
    it("new settings go with the next items, and stay in the history", () => {
      assert.deepStrictEqual(outcome(after([hello], [answer("Hi")], [hello, answer("Hi"), update, more])), [
        update,
        more
      ])
      assert.deepStrictEqual(outcome(after([hello, update], [answer("Hi")], [hello, update, answer("Hi"), more])), [
        more
      ])
      assert.deepStrictEqual(outcome(after([hello, update], [answer("Hi")], [hello, answer("Hi"), more])), {
        _tag: "HistoryChanged",
        index: 1
      })
    })
    it("a compaction trigger goes with the next items", () => {
      assert.deepStrictEqual(outcome(after([hello], [answer("Hi")], [hello, answer("Hi"), trigger])), [trigger])
    })
    it("what the server has compacted may leave the history, all of it or some, but not change", () => {
      const head = headAfter(ask([hello, update, trigger]), [compaction, answer("Hi")])
      for (const kept of [[], [hello], [update], [hello, update]]) {
        const input = [...kept, compaction, answer("Hi"), more]
        assert.deepStrictEqual(outcome(Continuation.plan(head, ask(input))), [more])
      }
      const changed = [
        untyped({ type: "configuration_update", reasoning: { effort: "low" } }),
        compaction,
        answer("Hi")
      ]
      assert.deepStrictEqual(outcome(Continuation.plan(head, ask([...changed, more]))), {
        _tag: "HistoryChanged",
        index: 0
      })
      assert.deepStrictEqual(outcome(Continuation.plan(head, ask([compaction, more]))), {
        _tag: "HistoryChanged",
        index: 1
      })
    })
    const thought = (encrypted_content: string): ResponseItem.Reasoning => ({
      type: "reasoning",
      summary: [],
      encrypted_content
    })
    it("and so further on, also with the reasoning of before", () => {
      const first = headAfter(ask([hello, trigger]), [thought("e"), compaction])
      const plan = Continuation.plan(first, ask([compaction, more]))
      assert.deepStrictEqual(outcome(plan), [more])
      const second = Continuation.commit(plan, { response: { id: "resp_2" }, output: [answer("Yes")] })
      for (const kept of [[], [hello]]) {
        const input = [...kept, compaction, more, answer("Yes"), thought("f"), hello]
        assert.deepStrictEqual(outcome(Continuation.plan(second, ask(input))), [thought("f"), hello])
      }
      assert.deepStrictEqual(outcome(Continuation.plan(second, ask([more, answer("Yes"), hello]))), {
        _tag: "HistoryChanged",
        index: 0
      })
    })
    it("a compaction that the caller gave stands for nothing: what was before it must be there", () => {
      const head = headAfter(ask([hello, compaction, more]), [answer("Hi")])
      assert.deepStrictEqual(outcome(Continuation.plan(head, ask([compaction, more, answer("Hi"), hello]))), {
        _tag: "HistoryChanged",
        index: 0
      })
    })
    it("a compaction trigger may leave the history, or stay, and come again", () => {
      for (const kept of [[], [trigger]]) {
        for (const next of [[more], [trigger]]) {
          const input = [hello, ...kept, compaction, ...next]
          assert.deepStrictEqual(outcome(after([hello, trigger], [compaction], input)), next)
        }
      }
    })
  })

  describe("sends everything when the history", () => {
    const had = [ResponseItem.user("a"), answer("b"), ResponseItem.user("c")]
    const output = [answer("d")]
    const whole = [...had, ...output]
    const cases: ReadonlyArray<readonly [name: string, input: Items, index: number]> = [
      ["has another first message", [ResponseItem.user("A"), ...whole.slice(1), more], 0],
      ["is as long as before, but different", [...had.slice(0, 2), ResponseItem.user("C"), answer("d"), more], 2],
      ["has the answer regenerated", [...had, answer("e"), more], 3],
      ["lost its end", had, 3],
      ["lost its beginning", [...whole.slice(2), more], 0],
      ["was compacted", [untyped({ type: "compaction", encrypted_content: "x" }), more], 0],
      ["was reordered", [whole[2]!, whole[1]!, whole[0]!, whole[3]!, more], 0],
      ["has one more in the middle", [...whole.slice(0, 1), more, ...whole.slice(1)], 1],
      ["is empty", [], 0]
    ]
    it.each(cases)("%s", (_, input, index) => {
      const sent = ask(input)
      assert.deepStrictEqual(outcome(Continuation.plan(headAfter(ask(had), output), sent)), {
        _tag: "HistoryChanged",
        index
      })
    })

    it("was changed in place", () => {
      const part = { type: "input_text", text: "a" }
      const item = { role: "user", content: [part] }
      const input = [untyped(item)]
      const sent = ask(input)
      const head = headAfter(sent, [answer("b")])
      part.text = "A"
      input.push(answer("b"), more)
      assert.deepStrictEqual(outcome(Continuation.plan(head, sent)), { _tag: "HistoryChanged", index: 0 })
      part.text = "a"
      assert.deepStrictEqual(outcome(Continuation.plan(head, sent)), [more])
    })

    it("was changed in place while the response ran", () => {
      const item = { role: "user", content: "a" }
      const plan = Continuation.plan(undefined, ask([untyped(item)]))
      item.content = "A"
      const head = Continuation.commit(plan, { response: { id: "resp_1" }, output: [answer("b")] })
      const sent = ask([untyped(item), answer("b"), more])
      assert.deepStrictEqual(outcome(Continuation.plan(head, sent)), { _tag: "HistoryChanged", index: 0 })
    })

    it("has the output changed in place", () => {
      const output = { role: "assistant", content: [{ type: "output_text", text: "b" }] }
      const head = headAfter(ask([hello]), [untyped(output)])
      output.content[0]!.text = "B"
      const sent = ask([hello, untyped(output), more])
      assert.deepStrictEqual(outcome(Continuation.plan(head, sent)), { _tag: "HistoryChanged", index: 1 })
    })
  })

  it("keeps conversations apart that only look alike", () => {
    const one = [ResponseItem.user("1"), answer("x")]
    const other = [ResponseItem.user("2"), answer("x")]
    const heads = [headAfter(ask(one.slice(0, 1)), [one[1]!]), headAfter(ask(other.slice(0, 1)), [other[1]!])]
    assert.deepStrictEqual(outcome(Continuation.plan(heads[0], ask([...one, more]))), [more])
    assert.deepStrictEqual(outcome(Continuation.plan(heads[1], ask([...other, more]))), [more])
    const sent = ask([...other, more])
    assert.deepStrictEqual(outcome(Continuation.plan(heads[0], sent)), { _tag: "HistoryChanged", index: 0 })
  })

  it("goes back to an older branch from the head of that branch", () => {
    const older = headAfter(ask([hello]), [answer("1")])
    const history = [hello, answer("1"), more]
    headAfter(ask(history), [answer("2")], { parent: older, id: "resp_2" })
    const other = ResponseItem.user("Other")
    assert.deepStrictEqual(outcome(Continuation.plan(older, ask([hello, answer("1"), other]))), [other])
  })

  it("treats a string like the message it stands for", () => {
    assert.deepStrictEqual(
      outcome(Continuation.plan(headAfter(ask("Hello"), [answer("Hi")]), ask([hello, answer("Hi"), more]))),
      [more]
    )
    const warm = headAfter(ask([hello], { generate: false }), [])
    assert.deepStrictEqual(outcome(Continuation.plan(warm, ask("Hello"))), [])
    const cold = headAfter(ask([], { generate: false }), [])
    const plan = Continuation.plan(cold, ask("Hello"))
    assert.deepStrictEqual(plan.request.input, ResponseRequest.items(ask("Hello")))
  })

  describe("other fields", () => {
    const chain = [hello, answer("Hi"), more]
    const planWith = (before: object, now: object) =>
      Continuation.plan(
        headAfter(request({ ...ask([hello]), ...before }), [answer("Hi")]),
        request({ ...ask(chain), ...now })
      )
    const changes: ReadonlyArray<
      readonly [name: string, before: object, now: object, fields: [string, ...Array<string>]]
    > = [
      ["a model", {}, { model: "n" }, ["model"]],
      ["several, by name", { top_p: 1 }, { temperature: 1, instructions: "Be long." }, [
        "instructions",
        "temperature",
        "top_p"
      ]],
      ["a tool's schema", {}, { tools: [{ ...settings.tools[0], parameters: { type: "object" } }] }, ["tools"]],
      ["the order of tools", { tools: [{ type: "a" }, { type: "b" }] }, { tools: [{ type: "b" }, { type: "a" }] }, [
        "tools"
      ]],
      ["no tools", {}, { tools: [] }, ["tools"]],
      ["effort", { reasoning: { effort: "low" } }, { reasoning: { effort: "high" } }, ["reasoning"]],
      ["store", {}, { store: true }, ["store"]],
      ["a field this version does not know", { vendor: 1 }, { vendor: 2 }, ["vendor"]],
      ["a field with the name of a method", {}, { toString: "x" }, ["toString"]],
      ["a null inside", { text: { format: null } }, { text: {} }, ["text"]],
      ["agents", {}, { multi_agent: { max: 2 } }, ["multi_agent"]],
      ...["mode", "ttl", "a member this version does not know"].map((name) =>
        [`how the cache works: ${name}`, { prompt_cache_options: { [name]: "a", prewarm: true } }, {
          prompt_cache_options: { [name]: "b", prewarm: true }
        }, ["prompt_cache_options"]] as [string, object, object, [string]]
      ),
      ["no cache options", {}, { prompt_cache_options: { mode: "explicit" } }, ["prompt_cache_options"]],
      ["cache options that are no record", { prompt_cache_options: "a" }, { prompt_cache_options: "b" }, [
        "prompt_cache_options"
      ]]
    ]
    it.each(changes)("a change of %s sends everything", (_, before, now, fields) => {
      for (const [left, right] of [[before, now], [now, before]] as const) {
        const plan = planWith(left, right)
        assert.deepStrictEqual(plan._tag === "Full" && plan.reason, { _tag: "FieldsChanged", fields })
      }
    })

    const free: ReadonlyArray<readonly [name: string, before: object, now: object]> = [
      ["null, undefined and absent", { metadata: null, user: undefined }, { text: null, top_p: undefined }],
      ["key order", { text: { a: 1, b: [{ c: 1, d: 2 }] } }, { text: { b: [{ d: 2, c: 1 }], a: 1 } }],
      ["undefined and absent inside", { text: { a: 1, b: undefined, c: 2 } }, { text: { a: 1, c: 2 } }],
      ["what says itself how it is written", { text: { a: [1] } }, { text: { b: 2, toJSON: () => ({ a: [1] }) } }],
      ["what is inherited", { text: { a: 1 } }, { text: Object.assign(Object.create({ b: 2 }), { a: 1 }) }],
      ["fresh copies", {}, structuredClone(settings)],
      ["what says how a request travels", { stream: true, background: false, stream_options: {} }, {
        stream_id: "a",
        generate: true,
        background_options: { a: 1 }
      }],
      ["what is asked about the cache", { prompt_cache_options: { mode: "implicit", comparison_response_id: "a" } }, {
        prompt_cache_options: { comparison_response_id: "b", mode: "implicit", prewarm: false, ttl: null }
      }],
      ["cache options that only ask", { prompt_cache_options: { comparison_response_id: "a", mode: null } }, {
        prompt_cache_options: undefined
      }],
      ["cache options that say themselves how they are written", { prompt_cache_options: { mode: "implicit" } }, {
        prompt_cache_options: Object.create({ toJSON: () => ({ mode: "implicit" }) })
      }]
    ]
    it.each(free)("%s make no difference", (_, before, now) => {
      assert.deepStrictEqual(outcome(planWith(before, now)), [more])
      assert.deepStrictEqual(outcome(planWith(now, before)), [more])
    })

    it("a tool changed in place sends everything", () => {
      const tool = { type: "function", name: "f", description: "a" }
      const head = headAfter(ask([hello], { tools: [tool] }), [answer("Hi")])
      tool.description = "b"
      const sent = ask(chain, { tools: [tool] })
      assert.deepStrictEqual(outcome(Continuation.plan(head, sent)), { _tag: "FieldsChanged", fields: ["tools"] })
    })
  })

  describe("pending calls", () => {
    const output = [call("c1", "{}"), untyped({ type: "custom_tool_call", call_id: "c2", name: "n", input: "" })]
    const results = [
      ResponseItem.functionCallOutput("c1", "1"),
      untyped({ type: "custom_tool_call_output", call_id: "c2", output: "2" })
    ]

    it("all answered chain", () => {
      assert.deepStrictEqual(outcome(after([hello], output, [hello, ...output, ...results])), results)
      assert.deepStrictEqual(outcome(after([hello], output, [hello, ...output, ...results.toReversed(), more])), [
        ...results.toReversed(),
        more
      ])
    })

    it("left open send everything, with their ids", () => {
      const cases: ReadonlyArray<readonly [fresh: Items, callIds: [string, ...Array<string>]]> = [
        [[more], ["c1", "c2"]],
        [[results[0]!], ["c2"]],
        [[ResponseItem.functionCallOutput("other", ""), results[1]!], ["c1"]]
      ]
      for (const [fresh, callIds] of cases) {
        const sent = ask([hello, ...output, ...fresh])
        assert.deepStrictEqual(outcome(Continuation.plan(headAfter(ask([hello]), output), sent)), {
          _tag: "PendingCalls",
          callIds
        })
      }
    })

    it("that the server answers itself do not count", () => {
      const hosted = [
        untyped({ type: "web_search_call", id: "ws" }),
        untyped({ type: "shell_call", call_id: "s" }),
        untyped({ type: "shell_call_output", call_id: "s", output: [] })
      ]
      assert.deepStrictEqual(outcome(after([hello], hosted, [hello, ...hosted, more])), [more])
    })

    const waits = (item: object, fields: object = {}) => headAfter(ask([hello], fields), [untyped(item)]).pendingCalls
    const mine: ReadonlyArray<readonly [name: string, call: object, fields?: object]> = [
      ["a function", call("c", "{}")],
      ["a custom tool", { type: "custom_tool_call", name: "n" }],
      ["a computer", { type: "computer_call" }],
      ["a local shell", { type: "local_shell_call" }],
      ["a shell of the caller's", { type: "shell_call", environment: { type: "local" } }],
      ["a shell that does not say whose", { type: "shell_call", environment: null }],
      ["a patch", { type: "apply_patch_call" }],
      ["a search of tools by the caller", { type: "tool_search_call", execution: "client" }],
      ["a kind this version does not know", { type: "teleport_call" }],
      [
        "a custom tool of the caller's with the name of a server's",
        { type: "custom_tool_call", name: "x_user_search" },
        {
          tools: [{ type: "custom", name: "x_user_search" }]
        }
      ],
      ["a tool that says it is not async", { ...call("c", "{}"), async: false }, {
        tools: [{ type: "function", name: "f", async: true }]
      }],
      ["a tool beside an async one of another namespace", { ...call("c", "{}"), namespace: "b" }, {
        tools: [
          { type: "namespace", name: "a", tools: [{ type: "function", name: "f", async: true }] },
          { type: "namespace", name: "b", tools: [{ type: "function", name: "f" }] }
        ]
      }]
    ]
    for (const [name, item, fields] of mine) {
      it(`wait for the caller: ${name}`, () => {
        assert.deepStrictEqual(waits({ ...item, call_id: "c" }, fields), ["c"])
        assert.deepStrictEqual(waits({ ...item, call_id: "" }, fields), [])
      })
    }

    const notMine: ReadonlyArray<readonly [name: string, call: object, fields?: object]> = [
      ...[
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_call",
        "mcp_list_tools",
        "mcp_approval_request",
        "x_search_call",
        "code_execution_call",
        "collections_search_call",
        "view_image_call",
        "view_x_video_call",
        "program"
      ].map((type) => [type, { type }] as const),
      ["a search on X", { type: "custom_tool_call", name: "x_keyword_search", input: "{}" }],
      ["a shell in a container", { type: "shell_call", environment: { type: "container_reference" } }],
      ["a search of tools by the server", { type: "tool_search_call", execution: "server" }],
      ["an async call", { ...call("c", "{}"), async: true }],
      ["a call of an async function", call("c", "{}"), { tools: [{ type: "function", name: "f", async: true }] }],
      ["a call of an async custom tool", { type: "custom_tool_call", name: "n", input: "" }, {
        tools: [{ type: "custom", name: "n", async: true }]
      }],
      ["a call of an async function in a namespace", { ...call("c", "{}"), namespace: "a" }, {
        tools: [null, { type: "namespace", name: "a", tools: [{ type: "function", name: "f", async: true }] }]
      }]
    ]
    for (const [name, item, fields] of notMine) {
      it(`do not wait: ${name}`, () => assert.deepStrictEqual(waits({ ...item, call_id: "c" }, fields), []))
    }

    it("of an async tool are answered when the output is there", () => {
      const tools = [{ type: "function", name: "f", async: true }]
      const asked = call("c", "{}")
      const parent = headAfter(ask([hello], { tools }), [asked])
      const first = [hello, asked, more]
      const plan = Continuation.plan(parent, ask(first, { tools }))
      assert.deepStrictEqual(outcome(plan), [more])
      const head = headAfter(ask(first, { tools }), [answer("Soon"), call("d", "{}")], { parent, id: "resp_2" })
      assert.deepStrictEqual(head.pendingCalls, [])
      const results = [ResponseItem.functionCallOutput("c", "ok"), hello]
      const input = [...first, answer("Soon"), call("d", "{}"), ...results]
      assert.deepStrictEqual(outcome(Continuation.plan(head, ask(input, { tools }))), results)
    })

    it("with one id are one call", () => {
      assert.deepStrictEqual(headAfter(ask([hello]), [call("c", "{}"), call("c", "{}")]).pendingCalls, ["c"])
    })

    it("of any kind wait for their output", () => {
      const shell = untyped({ type: "local_shell_call", call_id: "s" })
      assert.deepStrictEqual(headAfter(ask([hello]), [shell]).pendingCalls, ["s"])
      const result = untyped({ type: "local_shell_call_output", id: "s", output: "" })
      assert.deepStrictEqual(outcome(after([hello], [shell], [hello, shell, result])), [result])
    })
  })

  it("sends everything rather than nothing", () => {
    const sent = ask([hello, answer("Hi")])
    assert.deepStrictEqual(outcome(Continuation.plan(headAfter(ask([hello]), [answer("Hi")]), sent)), {
      _tag: "NothingNew"
    })
  })

  describe("after a warm-up", () => {
    const warm = headAfter(ask([hello], { generate: false }), [])

    it("the same request is an empty delta", () =>
      assert.deepStrictEqual(outcome(Continuation.plan(warm, ask([hello]))), []))
    it("new items are a delta", () =>
      assert.deepStrictEqual(outcome(Continuation.plan(warm, ask([hello, more]))), [more]))
    it("other tools send everything", () => {
      const sent = ask([hello], { tools: [] })
      assert.deepStrictEqual(outcome(Continuation.plan(warm, sent)), { _tag: "FieldsChanged", fields: ["tools"] })
    })
    it("that the cache options asked for, the same request is an empty delta", () => {
      const prewarmed = headAfter(ask([hello], { prompt_cache_options: { prewarm: true } }), [])
      assert.deepStrictEqual(outcome(Continuation.plan(prewarmed, ask([hello]))), [])
      const asked = headAfter(ask([hello], { prompt_cache_options: { prewarm: false } }), [])
      assert.deepStrictEqual(outcome(Continuation.plan(asked, ask([hello]))), { _tag: "NothingNew" })
    })
    it("that was answered after all, the answer is part of the history", () => {
      const head = headAfter(ask([hello], { generate: false }), [answer("Hi")])
      assert.isFalse(head.warmUp)
      const sent = ask([hello])
      assert.deepStrictEqual(outcome(Continuation.plan(head, sent)), { _tag: "HistoryChanged", index: 1 })
    })
    it("within a conversation, the conversation goes on", () => {
      const parent = headAfter(ask([hello]), [answer("Hi")])
      const history = [hello, answer("Hi"), more]
      const head = headAfter(ask(history, { generate: false }), [], { parent, id: "resp_2" })
      assert.deepStrictEqual(outcome(Continuation.plan(head, ask(history))), [])
    })
  })

  describe("a request that names what it continues", () => {
    const parent = headAfter(ask([hello]), [answer("Hi")])
    const sent = ask([more], { previous_response_id: "resp_1" })

    it("goes out untouched", () => {
      const plans = [undefined, parent].map((head) => Continuation.plan(head, sent))
      for (const plan of [...plans, Continuation.full(sent, { _tag: "Forgotten" })]) {
        assert.deepStrictEqual(outcome(plan), { _tag: "Explicit" })
        assert.strictEqual(plan.request, sent)
      }
    })
    it("leaves a head with the whole context where the parent is known", () => {
      const head = headAfter(sent, [answer("Ok")], { parent, id: "resp_2" })
      assert.deepStrictEqual(outcome(Continuation.plan(head, ask([hello, answer("Hi"), more, answer("Ok"), hello]))), [
        hello
      ])
    })
    it("leaves none where it is not", () => {
      const result = { response: { id: "resp_2", status: "completed" as const }, output: [] }
      for (const head of [undefined, { ...parent, responseId: "resp_0" }]) {
        assert.isUndefined(Continuation.commit(Continuation.plan(head, sent), result))
      }
      const conversation = ask([hello], { conversation: "conv_1" })
      assert.deepStrictEqual(outcome(Continuation.plan(parent, conversation)), { _tag: "Explicit" })
      assert.isUndefined(Continuation.commit(Continuation.plan(parent, conversation), result))
    })
    it("may name nothing by null", () => {
      assert.deepStrictEqual(
        outcome(Continuation.plan(parent, ask([hello, answer("Hi"), more], { previous_response_id: null }))),
        [more]
      )
    })
  })

  it("never throws, and continues nothing from what cannot be written", () => {
    const cyclic: Record<string, unknown> = { type: "x" }
    cyclic["self"] = [cyclic]
    const throws = { type: "x", toJSON: () => assert.fail() }
    const nested = JSON.parse(`${"[".repeat(50_000)}${"]".repeat(50_000)}`)
    for (
      const item of [cyclic, throws, null, undefined, 1, { role: "user", content: [null, throws] }, {
        type: "x",
        nested
      }]
    ) {
      const history = [hello, untyped(item)]
      const head = headAfter(ask(history), [answer("Hi")])
      const plan = Continuation.plan(head, ask([...history, answer("Hi"), more]))
      if (item === cyclic || item === throws) assert.strictEqual(plan._tag, "Full")
      Continuation.plan(headAfter(ask(history, { text: item }), [untyped(item)]), ask(history, { text: item }))
    }
  })
})

describe("planFrom", () => {
  const first = headAfter(ask([hello]), [answer("Hi")], { id: "resp_1" })
  const second = headAfter(ask([hello, answer("Hi"), more]), [answer("Ho")], { parent: first, id: "resp_2" })

  it("takes the first head that fits: an older branch where the newest does not", () => {
    const plan = Continuation.planFrom([second, first], ask([hello, answer("Hi"), ResponseItem.user("Other")]))
    assert(plan._tag === "Delta")
    assert.strictEqual(plan.request.previous_response_id, "resp_1")
  })

  it("gives the first head's reason if none fits", () => {
    const plan = Continuation.planFrom([second, first], ask([more]))
    assert.deepStrictEqual(outcome(plan), { _tag: "HistoryChanged", index: 0 })
  })
})

describe("off", () => {
  it("sends everything, and leaves what the caller continues as it is", () => {
    const { commit, plan } = Continuation.off
    const sent = plan([], ask([hello]))
    assert.deepStrictEqual(outcome(sent), { _tag: "Off" })
    assert.isUndefined(commit(sent, { response: { id: "resp_1" }, output: [] }))
    assert.deepStrictEqual(outcome(plan([], ask([hello], { previous_response_id: "resp_0" }))), { _tag: "Explicit" })
  })
})

describe("full", () => {
  it("is for those who know why", () => {
    const sent = ask([hello])
    assert.deepStrictEqual(outcome(Continuation.full(sent, { _tag: "NewConnection" })), { _tag: "NewConnection" })
    const head = Continuation.commit(Continuation.full(sent, { _tag: "Forgotten" }), {
      response: { id: "resp_1" },
      output: []
    })
    assert.deepStrictEqual(outcome(Continuation.plan(head, ask([hello, more]))), [more])
  })
})

describe("commit", () => {
  it("makes a head of a response that ended completed or incomplete", () => {
    const plan = Continuation.plan(undefined, ask([hello]))
    for (const status of ["completed", "incomplete", undefined] as const) {
      const head = Continuation.commit(plan, { response: { id: "resp_1", status }, output: [answer("Hi")] })
      assert.deepStrictEqual(outcome(Continuation.plan(head, ask([hello, answer("Hi"), more]))), [more])
    }
    for (const status of ["failed", "cancelled", "in_progress", "queued"] as const) {
      assert.isUndefined(Continuation.commit(plan, { response: { id: "resp_1", status }, output: [] }))
    }
  })

  it("knows whether the response outlives its connection", () => {
    assert.isFalse(headAfter(ask([hello]), []).stored)
    for (const store of [true, null, undefined]) assert.isTrue(headAfter(ask([hello], { store }), []).stored)
  })
})
