/** What the API says of a JSON Schema that it does not take, in its own words. */
import * as Predicate from "effect/Predicate"

type Json = Readonly<Record<string, unknown>>

type Path = ReadonlyArray<string>

/** As Python prints a tuple. */
const context = (path: Path): string =>
  `In context=(${path.map((key) => `'${key}'`).join(", ")}${path.length === 1 ? "," : ""})`

type Rule = (schema: Json, path: Path) => string | undefined

const notAtRoot = ["oneOf", "anyOf", "allOf", "enum", "not"]

const root = (schema: Json): string | undefined => {
  const { properties, type } = schema
  if (type === undefined && !notAtRoot.some((key) => key in schema)) {
    return "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'."
  }
  if (type !== "object" || notAtRoot.some((key) => key in schema)) {
    return "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level."
  }
  return Predicate.isRecord(properties) ? undefined : `${context([])}, object schema missing properties.`
}

const has = ({ type }: Json, name: string): boolean => type === name || (Array.isArray(type) && type.includes(name))

/** Without strict mode too. */
const anywhere: Rule = (schema, path) => {
  const { items } = schema
  if (!has(schema, "array")) return undefined
  if (items === undefined) return `${context(path)}, array schema missing items.`
  return Array.isArray(items) ? `${JSON.stringify(items)} is not of type 'object', 'boolean'.` : undefined
}

const forbidden = [
  "allOf",
  "oneOf",
  "not",
  "if",
  "then",
  "else",
  "patternProperties",
  "propertyNames",
  "minProperties",
  "maxProperties",
  "dependentRequired",
  "dependentSchemas",
  "unevaluatedProperties",
  "prefixItems",
  "unevaluatedItems",
  "contains",
  "uniqueItems",
  "default"
]

const formats: ReadonlySet<string> = new Set([
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

const strictObject = (schema: Json, path: Path): string | undefined => {
  if (!has(schema, "object")) return undefined
  if (schema["additionalProperties"] !== false) {
    return `${context(path)}, 'additionalProperties' is required to be supplied and to be false.`
  }
  const { properties, required } = schema
  const supplied: ReadonlyArray<unknown> = Array.isArray(required) ? required : []
  const absent = Predicate.isRecord(properties)
    ? Object.keys(properties).find((key) => !supplied.includes(key))
    : undefined
  return absent === undefined
    ? undefined
    : `${context(path)}, 'required' is required to be supplied and to be an array including every key in properties. ` +
      `Missing '${absent}'.`
}

const strictly: Rule = (schema, path) => {
  const wrong = forbidden.find((key) => key in schema)
  if (wrong !== undefined) return `${context(path)}, '${wrong}' is not permitted.`
  const beside = "$ref" in schema ? Object.keys(schema).filter((key) => key !== "$ref") : []
  if (beside.length > 0) return `${context(path)}, $ref cannot have keywords {'${beside.join("', '")}'}.`
  const { format } = schema
  if (Predicate.isString(format) && !formats.has(format)) {
    return `${context(path)}, '${format}' is not a valid format.`
  }
  if (!["type", "$ref", "anyOf"].some((key) => key in schema)) return `${context(path)}, schema must have a 'type' key.`
  return strictObject(schema, path)
}

const children = (schema: Json, path: Path): ReadonlyArray<readonly [Path, unknown]> => [
  ...["items", "additionalProperties"].map((key) => [[...path, key], schema[key]] as const),
  ...["anyOf", "oneOf", "allOf", "prefixItems"].flatMap((key) => {
    const value = schema[key]
    return Array.isArray(value) ? value.map((child, index) => [[...path, key, String(index)], child] as const) : []
  }),
  ...["properties", "$defs", "definitions"].flatMap((key) => {
    const value = schema[key]
    return Predicate.isRecord(value)
      ? Object.entries(value).map(([name, child]) => [[...path, key, name], child] as const)
      : []
  })
]

const first = (schema: unknown, path: Path, rules: ReadonlyArray<Rule>): string | undefined => {
  if (!Predicate.isRecord(schema)) return undefined
  for (const rule of rules) {
    const found = rule(schema, path)
    if (found !== undefined) return found
  }
  for (const [where, child] of children(schema, path)) {
    const found = first(child, where, rules)
    if (found !== undefined) return found
  }
  return undefined
}

export const problem = (schema: Json, strict: boolean): string | undefined =>
  root(schema) ?? first(schema, [], strict ? [anywhere, strictly] : [anywhere])
