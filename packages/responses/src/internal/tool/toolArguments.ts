/** The arguments of a call, from the text that a model wrote to the value that the schema of the tool decodes. */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { isWritable } from "../wire/writable.ts"
import { admitsNull, definitionsOf, isList, type Json, resolve } from "./jsonSchema.ts"

/** Decoding is recursive, and ends in a stack overflow at some thousand levels. */
const maxNesting = 200

/** In characters. */
const maxSearched = 65_536

/** Models and servers say that there are no arguments with an empty text or with `null`. */
const read = (text: unknown): unknown => {
  if (!Predicate.isString(text)) return text ?? {}
  return text.trim() === "" ? {} : JSON.parse(text) ?? {}
}

/** Whether all problems can be looked for: a long text may have as many as it has characters. */
export const areShort = (text: unknown): boolean => Predicate.isString(text) && text.length <= maxSearched

export const parse = (text: unknown): Either.Either<unknown, string> =>
  Either.try({
    try: () => read(text),
    catch: (error) => `the arguments are not JSON: ${error instanceof Error ? error.message : String(error)}`
  }).pipe(
    Either.filterOrLeft(
      (value) => isWritable(value, maxNesting),
      () => `the arguments are nested deeper than ${maxNesting} levels`
    )
  )

interface Reading {
  readonly value: unknown
  /** Whether the value has the shape that the schema describes. */
  readonly fits: boolean
}

const types: Readonly<Record<string, (value: unknown) => boolean>> = {
  array: isList,
  boolean: Predicate.isBoolean,
  integer: (value) => Number.isInteger(value),
  null: Predicate.isNull,
  number: Predicate.isNumber,
  object: Predicate.isRecord,
  string: Predicate.isString
}

const hasType = ({ enum: values, type }: Json, value: unknown): boolean =>
  (type === undefined || (isList(type) ? type : [type]).some((name) => types[String(name)]?.(value) === true)) &&
  (!isList(values) || values.includes(value))

/**
 * In strict mode a model says `null` for an optional property that it leaves out. Takes those properties out again, as far
 * as the schema, in which they are optional, has no `null` there. Which member of a union a value belongs to is seen from
 * its shape, and each value is read once with each schema.
 */
export const withoutNulls = (schema: Json): (value: unknown) => unknown => {
  const definitions = definitionsOf(schema)

  const reader = () => {
    const known = new Map<unknown, Map<unknown, Reading>>()

    const read = (given: unknown, value: unknown): Reading => {
      if (!Predicate.isRecord(given)) return { value, fits: true }
      if (typeof value !== "object" || value === null) return readAs(given, value)
      const found = known.get(given)?.get(value)
      if (found !== undefined) return found
      const reading = readAs(given, value)
      known.set(given, (known.get(given) ?? new Map<unknown, Reading>()).set(value, reading))
      return reading
    }

    const readObject = ({ properties, required }: Json, value: Json): Reading => {
      const isRequired = new Set(isList(required) ? required : [])
      const known: Json = Predicate.isRecord(properties) ? properties : {}
      let fits = [...isRequired].every((name) => Object.hasOwn(value, String(name)))
      const entries = Object.entries(value).flatMap(([name, given]): ReadonlyArray<readonly [string, unknown]> => {
        const property = Object.hasOwn(known, name) ? known[name] : undefined
        if (property === undefined) fits = false
        if (given === null && !isRequired.has(name) && !admitsNull(property, definitions)) return []
        const reading = read(property, given)
        fits &&= reading.fits
        return [[name, reading.value]]
      })
      return { value: Object.fromEntries(entries), fits }
    }

    const readAs = (schema: Json, value: unknown): Reading => {
      const { $ref, allOf, anyOf, items } = schema
      if ($ref !== undefined) return read(resolve($ref, definitions), value)
      if (isList(allOf) && schema["type"] === undefined) return read(allOf[0], value)
      if (isList(anyOf)) {
        for (const one of anyOf) {
          const reading = read(one, value)
          if (reading.fits) return reading
        }
        return { value, fits: false }
      }
      if (!hasType(schema, value)) return { value, fits: false }
      if (isList(value)) {
        const readings = value.map((element) => read(items, element))
        return { value: readings.map((reading) => reading.value), fits: readings.every(({ fits }) => fits) }
      }
      return Predicate.isRecord(value) ? readObject(schema, value) : { value, fits: true }
    }

    return read
  }

  return (value) => reader()(schema, value).value
}
