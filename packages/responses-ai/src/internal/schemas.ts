/** The JSON Schemas that `@effect/ai` makes of tools and of answers, in the form that the API takes. */
import type { ResponseRequest } from "effect-responses/ResponseRequest"
import * as ResponseTool from "effect-responses/ResponseTool"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"

type Json = Readonly<Record<string, unknown>>

/** Whether no property is optional. Strict mode has none, and a toolkit would refuse the `null` that a model says instead. */
const isTotal = (schema: unknown): boolean => {
  if (Array.isArray(schema)) return schema.every(isTotal)
  if (!Predicate.isRecord(schema)) return true
  const { properties, required } = schema
  const isRequired = new Set<unknown>(Array.isArray(required) ? required : [])
  const names = Predicate.isRecord(properties) ? Object.keys(properties) : []
  return names.every((name) => isRequired.has(name)) && Object.values(schema).every(isTotal)
}

const strictly = (schema: Json): Either.Either<Json, unknown> =>
  isTotal(schema) ? ResponseTool.parameters(schema, { strict: true }) : Either.left("optional properties")

/** With a schema that strict mode cannot hold a model to it is not strict. What the API refuses either way stays as it is. */
const mended = <T extends Json>(holder: T, key: "parameters" | "schema"): T => {
  const given = holder[key]
  if (!Predicate.isRecord(given)) return holder
  const loose = Either.getOrElse(ResponseTool.parameters(given), () => given)
  if (holder["strict"] !== true) return { ...holder, [key]: loose }
  return Either.match(strictly(loose), {
    onLeft: () => ({ ...holder, [key]: loose, strict: false }),
    onRight: (schema) => ({ ...holder, [key]: schema })
  })
}

const mendedText = (text: object): object => {
  const format: unknown = Predicate.hasProperty(text, "format") ? text.format : undefined
  return Predicate.isRecord(format) && format["type"] === "json_schema"
    ? { ...text, format: mended(format, "schema") }
    : text
}

export const mend = (request: ResponseRequest): ResponseRequest => ({
  ...request,
  ...request.tools
    ? { tools: request.tools.map((tool) => tool.type === "function" ? mended({ ...tool }, "parameters") : tool) }
    : {},
  ...request.text ? { text: mendedText(request.text) } : {}
})
