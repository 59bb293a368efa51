/** Schemas of tools by chance, and a judge that knows the rules of the API and nothing of how they are kept. */
import { FastCheck, Schema } from "effect"

type Json = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

const list = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

const nameOf = (ref: string): string => ref.replace("#/$defs/", "").replace(/~1/g, "/").replace(/~0/g, "~")

const strictKeywords = new Set(
  "type title description enum const anyOf $ref $defs properties required additionalProperties items minItems maxItems pattern format multipleOf minimum maximum exclusiveMinimum exclusiveMaximum"
    .split(" ")
)

/** What the API would say against a schema at any place. */
export const complaints = (given: unknown, strict: boolean): ReadonlyArray<string> => {
  const found: Array<string> = []
  const root = isRecord(given) ? given : {}
  const definitions = isRecord(root["$defs"]) ? root["$defs"] : {}
  if (root["type"] !== "object") found.push("the root is no object")
  if (!isRecord(root["properties"])) found.push("the root has no properties")
  for (const key of ["$ref", "anyOf", "oneOf", "allOf", "enum", "not"]) {
    if (key in root) found.push(`${key} at the root`)
  }

  const look = (schema: unknown, path: string): void => {
    if (!isRecord(schema)) return
    const say = (what: string) => void found.push(`${path}: ${what}`)
    const { $ref, items, properties, required, type } = schema
    for (const key of ["$id", "$schema", "$comment"]) if (key in schema) say(key)
    if (typeof $ref === "string" && !Object.hasOwn(definitions, nameOf($ref))) say(`no ${$ref}`)
    if (type === "array" && !isRecord(items)) say("an array without items")
    if (strict) {
      for (const key of Object.keys(schema)) if (!strictKeywords.has(key)) say(key)
      if (!("type" in schema || "anyOf" in schema || "$ref" in schema)) say("no type")
      if ("$ref" in schema && Object.keys(schema).length > 1) say("something beside a $ref")
      if (type === "object") {
        if (schema["additionalProperties"] !== false) say("an open object")
        const names = Object.keys(isRecord(properties) ? properties : {})
        if (names.join() !== list(required).join()) say("not every property is required")
      }
    }
    for (const [name, child] of Object.entries(isRecord(properties) ? properties : {})) look(child, `${path}.${name}`)
    for (const child of [...list(schema["anyOf"]), ...list(schema["allOf"]), ...list(schema["prefixItems"])]) {
      look(child, `${path}|`)
    }
    look(items, `${path}[]`)
    look(schema["additionalProperties"], `${path}.*`)
  }
  look(root, "")
  for (const [name, definition] of Object.entries(definitions)) look(definition, name)
  return found
}

/** The same value as a program has it, and as a model says it that has to name every property. */
interface Said {
  readonly plain: unknown
  readonly strict: unknown
}

interface Sample {
  readonly schema: Schema.Schema.AnyNoContext
  readonly said: FastCheck.Arbitrary<Said>
  readonly isNullable: boolean
}

const leaf = (
  schema: Schema.Schema.AnyNoContext,
  values: FastCheck.Arbitrary<unknown>,
  isNullable = false
): Sample => ({
  schema,
  said: values.map((value) => ({ plain: value, strict: value })),
  isNullable
})

const names = ["id", "type", "properties", "required", "$ref", "anyOf", "a b"]

const structOf = (
  fields: ReadonlyArray<readonly [string, Sample, boolean]>,
  identifier: string | undefined
): Sample => {
  const schema = Schema.Struct(
    Object.fromEntries(
      fields.map(([name, { schema }, isOptional]) => [name, isOptional ? Schema.optional(schema) : schema] as const)
    )
  )
  const said = FastCheck.tuple(
    ...fields.map(([name, { isNullable, said }, isOptional]) =>
      FastCheck.tuple(said, FastCheck.boolean()).map(([value, isGiven]): readonly [string, Said, boolean] =>
        isGiven || !isOptional
          ? [name, value, true]
          : [name, { plain: null, strict: null }, isNullable]
      )
    )
  ).map((entries): Said => ({
    plain: Object.fromEntries(entries.filter(([, , isThere]) => isThere).map(([name, { plain }]) => [name, plain])),
    strict: Object.fromEntries(entries.map(([name, { strict }]) => [name, strict]))
  }))
  return {
    schema: identifier === undefined ? schema : schema.annotations({ identifier }),
    said,
    isNullable: false
  }
}

/** A name for every definition: two different ones of the same name are the program's mistake. */
let definitions = 0

const struct = (fields: FastCheck.Arbitrary<Sample>): FastCheck.Arbitrary<Sample> =>
  FastCheck.tuple(
    FastCheck.uniqueArray(FastCheck.tuple(FastCheck.constantFrom(...names), fields, FastCheck.boolean()), {
      maxLength: 4,
      selector: ([name]) => name
    }),
    FastCheck.boolean()
  ).map(([fields, isNamed]) => structOf(fields, isNamed ? `Definition/${definitions++}~` : undefined))

const tagged = (members: ReadonlyArray<Sample>): Sample => {
  const all = members.map((member, index) =>
    structOf([["kind", leaf(Schema.Literal(`k${index}`), FastCheck.constant(`k${index}`)), false], [
      "value",
      member,
      true
    ]], undefined)
  )
  return {
    schema: Schema.Union(...all.map(({ schema }) => schema)),
    said: FastCheck.oneof(...all.map(({ said }) => said)),
    isNullable: false
  }
}

const leaves = FastCheck.constantFrom(
  leaf(Schema.String, FastCheck.string()),
  leaf(Schema.String.annotations({ description: "A text", examples: ["x"], default: "y" }), FastCheck.string()),
  leaf(Schema.NonEmptyString.pipe(Schema.maxLength(9)), FastCheck.string({ minLength: 1, maxLength: 9 })),
  leaf(Schema.String.pipe(Schema.pattern(/^a/), Schema.pattern(/z$/)), FastCheck.constant("a-z")),
  leaf(Schema.UUID, FastCheck.uuid()),
  leaf(Schema.Int.pipe(Schema.between(0, 9)), FastCheck.integer({ min: 0, max: 9 })),
  leaf(Schema.Boolean, FastCheck.boolean()),
  leaf(Schema.Literal("a", 1, true), FastCheck.constantFrom("a", 1, true)),
  leaf(Schema.Enums({ A: "a", B: 1 }), FastCheck.constantFrom("a", 1)),
  leaf(Schema.NullOr(Schema.Number), FastCheck.option(FastCheck.integer()), true),
  leaf(Schema.Struct({}), FastCheck.constant({}))
)

/** Without `strict` more can be said. */
const looseLeaves = FastCheck.constantFrom(
  leaf(Schema.Unknown, FastCheck.jsonValue()),
  leaf(Schema.Object, FastCheck.constantFrom({}, [])),
  leaf(
    Schema.Record({ key: Schema.String, value: Schema.Number }),
    FastCheck.dictionary(FastCheck.string(), FastCheck.integer())
  ),
  leaf(Schema.Tuple(Schema.String, Schema.Number), FastCheck.tuple(FastCheck.string(), FastCheck.integer())),
  leaf(Schema.Tuple([Schema.String], Schema.Number), FastCheck.tuple(FastCheck.string(), FastCheck.integer())),
  leaf(Schema.Tuple(), FastCheck.constant([]))
)

const samples = (leaves: FastCheck.Arbitrary<Sample>): FastCheck.Arbitrary<Sample> =>
  FastCheck.letrec<{ readonly any: Sample; readonly struct: Sample }>((tie) => ({
    any: FastCheck.oneof(
      { depthSize: "small" },
      leaves,
      tie("struct"),
      tie("any").map(({ said, schema }): Sample => ({
        schema: Schema.Array(schema),
        said: FastCheck.array(said, { maxLength: 3 }).map((all) => ({
          plain: all.map(({ plain }) => plain),
          strict: all.map(({ strict }) => strict)
        })),
        isNullable: false
      })),
      FastCheck.array(tie("any"), { minLength: 2, maxLength: 3 }).map(tagged)
    ),
    struct: struct(tie("any"))
  })).struct

export const strict = samples(leaves)

export const loose = samples(FastCheck.oneof(leaves, looseLeaves))
