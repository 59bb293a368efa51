/** A JSON Schema in the form that the API takes for the parameters of a function. */
import * as Either from "effect/Either"
import * as JSONSchema from "effect/JSONSchema"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import { definitionsOf, isList, type Json, mapChildren, neededBy, resolve, without } from "./jsonSchema.ts"

/** Ids of `effect/JSONSchema` that say nothing to the model, and change what a `$ref` refers to. */
const dropped = ["$schema", "$id", "$comment"]

/** `effect/JSONSchema` writes `Schema.Struct({})` as a union of any object and any array. */
const emptyStructId = "/schemas/%7B%7D"

const emptyStruct = { type: "object", properties: {}, required: [], additionalProperties: false }

/** The API asks for `items` in every array, and knows tuples as `prefixItems` only. */
const arrayOf = (schema: Json): Json => {
  const { additionalItems, items, ...rest } = schema
  const elements = isList(items) ? items : rest["prefixItems"]
  const others = isList(items) ? additionalItems : items
  if (!isList(elements)) return { ...rest, items: items ?? {} }
  const { maxItems = elements.length } = rest
  return {
    ...rest,
    prefixItems: elements,
    ...others === false ? { items: {}, maxItems } : { items: others ?? {} }
  }
}

const tidy = (schema: Json): Json => {
  const isEmptyStruct = schema["$id"] === emptyStructId
  const rest = without(schema, ...dropped)
  const tidied = isEmptyStruct ? { ...without(rest, "anyOf"), ...emptyStruct } : rest
  return mapChildren(tidied["type"] === "array" ? arrayOf(tidied) : tidied, "", tidy)
}

const only = (schemas: unknown): Json | undefined =>
  isList(schemas) && schemas.length === 1 && Predicate.isRecord(schemas[0]) ? schemas[0] : undefined

/** The schema that a root refers to, with the annotations beside the reference. */
const followed = (schema: Json, definitions: Json, seen: ReadonlyArray<unknown> = []): Json => {
  const { $ref } = schema
  const isRef = Predicate.isString($ref)
  const next = isRef ? resolve($ref, definitions) : only(schema["allOf"])
  return next === undefined || seen.includes(next)
    ? schema
    : followed({ ...next, ...without(schema, isRef ? "$ref" : "allOf") }, definitions, [...seen, next])
}

const notAtRoot = ["anyOf", "oneOf", "allOf", "enum", "not"]

const kindOf = (root: Json): string => {
  if (Predicate.isString(root["$ref"])) return `a reference to ${root["$ref"]}, which is not among its $defs`
  if (root["anyOf"] !== undefined || root["oneOf"] !== undefined) return "a union"
  return Predicate.isString(root["type"]) ? `of type ${root["type"]}` : "a schema without a type"
}

/**
 * With an object at the root, described there. The rest stays as it is, except for what the API refuses in any schema.
 * `Left` has the reason why there is none.
 */
export const make = (given: object): Either.Either<Json, string> => {
  const schema = tidy({ ...given })
  const definitions = definitionsOf(schema)
  const root = followed(without(schema, "$defs"), definitions)
  if (root["type"] !== "object") {
    return Either.left(
      `its parameters are ${kindOf(root)}, and the API takes only an object: make it a field of a Schema.Struct`
    )
  }
  const extra = notAtRoot.find((key) => key in root)
  if (extra !== undefined) return Either.left(`its parameters have "${extra}" at the root, which the API refuses`)
  const whole = { ...root, properties: root["properties"] ?? {} }
  const needed = neededBy(whole, definitions)
  return Either.right(Object.keys(needed).length === 0 ? whole : { ...whole, $defs: needed })
}

/** `effect/JSONSchema` throws where a schema has no JSON, such as that of a `bigint`. */
export const toJsonSchema = (schema: Schema.Schema.All): Either.Either<object, unknown> =>
  Either.try(() => {
    const definitions: Record<string, JSONSchema.JsonSchema7> = {}
    const json: object = JSONSchema.fromAST(schema.ast, { definitions })
    // An annotation of the program's own may bring definitions.
    return { ...json, $defs: { ...Predicate.hasProperty(json, "$defs") ? json.$defs ?? {} : {}, ...definitions } }
  })
