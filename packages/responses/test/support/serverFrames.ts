/**
 * Frames as servers send them, and what a broken server makes of them: any field missing, null, of another type, huge,
 * nested 20,000 levels deep, full of junk, or named like something that every object has.
 */
import { FastCheck } from "effect"
import type { KnownType } from "../../src/ResponseEvent.ts"

type Json = { [field: string]: unknown }

const usage = {
  input_tokens: 30,
  output_tokens: 20,
  total_tokens: 50,
  input_tokens_details: { cached_tokens: 10 },
  output_tokens_details: { reasoning_tokens: 5 }
}

const outputText = {
  type: "output_text",
  text: "Hello",
  annotations: [
    { type: "url_citation", start_index: 0, end_index: 1, url: "https://example.com", title: "An example" },
    { type: "file_citation", index: 0, file_id: "file_1", filename: "a.txt" }
  ],
  logprobs: [{ token: "Hello", logprob: -0.1, bytes: [72], top_logprobs: [] }]
}

const message = { type: "message", id: "msg_1", role: "assistant", status: "completed", content: [outputText] }

const call = {
  type: "function_call",
  id: "fc_1",
  call_id: "call_1",
  name: "look",
  arguments: "{\"at\":\"it\"}",
  status: "completed"
}

/** One item of each kind that anything in this repository, or in `@effect/ai-openai`, looks into. */
const items: ReadonlyArray<Json> = [
  message,
  { ...message, id: "msg_2", content: [{ type: "refusal", refusal: "No." }] },
  call,
  { type: "custom_tool_call", id: "ctc_1", call_id: "call_2", name: "grep", input: "a", status: "completed" },
  {
    type: "reasoning",
    id: "rs_1",
    summary: [{ type: "summary_text", text: "Hm." }],
    content: [{ type: "reasoning_text", text: "Hm, hm." }],
    encrypted_content: "gAAA",
    status: "completed"
  },
  { type: "function_call_output", id: "fco_1", call_id: "call_1", output: [{ type: "input_text", text: "There." }] },
  { type: "custom_tool_call_output", id: "ctco_1", call_id: "call_2", output: "a:1" },
  { type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search", query: "a", sources: [] } },
  { type: "file_search_call", id: "fs_1", status: "completed", queries: ["a"], results: [{ text: "a", score: 1 }] },
  {
    type: "code_interpreter_call",
    id: "ci_1",
    status: "completed",
    code: "1",
    container_id: "c",
    outputs: [{ type: "logs", logs: "1" }]
  },
  { type: "compaction", id: "cmp_1", encrypted_content: "gAAA" },
  { type: "an_item_of_tomorrow", id: "x_1" }
]

const response = (status: string, more: Json = {}): Json => ({
  id: "resp_1",
  object: "response",
  created_at: 1_760_000_000,
  status,
  model: "gpt-5.5",
  output: status === "completed" ? items : [],
  usage: status === "completed" ? usage : null,
  error: null,
  incomplete_details: null,
  metadata: { a: "b" },
  service_tier: "default",
  parallel_tool_calls: true,
  tools: [],
  tool_choice: "auto",
  ...more
})

const place = { item_id: "msg_1", output_index: 0, content_index: 0 }
const summaryPlace = { item_id: "rs_1", output_index: 4, summary_index: 1 }
const problem = { type: "server_error", code: "server_error", message: "Sorry", param: null }

const known: Readonly<Record<KnownType, ReadonlyArray<Json>>> = {
  "response.created": [{ response: response("in_progress") }],
  "response.queued": [{ response: response("queued") }],
  "response.in_progress": [{ response: response("in_progress") }],
  "response.completed": [{ response: response("completed") }, { response: response("completed", { output: null }) }],
  "response.incomplete": [{
    response: response("incomplete", { incomplete_details: { reason: "max_output_tokens" } })
  }],
  "response.output_item.added": items.map((item, output_index) => ({ output_index, item })),
  "response.output_item.done": items.map((item, output_index) => ({ output_index, item })),
  "response.content_part.added": [{ ...place, part: outputText }],
  "response.content_part.done": [{ ...place, part: outputText }],
  "response.output_text.delta": [{ ...place, delta: "Hello", logprobs: outputText.logprobs }],
  "response.output_text.done": [{ ...place, text: "Hello", logprobs: [] }],
  "response.output_text.annotation.added": outputText.annotations.map((annotation, annotation_index) => ({
    ...place,
    annotation_index,
    annotation
  })),
  "response.refusal.delta": [{ ...place, delta: "No" }],
  "response.refusal.done": [{ ...place, refusal: "No." }],
  "response.function_call_arguments.delta": [{ item_id: "fc_1", output_index: 2, delta: "{" }],
  "response.function_call_arguments.done": [{ item_id: "fc_1", output_index: 2, name: "look", arguments: "{}" }],
  "response.custom_tool_call_input.delta": [{ item_id: "ctc_1", output_index: 3, delta: "a" }],
  "response.custom_tool_call_input.done": [{ item_id: "ctc_1", output_index: 3, input: "a" }],
  "response.reasoning_summary_part.added": [{ ...summaryPlace, part: { type: "summary_text", text: "" } }],
  "response.reasoning_summary_part.done": [{ ...summaryPlace, part: { type: "summary_text", text: "Hm." } }],
  "response.reasoning_summary_text.delta": [{ ...summaryPlace, delta: "Hm" }],
  "response.reasoning_summary_text.done": [{ ...summaryPlace, text: "Hm." }],
  "response.reasoning_text.delta": [{ ...place, delta: "Hm" }],
  "response.reasoning_text.done": [{ ...place, text: "Hm." }]
}

const others: ReadonlyArray<Json> = [
  { type: "response.failed", response: response("failed", { error: problem }) },
  { type: "error", status: 429, error: { ...problem, headers: { "retry-after": "1", "x-request-id": "req_1" } } },
  { ...problem, type: "error", request_id: "req_1", headers: { "retry-after-ms": "100" } },
  { error: problem },
  { type: "response.done", response: response("completed") },
  { type: "response.web_search_call.searching", item_id: "ws_1", output_index: 5 },
  { type: "response.code_interpreter_call_code.delta", item_id: "ci_1", output_index: 8, delta: "1" },
  { type: "response.of_tomorrow", response_id: "resp_1", deep: { list: [1, null, "ä"] } },
  { type: "keepalive" },
  { type: "codex.rate_limits", limits: { primary: { used_percent: 3 } } }
]

const samples: ReadonlyArray<Json> = [
  ...Object.entries(known).flatMap(([type, all]) => all.map((fields) => ({ type, sequence_number: 3, ...fields }))),
  ...others
]

/** Text that stands for JSON that no value can be written as. */
const raw: ReadonlyMap<string, string> = new Map([
  ["@list", `${"[".repeat(20_000)}${"]".repeat(20_000)}`],
  ["@object", `${"{\"a\":".repeat(20_000)}1${"}".repeat(20_000)}`],
  ["@infinite", "1e999"]
])

const proto = "@proto"

const junk: ReadonlyArray<unknown> = [
  null,
  true,
  0,
  -1,
  0.5,
  1e308,
  "",
  "x",
  "2",
  "a\r\n\ndata: {}",
  "ä\u0000\ud800",
  "x".repeat(5000),
  "https://",
  "__proto__",
  "constructor",
  "toString",
  "{\"toString\":1}",
  `${"[".repeat(20_000)}${"]".repeat(20_000)}`,
  [],
  {},
  [null, 1, "x", {}, [[]], [null]],
  [{ type: "output_text" }, { type: "refusal" }, { type: "summary_text" }, { type: "url_citation" }],
  { toString: 1, valueOf: null, toJSON: "x", length: -1, then: true },
  { [proto]: { type: "message", content: 1 }, constructor: { prototype: 1 } },
  ...raw.keys()
]

type Mutation = readonly [at: number, kind: "replaced" | "missing" | "renamed", junk: unknown]

const mutation: FastCheck.Arbitrary<Mutation> = FastCheck.tuple(
  FastCheck.nat(),
  FastCheck.constantFrom<Mutation[1][]>("replaced", "replaced", "replaced", "missing", "renamed"),
  FastCheck.constantFrom(...junk)
)

/** Each container of a value with each of its keys. */
const fieldsOf = (value: unknown): ReadonlyArray<readonly [holder: Json, key: string]> =>
  typeof value !== "object" || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]) => [[value as Json, key] as const, ...fieldsOf(inner)])

const mutate = (frame: Json, [at, kind, value]: Mutation): void => {
  const all = fieldsOf(frame)
  const found = all[at % all.length]
  if (found === undefined) return
  const [holder, key] = found
  if (kind === "replaced") {
    // The next mutation may be one of what was put in.
    holder[key] = structuredClone(value)
    return
  }
  if (kind === "renamed") holder[proto] = holder[key]
  delete holder[key]
}

const write = (frame: unknown): string => {
  let text = JSON.stringify(frame).replaceAll(`"${proto}"`, "\"__proto__\"")
  for (const [name, json] of raw) text = text.replaceAll(`"${name}"`, json)
  return text
}

const mutated = (frame: Json, mutations: ReadonlyArray<Mutation>): string => {
  const copy = structuredClone(frame)
  for (const one of mutations) mutate(copy, one)
  return write(copy)
}

const ofSample = (from: ReadonlyArray<Json>, maxMutations: number): FastCheck.Arbitrary<string> =>
  FastCheck.tuple(FastCheck.constantFrom(...from), FastCheck.array(mutation, { maxLength: maxMutations }))
    .map(([frame, mutations]) => mutated(frame, mutations))

/** A frame of a known kind with fields that nobody expects in it. */
const stuffed = FastCheck.tuple(
  FastCheck.constantFrom(...samples),
  FastCheck.dictionary(FastCheck.string({ maxLength: 8 }), FastCheck.jsonValue({ maxDepth: 3 }), { maxKeys: 3 })
).map(([frame, fields]) => JSON.stringify({ ...frame, ...fields }))

/** The text of a frame. Most are events, some are not even JSON. */
export const frame: FastCheck.Arbitrary<string> = FastCheck.oneof(
  { arbitrary: ofSample(samples, 3), weight: 12 },
  { arbitrary: stuffed, weight: 2 },
  { arbitrary: FastCheck.json(), weight: 1 },
  { arbitrary: FastCheck.string(), weight: 1 }
)

const typed = (type: KnownType): ReadonlyArray<Json> => samples.filter((sample) => sample["type"] === type)

/** The frames for one request: most begin and end as a response does. */
export const frames: FastCheck.Arbitrary<ReadonlyArray<string>> = FastCheck.tuple(
  FastCheck.oneof(ofSample(typed("response.created"), 0), ofSample(typed("response.created"), 1)),
  FastCheck.array(FastCheck.oneof({ arbitrary: ofSample(samples, 2), weight: 9 }, { arbitrary: frame, weight: 1 }), {
    maxLength: 6
  }),
  FastCheck.oneof(ofSample(typed("response.completed"), 0), ofSample(typed("response.completed"), 2))
).map(([beginning, middle, end]) => [beginning, ...middle, end])

/** Every item of every kind, mutated. */
export const item: FastCheck.Arbitrary<string> = ofSample(items, 3)
