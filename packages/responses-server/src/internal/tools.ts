/** What may stand among the tools: names, and parameters as the API takes them. Kinds that are not known here pass. */
import * as Predicate from "effect/Predicate"
import { first, type Found, type Json, texts } from "./inputItems.ts"
import { invalid, wrongType } from "./problems.ts"
import * as Schemas from "./schemas.ts"

const namePattern = /^[a-zA-Z0-9_-]+$/

const maxName = 64

const name = (value: string, param: string): Found => {
  const refuse = (code: string, what: string) => invalid(code, `Invalid '${param}': ${what}`, param)
  if (value === "") {
    return refuse(
      "empty_string",
      "empty string. Expected a string with minimum length 1, but got an empty string instead."
    )
  }
  if (value.length > maxName) {
    return refuse(
      "string_above_max_length",
      `string too long. Expected a string with maximum length ${maxName}, but got a string with length ${value.length} instead.`
    )
  }
  return namePattern.test(value) ? undefined : refuse(
    "invalid_value",
    `string does not match pattern. Expected a string that matches the pattern '${namePattern.source}'.`
  )
}

const parameters = ({ name, parameters: schema, strict }: Json, param: string): Found => {
  if (Predicate.isNullable(schema)) return undefined
  if (!Predicate.isRecord(schema)) return wrongType(param, "an object", schema)
  const problem = Schemas.problem(schema, strict === true)
  return problem === undefined
    ? undefined
    : invalid("invalid_function_parameters", `Invalid schema for function '${String(name)}': ${problem}`, param)
}

const tool = (value: unknown, param: string): Found => {
  if (!Predicate.isRecord(value)) return wrongType(param, "an object", value)
  const { type } = value
  if (type !== "function" && type !== "custom") return texts(value, param, ["type"])
  return texts(value, param, ["type", "name"]) ?? name(String(value["name"]), `${param}.name`) ??
    (type === "function" ? parameters(value, `${param}.parameters`) : undefined)
}

export const tools = (value: unknown, param: string): Found => {
  if (!Array.isArray(value)) return wrongType(param, "an array of tools", value)
  return first(value, (element: unknown, index) => tool(element, `${param}[${index}]`))
}

/** The format of an answer is a schema under the same rules. */
export const text = (value: unknown, param: string): Found => {
  if (!Predicate.isRecord(value)) return wrongType(param, "an object", value)
  const { format } = value
  if (!Predicate.isRecord(format) || format["type"] !== "json_schema") return undefined
  const where = `${param}.format`
  const { schema, strict } = format
  const missing = texts(format, where, ["name"]) ?? name(String(format["name"]), `${where}.name`)
  if (missing !== undefined) return missing
  if (!Predicate.isRecord(schema)) return wrongType(`${where}.schema`, "an object", schema)
  const problem = Schemas.problem(schema, strict === true)
  return problem === undefined ? undefined : invalid(
    "invalid_json_schema",
    `Invalid schema for response_format '${String(format["name"])}': ${problem}`,
    `${where}.schema`
  )
}
