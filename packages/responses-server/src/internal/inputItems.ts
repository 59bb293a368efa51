/** What may stand in the input. Kinds that are not known here pass: they grow without notice. */
import * as Predicate from "effect/Predicate"
import { invalid, missing, type Problem, wrongType, wrongValue } from "./problems.ts"

export type Json = Readonly<Record<string, unknown>>

export type Found = Problem | undefined

export const first = <A>(values: ReadonlyArray<A>, check: (value: A, index: number) => Found): Found => {
  for (const [index, value] of values.entries()) {
    const found = check(value, index)
    if (found !== undefined) return found
  }
  return undefined
}

export const texts = (value: Json, param: string, names: ReadonlyArray<string>): Found =>
  first(names, (name) => {
    const path = `${param}.${name}`
    if (Predicate.isNullable(value[name])) return missing(path)
    return Predicate.isString(value[name]) ? undefined : wrongType(path, "a string", value[name])
  })

/** One of these has to be there. */
const sources: Readonly<Record<string, ReadonlyArray<string>>> = {
  input_image: ["image_url", "file_id"],
  input_file: ["file_data", "file_url", "file_id"]
}

const part = (value: unknown, param: string): Found => {
  if (!Predicate.isRecord(value)) return wrongType(param, "an object", value)
  const { type } = value
  if (!Predicate.isString(type)) return missing(`${param}.type`)
  if (type === "input_text" || type === "output_text") return texts(value, param, ["text"])
  if (type === "refusal") return texts(value, param, ["refusal"])
  const names = sources[type]
  return names === undefined || names.some((name) => Predicate.isString(value[name]))
    ? undefined
    : missing(`${param}.${names[0]}`)
}

const content = (value: unknown, param: string): Found => {
  if (Predicate.isNullable(value)) return missing(param)
  if (Predicate.isString(value)) return undefined
  if (!Array.isArray(value)) return wrongType(param, "a string or an array of content parts", value)
  return first(value, (element: unknown, index) => part(element, `${param}[${index}]`))
}

const roles = ["user", "assistant", "system", "developer"]

const message = (item: Json, param: string): Found => {
  const { role } = item
  if (Predicate.isNullable(role)) return missing(`${param}.role`)
  if (!Predicate.isString(role)) return wrongType(`${param}.role`, "a string", role)
  return roles.includes(role) ? content(item["content"], `${param}.content`) : wrongValue(`${param}.role`, role, roles)
}

const efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]

const effort = (value: unknown, param: string): Found => {
  if (Predicate.isNullable(value)) return undefined
  if (!Predicate.isString(value)) return wrongType(param, "a string", value)
  return efforts.includes(value) ? undefined : wrongValue(param, value, efforts)
}

const format = (value: unknown, param: string): Found =>
  Predicate.isNullable(value)
    ? missing(param)
    : Predicate.isRecord(value)
    ? undefined
    : wrongType(param, "an object", value)

/** Which efforts a model has differs by model, and is not checked. */
const configurationUpdate = (item: Json, param: string): Found =>
  first([["reasoning", "effort", effort], ["text", "format", format]] as const, ([name, field, check]) => {
    const settings = item[name]
    if (Predicate.isNullable(settings)) return undefined
    return Predicate.isRecord(settings)
      ? check(settings[field], `${param}.${name}.${field}`)
      : wrongType(`${param}.${name}`, "an object", settings)
  })

export const item = (value: unknown, param: string): Found => {
  if (!Predicate.isRecord(value)) return wrongType(param, "an object", value)
  switch (value["type"]) {
    case undefined:
    case null:
    case "message":
      return message(value, param)
    case "function_call":
      return texts(value, param, ["call_id", "name", "arguments"])
    case "custom_tool_call":
      return texts(value, param, ["call_id", "name", "input"])
    case "function_call_output":
    case "custom_tool_call_output":
      return texts(value, param, ["call_id"]) ?? content(value["output"], `${param}.output`)
    case "reasoning":
      return Array.isArray(value["summary"]) ? undefined : missing(`${param}.summary`)
    case "configuration_update":
      return configurationUpdate(value, param)
    case "item_reference":
      return texts(value, param, ["id"])
    default:
      return Predicate.isString(value["type"]) ? undefined : wrongType(`${param}.type`, "a string", value["type"])
  }
}

export const input = (value: unknown, param: string): Found => {
  if (Predicate.isString(value)) return undefined
  if (!Array.isArray(value)) return wrongType(param, "a string or an array of items", value)
  const items: ReadonlyArray<unknown> = value
  return first(items, (element, index) => {
    const path = `${param}[${index}]`
    const isEarly = index < items.length - 1 && Predicate.isRecord(element) && element["type"] === "compaction_trigger"
    return isEarly
      ? invalid("invalid_value", "A 'compaction_trigger' must be the last item of the input.", path)
      : item(element, path)
  })
}
