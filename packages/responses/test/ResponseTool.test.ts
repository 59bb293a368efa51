/** Tools that the API takes, arguments as models write them, and outputs that no later request trips over. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, FastCheck, Schema } from "effect"
import type { FunctionCall } from "../src/ResponseItem.ts"
import * as ResponseTool from "../src/ResponseTool.ts"
import * as ToolSchemas from "./support/toolSchemas.ts"

const toolOf = (parameters: Schema.Schema.AnyNoContext, strict: boolean, seen?: (args: unknown) => void) =>
  ResponseTool.make<unknown, unknown, never, never, never>({
    name: "t",
    parameters,
    strict,
    handler: (args) => Effect.sync(() => seen?.(args))
  })

const parametersOf = (parameters: Schema.Schema.AnyNoContext, strict = false): unknown => {
  const { definition } = toolOf(parameters, strict)
  return "parameters" in definition ? definition.parameters : undefined
}

const callOf = (args: unknown, name = "t"): FunctionCall => ({
  type: "function_call",
  call_id: "c",
  name,
  arguments: args as string
})

/** What a handler gets for the text that a model wrote. */
const decoded = (parameters: Schema.Schema.AnyNoContext, text: unknown, strict = false): unknown => {
  let args: unknown = "nothing"
  Effect.runSync(toolOf(parameters, strict, (seen) => (args = seen)).handle(callOf(text)))
  return args
}

const thrown = (make: () => unknown): ResponseTool.InvalidTool => {
  try {
    make()
  } catch (error) {
    assert.instanceOf(error, ResponseTool.InvalidTool)
    return error
  }
  throw new Error("The tool was made")
}

class Params extends Schema.Class<Params>("Params")({ city: Schema.String }) {}

interface Tree {
  readonly value: number
  readonly left?: Tree | undefined
}
const Tree: Schema.Schema<Tree> = Schema.Struct({
  value: Schema.Number,
  left: Schema.optional(Schema.suspend((): Schema.Schema<Tree> => Tree))
}).annotations({ identifier: "Tree" })

const city = { type: "string" }
const cities = { type: "object", required: ["city"], properties: { city }, additionalProperties: false }

describe("the parameters of a tool", () => {
  const table: ReadonlyArray<readonly [string, Schema.Schema.AnyNoContext, object]> = [
    ["no fields", Schema.Struct({}), { type: "object", required: [], properties: {}, additionalProperties: false }],
    ["a struct", Schema.Struct({ city: Schema.String }), cities],
    ["a class", Params, cities],
    ["a struct with an identifier", Schema.Struct({ city: Schema.String }).annotations({ identifier: "P" }), cities],
    [
      "an identifier with characters that a pointer escapes",
      Schema.Struct({ city: Schema.String }).annotations({ identifier: "a/b~c" }),
      cities
    ],
    [
      "an identifier and a filter with a description",
      Schema.Struct({ city: Schema.String }).annotations({ identifier: "P" }).pipe(
        Schema.filter(() => true, { jsonSchema: { description: "A place" } })
      ),
      { ...cities, description: "A place" }
    ],
    [
      "a recursive struct",
      Tree,
      {
        type: "object",
        required: ["value"],
        properties: { value: { type: "number" }, left: { $ref: "#/$defs/Tree" } },
        additionalProperties: false,
        $defs: {
          Tree: {
            type: "object",
            required: ["value"],
            properties: { value: { type: "number" }, left: { $ref: "#/$defs/Tree" } },
            additionalProperties: false
          }
        }
      }
    ],
    [
      "a JSON Schema of the program's own, without properties",
      Params.annotations({ jsonSchema: { type: "object" } }),
      { type: "object", properties: {} }
    ],
    [
      "a record",
      Schema.Record({ key: Schema.String, value: Schema.Number }),
      { type: "object", required: [], properties: {}, additionalProperties: { type: "number" } }
    ],
    [
      "properties called like keywords",
      Schema.Struct({ $id: Schema.String, items: Schema.String }),
      {
        type: "object",
        required: ["$id", "items"],
        properties: { $id: { type: "string" }, items: { type: "string" } },
        additionalProperties: false
      }
    ],
    [
      "tuples, which have no limit but their own",
      Schema.Struct({ pair: Schema.Tuple(Schema.String, Schema.Number) }),
      {
        type: "object",
        required: ["pair"],
        properties: {
          pair: {
            type: "array",
            minItems: 2,
            maxItems: 2,
            prefixItems: [{ type: "string" }, { type: "number" }],
            items: {}
          }
        },
        additionalProperties: false
      }
    ]
  ]
  it.each(table)("%s", (_, schema, expected) => assert.deepStrictEqual<unknown>(parametersOf(schema), expected))

  const strict: ReadonlyArray<readonly [string, Schema.Schema.AnyNoContext | Schema.PropertySignature.All, object]> = [
    ["optional", Schema.optional(Schema.String), { anyOf: [{ type: "string" }, { type: "null" }] }],
    ["optional with a default", Schema.optionalWith(Schema.Number, { default: () => 1 }), {
      anyOf: [{ type: "number" }, { type: "null" }]
    }],
    ["undefined or a text", Schema.UndefinedOr(Schema.String), { anyOf: [{ type: "string" }, { type: "null" }] }],
    ["optional and nullable already", Schema.optional(Schema.NullOr(Schema.String)), {
      anyOf: [{ type: "string" }, { type: "null" }]
    }],
    ["an optional union", Schema.optional(Schema.Union(Schema.String, Schema.Number)), {
      anyOf: [{ type: "string" }, { type: "number" }, { type: "null" }]
    }],
    ["a limit that strict mode has", Schema.Number.annotations({ jsonSchema: { type: "integer", minimum: 1 } }), {
      type: "integer",
      minimum: 1
    }],
    [
      "a limit that it does not have",
      Schema.String.annotations({ jsonSchema: { type: "string", description: "A link", minLength: 3, format: "uri" } }),
      { type: "string", description: "A link (minLength: 3, format: \"uri\")" }
    ],
    ["a pattern that looks around", Schema.String.annotations({ jsonSchema: { type: "string", pattern: "(?=a)" } }), {
      type: "string",
      description: "(pattern: \"(?=a)\")"
    }],
    ["a reference with a limit", Schema.Int.annotations({ identifier: "N" }).pipe(Schema.greaterThan(2)), {
      description: "a number greater than 2 (exclusiveMinimum: 2)",
      title: "greaterThan(2)",
      anyOf: [{ $ref: "#/$defs/N" }]
    }]
  ]
  it.each(strict)("strict: %s", (_, schema, expected) => {
    const made = parametersOf(Schema.Struct({ x: schema as Schema.Schema<unknown> }), true) as {
      readonly properties: object
    }
    assert.deepStrictEqual(ToolSchemas.complaints(made, true), [])
    assert.deepStrictEqual<unknown>(made.properties, { x: expected })
  })

  const deep = (levels: number): Schema.Schema.AnyNoContext =>
    levels === 0 ? Schema.String : Schema.Struct({ x: deep(levels - 1) })
  const wide = (properties: number) =>
    Schema.Struct(Object.fromEntries(Array.from({ length: properties }, (_, index) => [`p${index}`, Schema.String])))
  const letters = Array.from({ length: 1001 }, (_, index) => `v${index}`)

  const refused: ReadonlyArray<readonly [string, Schema.Schema.AnyNoContext, strict: boolean, reason: RegExp]> = [
    ["a text", Schema.String, false, /of type string.*Schema\.Struct/],
    ["a list", Schema.Array(Schema.String), false, /of type array/],
    ["a union", Schema.Union(Schema.Struct({ a: Schema.String }), Schema.Struct({ b: Schema.String })), false, /union/],
    ["unknown", Schema.Unknown, false, /without a type/],
    ["void", Schema.Void, false, /without a type/],
    ["JSON text", Schema.parseJson(Params), false, /of type string/],
    ["a bigint", Schema.Struct({ n: Schema.BigIntFromSelf }), false, /no JSON Schema.*BigInt/is],
    [
      "a keyword at the root",
      Params.annotations({ jsonSchema: { type: "object", properties: {}, not: {} } }),
      false,
      /"not" at the root/
    ],
    [
      "a record",
      Schema.Struct({ r: Schema.Record({ key: Schema.String, value: Schema.Number }) }),
      true,
      /properties\.r /
    ],
    ["a record at the root", Schema.Record({ key: Schema.String, value: Schema.Number }), true, /the root .*Record/],
    [
      "a record of a pattern",
      Schema.Struct({
        r: Schema.Record({ key: Schema.TemplateLiteral("x-", Schema.String), value: Schema.Number })
      }),
      true,
      /properties\.r has "patternProperties"/
    ],
    ["a tuple", Schema.Struct({ t: Schema.Tuple(Schema.String) }), true, /properties\.t has "prefixItems"/],
    ["unknown inside", Schema.Struct({ u: Schema.Unknown }), true, /properties\.u .*Schema\.Unknown/],
    [
      "any object inside",
      Schema.Struct({ list: Schema.Array(Schema.Object) }),
      true,
      /properties\.list\.items\.anyOf\.0/
    ],
    [
      "oneOf",
      Schema.Struct({ o: Schema.String.annotations({ jsonSchema: { oneOf: [{ type: "string" }] } }) }),
      true,
      /properties\.o has "oneOf"/
    ],
    [
      "a definition",
      Schema.Struct({ d: Schema.Struct({ u: Schema.Any }).annotations({ identifier: "D" }) }),
      true,
      /\$defs\.D/
    ],
    ["more than 10 objects deep", deep(11), true, /deeper than 10/],
    ["more than 5000 properties", wide(5001), true, /5000 properties/],
    ["more than 1000 values in enums", Schema.Struct({ l: Schema.Literal(...letters) }), true, /1000 values/],
    ["more than 120000 characters", Schema.Struct({ ["x".repeat(120_001)]: Schema.String }), true, /120000 characters/]
  ]
  it.each(refused)("refused where the tool is made: %s", (_, schema, strict, reason) => {
    const error = thrown(() => toolOf(schema, strict))
    assert.match(error.message, /^The tool "t" cannot be offered to a model: /)
    assert.match(error.message, reason)
    if (strict) {
      assert.deepStrictEqual(ToolSchemas.complaints(parametersOf(schema), false), [], "without strict it is made")
    }
  })

  it("what is at a limit of strict mode is made", () => {
    for (const schema of [deep(10), wide(5000), Schema.Struct({ l: Schema.Literal(...letters.slice(1)) })]) {
      assert.deepStrictEqual(ToolSchemas.complaints(parametersOf(schema, true), true), [])
    }
  })

  it.prop(
    "by chance, without strict: as the API has it",
    [ToolSchemas.loose.map(({ schema }) => schema)],
    ([schema]) => {
      assert.deepStrictEqual(ToolSchemas.complaints(parametersOf(schema), false), [])
    }
  )

  it.prop("by chance, with strict: as the API has it", [ToolSchemas.strict.map(({ schema }) => schema)], ([schema]) => {
    assert.deepStrictEqual(ToolSchemas.complaints(parametersOf(schema, true), true), [])
  })

  it("a schema of another maker has the same form", () => {
    const made = ResponseTool.parameters({
      $schema: "x",
      $ref: "#/$defs/P",
      $defs: { P: { type: "object", properties: { a: { type: "array" } } }, Unused: { type: "string" } }
    })
    assert.deepStrictEqual(
      made,
      Either.right({ type: "object", properties: { a: { type: "array", items: {} } } })
    )
    assert.match(Either.getOrThrow(Either.flip(ResponseTool.parameters({ $ref: "#/$defs/P" }))), /not among its \$defs/)
    const circular = { $ref: "#/$defs/A", $defs: { A: { $ref: "#/$defs/B" }, B: { $ref: "#/$defs/A" } } }
    assert.isTrue(Either.isLeft(ResponseTool.parameters(circular, { strict: true })))
  })
})

describe("the name of a tool", () => {
  const make = (name: string): ReadonlyArray<() => ResponseTool.Any> => [
    () => ResponseTool.make({ name, parameters: Schema.Struct({}), handler: () => Effect.void }),
    () => ResponseTool.custom({ name, handler: () => Effect.void })
  ]

  it.each(["a", "get_weather", "A-1", "x".repeat(64)])("%s is taken", (name) => {
    for (const tool of make(name)) assert.strictEqual(tool().name, name)
  })

  it.each(["", "a b", "a.b", "ä", "a\n", "x".repeat(65)])("%j is refused", (name) => {
    for (const tool of make(name)) assert.match(thrown(tool).message, /1 to 64 characters of A-Z/)
  })

  it("is no other tool's of the same request", () => {
    const [first, second] = make("same").map((tool) => tool())
    assert(first !== undefined && second !== undefined)
    const definitions = Either.getOrThrow(ResponseTool.definitions([first], [{ type: "web_search" }, { type: "mcp" }]))
    assert.deepStrictEqual(definitions, [first.definition, { type: "web_search" }, { type: "mcp" }])
    for (
      const both of [ResponseTool.definitions([first, second]), ResponseTool.definitions([first], [second.definition])]
    ) {
      const error = Either.getOrThrow(Either.flip(both))
      assert.deepInclude(error, { _tag: "InvalidRequest", field: "tools[1].name" })
      assert.include(error.message, "same")
    }
  })
})

describe("arguments", () => {
  const zone = Schema.Struct({ zone: Schema.optional(Schema.String) })

  it.each(["", " \n\t", "{}", "null", null, undefined])("%j mean none", (text) => {
    for (const strict of [false, true]) {
      assert.deepStrictEqual(decoded(Schema.Struct({}), text, strict), {})
      assert.deepStrictEqual(decoded(zone, text, strict), {})
    }
  })

  it.each([
    ["not JSON", "{", /not JSON/],
    ["of the wrong type", "{\"zone\":1}", /zone/],
    ["a list", "[]", /./],
    ["nested 300 deep", `{"zone":${"[".repeat(300)}${"]".repeat(300)}}`, /deeper than 200/],
    ["nested 100,000 deep", `{"zone":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, /deeper than 200/]
  ])("%s: BadArguments", (_, text, reason) => {
    for (const strict of [false, true]) {
      const error = Effect.runSync(Effect.flip(toolOf(zone, strict).handle(callOf(text))))
      assert.strictEqual(error.reason, "BadArguments")
      assert.match(error.description, reason)
    }
  })

  it("a null is kept where the schema has one, and without strict it is what the model said", () => {
    const schema = Schema.Struct({ a: Schema.optional(Schema.NullOr(Schema.String)), b: Schema.NullOr(Schema.String) })
    assert.deepStrictEqual(decoded(schema, "{\"a\":null,\"b\":null}", true), { a: null, b: null })
    const error = Effect.runSync(Effect.flip(toolOf(zone, false).handle(callOf("{\"zone\":null}"))))
    assert.strictEqual(error.reason, "BadArguments")
  })

  it("strict: a null of an optional property is its absence, also in recursive schemas, unions and with defaults", () => {
    assert.deepStrictEqual(decoded(zone, "{\"zone\":null}", true), {})
    const limit = Schema.Struct({ limit: Schema.optionalWith(Schema.NumberFromString, { default: () => 9 }) })
    assert.deepStrictEqual(decoded(limit, "{\"limit\":null}", true), { limit: 9 })
    const tree = { value: 1, left: { value: 2, left: null } }
    assert.deepStrictEqual(decoded(Tree, JSON.stringify(tree), true), { value: 1, left: { value: 2 } })
    const exact = { parseOptions: { onExcessProperty: "error" } } as const
    const twins = Schema.Struct({
      one: Schema.Union(
        Schema.Struct({ in: Schema.Struct({ a: Schema.optional(Schema.String) }).annotations(exact) }),
        Schema.Struct({ in: Schema.Struct({ b: Schema.optional(Schema.String) }).annotations(exact) })
      )
    })
    assert.deepStrictEqual(decoded(twins, "{\"one\":{\"in\":{\"b\":null}}}", true), { one: { in: {} } })
  })

  it("strict: what does not fit elsewhere is what the model is told", () => {
    const schema = Schema.Struct({ zone: Schema.optional(Schema.String), kind: Schema.Literal("a", "b") })
    const error = Effect.runSync(
      Effect.flip(toolOf(schema, true).handle(callOf("{\"zone\":null,\"kind\":\"c\",\"x\":1}")))
    )
    assert.match(error.description, /kind/)
    assert.notMatch(error.description, /zone"\]/)
  })

  it("strict: unions in unions are read in no more steps than there are values times schemas", () => {
    interface Expr {
      readonly in?: Expr | undefined
      readonly kind: string
    }
    const member = (kind: string): Schema.Schema<Expr> =>
      Schema.Struct({
        in: Schema.optional(Schema.suspend((): Schema.Schema<Expr> => Expr)),
        kind: Schema.Literal(kind)
      })
    const Expr: Schema.Schema<Expr> = Schema.Union(member("a"), member("b"), member("c")).annotations({
      identifier: "E"
    })
    let value: object = { in: null, kind: "c" }
    for (let level = 0; level < 60; level++) value = { in: value, kind: "c" }
    const read = decoded(Schema.Struct({ whole: Expr }), JSON.stringify({ whole: value }), true)
    assert.notInclude(JSON.stringify(read), "null")
  })

  it.prop(
    "by chance: what a model says that is held to the schema is what the handler gets",
    [ToolSchemas.strict.chain(({ said, schema }) => FastCheck.tuple(FastCheck.constant(schema), said))],
    ([[schema, { plain, strict }]]) => {
      assert.deepStrictEqual(decoded(schema, JSON.stringify(strict), true), plain)
      assert.deepStrictEqual(decoded(schema, JSON.stringify(plain), false), plain)
    }
  )
})

describe("the output of a handler", () => {
  const answer = (result: unknown, onFailure: "output" | "fail" = "fail") =>
    Effect.map(
      ResponseTool.answer(
        [ResponseTool.custom({ name: "t", handler: () => Effect.succeed(result) })],
        { type: "custom_tool_call", call_id: "c", name: "t", input: "" },
        onFailure
      ),
      ({ output }) => output
    )

  const image = { type: "input_image", image_url: "data:x", detail: "low" }
  const circular: Array<unknown> = []
  circular.push(circular)
  let deep: unknown = 0
  for (let level = 0; level < 20_000; level++) deep = [deep]
  let deepPart: unknown = 0
  for (let level = 0; level < 100; level++) deepPart = [deepPart]

  const taken: ReadonlyArray<readonly [string, unknown, unknown]> = [
    ["a text", "x", "x"],
    ["an empty text", "", ""],
    ["a value", { a: [1, undefined], b: undefined }, "{\"a\":[1,null]}"],
    ["nothing", undefined, "null"],
    ["no results", [], "[]"],
    ["a list of values that have a type", [{ type: "circle" }], "[{\"type\":\"circle\"}]"],
    [
      "a list of values that are called like a property of every object",
      [{ type: "toString" }],
      "[{\"type\":\"toString\"}]"
    ],
    ["parts", [{ type: "input_text", text: "x" }, image, { type: "input_file", file_id: "f" }], [
      { type: "input_text", text: "x" },
      image,
      { type: "input_file", file_id: "f" }
    ]],
    ["half of a character", "a\uD83D", "a\uFFFD"],
    ["a whole character", "a😀", "a😀"],
    ["half of a character in a part", [{ type: "input_text", text: "\uDE00b" }], [{
      type: "input_text",
      text: "\uFFFDb"
    }]],
    ["half of a character in a value", { a: "\uD83D" }, "{\"a\":\"\\ud83d\"}"],
    ["as much text as the API takes", "x".repeat(10_485_760), "x".repeat(10_485_760)]
  ]
  it.effect.each(taken)(
    "%s",
    ([, result, expected]) =>
      Effect.map(answer(result), (output) => assert.isTrue(JSON.stringify(output) === JSON.stringify(expected)))
  )

  const bad: ReadonlyArray<readonly [string, unknown]> = [
    ["a bigint", { n: 1n }],
    ["a circle", { circular }],
    ["20,000 levels", deep],
    ["a function", () => "x"],
    ["a symbol", Symbol("x")],
    ["a toJSON that throws", {
      toJSON: () => {
        throw new Error("no")
      }
    }],
    ["a part without its text", [{ type: "input_text" }]],
    ["a part whose text is no text", [{ type: "input_text", text: 1 }]],
    ["an image without a source", [{ type: "input_text", text: "x" }, { type: "input_image", detail: "low" }]],
    ["a file without a source", [{ type: "input_file", filename: "x" }]],
    ["a part of a kind that outputs do not have", [image, { type: "output_text", text: "x" }]],
    ["a part that is no part", [image, "x"]],
    ["a part with a bigint", [{ ...image, n: 1n }]],
    ["a part with a circle", [{ ...image, circular }]],
    ["a part nested too deeply", [{ ...image, deepPart }]],
    ["a part whose fields JSON does not have", [Object.create({ type: "input_text", text: "x" })]],
    ["more text than the API takes", "x".repeat(10_485_761)],
    ["a value with more text", ["x".repeat(10_485_760)]],
    ["a part with more text", [{ type: "input_text", text: "x".repeat(10_485_761) }]]
  ]
  it.effect.each(bad)("%s: BadOutput, or words for the model", ([, result]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(answer(result))
      assert.strictEqual(error.reason, "BadOutput")
      assert.isNotEmpty(error.description)
      const told = yield* answer(result, "output")
      assert(typeof told === "string")
      assert.match(told, /^Error: .+/)
    }))

  it.effect("parts are kept as they were, whatever the handler does to them", () =>
    Effect.gen(function*() {
      const part = { type: "input_text", text: "before" }
      const output = yield* answer([part])
      part.text = "after"
      assert.deepStrictEqual<unknown>(output, [{ type: "input_text", text: "before" }])
    }))

  it.effect("a call without a name, an id or an input is no defect", () =>
    Effect.gen(function*() {
      const nameless = { type: "function_call" } as unknown as ResponseTool.Call
      const error = yield* Effect.flip(ResponseTool.answer([], nameless, "fail"))
      assert.deepInclude(error, {
        _tag: "ToolFailed",
        reason: "UnknownTool",
        description: "there is no such tool"
      })
      const tool = ResponseTool.custom({ name: "t", handler: (input) => Effect.succeed(input.length) })
      const without = { type: "custom_tool_call", name: "t" } as unknown as ResponseTool.Call
      assert.strictEqual((yield* ResponseTool.answer([tool], without, "fail")).output, "0")
    }))
})
