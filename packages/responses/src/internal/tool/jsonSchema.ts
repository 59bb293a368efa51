/** How the schemas inside a JSON Schema are reached. */
import * as Predicate from "effect/Predicate"

export type Json = Readonly<Record<string, unknown>>

/** A path as the API writes it in its own refusals: `properties.city`. The root is "". */
export type Path = string

const single: ReadonlySet<string> = new Set([
  "items",
  "additionalItems",
  "additionalProperties",
  "propertyNames",
  "contentSchema",
  "not"
])
const lists: ReadonlySet<string> = new Set(["items", "prefixItems", "anyOf", "oneOf", "allOf"])
const tables: ReadonlySet<string> = new Set(["properties", "patternProperties", "$defs"])

export const isList = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

export const at = (path: Path, key: string | number): Path => path === "" ? String(key) : `${path}.${key}`

/** Only schemas are visited: a property may be called `$id`, and a default value may look like a schema. */
export const mapChildren = (schema: Json, path: Path, f: (child: Json, path: Path) => unknown): Json => {
  const visit = (child: unknown, path: Path) => Predicate.isRecord(child) ? f(child, path) : child
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => {
      const here = at(path, key)
      if (lists.has(key) && isList(value)) return [key, value.map((child, index) => visit(child, at(here, index)))]
      if (tables.has(key) && Predicate.isRecord(value)) {
        return [
          key,
          Object.fromEntries(Object.entries(value).map(([name, child]) => [name, visit(child, at(here, name))]))
        ]
      }
      return [key, single.has(key) ? visit(value, here) : value]
    })
  )
}

const prefix = "#/$defs/"

const nameOf = (ref: string): string => ref.slice(prefix.length).replaceAll("~1", "/").replaceAll("~0", "~")

/** `undefined` where the definitions have no schema of that name. */
export const resolve = (ref: unknown, definitions: Json): Json | undefined => {
  if (!Predicate.isString(ref) || !ref.startsWith(prefix) || !Object.hasOwn(definitions, nameOf(ref))) return undefined
  const found = definitions[nameOf(ref)]
  return Predicate.isRecord(found) ? found : undefined
}

export const definitionsOf = ({ $defs }: Json): Json => Predicate.isRecord($defs) ? $defs : {}

export const without = (schema: Json, ...keys: ReadonlyArray<string>): Json =>
  Object.fromEntries(Object.entries(schema).filter(([key]) => !keys.includes(key)))

/** The definitions that a schema needs, and those that they need. */
export const neededBy = (schema: Json, definitions: Json): Json => {
  const needed = new Map<string, Json>()
  const collect = (schema: Json): Json => {
    const { $ref } = schema
    const found = resolve($ref, definitions)
    if (Predicate.isString($ref) && found !== undefined && !needed.has(nameOf($ref))) {
      needed.set(nameOf($ref), found)
      collect(found)
    }
    return mapChildren(schema, "", collect)
  }
  collect(without(schema, "$defs"))
  return Object.fromEntries(needed)
}

/** Whether `null` fits. */
export const admitsNull = (schema: unknown, definitions: Json, seen: ReadonlyArray<unknown> = []): boolean => {
  if (!Predicate.isRecord(schema)) return schema !== false
  if (seen.includes(schema)) return false
  const { $ref, anyOf, enum: values, type } = schema
  const again = (schema_: unknown) => admitsNull(schema_, definitions, [...seen, schema])
  if ($ref !== undefined) return again(resolve($ref, definitions) ?? false)
  if (isList(anyOf)) return anyOf.some(again)
  if (isList(values)) return values.includes(null)
  return type === undefined ? !("not" in schema) : type === "null" || (isList(type) && type.includes("null"))
}
