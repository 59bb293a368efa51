/** Every request that a server refuses: the same words over both transports, and the connection goes on. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { ResponseScript, ResponseTool } from "effect-responses"
import { ResponsesServer } from "effect-responses-server"
import type * as Vendor from "openai/resources/responses/responses"
import type { fields } from "../src/internal/fields.ts"
import { connect, end, json, post, type WireError } from "./client.ts"

/** Compiles only while every field of the vendor's body is one that this server knows. */
export const everyField = (
  field: Exclude<keyof Vendor.ResponsesClientEvent.ResponseCreate, "type"> | keyof Vendor.ResponseCreateParams
): keyof typeof fields => field

type Row = readonly [body: object, code: string | null, param: string | null, message: RegExp]

const call = { type: "function_call", call_id: "c1", name: "f", arguments: "{}" }
const output = { type: "function_call_output", call_id: "c1", output: "x" }
const user = { role: "user", content: "Hi" }
const type = "invalid_type"
const missing = "missing_required_parameter"

const update = (settings: object) => ({ type: "configuration_update", ...settings })

const named = (name: string) => ({ type: "function", name })

const closed = (properties: object, more: object = {}) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more
})

/** Schemas that the vendor does not take, with and without `strict`, and what it says. */
const schemas: ReadonlyArray<readonly [schema: object, strict: boolean | undefined, message: string]> = [
  [{}, undefined, "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'"],
  [{ $ref: "#/$defs/P", $defs: { P: closed({}) } }, false, "schema must be a JSON Schema"],
  [{ anyOf: [{ type: "object" }, { type: "array" }] }, false, "schema must have type 'object' and not have 'oneOf'"],
  [{ type: "string" }, false, "schema must have type 'object'"],
  [
    { ...closed({}), not: {} },
    false,
    "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not'"
  ],
  [{ type: "object" }, false, "In context=\\(\\), object schema missing properties"],
  [closed({ a: { type: "array" } }), false, "In context=\\('properties', 'a'\\), array schema missing items"],
  [
    closed({}, { additionalProperties: { type: "array" } }),
    false,
    "In context=\\('additionalProperties',\\), array schema missing items"
  ],
  [closed({ a: { type: "array", items: [{ type: "string" }] } }), false, "\\[{\"type\":\"string\"}\\] is not of type"],
  [{ type: "object", properties: {} }, true, "In context=\\(\\), 'additionalProperties' is required to be supplied"],
  [
    closed({ a: { type: "string" }, b: { type: "string" } }, { required: ["a"] }),
    true,
    "In context=\\(\\), 'required' is required .* Missing 'b'"
  ],
  [
    closed({ a: { type: "object", properties: {} } }),
    true,
    "In context=\\('properties', 'a'\\), 'additionalProperties'"
  ],
  [
    closed({ a: { type: "array", items: { type: "object", properties: {} } } }),
    true,
    "In context=\\('properties', 'a', 'items'\\), 'additionalProperties'"
  ],
  [
    closed({ a: { $ref: "#/$defs/A" } }, { $defs: { A: { type: "object", properties: {} } } }),
    true,
    "In context=\\('\\$defs', 'A'\\), 'additionalProperties'"
  ],
  [
    closed({ a: { $ref: "#/$defs/A", title: "A" } }, { $defs: { A: closed({}) } }),
    true,
    ".*\\$ref cannot have keywords"
  ],
  [closed({ a: { anyOf: [{}] } }), true, "In context=\\('properties', 'a', 'anyOf', '0'\\), schema must have a 'type'"],
  [closed({ a: { oneOf: [{ type: "string" }] } }), true, ".*'oneOf' is not permitted"],
  [closed({ a: closed({}, { propertyNames: {} }) }), true, ".*'propertyNames' is not permitted"],
  [closed({ a: { type: "string", format: "uri" } }), true, ".*'uri' is not a valid format"]
]

/** Refused by both transports. */
const rows: ReadonlyArray<Row> = [
  [{ model: undefined }, missing, "model", /^Missing required parameter: 'model'\.$/],
  [{ model: null }, missing, "model", /'model'/],
  [{ model: undefined, prompt: null }, missing, "model", /'model'/],
  [{ model: undefined, prompt: {} }, missing, "prompt.id", /'prompt\.id'/],
  [{ prompt: { id: 1 } }, type, "prompt.id", /a string/],
  [{ prompt: "pmpt_1" }, type, "prompt", /an object/],
  [{ model: "" }, type, "model", /non-empty/],
  [{ model: 1 }, type, "model", /^Invalid type for 'model': expected a string, but got an integer instead\.$/],
  [{ modle: "x" }, "unknown_parameter", "modle", /^Unknown parameter: 'modle'\.$/],
  [{ input: 1 }, type, "input", /a string or an array of items, but got an integer/],
  [{ input: [1] }, type, "input[0]", /an object, but got an integer/],
  [{ input: [{ role: "user" }] }, missing, "input[0].content", /input\[0\]\.content/],
  [{ input: [{ content: "x" }] }, missing, "input[0].role", /role/],
  [{ input: [{ role: "robot", content: "x" }] }, "invalid_value", "input[0].role", /'robot'.*'user', 'assistant'/],
  [{ input: [{ role: "user", content: [{ text: "x" }] }] }, missing, "input[0].content[0].type", /type/],
  [{ input: [{ role: "user", content: [{ type: "input_text" }] }] }, missing, "input[0].content[0].text", /text/],
  [
    { input: [{ role: "user", content: [{ type: "input_image" }] }] },
    missing,
    "input[0].content[0].image_url",
    /image_url/
  ],
  [
    { input: [{ role: "user", content: [{ type: "input_file" }] }] },
    missing,
    "input[0].content[0].file_data",
    /file_data/
  ],
  [{ input: [{ type: "function_call", name: "f", arguments: "{}" }] }, missing, "input[0].call_id", /call_id/],
  [{ input: [{ ...call, arguments: {} }] }, type, "input[0].arguments", /a string, but got an object/],
  [{ input: [call, { ...output, output: undefined }] }, missing, "input[1].output", /output/],
  [{ input: [{ type: "reasoning" }] }, missing, "input[0].summary", /summary/],
  [{ input: [{ type: "item_reference" }] }, missing, "input[0].id", /id/],
  [{ input: [{ type: 1 }] }, type, "input[0].type", /a string/],
  [{ input: [update({ reasoning: "high" }), user] }, type, "input[0].reasoning", /an object, but got a string/],
  [{ input: [update({ reasoning: { effort: 1 } }), user] }, type, "input[0].reasoning.effort", /a string/],
  [
    { input: [user, update({ reasoning: { effort: "huge" } }), user] },
    "invalid_value",
    "input[1].reasoning.effort",
    /'huge'.*'none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'/
  ],
  [{ input: [update({ text: "json" }), user] }, type, "input[0].text", /an object/],
  [{ input: [update({ text: {} }), user] }, missing, "input[0].text.format", /input\[0\]\.text\.format/],
  [
    { input: [update({ text: { format: "text" } }), user] },
    type,
    "input[0].text.format",
    /an object, but got a string/
  ],
  [{ input: [output] }, null, "input", /^No tool call found for function call output with call_id c1\.$/],
  [
    { input: [{ type: "custom_tool_call_output", call_id: "c1", output: "x" }] },
    null,
    "input",
    /^No tool call found for custom tool call output with call_id c1\.$/
  ],
  [{ input: [call, user] }, null, "input", /^No tool output found for function call c1\.$/],
  [{ input: [call, output, call, user] }, null, "input", /^No tool output found for function call c1\.$/],
  [
    { input: [{ ...call, async: false }, user], tools: [{ ...named("f"), async: true }] },
    null,
    "input",
    /^No tool output found for function call c1\.$/
  ],
  [
    { previous_response_id: "resp_0" },
    "previous_response_not_found",
    "previous_response_id",
    /^Previous response with id 'resp_0' not found\.$/
  ],
  [{ previous_response_id: 1 }, type, "previous_response_id", /a string/],
  [
    { previous_response_id: "resp_1", conversation: "conv_1" },
    "mutually_exclusive_parameters",
    "previous_response_id",
    /together/
  ],
  [{ conversation: 1 }, type, "conversation", /a string or an object/],
  [{ temperature: "1" }, type, "temperature", /a decimal, but got a string/],
  [{ temperature: 3 }, "decimal_above_max_value", "temperature", /Expected a value <= 2, but got 3/],
  [{ top_p: -1 }, "decimal_below_min_value", "top_p", /Expected a value >= 0, but got -1/],
  [{ top_logprobs: 1.5 }, type, "top_logprobs", /an integer, but got a decimal/],
  [{ max_output_tokens: 1 }, "integer_below_min_value", "max_output_tokens", />= 16, but got 1/],
  [{ store: "yes" }, type, "store", /a boolean/],
  [{ parallel_tool_calls: 1 }, type, "parallel_tool_calls", /a boolean/],
  [{ include: [1] }, type, "include", /an array of strings/],
  [{ metadata: [] }, type, "metadata", /an object, but got an array/],
  [{ metadata: { a: 1 } }, type, "metadata.a", /a string/],
  [{ truncation: "never" }, "invalid_value", "truncation", /'auto', 'disabled'/],
  [{ service_tier: "gold" }, "invalid_value", "service_tier", /'flex'/],
  [{ instructions: {} }, type, "instructions", /a string/],
  [{ text: "json" }, type, "text", /an object/],
  [{ reasoning: "high" }, type, "reasoning", /an object/],
  [{ tools: {} }, type, "tools", /an array/],
  [{ tools: [{ name: "f" }] }, missing, "tools[0].type", /type/],
  [{ tools: [{ type: "function" }] }, missing, "tools[0].name", /name/],
  [{ tools: [named("")] }, "empty_string", "tools[0].name", /minimum length 1/],
  [{ tools: [named("ok"), named("a b")] }, "invalid_value", "tools[1].name", /pattern '\^\[a-zA-Z0-9_-\]\+\$'/],
  [{ tools: [named("x".repeat(65))] }, "string_above_max_length", "tools[0].name", /maximum length 64, .* length 65/],
  [{ tools: [{ type: "custom", name: "a.b" }] }, "invalid_value", "tools[0].name", /pattern/],
  [{ tools: [{ ...named("f"), parameters: [] }] }, type, "tools[0].parameters", /an object, but got an array/],
  ...schemas.map(([parameters, strict, message]): Row => [
    { tools: [{ ...named("f"), parameters, strict }] },
    "invalid_function_parameters",
    "tools[0].parameters",
    new RegExp(`^Invalid schema for function 'f': ${message}`)
  ]),
  ...schemas.map(([schema, strict, message]): Row => [
    { text: { format: { type: "json_schema", name: "a", schema, strict } } },
    "invalid_json_schema",
    "text.format.schema",
    new RegExp(`^Invalid schema for response_format 'a': ${message}`)
  ]),
  [{ text: { format: { type: "json_schema", schema: {} } } }, missing, "text.format.name", /name/],
  [
    { text: { format: { type: "json_schema", name: "a b", schema: {} } } },
    "invalid_value",
    "text.format.name",
    /pattern/
  ],
  [{ text: { format: { type: "json_schema", name: "a" } } }, type, "text.format.schema", /an object/],
  [{ tool_choice: "always" }, "invalid_value", "tool_choice", /'none', 'auto', 'required'/],
  [
    { tool_choice: { type: "function", name: "g" }, tools: [{ type: "function", name: "f" }] },
    null,
    "tool_choice",
    /'g'/
  ],
  [
    { tool_choice: { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "g" }] } },
    null,
    "tool_choice",
    /^Tool choice 'g' not found in 'tools' parameter\.$/
  ]
]

const onSocket: ReadonlyArray<
  readonly [
    name: string,
    message: object | string | Uint8Array,
    ...Row extends readonly [object, ...infer Rest] ? Rest : never
  ]
> = [
  ["not JSON", "{", "invalid_json", null, /not valid JSON/],
  ["no object", "[1]", "invalid_json", null, /not valid JSON/],
  ["a binary frame", new TextEncoder().encode("{}"), "invalid_message", null, /Binary/],
  ["a type it does not know", { type: "response.cancel" }, "invalid_message_type", "type", /response\.cancel/],
  ["no type", { model: "test" }, missing, "type", /type/],
  ["stream: false", { stream: false }, "unknown_parameter", "stream", /'stream'/],
  ["background", { background: true }, "unknown_parameter", "background", /'background'/],
  ["generate", { generate: "no" }, type, "generate", /a boolean/],
  ["a lane with a space", { stream_id: "a b" }, "invalid_stream_id", "stream_id", /256/],
  ["an empty lane", { stream_id: "" }, "invalid_stream_id", "stream_id", /256/],
  ["a lane that is null", { stream_id: null }, "invalid_stream_id", "stream_id", /256/],
  ["a lane of 257 characters", { stream_id: "x".repeat(257) }, "invalid_stream_id", "stream_id", /256/]
]

const messages: ReadonlySet<string> = new Set(["a type it does not know", "no type"])

const hello = () => ResponseScript.text("Hello")

const matches = (error: WireError, code: string | null, param: string | null, message: RegExp) => {
  assert.deepInclude({ ...error }, { type: "invalid_request_error", code, param })
  assert.match(error.message, message)
}

describe("refused on both transports", () => {
  it.scoped.each(rows)("%j", ([body, code, param, message]) =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: hello })
      const client = yield* connect(server.url)
      for (const stream_id of [undefined, "lane"]) {
        const frame = end(yield* client.turn({ stream_id, ...body }))
        assert.strictEqual(frame.type, "error")
        assert.strictEqual(frame.status, 400)
        assert.strictEqual(frame.stream_id, stream_id)
        matches(frame.error, code, param, message)
      }
      assert.strictEqual(end(yield* client.turn({ input: "Hi" })).type, "response.completed")
      for (const stream of [true, false]) {
        const answer = yield* post(server.url, { stream, ...body })
        assert.strictEqual(answer.status, 400)
        matches((yield* json(answer)).error, code, param, message)
      }
    }))
})

describe("taken on both transports", () => {
  const made = (strict: boolean) =>
    ResponseTool.make({
      name: "f",
      strict,
      parameters: Schema.Struct({
        a: Schema.optional(Schema.NonEmptyString),
        b: Schema.Array(Schema.Struct({})),
        c: Schema.Union(Schema.Struct({ d: Schema.UUID }), Schema.Int.annotations({ description: "A number" })),
        e: Schema.optional(Schema.Date.annotations({ identifier: "E" }))
      }).annotations({ identifier: "F" }),
      handler: () => Effect.void
    }).definition

  const taken: ReadonlyArray<readonly [string, object]> = [
    ["a stored prompt instead of a model", { model: undefined, prompt: { id: "pmpt_1" }, input: [] }],
    ["a function without parameters", { tools: [named("f")] }],
    ["null parameters", { tools: [{ ...named("f"), parameters: null }] }],
    ["$schema and $id", { tools: [{ ...named("f"), parameters: { ...closed({}), $schema: "x", $id: "y" } }] }],
    ["optional properties, unless strict is said", {
      tools: [{ ...named("f"), parameters: { ...closed({ a: {} }), required: [] } }]
    }],
    ["a name of 64 characters", { tools: [named("x".repeat(64)), { type: "custom", name: "A-1_b" }] }],
    ["what ResponseTool makes", { tools: [made(false)] }],
    ["what ResponseTool makes, strict", { tools: [made(true)] }],
    ["two calls of one call_id, each with its output behind it", { input: [call, output, call, output, user] }],
    ["a call of an async tool without its output", { input: [call, user], tools: [{ ...named("f"), async: true }] }],
    ["a call that is async itself without its output", { input: [{ ...call, async: true }, user] }],
    ["a format", {
      text: { format: { type: "json_schema", name: "a", strict: true, schema: closed({ a: { type: "string" } }) } }
    }],
    ["updates of the configuration", {
      input: [
        update({ reasoning: { effort: "max" }, text: { format: { type: "text" } } }),
        update({ reasoning: { effort: null }, id: "cfg_1" }),
        update({ reasoning: {}, text: null }),
        user
      ]
    }],
    ["a text format", { text: { format: { type: "text" }, verbosity: "low" } }]
  ]
  it.scoped.each(taken)("%s", ([, body]) =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: hello })
      const client = yield* connect(server.url)
      assert.strictEqual(end(yield* client.turn(body)).type, "response.completed")
      const answer = yield* post(server.url, body)
      assert.strictEqual(answer.status, 200, yield* Effect.promise(() => answer.clone().text()))
    }))
})

describe("refused on a socket", () => {
  it.scoped.each(onSocket)("%s", ([name, message, code, param, text]) =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: hello })
      const client = yield* connect(server.url)
      const isWhole = typeof message === "string" || message instanceof Uint8Array || messages.has(name)
      yield* client.send(isWhole ? message : { type: "response.create", model: "test", ...message })
      const frame = yield* client.next
      assert.strictEqual(frame.type, "error")
      assert.strictEqual(frame.status, 400)
      matches(frame.error, code, param, text)
      assert.strictEqual(end(yield* client.turn({ input: "Hi" })).type, "response.completed")
    }))

  it.scoped("stream: true is what the vendor's Agents SDK sends, and passes", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: hello })
      const client = yield* connect(server.url)
      assert.strictEqual(end(yield* client.turn({ stream: true })).type, "response.completed")
    }))

  it.scoped("a reference to an item and a conversation that are not there: 404", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: hello })
      const client = yield* connect(server.url)
      const item = end(yield* client.turn({ input: [{ type: "item_reference", id: "msg_0" }] }))
      assert.strictEqual(item.status, 404)
      matches(item.error, null, "input", /^Item with id 'msg_0' not found\..*'store'/)
      const conversation = end(yield* client.turn({ input: "Hi", conversation: "conv_0" }))
      assert.strictEqual(conversation.status, 404)
      matches(conversation.error, null, "conversation", /'conv_0' not found/)
    }))
})

describe("refused over HTTP", () => {
  const table: ReadonlyArray<readonly [name: string, body: object | string, status: number, code: string | null]> = [
    ["not JSON", "{", 400, "invalid_json"],
    ["no object", "[1]", 400, "invalid_json"],
    ["nothing", "", 400, "invalid_json"],
    ["stream_id", { stream_id: "a" }, 400, "unknown_parameter"],
    ["generate", { generate: false }, 400, "unknown_parameter"],
    ["stream", { stream: "yes" }, 400, "invalid_type"],
    ["too large", { input: "x".repeat(2000) }, 413, "request_too_large"]
  ]

  it.scoped.each(table)("%s", ([, body, status, code]) =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: hello, maxFrame: 1000 })
      const answer = yield* post(server.url, body)
      assert.strictEqual(answer.status, status)
      const { error } = yield* json(answer)
      assert.strictEqual(error.code, code)
      assert.isNotEmpty(error.message)
      assert.match(answer.headers.get("x-request-id") ?? "", /^req_/)
      assert.strictEqual((yield* post(server.url, {})).status, 200)
    }))

  it.scoped("a body that does not say how long it is, and is too long", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ script: hello, maxFrame: 1000 })
      const piece = new TextEncoder().encode("x".repeat(600))
      const body = new ReadableStream({
        start: (controller) => {
          controller.enqueue(piece)
          controller.enqueue(piece)
          controller.close()
        }
      })
      const request: RequestInit & { readonly duplex: "half" } = { method: "POST", body, duplex: "half" }
      const answer = yield* Effect.promise(() => fetch(`${server.url}/responses`, request))
      assert.strictEqual(answer.status, 413)
    }))

  it.scoped("no key and a wrong one, on every path, and in the observations", () =>
    Effect.gen(function*() {
      const server = yield* ResponsesServer.make({ apiKey: Redacted.make("sk-right") })
      for (const path of ["responses", "responses/resp_1", "responses/compact", "conversations"]) {
        const none = yield* Effect.promise(() => fetch(`${server.url}/${path}`, { method: "POST", body: "{}" }))
        assert.strictEqual(none.status, 401)
        assert.match((yield* json(none)).error.message, /didn't provide an API key/)
      }
      const wrong = yield* post(server.url, {}, { authorization: "Bearer sk-wrong" })
      assert.strictEqual((yield* json(wrong)).error.code, "invalid_api_key")
      assert.strictEqual((yield* post(server.url, {}, { "api-key": "sk-right" })).status, 200, "as Azure's clients do")
      const refused = yield* server.waitFor("RequestRefused", 5)
      assert.deepInclude(refused, {
        transport: "http",
        what: "POST /v1/responses",
        status: 401,
        code: "invalid_api_key"
      })
    }))
})
