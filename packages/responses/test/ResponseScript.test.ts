import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import * as ResponseSteps from "../src/internal/script/responseSteps.ts"
import type { ResponseItem } from "../src/ResponseItem.ts"
import type { ResponseRequest } from "../src/ResponseRequest.ts"
import * as S from "../src/ResponseScript.ts"

const context = (request: Partial<ResponseRequest> = {}): S.Context => ({
  request: { model: "m", ...request },
  responseId: "resp_7",
  createdAt: 1_700_000_000,
  index: 0,
  input: [{ type: "message", role: "user", content: "Hi" }]
})

const steps = (turn: S.Turn, request?: Partial<ResponseRequest>) => ResponseSteps.steps(turn, context(request))

interface Item {
  readonly id: string
  readonly arguments?: string
  readonly call_id?: string
  readonly encrypted_content?: string
  readonly content?: ReadonlyArray<{ readonly text: string }>
  readonly summary?: ReadonlyArray<{ readonly text: string }>
}

interface Response {
  readonly id: string
  readonly created_at: number
  readonly status: string
  readonly output: ReadonlyArray<Item>
  readonly tools: ReadonlyArray<object>
  readonly usage: { readonly input_tokens: number; readonly output_tokens: number; readonly total_tokens: number }
  readonly incomplete_details: object | null
  readonly error: object | null
}

/** What a frame may have; a test that reads a field says that it is there. */
interface Frame {
  readonly type: string
  readonly sequence_number: number
  readonly stream_id: string
  readonly output_index: number
  readonly item_id: string
  readonly item: Item
  readonly delta: string
  readonly response: Response
  readonly status_code?: number
  readonly error: { readonly code: string | null }
}

const sent = (turn: S.Turn, request?: Partial<ResponseRequest>): ReadonlyArray<Frame> =>
  steps(turn, request).flatMap((step) =>
    step._tag === "Send" && typeof step.frame === "object" ? [step.frame as Frame] : []
  )

const last = (turn: S.Turn, request?: Partial<ResponseRequest>): Response => {
  const frame = sent(turn, request).at(-1)
  if (frame === undefined) throw new Error("The turn has no frames")
  return frame.response
}

/** Types without `response.`, and what is no frame by its name. */
const outline = (turn: S.Turn, request?: Partial<ResponseRequest>): ReadonlyArray<string> =>
  steps(turn, request).map((step) =>
    step._tag !== "Send"
      ? `<${step._tag}>`
      : typeof step.frame === "string"
      ? step.frame
      : (step.frame as Frame).type.replace("response.", "")
  )

const message = [
  "output_item.added",
  "content_part.added",
  "output_text.delta",
  "output_text.done",
  "content_part.done",
  "output_item.done"
]

describe("steps", () => {
  it("the life cycle of each kind of item", () => {
    const turn = S.turn([
      S.reasoning("hm", { encrypted: "e" }),
      S.toolCall({ name: "f", arguments: { a: 1 } }),
      S.customToolCall({ name: "g", input: "x", callId: "mine" }),
      S.refusal("no"),
      S.text("Hi")
    ])
    assert.deepStrictEqual(outline(turn), [
      "created",
      "in_progress",
      "output_item.added",
      "reasoning_summary_part.added",
      "reasoning_summary_text.delta",
      "reasoning_summary_text.done",
      "reasoning_summary_part.done",
      "output_item.done",
      "output_item.added",
      "function_call_arguments.delta",
      "function_call_arguments.done",
      "output_item.done",
      "output_item.added",
      "custom_tool_call_input.delta",
      "custom_tool_call_input.done",
      "output_item.done",
      "output_item.added",
      "content_part.added",
      "refusal.delta",
      "refusal.done",
      "content_part.done",
      "output_item.done",
      ...message,
      "completed"
    ])
    const response = last(turn)
    assert.strictEqual(response.id, "resp_7")
    assert.strictEqual(response.created_at, 1_700_000_000)
    assert.deepStrictEqual(response.output.map((item) => item.id), [
      "rs_7_0",
      "fc_7_1",
      "ctc_7_2",
      "msg_7_3",
      "msg_7_4"
    ])
    assert.deepInclude(response.output[1] ?? {}, { call_id: "call_7_1", arguments: "{\"a\":1}", status: "completed" })
    assert.strictEqual(response.output[2]?.call_id, "mine")
    assert.strictEqual(response.output[0]?.encrypted_content, "e")
  })

  it("items point to their place in the output", () => {
    const frames = sent(S.turn([S.text("a"), S.text("b")]))
    const second = frames.slice(2 + message.length, 2 + 2 * message.length)
    assert.isTrue(second.every((frame) => frame.output_index === 1))
    assert.isTrue(second.slice(1, -1).every((frame) => frame.item_id === "msg_7_1"))
  })

  it("a kind of item it does not know is added and done", () => {
    const item = { type: "web_search_call", id: "ws_1" } as unknown as ResponseItem
    const frames = sent(S.item(item))
    assert.deepStrictEqual(frames.slice(2, -1).map((frame) => frame.type), [
      "response.output_item.added",
      "response.output_item.done"
    ])
    assert.strictEqual(frames[2]?.item.id, "ws_1")
  })

  it("the response object answers the request", () => {
    const request = {
      instructions: "be brief",
      metadata: { a: "1" },
      previous_response_id: "resp_6",
      temperature: 0,
      tools: [{ type: "function", name: "f" }]
    }
    const response = last(S.text("x"), request)
    const fields: Readonly<Record<string, unknown>> = { ...response }
    assert.deepInclude(fields, {
      object: "response",
      status: "completed",
      instructions: "be brief",
      metadata: { a: "1" },
      previous_response_id: "resp_6",
      temperature: 0,
      store: true,
      parallel_tool_calls: true,
      tool_choice: "auto",
      truncation: "disabled",
      error: null,
      incomplete_details: null
    })
    assert.deepStrictEqual(response.tools, [
      { type: "function", name: "f", description: null, parameters: null, strict: true }
    ])
  })

  it("a snapshot does not change while the response goes on", () => {
    const [created, inProgress] = sent(S.text("x"))
    assert.deepStrictEqual([created?.response.output, inProgress?.response.output], [[], []])
  })

  it("a delta is whole characters", () => {
    const deltas = sent(S.text("a🚀🚀", { chunkSize: 2 })).filter((frame) => frame.type.endsWith(".delta"))
    assert.deepStrictEqual(deltas.map((frame) => frame.delta), ["a🚀", "🚀"])
  })

  it("a warm-up has no output", () => {
    assert.deepStrictEqual(outline(S.text("x"), { generate: false }), ["created", "completed"])
  })

  it("usage: made up, or as the turn says", () => {
    const end = (turn: S.Turn) => last(turn).usage
    const { input_tokens, output_tokens, total_tokens } = end(S.text("Hello"))
    assert.isAbove(input_tokens, 0)
    assert.strictEqual(input_tokens + output_tokens, total_tokens)
    const usage = { input_tokens: 1, output_tokens: 2, total_tokens: 3 }
    assert.deepStrictEqual(end(S.text("Hello", { usage })), usage)
    assert.deepStrictEqual(end(S.turn([S.text("a", { usage }), S.text("b")])), usage)
  })

  const fault = { status: 400, code: "c", message: "m" }
  const ends: ReadonlyArray<readonly [name: string, turn: S.Turn, outline: ReadonlyArray<string>]> = [
    ["incomplete", S.turn([S.text("x"), S.incomplete()]), ["created", "in_progress", ...message, "incomplete"]],
    ["failed alone", S.failed({ code: "c", message: "m" }), ["created", "in_progress", "failed"]],
    ["an error alone answers the request", S.error(fault), ["error"]],
    ["an error after items", S.turn([S.text("x"), S.error(fault)]), ["created", "in_progress", ...message, "error"]],
    ["an error after frames", S.turn([S.text("x"), S.error(fault, { after: 3 })]), [
      "created",
      "in_progress",
      "output_item.added",
      "error"
    ]],
    ["an error, then the connection goes", S.turn([S.error(fault), S.drop()]), ["error", "<Cut>"]],
    ["a drop alone", S.drop(), ["<Cut>"]],
    ["a drop after the first event", S.drop({ after: 1 }), ["created", "<Cut>"]],
    ["a drop before the end", S.turn([S.text("x"), S.drop()]), ["created", "in_progress", ...message, "<Cut>"]],
    ["a drop after more frames than there are", S.turn([S.text("x"), S.drop({ after: 99 })]), [
      "created",
      "in_progress",
      ...message,
      "<Cut>"
    ]],
    ["a close", S.turn([S.text("x"), S.close({ code: 1011, after: 2 })]), ["created", "in_progress", "<Close>"]],
    ["silence", S.turn([S.text("x"), S.silence({ after: 1 })]), ["created", "<Silence>"]],
    ["raw frames before everything", S.turn([S.raw([{ type: "keepalive" }, "{"]), S.text("x")]), [
      "keepalive",
      "{",
      "created",
      "in_progress",
      ...message,
      "completed"
    ]],
    ["raw frames in the middle", S.turn([S.text("x"), S.raw(["{"], { after: 4 })]), [
      "created",
      "in_progress",
      ...message.slice(0, 2),
      "{",
      ...message.slice(2),
      "completed"
    ]],
    ["raw frames, and a fault after them", S.turn([S.raw(["{"], { after: 1 }), S.text("x"), S.drop({ after: 2 })]), [
      "created",
      "{",
      "<Cut>"
    ]],
    ["frames that trail the end", S.turn([S.text("x"), S.completed, S.raw([{ type: "response.done" }])]), [
      "created",
      "in_progress",
      ...message,
      "completed",
      "done"
    ]],
    ["no end", S.turn([S.text("x"), S.unfinished]), ["created", "in_progress", ...message]],
    ["two ends", S.turn([S.text("x"), S.completed, S.completed]), [
      "created",
      "in_progress",
      ...message,
      "completed",
      "completed"
    ]],
    ["queued", S.turn([S.text("x")], { queued: true }), [
      "created",
      "queued",
      "in_progress",
      ...message,
      "completed"
    ]],
    ["slow deltas", S.text("abc", { chunkSize: 2, deltaDelay: 5 }), [
      "created",
      "in_progress",
      ...message.slice(0, 2),
      "<Wait>",
      "output_text.delta",
      "<Wait>",
      ...message.slice(2),
      "completed"
    ]],
    [
      "what a server does besides sending",
      S.turn([S.forget("all"), S.text("x"), S.expire(), S.pings(false, { after: 1 })]),
      [
        "<Forget>",
        "created",
        "<Pings>",
        "in_progress",
        ...message,
        "<Expire>",
        "completed"
      ]
    ],
    ["a pause", S.turn([S.wait("1 second", { after: 1 }), S.text("x"), S.completed]), [
      "created",
      "<Wait>",
      "in_progress",
      ...message,
      "completed"
    ]]
  ]

  it.each(ends)("%s", (_, turn, expected) => {
    assert.deepStrictEqual(outline(turn), expected)
  })

  it("a cut within a frame has the frame and the bytes", () => {
    const last = (turn: S.Turn) => steps(turn, { stream_id: "a" }).at(-1)
    const within = last(S.turn([S.text("x"), S.drop({ after: 1, bytes: 3 })]))
    assert(within?._tag === "Cut")
    assert.strictEqual(within.bytes, 3)
    const fields: Readonly<Record<string, unknown>> = { ...Object(within.frame) }
    assert.deepInclude(fields, { type: "response.in_progress", sequence_number: 1, stream_id: "a" })
    assert.deepStrictEqual(last(S.turn([S.text("x"), S.drop({ after: 99, bytes: 3 })])), { _tag: "Cut" })
    const alone = last(S.drop({ bytes: 3 }))
    assert(alone?._tag === "Cut")
    assert.strictEqual(Reflect.get(Object(alone.frame), "type"), "response.created")
  })

  it("bad frames", () => {
    const frame = (turn: S.Turn) => {
      const step = steps(turn)[0]
      assert(step?._tag === "Send" && typeof step.frame === "string")
      return { text: step.frame, binary: step.binary }
    }
    const parse = (kind: S.BadFrame): unknown => JSON.parse(frame(S.badFrame(kind)).text)
    for (const kind of ["notJson", "truncated"] as const) assert.throws(() => parse(kind))
    assert.isArray(parse("notObject"))
    assert.notProperty(parse("notEvent"), "type")
    assert.isTrue(frame(S.badFrame("binary")).binary)
    assert.strictEqual(frame(S.badFrame("huge")).text.length, 20_000_000)
    assert.strictEqual(frame(S.badFrame("huge", { bytes: 1000 })).text.length, 1000)
  })

  it("max_output_tokens: what is over is cut, and nothing comes after it", () => {
    const turn = S.turn([S.text("x".repeat(20)), S.toolCall({ name: "f", arguments: "y".repeat(100) }), S.text("z")])
    const within = (max_output_tokens: number) => last(turn, { max_output_tokens })
    const { incomplete_details, output, usage } = within(10)
    assert.deepStrictEqual(incomplete_details, { reason: "max_output_tokens" })
    assert.deepStrictEqual(output.map((item) => item.content?.[0]?.text ?? item.arguments), [
      "x".repeat(20),
      "y".repeat(19)
    ])
    assert.strictEqual(usage.output_tokens, 10)
    assert.strictEqual(within(5).output.length, 1)
    assert.strictEqual(within(2).output[0]?.content?.[0]?.text, "x".repeat(8))
    assert.strictEqual(within(1000).status, "completed")
    const fault = S.turn([turn, S.drop({ after: 3 })])
    assert.deepStrictEqual(outline(fault, { max_output_tokens: 10 }).at(-1), "<Cut>")
  })

  it("a seed gives deltas of sizes of its own, always the same", () => {
    const deltas = (seed: number | undefined) =>
      ResponseSteps.steps(S.text("x".repeat(200)), { ...context(), ...(seed === undefined ? {} : { seed }) }).flatMap(
        (step) => {
          const delta: unknown = step._tag === "Send" ? Reflect.get(Object(step.frame), "delta") : undefined
          return typeof delta === "string" ? [delta] : []
        }
      )
    assert.deepStrictEqual(deltas(1), deltas(1))
    assert.notDeepEqual(deltas(1), deltas(2))
    assert.notDeepEqual(deltas(1), deltas(undefined))
    assert.strictEqual(deltas(1).join(""), "x".repeat(200))
  })

  it("incomplete and failed tell why", () => {
    assert.deepStrictEqual(last(S.incomplete("content_filter")).incomplete_details, {
      reason: "content_filter"
    })
    const failed = last(S.failed({ code: "server_error", message: "no" }))
    assert.strictEqual(failed.status, "failed")
    assert.deepStrictEqual(failed.error, { code: "server_error", message: "no" })
  })

  it("the shapes of an error", () => {
    const details = { status: 429, code: "c", message: "m", param: "p", headers: { "retry-after": "1" } }
    const frame = (error: S.ErrorDetails): Frame =>
      JSON.parse(JSON.stringify(sent(S.error(error), { stream_id: "a" })[0]))
    const { headers, message, status } = details
    assert.deepStrictEqual<object>(frame(details), {
      type: "error",
      stream_id: "a",
      status,
      error: { type: "rate_limit_error", code: "c", message, param: "p", headers }
    })
    assert.deepStrictEqual<object>(frame({ ...details, shape: "flat" }), {
      type: "error",
      sequence_number: 0,
      stream_id: "a",
      status,
      code: "c",
      message,
      param: "p",
      headers
    })
    assert.deepStrictEqual<object>(frame({ shape: "untyped", message }), { error: { message, type: "api_error" } })
    assert.strictEqual(frame({ statusCode: 503, code: null }).status_code, 503)
    assert.isNull(frame({ code: null }).error.code)
  })

  it("numbers and lanes: on events, not on raw frames", () => {
    const turn = S.turn([S.raw([{ type: "a" }]), S.events([{ type: "b", x: 1 }], { after: 2 }), S.text("x")])
    const frames = sent(turn, { stream_id: "main" })
    assert.deepStrictEqual<object | undefined>(frames[0], { type: "a" })
    assert.deepStrictEqual<object | undefined>(frames[2], { type: "b", sequence_number: 1, stream_id: "main", x: 1 })
    assert.deepStrictEqual(
      frames.slice(1).map((frame) => [frame.sequence_number, frame.stream_id]),
      frames.slice(1).map((_, index) => [index, "main"])
    )
  })

  const parts = FastCheck.array(
    FastCheck.oneof(
      FastCheck.fullUnicodeString().map((text) => S.text(text)),
      FastCheck.fullUnicodeString().map((name) => S.toolCall({ name, arguments: { name } })),
      FastCheck.fullUnicodeString().map((text) => S.reasoning(text))
    ),
    { maxLength: 5 }
  )

  it("deltas add up to the text, and the same turn always gives the same steps", () => {
    FastCheck.assert(FastCheck.property(parts, FastCheck.integer({ min: 1, max: 5 }), (parts, chunkSize) => {
      const turn = S.turn(parts, { chunkSize })
      const frames = sent(turn)
      assert.deepStrictEqual(JSON.parse(JSON.stringify(sent(turn))), JSON.parse(JSON.stringify(frames)))
      assert.deepStrictEqual(sent(JSON.parse(JSON.stringify(turn))), frames, "a turn is plain data")
      const joined = new Map<string, string>()
      for (const { delta, item_id, type } of frames) {
        if (!type.endsWith(".delta")) continue
        assert.isAtMost(Array.from(delta).length, chunkSize)
        joined.set(item_id, (joined.get(item_id) ?? "") + delta)
      }
      for (const item of last(turn).output) {
        const whole = item.arguments ?? item.content?.[0]?.text ?? item.summary?.[0]?.text ?? ""
        assert.strictEqual(joined.get(item.id) ?? "", whole)
      }
    }))
  })
})

describe("pick", () => {
  it("a list by index, a function for every request, warm-ups apart", () => {
    const script: S.Script = [S.text("a"), (request) => S.text(request.model ?? "")]
    const at = (index: number, request: Partial<ResponseRequest> = {}) =>
      ResponseSteps.pick(script, { ...context(request), index })
    assert.deepStrictEqual(at(0), S.text("a"))
    assert.deepStrictEqual(at(1, { model: "x" }), S.text("x"))
    assert.isUndefined(at(2))
    assert.deepStrictEqual(at(2, { generate: false }), S.completed)
    assert.deepStrictEqual(ResponseSteps.pick((_, { responseId }) => S.text(responseId), context()), S.text("resp_7"))
  })
})
