/** A plausible value for a JSON Schema. The same schema and seed always give the same value. */
import * as Predicate from "effect/Predicate"

type Json = Readonly<Record<string, unknown>>

const record = (value: unknown): Json => Predicate.isRecord(value) ? value : {}

const list = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

/** Deep enough for any tool; a schema that refers to itself ends here. */
const maxDepth = 8

const strings: Readonly<Record<string, string>> = {
  date: "2026-01-15",
  "date-time": "2026-01-15T12:00:00Z",
  time: "12:00:00",
  email: "ada@example.com",
  uri: "https://example.com",
  url: "https://example.com",
  uuid: "00000000-0000-4000-8000-000000000000"
}

const number = (schema: Json, seed: number): number => {
  const { exclusiveMinimum, maximum, minimum } = schema
  const from = Predicate.isNumber(minimum)
    ? minimum
    : Predicate.isNumber(exclusiveMinimum)
    ? exclusiveMinimum + 1
    : 1
  const value = from + seed
  return Predicate.isNumber(maximum) ? Math.min(value, maximum) : value
}

const text = (schema: Json, name: string, seed: number): string => {
  const { format, maxLength, minLength } = schema
  const value = (Predicate.isString(format) ? strings[format] : undefined) ?? `${name} ${seed + 1}`
  const padded = Predicate.isNumber(minLength) ? value.padEnd(minLength, ".") : value
  return Predicate.isNumber(maxLength) ? padded.slice(0, maxLength) : padded
}

const sampleIn = (root: Json, schema: Json, name: string, seed: number, depth: number): unknown => {
  const { $ref, allOf, anyOf, const: constant, default: byDefault, enum: values, oneOf } = schema
  const next = (inner: unknown, innerName = name) => sampleIn(root, record(inner), innerName, seed, depth + 1)
  if (depth > maxDepth) return null
  if (constant !== undefined) return constant
  if (Array.isArray(values) && values.length > 0) return values[seed % values.length]
  if (byDefault !== undefined && byDefault !== null) return byDefault
  if (Predicate.isString($ref)) {
    return next($ref.split("/").slice(1).reduce<unknown>((found, key) => record(found)[key], root))
  }
  const choice = [...list(anyOf), ...list(oneOf)].find((option) => record(option)["type"] !== "null")
  if (choice !== undefined) return next(choice)
  if (Array.isArray(allOf)) return next(Object.assign({}, ...allOf.map(record)))
  const type = Array.isArray(schema["type"]) ? schema["type"].find((type) => type !== "null") : schema["type"]
  switch (type) {
    case "string":
      return text(schema, name, seed)
    case "integer":
      return Math.round(number(schema, seed))
    case "number":
      return number(schema, seed)
    case "boolean":
      return seed % 2 === 0
    case "array":
      return [next(schema["items"])]
    case "null":
      return null
    default:
      return Object.fromEntries(
        Object.entries(record(schema["properties"])).map(([key, property]) => [key, next(property, key)])
      )
  }
}

export const sample = (schema: unknown, seed: number): unknown =>
  sampleIn(record(schema), record(schema), "value", seed, 0)
