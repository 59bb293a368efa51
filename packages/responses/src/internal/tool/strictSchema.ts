/**
 * A JSON Schema in the subset that a model can be held to: every object is closed, every property is required. A keyword
 * that changes the shape of a value is refused, with its place. A keyword that limits a value is told to the model in
 * words, and checked when a call is decoded.
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { admitsNull, at, definitionsOf, isList, type Json, type Path, resolve } from "./jsonSchema.ts"

/** The limits of the vendor's guide to structured outputs. */
const limits = { properties: 5000, nesting: 10, values: 1000, text: 120_000 }

/** Their own code below deals with these. */
const structural: ReadonlySet<string> = new Set([
  "$defs",
  "$ref",
  "additionalProperties",
  "allOf",
  "anyOf",
  "description",
  "items",
  "properties",
  "required",
  "title",
  "type"
])

const formats: ReadonlySet<unknown> = new Set([
  "date",
  "date-time",
  "duration",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "time",
  "uuid"
])

const always = () => true
const never = () => false

/** What limits or explains a value, and whether strict mode knows it. */
const keywords: ReadonlyMap<string, Predicate.Predicate<unknown>> = new Map<string, Predicate.Predicate<unknown>>([
  ["const", always],
  ["contentMediaType", never],
  ["default", never],
  ["enum", always],
  ["examples", never],
  ["exclusiveMaximum", always],
  ["exclusiveMinimum", always],
  ["format", (value) => formats.has(value)],
  ["maxItems", always],
  ["maxLength", never],
  ["maximum", always],
  ["minItems", always],
  ["minLength", never],
  ["minimum", always],
  ["multipleOf", always],
  // Strict mode knows no look-around.
  ["pattern", (value) => Predicate.isString(value) && !/\(\?[=!<]/.test(value)],
  ["uniqueItems", never]
])

type Entry = readonly [key: string, value: unknown]

const isKeyword = ([key]: Entry): boolean => keywords.has(key)

const isKnown = ([key, value]: Entry): boolean => keywords.get(key)?.(value) === true

/** What is counted, and the first thing that strict mode does not know. */
interface Draft {
  readonly definitions: Json
  problem: string | undefined
  properties: number
  values: number
  text: number
}

const refuse = (draft: Draft, path: Path, what: string): Json => {
  draft.problem ??= `${path || "the root"} ${what}`
  return {}
}

const explain = ({ description, title }: Json, inWords: ReadonlyArray<Entry>): Json => {
  const words = inWords.map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(", ")
  const text = [description, words && `(${words})`].filter((part) => Predicate.isString(part) && part !== "").join(" ")
  return { ...title === undefined ? {} : { title }, ...text === "" ? {} : { description: text } }
}

/** A model that leaves a property out has to say `null`. */
const nullable = (schema: Json, definitions: Json): Json =>
  admitsNull(schema, definitions)
    ? schema
    : isList(schema["anyOf"])
    ? { ...schema, anyOf: [...schema["anyOf"], { type: "null" }] }
    : { anyOf: [schema, { type: "null" }] }

const closed = (schema: Json, draft: Draft, path: Path, nesting: number): Json => {
  const { additionalProperties, properties, required } = schema
  if (!Predicate.isRecord(properties) || (additionalProperties ?? false) !== false) {
    return refuse(draft, path, "takes properties of any name, as a Schema.Record does")
  }
  if (nesting > limits.nesting) return refuse(draft, path, `is nested deeper than ${limits.nesting} objects`)
  const isRequired = new Set(isList(required) ? required : [])
  const entries = Object.entries(properties).map(([name, given]) => {
    draft.properties += 1
    draft.text += name.length
    const property = rewrite(given, draft, at(at(path, "properties"), name), nesting + 1)
    return [name, isRequired.has(name) ? property : nullable(property, draft.definitions)] as const
  })
  return {
    properties: Object.fromEntries(entries),
    required: entries.map(([name]) => name),
    additionalProperties: false
  }
}

const count = ({ const: value, enum: values }: Json, draft: Draft): void => {
  for (const one of isList(values) ? values : value === undefined ? [] : [value]) {
    draft.values += 1
    draft.text += String(one).length
  }
}

const has = ({ type }: Json, name: string): boolean => type === name || (isList(type) && type.includes(name))

const rewrite = (given: unknown, draft: Draft, path: Path, nesting: number): Json => {
  const schema = Predicate.isRecord(given) ? given : {}
  const { $ref, allOf, anyOf, type } = schema
  const unknown = Object.keys(schema).find((key) => !structural.has(key) && !keywords.has(key))
  if (unknown !== undefined) return refuse(draft, path, `has "${unknown}"`)
  if ($ref !== undefined && resolve($ref, draft.definitions) === undefined) {
    return refuse(draft, path, `refers to ${JSON.stringify($ref)}, which is not among the $defs`)
  }
  if ($ref !== undefined && Object.keys(schema).length === 1) return schema

  // `effect/JSONSchema` writes filters in a row, and a reference that has annotations, as "allOf".
  const parts = (isList(allOf) ? allOf : []).filter(Predicate.isRecord)
  const filters = parts.filter((part) => Object.entries(part).every(isKeyword))
  const whole = parts.filter((part) => !filters.includes(part))
  const bases = [$ref && { $ref }, anyOf && { anyOf }, type && { type }, ...whole].filter(Predicate.isRecord)
  if (bases.length === 0) return refuse(draft, path, "has no type, as Schema.Unknown and Schema.Any have none")
  if (bases.length > 1) return refuse(draft, path, "has \"allOf\", or several of \"$ref\", \"anyOf\" and \"type\"")

  const own = Object.entries(schema).filter(isKeyword)
  const beside = filters.flatMap((part) => Object.entries(part))
  if (type === undefined) {
    // Strict mode allows nothing beside a reference: a union of one says the same.
    const alternatives = isList(anyOf) ? anyOf : bases
    return {
      ...explain(schema, [...own, ...beside]),
      anyOf: alternatives.map((one, index) => rewrite(one, draft, at(at(path, "anyOf"), index), nesting))
    }
  }
  count(schema, draft)
  return {
    type,
    ...explain(schema, [...own.filter((entry) => !isKnown(entry)), ...beside]),
    ...Object.fromEntries(own.filter(isKnown)),
    ...has(schema, "object") ? closed(schema, draft, path, nesting) : {},
    ...has(schema, "array") ? { items: rewrite(schema["items"], draft, at(path, "items"), nesting) } : {}
  }
}

const tooMuch = ({ properties, text, values }: Draft): string | undefined =>
  properties > limits.properties
    ? `they have more than ${limits.properties} properties`
    : values > limits.values
    ? `they have more than ${limits.values} values in enums`
    : text > limits.text
    ? `their names and values have more than ${limits.text} characters`
    : undefined

/** Of a schema that the API takes without `strict`. `Left` has the reason why there is none. */
export const make = (schema: Json): Either.Either<Json, string> => {
  const definitions = definitionsOf(schema)
  const draft: Draft = { definitions, problem: undefined, properties: 0, values: 0, text: 0 }
  const root = rewrite(schema, draft, "", 1)
  const $defs = Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => {
      draft.text += name.length
      return [name, rewrite(definition, draft, at("$defs", name), 1)]
    })
  )
  const problem = draft.problem ?? tooMuch(draft)
  return problem === undefined
    ? Either.right(Object.keys($defs).length === 0 ? root : { ...root, $defs })
    : Either.left(`strict mode cannot hold a model to its parameters, as ${problem}: change them, or leave strict out`)
}
